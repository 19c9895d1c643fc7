"""An experiment's `algorithm` sections, passed on to RLlib's configuration key by key."""

import inspect
from collections.abc import Sequence
from importlib import import_module
from typing import Any

from marl_moe.experiment.spec import SpecError, unknown_key


def apply_section(config: Any, section: str, keys: dict[str, Any]) -> None:
    """Call RLlib's method of a section. Raises SpecError for the first key that it does not take."""
    known: list[str] = []
    for owner in type(config).__mro__:
        if section in vars(owner):
            known += [
                name
                for name, parameter in inspect.signature(vars(owner)[section]).parameters.items()
                if parameter.kind in (parameter.KEYWORD_ONLY, parameter.POSITIONAL_OR_KEYWORD)
                and name != "self"
                and not name.startswith("_")
            ]
    if section == "rl_module":
        known = ["model_config"]  # the modules themselves are ours to set
    check_keys(f"algorithm.{section}", keys, known)
    if section == "callbacks":
        keys = {key: _imported(f"algorithm.callbacks.{key}", value) for key, value in keys.items()}
    try:
        getattr(config, section)(**keys)
    except Exception as error:
        raise SpecError(f"algorithm.{section}: {first_line(error)}") from None


def _imported(key: str, paths: Any) -> Any:
    """What a dotted path names, as `tracking.WandbCallback`, or a list of them: YAML cannot hold classes.

    Raises SpecError where it names nothing.
    """
    if isinstance(paths, list):
        return [_imported(key, path) for path in paths]
    module, _, name = str(paths).rpartition(".")
    try:
        return getattr(import_module(module), name)
    except (ImportError, ValueError, AttributeError) as error:
        raise SpecError(f"{key}: should be the dotted path of a class or function, {paths!r} is not: {error}") from None


def check_model_config(keys: Any, valid: Sequence[str]) -> None:
    """Raise SpecError where `rl_module.model_config` holds anything but these keys."""
    if not isinstance(keys, dict):
        raise SpecError(f"algorithm.rl_module.model_config: should hold {', '.join(valid)}, got {keys!r}")
    check_keys("algorithm.rl_module.model_config", keys, valid)


def check_keys(section: str, keys: dict[str, Any], valid: Sequence[str]) -> None:
    """Raise SpecError for the first key that is not valid, with the nearest that is."""
    for key in keys:
        if key not in valid:
            raise SpecError(f"{section}.{key}: {unknown_key(key, valid)} (unknown key)")


def first_line(error: Exception) -> str:
    """What an error says, without RLlib's advice on further lines."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]
