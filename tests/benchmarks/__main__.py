"""Benchmarks of speed, memory and growth side by side; `make bench` runs everything.

Each command writes a table (benchmarks.csv), its figures and the machine (environment.json) into a
folder of its own.
"""

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from math import inf
from pathlib import Path
from typing import Annotated

import array_api
import channel_speed
import cluster_speed
import growth
import mechanism_scale
import mechanism_speed
import memory
import pandas as pd
import quality_report
import report
import role_speed
import scale
import tuning
import typer
import update_speed
import world_speed
from matplotlib.figure import Figure
from report import Measurement, Told
from rich.console import Console
from time_to_quality import Caps

from marl_moe.experiment.run.folder import create_run_folder

app = typer.Typer(
    help=__doc__, no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False
)
console = Console(width=None if sys.stdout.isatty() else 140)

Out = Annotated[
    Path,
    typer.Option("--out", help="Folder to write to; -2, -3 ... is put behind it if it exists."),
]
QUIET_LOAD = 0.5
LINE_EVERY_S = 20.0
RESULTS = Path("results/benchmarks")
SHORT, LONG = Caps(rllib_s=60, ours_s=60), Caps(rllib_s=900, ours_s=120)


@app.command()
def world(out: Out = RESULTS) -> None:
    """Measure agent steps a second of the world, and env steps a second of the PettingZoo view."""
    with _progress() as told:
        rows = world_speed.measure(told=told)
    _report(out, rows)


@app.command()
def updates(out: Out = RESULTS) -> None:
    """Measure updates a second, our learner in RLlib beside a bare PyTorch loop, by section."""
    with _progress() as told:
        rows = update_speed.measure(told=told)
    _report(out, rows)


@app.command()
def quality(
    out: Out = RESULTS,
    stock_cap: Annotated[
        float, typer.Option(help="Seconds of a run of RLlib's stock SAC at most.")
    ] = LONG.rllib_s,
    cap: Annotated[float, typer.Option(help="Seconds of a run of ours at most.")] = LONG.ours_s,
    seeds: Annotated[int, typer.Option(help="Seeds of the cells with the pointer.", min=1)] = 3,
    mlp_seeds: Annotated[int, typer.Option(help="Seeds of the cells with an mlp.", min=1)] = 1,
) -> None:
    """Measure time to 50 % and 85 % of the equilibrium: {stock SAC, ours} x {mlp, pointer}."""
    with _progress() as told:
        rows, curves = quality_report.measure(Caps(stock_cap, cap), seeds, mlp_seeds, told=told)
    _report(out, rows, curves)


@app.command("memory")
def memory_(
    out: Out = RESULTS,
    stock: Annotated[
        bool, typer.Option("--stock", help="Measure RLlib's stock SAC too (minutes).")
    ] = False,
) -> None:
    """Measure the peak memory of a run whose replay holds 200,000 agent transitions at 16 users."""
    with _progress() as told:
        rows = memory.measure(stock=stock, told=told)
    _report(out, rows)


@app.command("growth")
def growth_(out: Out = RESULTS) -> None:
    """Measure the cost of an update and of a step for 1 to 256 users and 30 to 1,000 experts."""
    with _progress() as told:
        rows = growth.measure(told=told)
    _report(out, rows)


@app.command("scale")
def scale_(out: Out = RESULTS) -> None:
    """Measure a slot, a reset and an equilibrium up to 3,000 users and 10,000 experts."""
    with _progress() as told:
        rows = scale.measure(told=told)
    _report(out, rows)


@app.command("mechanisms")
def mechanisms_(out: Out = RESULTS) -> None:
    """Measure clearings (own path, CVXPY, solver alone; at scale) and training under them."""
    with _progress() as told:
        rows = mechanism_speed.measure(told=told) + mechanism_scale.measure(told=told)
        rows += mechanism_speed.measure_training(told=told)
    _report(out, rows)


@app.command("array_api")
def array_api_(
    out: Out = RESULTS,
    device: Annotated[str, typer.Option(help="Where torch's arrays lie: cpu, cuda.")] = "cpu",
) -> None:
    """Measure a slot: the world, its array-API port on NumPy and on torch, two processes.

    Not part of `all`.
    """
    with _progress() as told:
        rows = array_api.measure(device=device, told=told)
    _report(out, rows)


@app.command("channel")
def channel_(out: Out = RESULTS) -> None:
    """Measure a slot under each channel process; not part of `all`."""
    with _progress() as told:
        rows = channel_speed.measure(told=told)
    _report(out, rows)


@app.command("roles")
def roles_(out: Out = RESULTS) -> None:
    """Measure training of three roles beside that of users alone; not part of `all`."""
    with _progress() as told:
        rows = role_speed.measure(told=told)
    _report(out, rows)


@app.command("cluster")
def cluster_(out: Out = RESULTS) -> None:
    """Measure remote env runners and learners, beside a model of more; not part of `all`."""
    with _progress() as told:
        rows = cluster_speed.measure(told=told)
    _report(out, rows)


@app.command("all")
def all_(
    out: Out = RESULTS,
    long: Annotated[
        bool,
        typer.Option(
            "--long", help="Let runs of stock SAC take 15 minutes each, and measure its memory."
        ),
    ] = False,
) -> None:
    """Measure everything above, one after the other."""
    with _progress() as told:
        rows = (
            world_speed.measure(told=told)
            + update_speed.measure(told=told)
            + memory.measure(stock=long, told=told)
        )
        rows += growth.measure(told=told) + scale.measure(told=told)
        rows += mechanism_speed.measure(told=told) + mechanism_scale.measure(told=told)
        rows += mechanism_speed.measure_training(told=told)
        quality_rows, curves = quality_report.measure(LONG if long else SHORT, told=told)
    _report(out, rows + quality_rows, curves)


@app.command()
def tune(
    out: Out = RESULTS,
    budget: Annotated[
        float, typer.Option(help="CPU seconds of each setting in each cell.")
    ] = tuning.BUDGET_S,
) -> None:
    """Measure anew the settings that the cells of `quality` choose from."""
    folder = create_run_folder(out.parent, out.name)
    rows = []
    with _progress() as told:
        for row in tuning.tune(budget, told):
            rows.append(row)
            report.write(folder, {tuning.RESULT_FILE.stem: pd.DataFrame(rows)}, {})
    console.print(
        f"Written to {folder}; copied to {tuning.RESULT_FILE}, tuning.csv is what is chosen by."
    )


def _report(out: Path, rows: list[Measurement], curves: pd.DataFrame | None = None) -> None:
    """Print the table and write everything."""
    table = report.frame(rows)
    tables = {"benchmarks": table}
    figures: dict[str, Callable[[], Figure]] = {}
    if curves is not None:
        tables["learning_curves"] = curves
        figures["time_to_quality"] = lambda: quality_report.draw(curves)
    drawn = {
        "growth": growth,
        "scale": scale,
        "updates": update_speed,
        "world": world_speed,
        "memory": memory,
        "cluster": cluster_speed,
    }
    for name, module in drawn.items():
        if (table["benchmark"] == name).any():
            figures[name] = lambda module=module: module.draw(table)
    folder = create_run_folder(out.parent, out.name)
    report.write(folder, tables, figures)
    console.print(report.terminal_table(rows))
    where = report.machine()
    console.print(
        f"{where['cpu']}, {where['cpu_count']} cores, {where['platform']}, commit {where['commit']}"
    )
    console.print(f"Written to {folder}")


@contextmanager
def _progress() -> Iterator[Told]:
    """Show what is being measured: in place on a terminal, otherwise a line every now and then.

    It is redrawn once a second only, since the drawing takes its time from what is being timed.
    """
    last_line = -inf
    load = os.getloadavg()[0]
    if load > QUIET_LOAD:
        console.print(
            f"Other work is going on here (load average {load:.1f}): trust ratios rather than "
            "rates."
        )

    def told(what: str) -> None:
        nonlocal last_line
        if console.is_terminal:
            status.update(what)
        elif time.monotonic() - last_line >= LINE_EVERY_S:
            last_line = time.monotonic()
            console.print(what)

    with console.status("starting", refresh_per_second=1) as status:
        yield told


if __name__ == "__main__":
    app()
