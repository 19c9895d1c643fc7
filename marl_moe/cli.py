"""The `marl-moe` command.

Exit codes: 0 done; 1 failed on the way (a full disk, an unwritable folder, a loss that is not
finite); 2 a mistake in what was asked for; 130 interrupted, and `marl-moe resume` continues.
"""

import json
from pathlib import Path
from typing import Annotated

import typer

from marl_moe import __version__
from marl_moe.errors import RecordError, SpecError
from marl_moe.experiment.spec.experiment import experiment_schema
from marl_moe.experiment.spec.reading import load_experiment
from marl_moe.experiment.spec.yaml_loader import written_yaml
from marl_moe.terminal.commands import app as results_app
from marl_moe.terminal.console import INTERRUPTED, check_printed, complain, result, say
from marl_moe.terminal.ending import standing_streams
from marl_moe.terminal.finish import draw_figures, finish_run
from marl_moe.terminal.once import OnceTyper
from marl_moe.terminal.options import Folder, NoReport, Trust
from marl_moe.text.commands import app as text_app
from mechanisms.errors import FAILURES_OF_PARTS

app = OnceTyper(
    help="Mixture of Experts over mobile edge networks: train, evaluate and price edge experts.\n\n"
    "Exit codes: 0 done, 1 failed on the way, 2 a mistake in what was asked for, 130 interrupted.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
)
app.add_typer(results_app)
app.add_typer(text_app)


def _print_version(wanted: bool) -> None:
    if wanted:
        result(__version__)
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool,
        typer.Option(
            "--version", help="Print the version and stop.", callback=_print_version, is_eager=True
        ),
    ] = False,
) -> None:
    """Take the options of the command itself; its help text is that of `app`."""


@app.command(
    epilog="Examples: `marl-moe run case_study` · `marl-moe run my.yaml --set env.num_users=8 "
    "--seeds 5 --out results`"
    " · `marl-moe run contention --set 'sweep.env.num_users=[8,16]' --dry-run`",
)
def run(
    experiment: Annotated[
        str,
        typer.Argument(help="A YAML file, or the name of a shipped experiment (`marl-moe list`)."),
    ],
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Override a key, e.g. env.num_users=8."),
    ] = None,
    size: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="One of the file's `sizes`, such as smoke or fast."),
    ] = None,
    seeds: Annotated[
        int | None, typer.Option(help="Number of seeds, in place of the file's.", min=1)
    ] = None,
    out_folder: Annotated[Path, typer.Option("--out", help="Where run folders are made.")] = Path(
        "results"
    ),
    import_: Annotated[
        list[Path] | None,
        typer.Option(
            "--import", metavar="FILE", help="Code of your own, beside the file's imports."
        ),
    ] = None,
    address: Annotated[
        str | None,
        typer.Option(
            help="Ray cluster to run on, in place of the file's: host:port, auto, or local."
        ),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Check, print the whole YAML and its size, stop.")
    ] = False,
    no_report: NoReport = False,
) -> None:
    """Run an experiment: train, evaluate beside the other policies, record, draw."""
    options = {f"--seeds {seeds}": f"seeds={seeds}"} if seeds is not None else {}
    if address is not None:
        options[f"--address {address}"] = f"cluster.address={json.dumps(address)}"
    try:
        spec = load_experiment(experiment, set_ or (), size, imports=import_ or (), options=options)
        from marl_moe.experiment.run.creation import create_run
        from marl_moe.experiment.run.size import describe_run, notes

        try:
            if dry_run:
                result(written_yaml(spec.as_given()) + describe_run(spec, out_folder))
                return
            begun = create_run(spec, out_folder)
        except SpecError as error:
            lines = str(error).splitlines()
            raise SpecError("\n".join(f"{experiment}: {line}" for line in lines)) from None
    except SpecError as error:
        complain(error, 2)
    except OSError as error:
        complain(error, 1)
    say(*notes(begun.points))
    finish_run(begun, reports=not no_report)


@app.command(
    epilog="Examples: `marl-moe resume results/case_study` · `marl-moe resume results/cluster "
    "--address auto` · `marl-moe resume results/case_study --seeds 5 --policies nash`",
)
def resume(
    run_folder: Folder,
    address: Annotated[
        str | None,
        typer.Option(
            help="Ray cluster to go on with: host:port or auto; this machine if left out, wherever "
            "it began."
        ),
    ] = None,
    epochs: Annotated[
        int | None, typer.Option(help="Epochs a seed in all, more than the run has.", min=1)
    ] = None,
    seeds: Annotated[
        int | None, typer.Option(help="Number of seeds in all, more than the run has.", min=1)
    ] = None,
    episodes: Annotated[
        int | None,
        typer.Option(
            help="Episodes of evaluation a policy and seed in all, more than before.", min=1
        ),
    ] = None,
    policies: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME,...", help="Policies to compare beside those of the run."),
    ] = None,
    no_report: NoReport = False,
    trust: Trust = False,
) -> None:
    """Continue a run that was interrupted or killed, or extend it: what is done is kept.

    Training goes on from its last checkpoint to the same weights. Where there is none it begins a
    seed again: with RLlib's stock algorithms, and with --epochs unless the experiment has
    algorithm.stop.keep_checkpoint.
    """
    from marl_moe.experiment.run.checks import check_figures
    from marl_moe.experiment.run.folder import RunFolder
    from marl_moe.experiment.run.sitting import begin_sitting
    from marl_moe.experiment.spec.extension import Extension, listed

    try:
        extension = Extension(epochs, seeds, episodes, listed(policies or ()))
        begun = RunFolder.read(run_folder, address, trust=trust, extension=extension)
        begun.check_trusted(trust=trust)
        check_figures(begun.spec, str(run_folder))
        begin_sitting(begun, extension)
    except (SpecError, RecordError) as error:
        complain(error, 2)
    except OSError as error:
        complain(f"{error}; to continue: marl-moe resume {run_folder}", 1)
    finish_run(begun, reports=not no_report)


@app.command(
    epilog="Examples: `marl-moe evaluate results/quickstart --policy sac --policy nash --episodes "
    "200`"
    " · `marl-moe evaluate results/quickstart --policy sac --video sac.gif`",
)
def evaluate(
    run_folder: Folder,
    policy: Annotated[
        list[str] | None,
        typer.Option(help="A policy, learned or not; those of the experiment if left out."),
    ] = None,
    episodes: Annotated[
        int | None,
        typer.Option(help="Episodes a policy and seed; the experiment's if left out.", min=1),
    ] = None,
    out_file: Annotated[
        Path | None,
        typer.Option(
            "--out", metavar="FILE", help="A new file for the rows behind it, .csv or .parquet."
        ),
    ] = None,
    video: Annotated[
        Path | None,
        typer.Option(
            help="Instead of the table, film a policy's first episode (.gif; .mp4 with ffmpeg; "
            ".png: its middle slot); of several policies each, its name before the suffix."
        ),
    ] = None,
    trust: Trust = False,
) -> None:
    """Play policies again in the worlds of a run, learned ones as kept; print the table."""
    from marl_moe.experiment.run.folder import RunFolder
    from marl_moe.experiment.run.replay import check_rows_file, evaluate_run, film_run, write_rows
    from marl_moe.terminal.results import print_results

    if video is not None:
        for option, given in (("--episodes", episodes), ("--out", out_file)):
            if given is not None:
                complain(f"{option}: --video films one episode in place of a table", 2)
    try:
        if out_file is not None:
            check_rows_file(out_file)
        run = RunFolder.read(run_folder, trust=trust)
        if video is not None:
            for file in film_run(run, policy or [], video):
                say(f"video    {file}")
            return
        evaluation = evaluate_run(run, policy, episodes)
    except (SpecError, RecordError) as error:
        complain(error, 2)
    except (OSError, *FAILURES_OF_PARTS) as error:
        complain(error, 1)
    except KeyboardInterrupt:
        complain("interrupted", INTERRUPTED)
    print_results(run, "evaluation", evaluation)
    if out_file is None:
        check_printed()
        return
    try:
        write_rows(evaluation, run.spec.metrics, out_file)
    except OSError as error:
        complain(error, 1)
    say(f"rows     {out_file}")


@app.command(
    epilog="Examples: `marl-moe figures results/case_study --out figures` · `marl-moe figures "
    "results/contention --figure contention --set width=column --set 'policies=[sac,crowd]' --set "
    "labels.sac=Ours` · `marl-moe figures results/a results/b --compare --out both`"
)
def figures(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN...", help="Run folders.")],
    figure: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="A figure to draw; all that are possible if left out."),
    ] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="OPTION=VALUE",
            help="Set an option: as, metric, policies, labels, xlim, ylim, xscale, yscale, width, "
            "legend, letters, interval.",
        ),
    ] = None,
    compare: Annotated[
        bool,
        typer.Option(
            "--compare", help="Draw the runs together: sac (A), sac (B), ...; needs --out."
        ),
    ] = False,
    out_folder: Annotated[
        Path | None, typer.Option("--out", help="Folder for the figures; RUN/figures if left out.")
    ] = None,
    trust: Trust = False,
) -> None:
    """Draw every figure that a run's tables allow, and say which could not be drawn and why.

    Figures that the experiment lists are drawn with its options, which --set overrides. Each is
    written as PDF and PNG, with what was drawn as CSV. The figures of several runs go to a folder
    each below `--out`, named as the run; with --compare they are one.
    """
    from marl_moe.experiment.run.folder import EXPERIMENT, use_code
    from marl_moe.experiment.spec.figures import chosen_figures, entries_of
    from marl_moe.figures import folders_apart

    apart = folders_apart(runs)
    if compare and (out_folder is None or len(apart) < 2):
        complain("--compare: needs two runs or more, and --out FOLDER", 2)
    try:
        chosen = {}
        for run in apart:
            use_code(run, trust=trust)
            listed = [] if compare else entries_of(run / EXPERIMENT)
            chosen[run] = chosen_figures(listed, figure or (), set_ or ())
    except SpecError as error:
        complain(error, 2)
    if compare:
        assert out_folder is not None
        all_drawn = draw_figures(list(apart), chosen[runs[0]], out_folder, named=bool(figure))
    else:
        all_drawn = True
        for folder, below in apart.items():
            to = out_folder if out_folder is None or len(apart) == 1 else out_folder / below
            all_drawn &= draw_figures([folder], chosen[folder], to, named=bool(figure))
    if not all_drawn:
        raise typer.Exit(1)


@app.command("list", epilog="Example: `marl-moe list`")
def list_() -> None:
    """List shipped experiments, and policies, mechanisms and other parts by name."""
    from marl_moe.terminal.catalogue import catalogue

    try:
        lines = catalogue()
    except SpecError as error:
        complain(error, 2)
    result(*lines)


@app.command(epilog="Example: `marl-moe schema > experiment.schema.json`")
def schema() -> None:
    """Print the JSON Schema of an experiment's YAML, for completion and checks in an editor."""
    result(json.dumps(experiment_schema(), indent=2))


def main() -> None:
    """Entry point of the `marl-moe` command."""
    with standing_streams():
        app()
