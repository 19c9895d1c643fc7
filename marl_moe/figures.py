"""Figures of a run: checked before it, and written as files, each whole or not at all."""

from collections.abc import Iterable, Sequence
from io import BytesIO
from os.path import commonpath
from pathlib import Path
from typing import NamedTuple

from marl_moe.whole_file import whole_file
from mechanisms.errors import described
from paper_figures.figures import FORMATS, render, save


class Drawn(NamedTuple):
    """What came of figures.

    Attributes:
        written: the files.
        refused: for each figure that was not made for this run, what it needs.
        failed: for each whose code failed, the error in a line.
    """

    written: list[Path]
    refused: dict[str, str]
    failed: dict[str, str]


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
        OSError: a file cannot be written; the earlier one stays.
    """
    figures, refused, errors = render(run_folder, names)
    failed = {name: described(error) for name, error in errors.items()}
    folder = Path(run_folder, "figures") if out is None else Path(out)
    written: list[Path] = []
    for name, figure in figures.items():
        files: dict[Path, bytes] = {}
        try:
            for file_format in FORMATS:
                page = BytesIO()
                save(name, figure, page, file_format)
                files[folder / f"{name}.{file_format}"] = page.getvalue()
        except Exception as error:  # what shows only on the page, as a text that is no mathematics
            failed[name] = described(error.with_traceback(None))  # its code is done by then
            continue
        folder.mkdir(parents=True, exist_ok=True)
        for path, content in files.items():
            with whole_file(path) as partial:
                partial.write_bytes(content)
            written.append(path)
    return Drawn(written, refused, failed)


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
