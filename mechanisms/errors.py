"""Errors of a market and of parts: a bad input, a failed solve, and code that failed."""

from pathlib import Path
from traceback import extract_tb


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
    """Return an error of a user's code in a line, with the place where it was raised."""
    place, text = "", str(error)
    for frame in extract_tb(error.__traceback__):
        if not frame.filename.startswith("<frozen"):
            place = f" ({Path(frame.filename).name}, line {frame.lineno})"
    if isinstance(error, SyntaxError):
        place, text = f" ({Path(error.filename or '').name}, line {error.lineno})", error.msg
    return f"{type(error).__name__}: {(text.strip() or 'no message').splitlines()[0]}{place}"
