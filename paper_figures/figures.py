"""The figures there are, and how a run folder becomes files to print."""

import os
from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path
from types import ModuleType
from typing import Any

import matplotlib
from matplotlib.figure import Figure

from paper_figures import (
    budgets,
    contention,
    fairness,
    final_rewards,
    policies,
    price_of_anarchy,
    price_paths,
    price_response,
    pricing,
    reliability,
    reward_curves,
    sample_efficiency,
    sensitivity,
    upgrade,
)
from paper_figures.tables import CannotDraw, load_tables

# A figure is a module with `STYLE`, rcParams, and `plot(tables)`, which returns a figure or the
# axes in one.
FIGURES: dict[str, ModuleType] = {
    "reward_curves": reward_curves,
    "sample_efficiency": sample_efficiency,
    "final_rewards": final_rewards,
    "policies": policies,
    "reliability": reliability,
    "contention": contention,
    "price_of_anarchy": price_of_anarchy,
    "pricing": pricing,
    "price_response": price_response,
    "price_paths": price_paths,
    "budgets": budgets,
    "sensitivity": sensitivity,
    "upgrade": upgrade,
    "fairness": fairness,
}
# The file formats and their metadata: without a date, the same tables give the same bytes.
_FORMATS: dict[str, dict[str, Any]] = {"pdf": {"CreationDate": None}, "png": {}}


def draw(
    run_folder: str | Path, names: Sequence[str] | None = None, out: str | Path | None = None
) -> tuple[list[Path], dict[str, str]]:
    """Draw figures of a run folder's record tables, each as PDF and as PNG of 300 dpi.

    names: figures to draw, all of `FIGURES` if None. out: folder to write to,
    `<run_folder>/figures` if None.

    Returns the paths written, and for each figure that could not be drawn the reason. Raises
    ValueError for a name that is no figure, FileNotFoundError where there is no run folder or no
    table in it.
    """
    names = list(FIGURES) if names is None else names
    for name in names:
        if name not in FIGURES:
            nearest = get_close_matches(name, FIGURES, n=1, cutoff=0)[0]
            raise ValueError(
                f"no figure '{name}'; did you mean '{nearest}'? Figures: {', '.join(FIGURES)}"
            )
    tables = load_tables(run_folder)
    folder = Path(run_folder, "figures") if out is None else Path(out)

    written: list[Path] = []
    refused: dict[str, str] = {}
    for name in names:
        with matplotlib.rc_context(FIGURES[name].STYLE):
            try:
                figure = FIGURES[name].plot(tables).get_figure(root=True)
            except CannotDraw as reason:
                refused[name] = str(reason)
                continue
            folder.mkdir(parents=True, exist_ok=True)
            written += [_write(figure, folder / f"{name}.{suffix}") for suffix in _FORMATS]
    return written, refused


def _write(figure: Figure, path: Path) -> Path:
    """Write a figure whole or not at all. Raises OSError naming it."""
    suffix = path.suffix[1:]
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        figure.savefig(partial, format=suffix, metadata=_FORMATS[suffix])
        os.replace(partial, path)
    except OSError as error:
        raise OSError(error.errno, error.strerror or str(error), str(path)) from error
    finally:
        partial.unlink(missing_ok=True)
    return path
