"""A run that one process at a time works on."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from marl_moe.whole_file import RecordError, remove_partials

NO_LOCKS = (errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOLCK)  # some network file systems have none


class UnderWayError(RecordError):
    """Another process works on the run; the message names it."""


@contextmanager
def sole_use(folder: Path, file: str) -> Iterator[None]:
    """A run folder of one's own, from `with` to its end, and rid of what killed processes had half
    written.

    The lock is the operating system's, on `file` in the folder: it ends with the process, however
    that dies, and a copy of the folder has none. Where there are no such locks (Windows, some
    network file systems) two processes do the same jobs twice: every file is still whole, and
    resuming again completes the tables.

    Raises UnderWayError where another process has it.
    """
    with (folder / file).open("rb+") as locked:
        _lock(locked.fileno(), folder)
        remove_partials(folder)
        yield
        remove_partials(folder)


def _lock(descriptor: int, folder: Path) -> None:
    if os.name != "posix":
        return
    import fcntl

    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise UnderWayError(
            f"{folder}: another process works on this run; wait for it, or end it"
        ) from None
    except OSError as error:
        if error.errno not in NO_LOCKS:
            raise
