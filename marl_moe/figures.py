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
from paper_figures.figures import FORMATS, render, save
from paper_figures.letters import LackingLetters


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
    run_folder: str | Path, names: Sequence[str] | None = None, out: str | Path | None = None
) -> Drawn:
    """Draw figures of a run folder's record tables, each as PDF and as PNG of 300 dpi.

    One that cannot be drawn keeps no other from it.

    Args:
        run_folder: the run folder.
        names: of the figures, all of `paper_figures.FIGURES` if None.
        out: folder to write to, `<run_folder>/figures` if None.

    Raises:
        ValueError: a name is of no figure, or a table is damaged.
        FileNotFoundError: there is no run folder, or no table in it.
        OSError: a table cannot be opened, or a file not be written; the earlier one stays.
        KeyboardInterrupt: after Ctrl-C; what was written is whole.
    """
    figures, refused, errors = render(run_folder, names)
    failed = {name: described(error) for name, error in errors.items()}
    folder = Path(run_folder, "figures") if out is None else Path(out)
    written: list[Path] = []
    remarks: list[str] = []
    for name, figure in figures.items():
        try:
            pages, lines = _pages(name, figure)
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


def _pages(name: str, figure: Figure) -> tuple[dict[str, bytes], list[str]]:
    """Return a figure as files, by format, and the remarks on them, each once."""
    pages: dict[str, bytes] = {}
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", LackingLetters)
        for file_format in FORMATS:
            page = BytesIO()
            save(name, figure, page, file_format)
            pages[file_format] = page.getvalue()
    remarks: dict[str, None] = {}
    for warning in caught:
        if issubclass(warning.category, LackingLetters):
            remarks[str(warning.message)] = None
        else:
            warnings.warn_explicit(
                warning.message, warning.category, warning.filename, warning.lineno
            )
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
