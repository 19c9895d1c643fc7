"""The beginning and the end of a command: streams that cannot stop it, and what they lost told."""

import contextlib
import sys
from collections.abc import Iterator

from marl_moe.terminal.console import complaints, stderr, stdout
from marl_moe.terminal.streams import Standing, open_closed_streams


@contextlib.contextmanager
def standing_streams() -> Iterator[None]:
    """Let a command end as its work did, whatever happens to what it, or code of a user, prints.

    A command whose result is in files says on stderr that not all of its output arrived, and keeps
    its exit code. One whose result is its output has failed by itself then.
    """
    open_closed_streams()
    given = sys.stdout, sys.stderr
    sys.stdout = Standing(lambda: given[0])
    sys.stderr = Standing(lambda: given[1])
    try:
        yield
    except SystemExit as end:
        stdout.flush()
        if stdout.lost is not None and not end.code:
            complaints.print(
                f"standard output: {stdout.lost}: not all was printed; what was done is done"
            )
        raise
    finally:
        stdout.flush()
        stderr.flush()
