"""An experiment's `algorithm` sections, passed on to RLlib's configuration key by key.

RLlib makes objects of strings: a dotted path is imported, a path of a file is read. So a string
that is passed on is a word, such as `truncate_episodes`, and keys that take code are not for YAML
to set. The one exception is the section `callbacks`, whose values are dotted paths: see
`named_code`.
"""

import inspect
from collections.abc import Iterator, Sequence
from importlib import import_module
from types import UnionType
from typing import Any, Union, get_args, get_origin

from marl_moe.errors import SpecError
from marl_moe.experiment.spec.experiment import ExperimentSpec
from marl_moe.experiment.spec.keys import unknown_at
from marl_moe.rllib.effective_keys import OF_KEY, check_effective
from marl_moe.rllib.limits import check_amounts, check_plain

CALLBACKS = "callbacks"
CLOCKED = "min_time_s_per_iteration"
KINDS: dict[type, str] = {  # plain types of RLlib's annotations, and what a value of each is called
    bool: "true or false",
    int: "a number",
    float: "a number",
    str: "a word",
    dict: "a section",
    list: "a list",
    tuple: "a list",
    type(None): "null",
}


def apply_section(config: Any, section: str, keys: dict[str, Any], *, is_ours: bool) -> None:
    """Call RLlib's method of a section.

    Args:
        config: RLlib's configuration.
        section: the section.
        keys: what it sets.
        is_ours: whether it is of our SAC, which reads some of RLlib's keys and no others.

    Raises:
        SpecError: for the first key or value that it does not take.
    """
    known: dict[str, Any] = {}
    for owner in type(config).__mro__:
        if section in vars(owner):
            known = _parameters(vars(owner)[section]) | known
    if section == "rl_module":
        known = {"model_config": Any}  # the modules themselves are ours to set
    check_keys(f"algorithm.{section}", keys, list(known))
    if section == CALLBACKS:
        keys = {key: _imported(f"algorithm.callbacks.{key}", value) for key, value in keys.items()}
    else:
        for key, value in keys.items():
            _check_plain(f"algorithm.{section}.{key}", value)
            _check_kind(f"algorithm.{section}.{key}", value, known[key])
    try:
        check_amounts(keys)
    except ValueError as error:
        raise SpecError(f"algorithm.{section}.{error}") from None
    try:
        if is_ours:
            check_effective(section, keys)
        elif keys.get(CLOCKED):
            raise ValueError(f"{section}.{CLOCKED}: {OF_KEY[CLOCKED]}")
    except ValueError as error:
        raise SpecError(f"algorithm.{error}") from None
    try:
        getattr(config, section)(**keys)
    except Exception as error:
        raise SpecError(f"algorithm.{section}: {first_line(error)}") from None


def named_code(spec: ExperimentSpec) -> list[str]:
    """Return the code that an experiment names, and the environment that it hands on.

    That is what it has imported or installed that is none of ours or RLlib's, and the variables
    given to every process, each as `key: value`.
    """
    named = []
    if spec.algorithm is not None:
        for key, paths in spec.algorithm.sections().get(CALLBACKS, {}).items():
            named += [f"algorithm.callbacks.{key}: {path}" for path in _listed(paths)]
    for key, value in spec.cluster.runtime_env.items():
        named.append(f"cluster.runtime_env.{key}: {value}")
    for name in spec.cluster.env_vars:
        named.append(f"cluster.env_vars: {name}")
    return named


def check_model_config(keys: Any, valid: Sequence[str]) -> None:
    """Check that `rl_module.model_config` holds these keys and no others.

    Raises:
        SpecError: it holds another, or is no section.
    """
    if not isinstance(keys, dict):
        raise SpecError(
            f"algorithm.rl_module.model_config: should hold {', '.join(valid)}, got {keys!r}"
        )
    check_keys("algorithm.rl_module.model_config", keys, valid)
    _check_plain("algorithm.rl_module.model_config", keys)


def _check_plain(key: str, value: Any) -> None:
    try:
        check_plain(key, value)
    except ValueError as error:
        raise SpecError(str(error)) from None


def check_keys(section: str, keys: dict[str, Any], valid: Sequence[str]) -> None:
    """Check the keys of a section.

    Raises:
        SpecError: for the first key that is not valid, with the nearest that is.
    """
    for key in keys:
        if key not in valid:
            unknown = unknown_at(ExperimentSpec, [*section.split("."), key], valid)
            raise SpecError(f"{section}.{key}: {unknown} (unknown key)")


def first_line(error: Exception) -> str:
    """Return the first line of an error's message: RLlib gives advice on further ones."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]


def _parameters(method: Any) -> dict[str, Any]:
    """Return the keys that a section's method takes, each with its annotation or Any."""
    return {
        name: Any if parameter.annotation is parameter.empty else parameter.annotation
        for name, parameter in inspect.signature(method).parameters.items()
        if parameter.kind in (parameter.KEYWORD_ONLY, parameter.POSITIONAL_OR_KEYWORD)
        and name != "self"
        and not name.startswith("_")
    }


def _check_kind(key: str, value: Any, annotation: Any) -> None:
    """Check the kind of a value against RLlib's annotation.

    Raises:
        SpecError: it is of another kind, or the key takes code.
    """
    kinds = list(dict.fromkeys(_kinds(annotation)))
    if not kinds:
        raise SpecError(
            f"{key}: takes code, which an experiment cannot hold (but see algorithm.callbacks)"
        )
    if "anything" not in kinds and KINDS.get(type(value)) not in kinds:
        raise SpecError(f"{key}: should be {' or '.join(kinds)}, got {value!r}")


def _kinds(annotation: Any) -> Iterator[str]:
    """Yield the kinds of values in YAML that an annotation takes, in the words of `KINDS`."""
    if annotation is Any:
        yield "anything"
    elif get_origin(annotation) in (Union, UnionType):
        members = [kind for member in get_args(annotation) for kind in _kinds(member)]
        if set(members) - {KINDS[type(None)]}:
            yield from members
    else:
        kind = get_origin(annotation) or annotation
        if kind in KINDS:
            yield KINDS[kind]


def _imported(key: str, paths: Any) -> Any:
    """Import the class or function of a dotted path, as `tracking.WandbCallback`, or a list.

    Raises:
        SpecError: it names nothing.
    """
    if isinstance(paths, list):
        return [_imported(key, path) for path in paths]
    module, _, name = str(paths).rpartition(".")
    try:
        return getattr(import_module(module), name)
    except Exception as error:  # of whatever the module does when it is imported
        raise SpecError(
            f"{key}: should be the dotted path of a class or function, {paths!r} is not: {error}"
        ) from None


def _listed(paths: Any) -> list[Any]:
    return (
        [path for part in paths for path in _listed(part)] if isinstance(paths, list) else [paths]
    )
