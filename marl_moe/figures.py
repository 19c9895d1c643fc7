"""Figures of a run: checked before it, and written as files, each whole or not at all."""

import warnings
from collections.abc import Iterable, Sequence
from io import BytesIO
from os.path import commonpath
from pathlib import Path
from typing import NamedTuple

from matplotlib.figure import Figure

from marl_moe.whole_file import whole_file
from mechanisms.errors import described
from paper_figures import FIGURES, Asked, data, load_tables, render, save
from paper_figures.figures import FORMATS, Rendered
from paper_figures.joined import joined, letters
from paper_figures.letters import LackingLetters
from paper_figures.options import Entry, asked


class Drawn(NamedTuple):
    """What came of figures.

    Attributes:
        written: the files.
        refused: for each figure that was not made for this run, what it needs.
        failed: for each whose code failed, the error in a line.
        remarks: what to know of those written, such as letters that no font has.
    """

    written: list[Path]
    refused: dict[str, str]
    failed: dict[str, str]
    remarks: list[str]


def draw(
    run_folder: str | Path,
    names: Sequence[Entry] | None = None,
    out: str | Path | None = None,
) -> Drawn:
    """Draw figures of a run folder's record tables: each as PDF, as PNG of 300 dpi, and as CSV.

    The CSV holds what was drawn. A figure that cannot be drawn keeps no other from it.

    Args:
        run_folder: the run folder.
        names: of the figures, or entries of `figures` of an experiment; all of
            `paper_figures.FIGURES` if None.
        out: folder to write to, `<run_folder>/figures` if None.

    Raises:
        ValueError: a name is of no figure, two have the same files, or a table is damaged.
        FileNotFoundError: there is no run folder, or no table in it.
        OSError: a table cannot be opened, or a file not be written; the earlier one stays.
        KeyboardInterrupt: after Ctrl-C; what was written is whole.
    """
    chosen = asked(FIGURES if names is None else names)
    folder = Path(run_folder, "figures") if out is None else Path(out)
    return _write(render(run_folder, chosen), chosen, folder)


def draw_together(
    run_folders: Sequence[Path],
    names: Sequence[Entry] | None,
    out: Path,
) -> Drawn:
    """Draw several runs in one figure each, the policy `sac` of the first as `sac (A)`.

    Args:
        run_folders: the run folders, A, B, ...
        names: as those of `draw`.
        out: folder to write to.

    Raises:
        ValueError: as by `draw`, or the runs have no sweep point in common.
        FileNotFoundError: as by `draw`.
        OSError: as by `draw`.
        KeyboardInterrupt: as by `draw`.
    """
    chosen = asked(FIGURES if names is None else names)
    runs = letters(len(run_folders))
    tables = {run: load_tables(folder) for run, folder in zip(runs, run_folders, strict=True)}
    return _write(render(joined(tables), chosen, runs=runs), chosen, out)


def _write(rendered: Rendered, chosen: Sequence[Asked], folder: Path) -> Drawn:
    """Write figures, each whole or not at all."""
    figures, refused, errors = rendered
    failed = {name: described(error) for name, error in errors.items()}
    written: list[Path] = []
    remarks: list[str] = []
    for kind, options in chosen:
        name = options.as_ or kind
        if name not in figures:
            continue
        try:
            pages, lines = _pages(kind, figures[name])
        except KeyboardInterrupt:
            raise
        except (
            BaseException
        ) as error:  # what shows only on the page, as a text that is no mathematics
            failed[name] = described(error.with_traceback(None))  # its code is done by then
            continue
        folder.mkdir(parents=True, exist_ok=True)
        remarks += lines
        for file_format, content in pages.items():
            path = folder / f"{name}.{file_format}"
            with whole_file(path) as partial:
                partial.write_bytes(content)
            written.append(path)
    return Drawn(written, refused, failed, remarks)


def _pages(kind: str, figure: Figure) -> tuple[dict[str, bytes], list[str]]:
    """Return a figure as files, by format, and the remarks on them, each once."""
    pages: dict[str, bytes] = {}
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", LackingLetters)
        for file_format in FORMATS:
            page = BytesIO()
            save(kind, figure, page, file_format)
            pages[file_format] = page.getvalue()
    remarks: dict[str, None] = {}
    for warning in caught:
        if issubclass(warning.category, LackingLetters):
            remarks[str(warning.message)] = None
        else:
            warnings.warn_explicit(
                warning.message, warning.category, warning.filename, warning.lineno
            )
    marks = data(figure)
    if marks.empty:
        remarks[f"figure {kind}: no CSV: no lines, and nothing handed to paper_figures.drawn"] = (
            None
        )
    else:
        table = marks.to_csv(index=False, float_format="%.8g", lineterminator="\n")
        pages["csv"] = table.encode()
    return pages, list(remarks)


def folders_apart(runs: Iterable[Path]) -> dict[Path, Path]:
    """Return a relative folder for the figures of each run, no two the same.

    It has the run's name; where two runs have one name, each has its path below what they share.
    A run that is listed twice is one.
    """
    paths: dict[Path, Path] = {}
    for run in runs:
        paths.setdefault(run.resolve(), run)
    names = [path.name for path in paths]
    shared = commonpath(paths) if len(paths) > 1 else ""
    apart = {}
    for path, run in paths.items():
        alone = names.count(path.name) == 1
        apart[run] = Path(path.name) if alone else path.relative_to(shared)
    return apart
