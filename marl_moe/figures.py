"""Figures of a run as files, each written whole or not at all."""

from collections.abc import Sequence
from pathlib import Path

from marl_moe.whole_file import whole_file
from paper_figures.figures import FORMATS, render, save


def draw(
    run_folder: str | Path, names: Sequence[str] | None = None, out: str | Path | None = None
) -> tuple[list[Path], dict[str, str]]:
    """Draw figures of a run folder's record tables, each as PDF and as PNG of 300 dpi.

    Args:
        run_folder: the run folder.
        names: of the figures, all of `paper_figures.FIGURES` if None.
        out: folder to write to, `<run_folder>/figures` if None.

    Returns:
        The paths written, and for each figure that could not be drawn the reason.

    Raises:
        ValueError: a name is of no figure, or a table is damaged.
        FileNotFoundError: there is no run folder, or no table in it.
        OSError: a file cannot be written; the earlier one stays.
    """
    drawn, refused = render(run_folder, names)
    folder = Path(run_folder, "figures") if out is None else Path(out)
    written: list[Path] = []
    for name, figure in drawn.items():
        folder.mkdir(parents=True, exist_ok=True)
        for file_format in FORMATS:
            path = folder / f"{name}.{file_format}"
            with whole_file(path) as partial:
                save(name, figure, partial, file_format)
            written.append(path)
    return written, refused
