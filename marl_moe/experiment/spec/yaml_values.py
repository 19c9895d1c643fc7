"""Plain values of an experiment: how many and how deep, and what JSON has a way to write."""

from enum import Enum
from math import isfinite
from typing import Any, Final

from marl_moe.errors import SpecError

MOST_VALUES = 20_000  # in an experiment, each alias counted as often as it stands
DEEPEST = 50  # sections in sections
DIGITS = 40
LARGEST_WHOLE = 10**DIGITS


class Empty(Enum):
    """What a key holds that has nothing behind its colon, which YAML takes for null."""

    EMPTY = ""


EMPTY: Final = Empty.EMPTY


def check_values(raw: dict[str, Any], where: str) -> None:
    """Refuse what JSON has no way to write, in every section: those passed on to RLlib too.

    That is .nan and .inf, dates, bytes and sets, and text that is no Unicode. Aliases in aliases
    may stand for more values than fit any memory: those are counted.

    Raises:
        SpecError: for the first such value, by its key.
    """
    left = MOST_VALUES

    def check(value: Any, key: str, depth: int) -> None:
        nonlocal left
        left -= 1
        if left < 0 or depth > DEEPEST:
            raise SpecError(
                f"{where}: {key.partition('.')[0]}: holds more values than any experiment, or none "
                "but itself"
            )
        if isinstance(value, dict):
            for name, part in value.items():
                if not isinstance(name, str) and type(name) is not int:
                    raise SpecError(
                        f"{where}: {key or 'experiment'}: the key {name!r} should be a word; put "
                        "it in quotes"
                    )
                inner = f"{key}.{name}" if key else str(name)
                check(str(name), inner, depth + 1)
                check(part, inner, depth + 1)
        elif isinstance(value, list | tuple):
            for part in value:
                check(part, key, depth + 1)
        elif isinstance(value, float):
            if not isfinite(value):
                raise SpecError(f"{where}: {key}: should be a finite number, got {value}")
        elif isinstance(value, str):
            if not value.isascii() and any("\ud800" <= letter <= "\udfff" for letter in value):
                raise SpecError(f"{where}: {key!a}: should be text, got {value!a}")
        elif isinstance(value, int):
            if abs(value) >= LARGEST_WHOLE:
                raise SpecError(f"{where}: {key}: should be a number of at most {DIGITS} digits")
        elif value is not None and value is not EMPTY:
            raise SpecError(
                f"{where}: {key}: should be a number, text, list or section, got a "
                f"{type(value).__name__}"
            )

    check(raw, "", 0)
