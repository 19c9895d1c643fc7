"""The `marl-moe` command. Exit codes: 0 done, 1 failed on the way, 2 a mistake in what was asked for."""

import sys
from pathlib import Path
from typing import Annotated, NoReturn

import pandas as pd
import typer
from rich.console import Console
from rich.table import Table

from marl_moe.experiment.progress import shown_progress
from marl_moe.experiment.spec import ExperimentSpec, SpecError, load_experiment, shipped_experiments, unknown_key

app = typer.Typer(
    help="Mixture of Experts over mobile edge networks: train, evaluate and price edge experts.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
)
out = Console(soft_wrap=True, width=None if sys.stdout.isatty() else 120)
complaints = Console(stderr=True, soft_wrap=True)


@app.command(
    epilog="Examples: `marl-moe run case_study` · `marl-moe run my.yaml --set env.num_users=8 --seeds 5 --out results`"
)
def run(
    experiment: Annotated[
        str, typer.Argument(help="A YAML file, or the name of a shipped experiment (`marl-moe list`).")
    ],
    set_: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Override a key, e.g. env.num_users=8.")
    ] = None,
    seeds: Annotated[int | None, typer.Option(help="Number of seeds, in place of the file's.", min=1)] = None,
    out_folder: Annotated[Path, typer.Option("--out", help="Where run folders are made.")] = Path("results"),
) -> None:
    """Run an experiment: train, evaluate beside the other policies, record, draw."""
    overrides = [*(set_ or ()), *([f"seeds={seeds}"] if seeds is not None else ())]
    try:
        spec = load_experiment(experiment, overrides)
        _check_figures(spec.figures, experiment)
        from marl_moe.experiment.run import run_experiment

        with shown_progress(spec, out) as progress:
            try:
                finished = run_experiment(spec, out_folder, progress)
            except SpecError as error:
                raise SpecError(f"{experiment}: {error}") from None
    except SpecError as error:
        _complain(error, 2)
    except OSError as error:
        _complain(error, 1)
    out.print(_summary(spec, finished.evaluation))
    out.print(f"records  {finished.folder}")
    _draw(finished.folder, spec.figures, None)


@app.command(epilog="Example: `marl-moe figures results/case_study --out figures`")
def figures(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN...", help="Run folders.")],
    out_folder: Annotated[
        Path | None, typer.Option("--out", help="Folder for the figures; RUN/figures if left out.")
    ] = None,
) -> None:
    """Draw every figure that the tables of a run allow, and say what could not be drawn and why."""
    for folder in runs:
        try:
            _draw(folder, None, out_folder if out_folder is None or len(runs) == 1 else out_folder / folder.name)
        except (OSError, ValueError) as error:
            _complain(error, 2)


@app.command("list")
def list_() -> None:
    """List the experiments that are shipped."""
    table = Table("experiment", "file", box=None)
    for name, path in shipped_experiments().items():
        table.add_row(name, str(path))
    out.print(table)


def main() -> None:
    """Entry point of the `marl-moe` command."""
    app()


def _summary(spec: ExperimentSpec, evaluation: pd.DataFrame) -> Table:
    """Mean utility and gain of each policy with 95 % intervals, best first."""
    from paper_figures.statistics import mean_interval

    by = ("point", "policy")
    utility = mean_interval(evaluation, "utility", by).set_index([*by])
    gain = mean_interval(evaluation, "gain", by).set_index([*by])
    num_seeds = evaluation["seed"].nunique()
    over = f"{num_seeds} seeds" if num_seeds > 1 else f"{spec.evaluation.episodes} episodes of one seed"
    table = Table(title=f"{spec.name}: mean \\[95 % interval over {over}]", title_justify="left")
    columns = ("point", "policy") if spec.sweep else ("policy",)
    for column in columns:
        table.add_column(column)
    table.add_column("utility of a request, credits", justify="right", no_wrap=True)
    table.add_column("gain per slot and user, credits", justify="right", no_wrap=True)
    for point in evaluation["point"].unique():
        for policy in utility.loc[point, "mean"].sort_values(ascending=False).index:
            cells = [
                rf"{row['mean']:.3f} \[{row['low']:.3f}, {row['high']:.3f}]"
                for row in (utility.loc[(point, policy)], gain.loc[(point, policy)])
            ]
            table.add_row(*(point, policy)[-len(columns) :], *cells)
        table.add_section()
    return table


def _check_figures(names: list[str], experiment: str) -> None:
    from paper_figures import FIGURES

    for name in names:
        if name not in FIGURES:
            raise SpecError(f"{experiment}: figures: {unknown_key(name, list(FIGURES))}")


def _draw(folder: Path, names: list[str] | None, out_folder: Path | None) -> None:
    from paper_figures import draw

    written, refused = draw(folder, names, out_folder)
    for path in written:
        out.print(f"figure   {path}")
    for name, reason in refused.items():
        out.print(f"not drawn: {name}: {reason}")


def _complain(error: Exception, code: int) -> NoReturn:
    complaints.print(str(error), style="red", markup=False, highlight=False)
    raise typer.Exit(code)
