"""A run that one process at a time works on."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from marl_moe.errors import UnderWayError
from marl_moe.whole_file import remove_partials

NO_LOCKS = (errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOLCK)  # some network file systems have none


@contextmanager
def sole_use(folder: Path, file: str) -> Iterator[None]:
    """Keep a run folder to this process, from `with` to its end.

    It is rid of what killed processes had half written.

    The lock is the operating system's, on `file` in the folder, which filelock (4 and later)
    neither writes to nor removes: it ends with the process, however that dies, and a copy of the
    folder has none. Where there are no such locks (Windows, some network file systems) two
    processes do the same jobs twice: every file is still whole, and resuming again completes the
    tables.

    Raises:
        UnderWayError: another process has it.
        OSError: the file cannot be opened or locked.
    """
    locked = (folder / file).resolve(strict=True)  # filelock would make one, and follows no link
    lock = FileLock(locked, timeout=0, fallback_to_soft=False, preserve_lock_file=True)
    try:
        _acquire(lock, folder)
        remove_partials(folder)
        yield
        remove_partials(folder)
    finally:
        lock.release()


def is_under_way(folder: Path, file: str) -> bool:
    """Return whether a process has the sole use of a run folder; nothing is kept from it by asking.

    False where that cannot be known: without locks, or without leave to read the file.
    """
    if os.name != "posix":
        return False
    import fcntl

    try:
        with (folder / file).open("rb") as locked:
            fcntl.flock(locked, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


def _acquire(lock: FileLock, folder: Path) -> None:
    if os.name != "posix":
        return
    try:
        lock.acquire()
    except Timeout:
        raise UnderWayError(
            f"{folder}: another process works on this run; wait for it, or end it"
        ) from None
    except OSError as error:
        if error.errno not in NO_LOCKS:
            raise
