"""States of a world: nested dictionaries of arrays, numbers, strings and None, without pickle."""

from typing import Any, NamedTuple

import numpy as np

State = dict[str, Any]


class OrNone(NamedTuple):
    """Pattern for `check`: None is right as well as a state like this one."""

    like: Any


def taken(owner: object, names: tuple[str, ...]) -> State:
    """Return copies of the named attributes."""
    return {name: copied(getattr(owner, name)) for name in names}


def put(owner: object, names: tuple[str, ...], state: State) -> None:
    """Set the named attributes to copies of those in a state of `taken`."""
    for name in names:
        setattr(owner, name, copied(state[name]))


def copied(value: Any) -> Any:
    """Return the same state, sharing no array with the one given."""
    if isinstance(value, dict):
        return {key: copied(entry) for key, entry in value.items()}
    return value.copy() if isinstance(value, np.ndarray) else value


def check(state: Any, like: Any, name: str = "state") -> None:
    """Check that a state has the keys, shapes and types of another.

    Args:
        state: the state to check.
        like: the other, with `OrNone` where None is right too.
        name: name of the state in messages.

    Raises:
        ValueError: an entry differs; the message names it.
    """
    if isinstance(like, OrNone):
        if state is not None:
            check(state, like.like, name)
    elif isinstance(like, dict):
        if not isinstance(state, dict) or state.keys() != like.keys():
            found = list(state) if isinstance(state, dict) else type(state).__name__
            raise ValueError(f"{name} should hold {list(like)}, it holds {found}")
        for key, entry in like.items():
            check(state[key], entry, f"{name}[{key!r}]")
    elif _kind(state) != _kind(like):
        raise ValueError(
            f"{name} should be {_kind(like)}, it is {_kind(state)}: is the configuration the same?"
        )


def _kind(value: Any) -> str:
    if isinstance(value, np.ndarray):
        return f"{value.dtype} of shape {value.shape}"
    return type(value).__name__
