"""Standard output and error that cannot stop a command: what they do not take is told, not raised.

A run of hours should not end because its reader has gone (`| head -1`), a disk is full, a stream
was closed (`>&-`), or a terminal has no letter for a name.
"""

import os
from collections.abc import Callable
from typing import Any, TextIO


class Standing:
    """A stream of text; what it cannot take is not raised.

    Letters that its encoding lacks are written by their numbers, as `\\u2713`. After the first
    error it takes nothing more.

    Args:
        stream: returns the stream of now, None where it is closed.
    """

    def __init__(self, stream: Callable[[], TextIO | None]) -> None:
        self._of_now = stream
        self._failed: tuple[TextIO, str] | None = None

    @property
    def lost(self) -> str | None:
        """Why not all text arrived, None as long as it did."""
        stream = self._of_now()
        if stream is None:
            return "it is closed"
        if self._failed is not None and self._failed[0] is stream:
            return self._failed[1]
        return getattr(stream, "lost", None)

    def write(self, text: str) -> int:
        """Write text, or lose it."""
        stream = self._of_now()
        if stream is not None and self.lost is None:
            try:
                stream.write(_encodable(text, stream))
            except (OSError, ValueError) as error:  # ValueError: it was closed in Python
                self._lose(stream, error)
        return len(text)

    def flush(self) -> None:
        """Hand on what was written, or lose it."""
        stream = self._of_now()
        if stream is not None and self.lost is None:
            try:
                stream.flush()
            except (OSError, ValueError) as error:
                self._lose(stream, error)

    def isatty(self) -> bool:
        """Return whether it is a terminal."""
        stream = self._of_now()
        try:
            return stream is not None and stream.isatty()
        except ValueError:
            return False

    @property
    def encoding(self) -> str:
        """Name of its encoding."""
        return getattr(self._of_now(), "encoding", None) or "utf-8"

    def __getattr__(self, name: str) -> Any:
        """Return what else the stream has, as its file descriptor."""
        stream = self._of_now()
        if stream is None and name == "fileno":
            raise OSError("it is closed")
        return getattr(stream, name)

    def _lose(self, stream: TextIO, error: Exception) -> None:
        known = isinstance(error, OSError) and error.errno
        self._failed = (stream, os.strerror(error.errno) if known else str(error))  # type: ignore[attr-defined]
        try:  # what it holds back would fail again when Python ends, and be its exit code
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, stream.fileno())
            os.close(nowhere)
        except (OSError, ValueError):
            pass


def open_closed_streams() -> None:
    """Put nothing in the place of descriptors 0 to 2 that are closed.

    Else the next file opened, a table say, would take the number, and what a library writes to the
    standard output would be written into it.
    """
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free


def _encodable(text: str, stream: TextIO) -> str:
    encoding = getattr(stream, "encoding", None) or "utf-8"
    return text.encode(encoding, "backslashreplace").decode(encoding)
