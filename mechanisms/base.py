"""What a mechanism is, and how one is found by name."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from difflib import get_close_matches
from typing import Protocol, TypeVar

from mechanisms.claims import Claims
from mechanisms.market import Market, Outcome


class Mechanism(Protocol):
    """Decides prices and payments from what is reported; each class docstring is its specification."""

    @property
    def name(self) -> str:
        """The name it is made by, as in an experiment's YAML."""

    @property
    def voluntary(self) -> bool:
        """Whether edge devices answer the price with their best response; otherwise they give the
        outcome's effort.
        """

    @property
    def allocates(self) -> bool:
        """Whether the outcome says who serves whom; such a mechanism needs the users' reports for
        the coming slot.
        """

    @property
    def claims(self) -> Claims:
        """What it guarantees."""

    def clear(self, market: Market) -> Outcome:
        """Decide the market, all worlds of the batch at once.

        Raises:
            MechanismError: a solver gave no answer.
        """


_factories: dict[str, Callable[..., Mechanism]] = {}
_MechanismType = TypeVar("_MechanismType", bound=Mechanism)


def register(name: str) -> Callable[[type[_MechanismType]], type[_MechanismType]]:
    """Class decorator: lets `make(name, ...)` build the class, with its constructor's parameters."""

    def add(mechanism_type: type[_MechanismType]) -> type[_MechanismType]:
        if name in _factories:
            raise ValueError(f"mechanism {name!r} exists already")
        _factories[name] = mechanism_type
        return mechanism_type

    return add


def names() -> tuple[str, ...]:
    """The names of all mechanisms, sorted."""
    return tuple(sorted(_factories))


def make(name: str, **params: object) -> Mechanism:
    """Build the mechanism called `name`.

    Raises:
        ValueError: no such mechanism, or no such parameter of it; the message gives the nearest
            valid name and all of them.
    """
    factory = _factories.get(name)
    if factory is None:
        raise ValueError(f"no mechanism {name!r}; {_suggest(name, names())}")
    known = inspect.signature(factory).parameters
    for param in params:
        if param not in known:
            raise ValueError(
                f"mechanism {name!r} has no parameter {param!r}; {_suggest(param, known)}"
            )
    return factory(**params)


def _suggest(wrong: str, valid: Iterable[str]) -> str:
    options = list(valid)
    if not options:
        return "it takes none"
    nearest = get_close_matches(wrong, options, n=1, cutoff=0.0)[0]
    return f"did you mean {nearest!r}? Valid: {', '.join(options)}"
