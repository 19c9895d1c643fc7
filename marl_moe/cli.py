"""The `marl-moe` command.

Exit codes: 0 done; 1 failed on the way (a full disk, an unwritable folder, a loss that is not
finite); 2 a mistake in what was asked for; 130 interrupted, and `marl-moe resume` continues.
"""

import json
from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.table import Table

from marl_moe import __version__
from marl_moe.errors import RecordError, SpecError
from marl_moe.experiment.spec.experiment import experiment_schema
from marl_moe.experiment.spec.reading import load_experiment, shipped_experiments
from marl_moe.terminal.console import complain, out
from marl_moe.terminal.finish import draw_figures, finish_run
from marl_moe.terminal.options import Trust
from marl_moe.text.commands import app as text_app
from mechanisms.errors import FAILURES_OF_PARTS

app = typer.Typer(
    help="Mixture of Experts over mobile edge networks: train, evaluate and price edge experts.\n\n"
    "Exit codes: 0 done, 1 failed on the way, 2 a mistake in what was asked for, 130 interrupted.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
)
app.add_typer(text_app)

Folder = Annotated[Path, typer.Argument(metavar="RUN", help="A run folder.")]


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(__version__)
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
    " · `marl-moe run contention --set 'sweep.env.num_users=[16]' --dry-run`"
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
) -> None:
    """Run an experiment: train, evaluate beside the other policies, record, draw."""
    overrides = [*(set_ or ()), *([f"seeds={seeds}"] if seeds is not None else ())]
    if address is not None:
        overrides.append(f"cluster.address={json.dumps(address)}")
    try:
        spec = load_experiment(experiment, overrides, size, imports=import_ or ())
        from marl_moe.experiment.run.creation import create_run, describe_run

        try:
            if dry_run:
                out.print(spec.to_yaml() + describe_run(spec), markup=False, highlight=False)
                return
            begun = create_run(spec, out_folder)
        except SpecError as error:
            raise SpecError(f"{experiment}: {error}") from None
    except SpecError as error:
        complain(error, 2)
    except OSError as error:
        complain(error, 1)
    finish_run(begun)


@app.command(
    epilog="Examples: `marl-moe resume results/case_study` · `marl-moe resume results/cluster "
    "--address auto`"
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
    trust: Trust = False,
) -> None:
    """Continue a run that was interrupted or killed: what is done is kept.

    Training goes on from its last checkpoint to the same weights; RLlib's stock algorithms begin a
    seed again.
    """
    from marl_moe.experiment.run.creation import check_figures
    from marl_moe.experiment.run.folder import RunFolder

    try:
        begun = RunFolder.read(run_folder, address, trust=trust)
        begun.check_trusted(trust=trust)
        check_figures(begun.spec, str(run_folder))
    except SpecError as error:
        complain(error, 2)
    finish_run(begun)


@app.command(
    epilog="Examples: `marl-moe evaluate results/quickstart --policy sac --policy nash --episodes "
    "200`"
    " · `marl-moe evaluate results/quickstart --policy sac --video sac.gif`"
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
    video: Annotated[
        Path | None,
        typer.Option(
            help="Instead of the table, film the first policy's first episode (.gif; .mp4 with "
            "ffmpeg)."
        ),
    ] = None,
    trust: Trust = False,
) -> None:
    """Play policies again in the worlds of a run, learned ones as kept; print the table."""
    from marl_moe.experiment.run.folder import RunFolder
    from marl_moe.experiment.run.replay import evaluate_run, film_run
    from marl_moe.terminal.results import print_evaluation

    try:
        run = RunFolder.read(run_folder, trust=trust)
        if video is not None:
            film_run(run, policy[0] if policy else None, video)
            out.print(f"video    {video}")
            return
        evaluation = evaluate_run(run, policy, episodes)
    except (SpecError, RecordError) as error:
        complain(error, 2)
    except (OSError, *FAILURES_OF_PARTS) as error:
        complain(error, 1)
    print_evaluation(run.spec, evaluation)


@app.command(epilog="Example: `marl-moe figures results/case_study --out figures`")
def figures(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN...", help="Run folders.")],
    out_folder: Annotated[
        Path | None, typer.Option("--out", help="Folder for the figures; RUN/figures if left out.")
    ] = None,
    trust: Trust = False,
) -> None:
    """Draw every figure that a run's tables allow, and say which could not be drawn and why."""
    from marl_moe.experiment.run.folder import use_code

    for folder in runs:
        try:
            use_code(folder, trust=trust)
        except SpecError as error:
            complain(error, 2)
        draw_figures(
            folder,
            None,
            out_folder if out_folder is None or len(runs) == 1 else out_folder / folder.name,
        )


@app.command(
    epilog="Example: `marl-moe export results/contention --format csv --out contention.csv`"
)
def export(
    run_folder: Annotated[Path, typer.Argument(metavar="RUN", help="Run folder.")],
    out_file: Annotated[Path, typer.Option("--out", metavar="FILE", help="File to write.")],
    format_: Annotated[
        Literal["marl-eval", "csv"],
        typer.Option(
            "--format",
            help="marl-eval: JSON for InstaDeep's marl-eval; csv: means with their intervals.",
        ),
    ] = "marl-eval",
    trust: Trust = False,
) -> None:
    """Write the results of a run for marl-eval, or as a table of means with 95 % intervals."""
    from marl_moe.experiment.run.folder import read_experiment
    from marl_moe.whole_file import write_text
    from paper_figures import load_tables
    from paper_figures.export import marl_eval
    from paper_figures.means import means

    try:
        spec = read_experiment(run_folder, trust=trust)
        tables = load_tables(run_folder)
        if format_ == "csv":
            results = means(tables, spec.metrics).to_csv(
                index=False, float_format="%.6g", lineterminator="\n"
            )
        else:
            results = json.dumps(marl_eval(tables, spec.name, spec.metrics), allow_nan=False) + "\n"
        write_text(out_file, results)
    except (FileNotFoundError, ValueError) as error:
        complain(error, 2)
    except OSError as error:
        complain(error, 1)
    out.print(f"exported {out_file}")


@app.command("list", epilog="Example: `marl-moe list`")
def list_() -> None:
    """List shipped experiments, and policies, mechanisms and other parts by name."""
    import mechanisms
    from envs.channel import CHANNELS
    from marl_moe.metrics import METRICS
    from marl_moe.plugins import load_installed
    from marl_moe.policies import POLICIES
    from paper_figures import FIGURES

    try:
        load_installed()
    except SpecError as error:
        complain(error, 2)
    table = Table("experiment", "sizes", "file", box=None)
    for name, path in shipped_experiments().items():
        table.add_row(name, ", ".join(load_experiment(name).sizes), str(path))
    out.print(table)
    for kind, names in (
        ("policies", POLICIES),
        ("mechanisms", mechanisms.names()),
        ("channel processes", CHANNELS.names()),
        ("figures", FIGURES),
        ("metrics", METRICS.names()),
    ):
        if names:  # of metrics only plugins have any
            out.print(f"{kind}: {', '.join(names)}", highlight=False)


@app.command(epilog="Example: `marl-moe schema > experiment.schema.json`")
def schema() -> None:
    """Print the JSON Schema of an experiment's YAML, for completion and checks in an editor."""
    typer.echo(json.dumps(experiment_schema(), indent=2))


def main() -> None:
    """Entry point of the `marl-moe` command."""
    app()
