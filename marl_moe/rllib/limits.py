"""Checks of values that RLlib does not check; a message names the key, the limit and the value."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

WORD = re.compile(r"[\w-]*")


def is_number(value: object, kind: type = float) -> bool:
    """Return whether `value` is an integer or of that kind; a boolean is neither."""
    return isinstance(value, (int, kind)) and not isinstance(value, bool)


def check_integers(config: Any, at_least: Mapping[str, int]) -> None:
    """Check that keys of `training` hold integers of at least given ones.

    Args:
        config: the configuration.
        at_least: the least value of each key.

    Raises:
        ValueError: one does not.
    """
    for key, minimum in at_least.items():
        value = getattr(config, key)
        if not is_number(value, int) or value < minimum:
            raise ValueError(
                f"training.{key} should be an integer of at least {minimum}, got {value!r}"
            )


def check_shares(config: Any, keys: Iterable[str]) -> None:
    """Check that keys of `training` hold numbers in 0..1.

    Raises:
        ValueError: one does not.
    """
    for key in keys:
        value = getattr(config, key)
        if not is_number(value) or not 0 <= value <= 1:
            raise ValueError(f"training.{key} should lie in 0..1, got {value!r}")


def check_positive(config: Any, keys: Iterable[str]) -> None:
    """Check that keys of `training` hold numbers above 0; schedules of `..lr` are left to RLlib.

    Raises:
        ValueError: one does not.
    """
    for key in keys:
        value = getattr(config, key)
        schedule = key.endswith("lr") and isinstance(value, list)
        if not schedule and (not is_number(value) or not 0 < value < float("inf")):
            raise ValueError(f"training.{key} should be above 0, got {value!r}")


def check_plain(key: str, value: Any) -> None:
    """Check that every string in a value, however deep, is no more than a word.

    Raises:
        ValueError: one is more; RLlib could import code or read a file by it.
    """
    if isinstance(value, dict):
        for name, part in value.items():
            check_plain(key, name)
            check_plain(f"{key}.{name}", part)
    elif isinstance(value, list | tuple):
        for part in value:
            check_plain(key, part)
    elif isinstance(value, str) and not WORD.fullmatch(value):
        raise ValueError(
            f"{key}: should be a word, of which RLlib can neither import code nor read a file, got "
            f"{value!r}"
        )
