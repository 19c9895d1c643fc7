"""Commands that read what runs came to: `show`, `runs`, `report`, `compare`, `export`."""

import json
from pathlib import Path
from typing import Annotated, Literal

import typer

from marl_moe.errors import RecordError, SpecError
from marl_moe.terminal.console import check_printed, complain, out, result, say
from marl_moe.terminal.once import OnceTyper
from marl_moe.terminal.options import Folder, Metrics, Trust

app = OnceTyper()

TYPESET = ("latex", "markdown")
COMPARED = ("gain", "welfare")  # metrics of `compare`, and those of the other sides


@app.command(epilog="Example: `marl-moe show results/quickstart`")
def show(run_folder: Folder, trust: Trust = False) -> None:
    """Print the tables of a finished run again, as `marl-moe run` ended with them.

    Nothing is played, trained or drawn.
    """
    from marl_moe.experiment.run.evaluated import unfinished
    from marl_moe.experiment.run.folder import RunFolder
    from marl_moe.terminal.results import print_results
    from marl_moe.terminal.search import print_judged

    try:
        run = RunFolder.read(run_folder, trust=trust, to_play=False)
        tables = run.tables()
        left = len(run.left_of(tables))
        if left or run.spec.search is not None:
            complain(unfinished(run, left), 2)
        table, results = run.results(tables)
    except (SpecError, RecordError) as error:
        complain(error, 2)
    except OSError as error:
        complain(error, 1)
    print_results(run, table, results)
    print_judged(run)
    check_printed()


@app.command(epilog="Examples: `marl-moe runs` · `marl-moe runs results/old`")
def runs(
    folder: Annotated[
        Path, typer.Argument(metavar="FOLDER", help="Folder that the run folders are in.")
    ] = Path("results"),
) -> None:
    """List the runs in a folder: when they began, how far they are, what the best policy gains.

    Of the policies that learned it is the one of greatest gain at any sweep point. Runs that are
    under way show how many jobs are done.
    """
    from marl_moe.experiment.run.folder import EXPERIMENT
    from marl_moe.experiment.run.listing import list_runs
    from marl_moe.terminal.listing import runs_table

    if not folder.is_dir():
        complain(f"{folder}: there is no such folder", 2)
    if (folder / EXPERIMENT).is_file():
        complain(f"{folder}: is a run; marl-moe show {folder}, or marl-moe runs {folder.parent}", 2)
    try:
        listed, others = list_runs(folder)
    except OSError as error:
        complain(error, 1)
    if listed:
        result(runs_table(str(folder), listed))
    else:
        say(f"{folder}: no runs")
    say(*(f"not read {reason}" for reason in others.values()))
    check_printed()


@app.command(
    epilog="Examples: `marl-moe report results/quickstart` · "
    "`marl-moe report results/contention results/contention-2 --out both.html`"
)
def report(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN...", help="Run folders.")],
    out_file: Annotated[
        Path | None,
        typer.Option(
            "--out", metavar="FILE", help="A new file; RUN/report.html of one run if left out."
        ),
    ] = None,
    point: Annotated[
        str | None,
        typer.Option(metavar="LABEL", help="Sweep point whose episode it plays; the first."),
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of that episode; the first.")] = None,
    episodes: Annotated[int, typer.Option(help="Episodes that it plays.", min=1)] = 1,
    trust: Trust = False,
) -> None:
    """Write a page of runs to look at: results, training, market, an episode, and comparison.

    It is one HTML file, which needs no network. Several runs are compared in it; the episode is one
    of the first.
    """
    from marl_moe.report.page import Played, write_report
    from marl_moe.terminal.progress import shown_step

    try:
        played = Played(point, seed, episodes)
        with shown_step("report", out) as on_step:
            written = write_report(runs, out_file, played=played, trust=trust, on_step=on_step)
    except (SpecError, RecordError) as error:
        complain(error, 2)
    except OSError as error:
        complain(error, 1)
    say(f"report   {written}")


@app.command(
    epilog="Examples: `marl-moe compare results/contention results/contention-2` · "
    "`marl-moe compare A B --metrics gain,share_of_equilibrium`"
)
def compare(
    first: Annotated[Path, typer.Argument(metavar="A", help="A run folder.")],
    second: Annotated[Path, typer.Argument(metavar="B", help="Another run folder.")],
    metrics: Metrics = None,
    trust: Trust = False,
) -> None:
    """Print what differs between two experiments, and what policies of both came to: B less A.

    Policies are compared at the sweep points that both runs have: world by world where the seeds
    and the worlds of the evaluation are the same, else by their means over seeds, and it says so.
    Without --metrics these are gain, where anybody pays welfare, and where other sides learn what
    they chose and have left to gain.
    """
    import pandas as pd

    from marl_moe.experiment.run.comparison import compare as compared
    from marl_moe.experiment.run.comparison import differences, read_side
    from marl_moe.terminal.comparison import comparison_table, differences_table
    from marl_moe.terminal.summary import OF_SIDES, chosen_metrics

    try:
        a, b = (read_side(path, trust=trust) for path in (first, second))
        own = [metric for metric in a.metrics if metric in b.metrics]
        rows = pd.concat([a.evaluation, b.evaluation])
        headings = chosen_metrics(metrics or (), own, rows, (*COMPARED, *OF_SIDES))
        table, unpaired = compared(a, b, list(headings))
    except (SpecError, RecordError) as error:
        complain(error, 2)
    except OSError as error:
        complain(error, 1)
    say(f"A        {first}", f"B        {second}")
    differing = differences(a, b)
    if differing:
        result(differences_table(differing))
    else:
        say("no key of the experiments differs")
    result(comparison_table(table, headings, unpaired))


@app.command(
    epilog="Examples: `marl-moe export results/contention --format csv --out contention.csv` · "
    "`marl-moe export results/contention --format latex --out contention.tex --metrics "
    "gain,share_of_equilibrium --plus-minus`"
)
def export(
    run_folder: Folder,
    out_file: Annotated[Path, typer.Option("--out", metavar="FILE", help="A new file.")],
    format_: Annotated[
        Literal["marl-eval", "csv", "latex", "markdown"],
        typer.Option(
            "--format",
            help="marl-eval: JSON for InstaDeep's marl-eval; csv: means with their intervals; "
            "latex, markdown: a table of policies for a paper or a page, the best in bold.",
        ),
    ] = "marl-eval",
    metrics: Metrics = None,
    plus_minus: Annotated[
        bool,
        typer.Option("--plus-minus", help="1.234 ± 0.034 in place of 1.234 [1.200, 1.268]."),
    ] = False,
    caption: Annotated[
        str | None,
        typer.Option(
            metavar="TEXT", help="Begins the caption, as plain text; the run's name if left out."
        ),
    ] = None,
    label: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Of LaTeX's \\\\label; tab:NAME of the run if left out."),
    ] = None,
    trust: Trust = False,
) -> None:
    """Write the results of a run for marl-eval, or as a table of means with 95 % intervals."""
    from marl_moe.experiment.run.evaluated import check_evaluated
    from marl_moe.experiment.run.folder import RunFolder
    from marl_moe.terminal.summary import COLUMNS, OF_SIDES, chosen_metrics
    from marl_moe.whole_file import check_new, write_text
    from paper_figures import load_tables
    from paper_figures.export import marl_eval
    from paper_figures.means import means
    from paper_figures.policy_table import policy_table
    from paper_figures.sides import with_left_to_gain
    from paper_figures.statistics import interval_label
    from paper_figures.typeset import latex, markdown

    typeset = {"--metrics": metrics, "--plus-minus": plus_minus, "--caption": caption}
    for option, given in (*typeset.items(), ("--label", label)):
        formats = TYPESET[:1] if option == "--label" else TYPESET
        if given and format_ not in formats:
            complain(f"{option}: is of --format {' or '.join(formats)}", 2)
    note = ""
    try:
        run = RunFolder.read(run_folder, trust=trust)
        check_new(out_file)
        check_evaluated(run)
        spec = run.spec
        tables = load_tables(run_folder)
        if format_ == "csv":
            table = means(tables, spec.metrics)
            note = interval_label(table)
            results = table.to_csv(index=False, float_format="%.6g", lineterminator="\n")
        elif format_ == "marl-eval":
            results = json.dumps(marl_eval(tables, spec.name, spec.metrics), allow_nan=False) + "\n"
        else:
            evaluation = with_left_to_gain(tables)
            usual = (*COLUMNS, *OF_SIDES)
            headings = chosen_metrics(metrics or (), spec.metrics, evaluation, usual)
            rows = policy_table({"evaluation": evaluation}, headings)
            note, title = rows.intervals, caption or spec.name
            if format_ == "latex":
                results = latex(rows, title, label or f"tab:{spec.name}", plus_minus)
            else:
                results = markdown(rows, title, plus_minus)
        write_text(out_file, results)
    except (FileNotFoundError, ValueError) as error:
        complain(error, 2)
    except OSError as error:
        complain(error, 1)
    say(f"exported {out_file}", *([note] if note else []))
