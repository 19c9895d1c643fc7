"""Results of benchmarks: rows, a table on the terminal, CSV, figures and the machine."""

import json
import platform
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from pathlib import Path

import matplotlib
import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.figure import Figure
from rich.table import Table

from marl_moe.experiment.records.environment import describe_environment
from marl_moe.whole_file import whole_file, write_text
from paper_figures import style

BAR = "#6699CC"
Told = Callable[[str], None]  # told what is being measured


def say_nothing(what: str) -> None:
    """Ignore what is being measured."""


@dataclass(frozen=True)
class Measurement:
    """One number of a benchmark, with the least and the most of its repeats."""

    benchmark: str
    variant: str  # what was measured
    quantity: str
    unit: str
    median: float  # infinite where it was not reached
    least: float
    most: float
    repeats: int


def single(benchmark: str, variant: str, quantity: str, unit: str, value: float) -> Measurement:
    """Return a row of a number that was measured, or computed, once."""
    return Measurement(benchmark, variant, quantity, unit, value, value, value, 1)


def frame(rows: Sequence[Measurement]) -> pd.DataFrame:
    """Return the rows as a table."""
    return pd.DataFrame(rows, columns=list(Measurement.__dataclass_fields__))


def terminal_table(rows: Sequence[Measurement]) -> Table:
    """Return the rows as a table for a terminal."""
    table = Table(title="Benchmarks: median (least to most)")
    for column in ("benchmark", "variant", "quantity", "median", "least to most", "repeats"):
        table.add_column(
            column, justify="right" if column in ("median", "least to most", "repeats") else "left"
        )
    last = ""
    for row in rows:
        if last and row.benchmark != last:
            table.add_section()
        spread = f"{number(row.least)} to {number(row.most)}" if row.repeats > 1 else ""
        value = f"{number(row.median)} {row.unit}" if isfinite(row.median) else number(row.median)
        first = "" if row.benchmark == last else row.benchmark
        table.add_row(first, row.variant, row.quantity, value, spread, str(row.repeats))
        last = row.benchmark
    return table


def number(value: float) -> str:
    """Format three digits that count, thousands apart."""
    if not isfinite(value):
        return "not reached"
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def bars(table: pd.DataFrame, xlabel: str) -> Figure:
    """Draw a bar for each row, median with least and most, the first at the top."""
    with matplotlib.rc_context(style.SINGLE_COLUMN):
        figure, ax = plt.subplots(layout="constrained")
    ax.barh(table["variant"].str.replace(", ", ",\n"), table["median"], height=0.6, color=BAR)
    for row, bar in enumerate(table.itertuples()):
        if bar.repeats > 1:
            spread = [[bar.median - bar.least], [bar.most - bar.median]]
            ax.errorbar(bar.median, row, xerr=spread, color="black", elinewidth=0.6)
    ax.invert_yaxis()
    ax.grid(axis="y", visible=False)
    ax.locator_params(axis="x", nbins=4)
    ax.xaxis.set_major_formatter("{x:,.0f}")
    ax.set_xlabel(xlabel)
    return figure


def write(
    folder: Path, tables: Mapping[str, pd.DataFrame], figures: Mapping[str, Callable[[], Figure]]
) -> None:
    """Write `<name>.csv`, `<name>.pdf` and `.png`, and the machine as `environment.json`."""
    write_text(folder / "environment.json", json.dumps(machine(), indent=2) + "\n")
    for name, table in tables.items():
        write_text(folder / f"{name}.csv", table.to_csv(index=False))
    for name, draw in figures.items():
        with matplotlib.rc_context(style.PRINT):
            figure = draw()
            for suffix, metadata in {"pdf": {"CreationDate": None}, "png": {}}.items():
                with whole_file(folder / f"{name}.{suffix}") as partial:
                    figure.savefig(partial, format=suffix, metadata=metadata)
            plt.close(figure)


def machine() -> dict[str, object]:
    """Return versions, commit and machine, its processor by name."""
    return {"cpu": cpu_model()} | describe_environment()


def cpu_model() -> str:
    """Return the processor's name."""
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
