"""Ctrl-C, held until what is under way can be left: an epoch over, a checkpoint written."""

import os
import signal
import threading
from contextlib import suppress
from types import FrameType, TracebackType
from typing import Any

SAID = b"\ninterrupted: an epoch under way is finished and kept; once more stops at once\n"


class HeldInterrupt:
    """Hold the first Ctrl-C within a `with`, where it is asked for; a second one stops at once.

    Elsewhere than in the main thread, and where Ctrl-C is ignored, nothing changes.

    Attributes:
        came: whether there was one.
    """

    def __init__(self) -> None:
        self.came = False
        self._before: Any = None

    def __enter__(self) -> "HeldInterrupt":
        here = threading.current_thread() is threading.main_thread()
        if here and signal.getsignal(signal.SIGINT) not in (signal.SIG_IGN, None):
            self._before = signal.signal(signal.SIGINT, self._hold)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._before is not None:
            signal.signal(signal.SIGINT, self._before)

    def _hold(self, number: int, frame: FrameType | None) -> None:
        if self.came:
            raise KeyboardInterrupt
        self.came = True
        with suppress(OSError):  # nobody may be there to read it
            os.write(2, SAID)  # a console may be in the midst of a line, and is not re-entrant
