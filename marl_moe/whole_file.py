"""Files written whole or not at all: into a temporary file beside them, then renamed."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from marl_moe.errors import SpecError

PARTIAL = ".partial"


@contextmanager
def whole_file(path: Path, suffix: str = "") -> Iterator[Path]:
    """Yield the temporary file to write, which takes the place of `path` at the end.

    It is flushed to the disk before that. After an error it is removed, and `path` is as it was.

    Args:
        path: the file.
        suffix: ends the name of the temporary file, for a writer that reads the format from it.

    Raises:
        OSError: the file cannot be written; the message names `path`.
    """
    # A name of this process's own: workers of a run that was killed may go on writing for a second.
    partial = path.with_name(f".{path.name}.{os.getpid()}{PARTIAL}{suffix}")
    try:
        yield partial
        _sync(partial)
        os.replace(partial, path)
        if os.name == "posix":  # a folder cannot be opened on Windows
            _sync(path.parent)
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else str(error)
        raise OSError(error.errno, reason, str(path)) from error
    finally:
        partial.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write a text file in UTF-8, whole or not at all."""
    with whole_file(path) as partial:
        partial.write_text(text, encoding="utf-8")


def check_new(path: Path) -> None:
    """Check that a file can be made that nothing is lost by.

    Raises:
        SpecError: it exists, or its folder does not.
    """
    if path.exists():
        raise SpecError(f"--out {path}: exists; remove it, or name another file")
    if not path.parent.is_dir():
        raise SpecError(f"--out {path}: there is no folder {path.parent}")


def remove_partials(folder: Path) -> None:
    """Remove what processes that were killed had half written below a folder."""
    for partial in folder.rglob(f".*{PARTIAL}*"):
        partial.unlink(missing_ok=True)


def _sync(path: Path) -> None:
    """Flush a file, or the names in a folder, to the disk, so that a power cut does not lose them.

    A full disk may be reported only here.
    """
    descriptor = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
