"""Record tables become figures, and figures become files to print."""

from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import IO, Any

import matplotlib
from matplotlib.figure import Figure

import paper_figures.plots  # noqa: F401 - registers the figures
from paper_figures.registry import FIGURES
from paper_figures.tables import CannotDraw, Tables, load_tables

# The file formats and their metadata: without a date, the same tables give the same bytes.
FORMATS: dict[str, dict[str, Any]] = {"pdf": {"CreationDate": None}, "png": {}}


def render(
    tables: Tables | str | Path, names: Sequence[str] | None = None
) -> tuple[dict[str, Figure], dict[str, str]]:
    """Draw figures of record tables, each in its style.

    Args:
        tables: by name, as `load_tables` reads them, or the run folder that holds them.
        names: of the figures, all of `FIGURES` if None.

    Returns:
        The figures by name, and for each that could not be drawn the reason.

    Raises:
        ValueError: a name is of no figure, or a table is damaged.
        FileNotFoundError: there is no run folder, or no table in it.
    """
    chosen = list(FIGURES) if names is None else list(names)
    for name in chosen:
        if name not in FIGURES:
            nearest = get_close_matches(name, FIGURES, n=1, cutoff=0)[0]
            raise ValueError(
                f"no figure '{name}'; did you mean '{nearest}'? Figures: {', '.join(FIGURES)}"
            )
    if isinstance(tables, str | Path):
        tables = load_tables(tables)
    drawn: dict[str, Figure] = {}
    refused: dict[str, str] = {}
    for name in chosen:
        kind = FIGURES[name]
        with matplotlib.rc_context(kind.style):
            try:
                drawn[name] = kind.plot(tables).get_figure(root=True)
            except CannotDraw as reason:
                refused[name] = str(reason)
    return drawn, refused


def save(name: str, figure: Figure, file: str | Path | IO[bytes], file_format: str = "pdf") -> None:
    """Write a figure in its style; the same figure gives the same bytes.

    Args:
        name: of the figure in `FIGURES`.
        figure: what `render` drew.
        file: where to, by its path or open for bytes. A write that fails leaves part of it.
        file_format: one of `FORMATS`: "pdf", or "png" of 300 dpi.

    Raises:
        OSError: it cannot be written.
    """
    with matplotlib.rc_context(FIGURES[name].style):
        figure.savefig(file, format=file_format, metadata=FORMATS[file_format])
