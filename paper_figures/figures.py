"""Record tables become figures, and figures become files to print."""

import warnings
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Any, NamedTuple
from weakref import WeakKeyDictionary

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from matplotlib.lines import Line2D

import paper_figures.plots  # noqa: F401 - registers the figures
from paper_figures.asked_tables import asked_tables, check_options, metric_of
from paper_figures.defaults import looks
from paper_figures.drawing import drawing
from paper_figures.layout import lay_out, panels_of
from paper_figures.letters import LackingLetters, lacking
from paper_figures.options import WIDTHS, Asked, FigureOptions, asked, unknown
from paper_figures.registry import FIGURES, FigureKind
from paper_figures.style import SINGLE_COLUMN
from paper_figures.tables import CannotDraw, Tables, load_tables

# The file formats and their metadata: without a date, the same tables give the same bytes.
FORMATS: dict[str, dict[str, Any]] = {"pdf": {"CreationDate": None}, "png": {}}
_DATA: WeakKeyDictionary[Figure, pd.DataFrame] = WeakKeyDictionary()  # what was drawn in each


class Rendered(NamedTuple):
    """Figures that were drawn, and why others were not, by the names of their files.

    Attributes:
        figures: those that were drawn.
        refused: for each that was not made for these tables, what it needs.
        failed: for each whose code failed, the error.
    """

    figures: dict[str, Figure]
    refused: dict[str, str]
    failed: dict[str, BaseException]


def render(
    tables: Tables | str | Path,
    names: Sequence[str | Asked] | None = None,
    *,
    runs: Sequence[str] = (),
) -> Rendered:
    """Draw figures of record tables, each in its style over matplotlib's defaults.

    One that cannot be drawn keeps no other from it.

    Args:
        tables: by name, as `load_tables` reads them, or the run folder that holds them.
        names: of the figures, those with options as `Asked`; all of `FIGURES` if None.
        runs: letters of the runs that the tables are `joined` of.

    Returns:
        The figures by the names of their files, which are their own where `as` gives none.

    Raises:
        ValueError: a name is of no figure, two have the same files, or a table is damaged.
        FileNotFoundError: there is no run folder, or no table in it.
        OSError: a table cannot be opened.
        KeyboardInterrupt: after Ctrl-C.
    """
    chosen = asked(FIGURES if names is None else names)
    for figure in chosen:
        if figure.kind not in FIGURES:
            raise ValueError(f"figure: {unknown(figure.kind, list(FIGURES))}")
    if isinstance(tables, str | Path):
        tables = load_tables(tables)
    rendered = Rendered({}, {}, {})
    for figure in chosen:
        try:
            rendered.figures[figure.file] = _drawn(figure, tables, runs)
        except CannotDraw as reason:
            rendered.refused[figure.file] = str(reason)
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # whatever code of a user's own does
            rendered.failed[figure.file] = error.with_traceback(_below_drawn(error))
    return rendered


def unmet(figure: str | Asked, planned: Tables) -> str | None:
    """Return why a run will not have a figure, None where it can be drawn.

    It is what the run will not record, or an option that the figure does not take.

    Args:
        figure: its name, with options as `Asked`.
        planned: the tables that the run will write, each number that is measured any number.

    Raises: what code of a user's own does.
    """
    [(name, options)] = asked([figure])
    kind = FIGURES[name]
    try:
        with looks(kind.style | _width(kind, options)), drawing(options):
            check_options(kind, options)
            shown = asked_tables(planned, kind, options)
            if kind.needs is not None:
                kind.needs(shown, **metric_of(kind, options))
    except CannotDraw as reason:
        return str(reason)
    return None


def data(figure: Figure) -> pd.DataFrame:
    """Return what was drawn in a figure that `render` made, a row for each mark.

    That of a function that hands nothing to `drawn` are the points of its lines, without a row
    where it has none.
    """
    return _DATA.get(figure, pd.DataFrame())


def _drawn(figure: Asked, tables: Tables, runs: Sequence[str]) -> Figure:
    """Draw a figure.

    Raises:
        CannotDraw: the tables lack what it shows, or it does not take an option.
        TypeError: its function returned no figure.
    """
    kind, options = FIGURES[figure.kind], figure.options
    with looks(kind.style | _width(kind, options)), drawing(options, runs) as begun:
        check_options(kind, options)
        shown = asked_tables(tables, kind, options)
        metric = metric_of(kind, options)
        if kind.needs is not None:
            kind.needs(shown, **metric)
        returned = kind.plot(shown, **metric)
        is_part = isinstance(returned, Axes | SubFigure | Figure)
        page = returned.get_figure(root=True) if is_part else None
        if not isinstance(page, Figure):
            what = "None" if returned is None else f"a {type(returned).__name__}"
            raise TypeError(
                f"{kind.plot.__qualname__} returned {what}; it should return a Figure, or the Axes "
                "in one"
            )
        lay_out(page, options)
        marks = begun.data()
        _DATA[page] = _points(page) if marks.empty else marks
    return page


def _width(kind: FigureKind, options: FigureOptions) -> dict[str, Any]:
    """Return the rcParams of a width that was asked for."""
    if options.width is None:
        return {}
    usual = kind.style.get("figure.figsize", SINGLE_COLUMN["figure.figsize"])
    return {"figure.figsize": (WIDTHS[options.width], usual[1])}


def _points(figure: Figure) -> pd.DataFrame:
    """Return the points of all lines that are in data coordinates."""
    found = [
        pd.DataFrame(np.asarray(line.get_xydata()), columns=["x", "y"]).assign(
            panel=letter, line=_name(line)
        )
        for letter, ax in panels_of(figure).items()
        for line in ax.get_lines()
        if line.get_transform() == ax.transData
    ]
    columns = ["panel", "line", "x", "y"]
    return pd.concat(found, ignore_index=True)[columns] if found else pd.DataFrame()


def _name(line: Line2D) -> str:
    label = str(line.get_label())
    return "" if label.startswith("_") else label.strip()


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
