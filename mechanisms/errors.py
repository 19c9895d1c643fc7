"""Errors of a market and of parts: a bad input, a failed solve, and code that failed."""

import sysconfig
from pathlib import Path
from traceback import extract_tb

# Where code is that is not a user's own: ours, and libraries.
_OTHERS = (
    *(
        str(Path(__file__).parents[1] / name)
        for name in ("envs", "marl_moe", "mechanisms", "paper_figures")
    ),
    *(sysconfig.get_path(name) for name in ("stdlib", "purelib", "platlib")),
)


class MarketError(ValueError):
    """A field of a `Market` is impossible; the message names the field, index, value and limit."""


class MechanismError(RuntimeError):
    """A solver gave no answer; the message names mechanism and problem, and quotes the solver.

    A simulator may catch it and keep the last valid prices.
    """


class PartError(RuntimeError):
    """Code of a part failed, or gave what is none: a mechanism, channel process, policy or metric.

    The message names the part, and the place where it failed. Nothing goes on after it.
    """


# What a world raises where a mechanism or another part of it can go on no more.
FAILURES_OF_PARTS = (MarketError, MechanismError, PartError)


def described(error: BaseException) -> str:
    """Return an error of a user's code in a line, with the place where it was raised.

    Of an error that a library raised it is the place in the user's code that called it.
    """
    place, text = "", str(error)
    frames = [
        frame
        for frame in extract_tb(error.__traceback__)
        if not frame.filename.startswith("<frozen")
    ]
    own = [frame for frame in frames if not frame.filename.startswith(_OTHERS)]
    if frames:
        raised = (own or frames)[-1]
        place = f" ({Path(raised.filename).name}, line {raised.lineno})"
    if isinstance(error, SyntaxError):
        place, text = f" ({Path(error.filename or '').name}, line {error.lineno})", error.msg
    return f"{type(error).__name__}: {(text.strip() or 'no message').splitlines()[0]}{place}"
