"""Checks of values that RLlib does not check; a message names the key, the limit and the value."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

WORD = re.compile(r"[\w-]*")
COUNTS = {  # keys of RLlib that hold an integer, and the least of it
    "num_env_runners": 0,
    "num_envs_per_env_runner": 1,
    "num_learners": 0,
    "max_num_env_runner_restarts": 0,
    "num_consecutive_env_runner_failures_tolerance": 0,
}
AMOUNTS = (  # keys of RLlib that hold a finite number of at least 0
    "num_cpus_per_env_runner",
    "num_gpus_per_env_runner",
    "sample_timeout_s",
    "num_cpus_per_learner",
    "num_gpus_per_learner",
    "delay_between_env_runner_restarts_s",
    "env_runner_health_probe_timeout_s",
    "env_runner_restore_timeout_s",
)
LOG_LEVELS = ("DEBUG", "INFO", "WARN", "ERROR")


def is_number(value: object, kind: type = float) -> bool:
    """Return whether `value` is an integer or of that kind; a boolean is neither."""
    return isinstance(value, (int, kind)) and not isinstance(value, bool)


def check_amounts(keys: Mapping[str, Any]) -> None:
    """Check values of keys that RLlib would take whatever they are.

    Raises:
        ValueError: one is no such value.
    """
    for key, value in keys.items():
        if key in COUNTS and (not is_number(value, int) or value < COUNTS[key]):
            raise ValueError(f"{key} should be an integer of at least {COUNTS[key]}, got {value!r}")
        is_amount = is_number(value) and 0 <= value < float("inf")
        if key in AMOUNTS and not is_amount and (key, value) != ("num_cpus_per_learner", "auto"):
            raise ValueError(f"{key} should be a number of at least 0, got {value!r}")
        if key == "log_level" and value not in LOG_LEVELS:
            raise ValueError(f"log_level should be one of {', '.join(LOG_LEVELS)}, got {value!r}")


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
