"""Record tables become figures, and figures become files to print."""

import warnings
from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path
from types import TracebackType
from typing import IO, Any, NamedTuple

from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure

import paper_figures.plots  # noqa: F401 - registers the figures
from paper_figures.defaults import looks
from paper_figures.letters import LackingLetters, lacking
from paper_figures.registry import FIGURES, FigureKind
from paper_figures.tables import CannotDraw, Tables, load_tables

# The file formats and their metadata: without a date, the same tables give the same bytes.
FORMATS: dict[str, dict[str, Any]] = {"pdf": {"CreationDate": None}, "png": {}}


class Rendered(NamedTuple):
    """Figures that were drawn, and why others were not.

    Attributes:
        figures: by name.
        refused: for each that was not made for these tables, what it needs.
        failed: for each whose code failed, the error.
    """

    figures: dict[str, Figure]
    refused: dict[str, str]
    failed: dict[str, BaseException]


def render(tables: Tables | str | Path, names: Sequence[str] | None = None) -> Rendered:
    """Draw figures of record tables, each in its style over matplotlib's defaults.

    One that cannot be drawn keeps no other from it.

    Args:
        tables: by name, as `load_tables` reads them, or the run folder that holds them.
        names: of the figures, all of `FIGURES` if None.

    Raises:
        ValueError: a name is of no figure, or a table is damaged.
        FileNotFoundError: there is no run folder, or no table in it.
        OSError: a table cannot be opened.
        KeyboardInterrupt: after Ctrl-C.
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
    rendered = Rendered({}, {}, {})
    for name in chosen:
        try:
            rendered.figures[name] = _drawn(FIGURES[name], tables)
        except CannotDraw as reason:
            rendered.refused[name] = str(reason)
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # whatever code of a user's own does
            rendered.failed[name] = error.with_traceback(_below_drawn(error))
    return rendered


def unmet(name: str, planned: Tables) -> str | None:
    """Return what a figure needs that a run will not record, None where it can be drawn.

    Args:
        name: of the figure.
        planned: the tables that the run will write, each number that is measured any number.

    Raises: what code of a user's own does.
    """
    needs = FIGURES[name].needs
    if needs is not None:
        try:
            needs(planned)
        except CannotDraw as reason:
            return str(reason)
    return None


def _drawn(kind: FigureKind, tables: Tables) -> Figure:
    """Draw a figure.

    Raises:
        CannotDraw: the tables lack what it shows.
        TypeError: its function returned no figure.
    """
    # A table of its own for each: what one changes in it no other draws.
    tables = {name: table.copy(deep=False) for name, table in tables.items()}
    with looks(kind.style):
        if kind.needs is not None:
            kind.needs(tables)
        drawn = kind.plot(tables)
    figure = drawn.get_figure(root=True) if isinstance(drawn, Axes | SubFigure | Figure) else None
    if not isinstance(figure, Figure):
        returned = "None" if drawn is None else f"a {type(drawn).__name__}"
        raise TypeError(
            f"{kind.plot.__qualname__} returned {returned}; it should return a Figure, or the Axes "
            "in one"
        )
    return figure


def _below_drawn(error: BaseException) -> TracebackType | None:
    """Return the part of an error's traceback that is of the figure's own code."""
    here = error.__traceback__
    while here is not None and here.tb_frame.f_code is not _drawn.__code__:
        here = here.tb_next
    return None if here is None else here.tb_next


def save(name: str, figure: Figure, file: str | Path | IO[bytes], file_format: str = "pdf") -> None:
    """Write a figure in its style; the same figure gives the same bytes.

    A `LackingLetters` warning names the letters that are boxes, since no font in use has them.

    Args:
        name: of the figure in `FIGURES`.
        figure: what `render` drew.
        file: where to, by its path or open for bytes. A write that fails leaves part of it.
        file_format: one of `FORMATS`: "pdf", or "png" of 300 dpi.

    Raises:
        OSError: it cannot be written.
    """
    with looks(FIGURES[name].style):
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", r"Glyph \d+ .* missing from font")  # one by one
            figure.savefig(file, format=file_format, metadata=FORMATS[file_format])
        letters = lacking(figure)
    if letters:
        warnings.warn(f"figure {name}: the fonts lack '{letters}'", LackingLetters, stacklevel=2)
