"""Parts that are found by name, in a registry for each kind, and messages for unknown names."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator
from difflib import get_close_matches
from typing import Generic, TypeVar

Part = TypeVar("Part")
_Factory = TypeVar("_Factory", bound=Callable[..., object])
MOST_LISTED = 16  # names that a message lists beside the nearest


class UnknownNameError(ValueError):
    """A name that no part of its kind has; the message gives the nearest that one has.

    Attributes:
        name: the name that was asked for.
    """

    def __init__(self, message: str, name: str) -> None:
        super().__init__(message)
        self.name = name


class Registry(Generic[Part]):
    """The parts of one kind, each made by its name.

    Args:
        kind: what the parts are called in messages, such as "mechanism".
    """

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self._factories: dict[str, Callable[..., Part]] = {}

    def __contains__(self, name: object) -> bool:
        return name in self._factories

    def __iter__(self) -> Iterator[str]:
        return iter(self._factories)

    def __len__(self) -> int:
        return len(self._factories)

    def __getitem__(self, name: str) -> Callable[..., Part]:
        """Return the factory registered as `name`.

        Raises:
            UnknownNameError: there is none; the message gives the nearest name.
        """
        if name not in self._factories:
            message = f"no {self.kind} {name!r}; {nearest(name, self._factories)}"
            raise UnknownNameError(message, name)
        return self._factories[name]

    def register(self, name: str) -> Callable[[_Factory], _Factory]:
        """Return a decorator that registers a class or function, in the order of registration.

        One that was defined again, as in a cell of a notebook, takes the place of its former self.

        Raises:
            ValueError: by the decorator, where the name is taken by another.
        """

        def add(factory: _Factory) -> _Factory:
            if name in self._factories and _origin(self._factories[name]) != _origin(factory):
                raise ValueError(f"{self.kind} {name!r} exists already")
            self._factories[name] = factory  # type: ignore[assignment]  # its result is a Part
            return factory

        return add

    def items(self) -> tuple[tuple[str, Callable[..., Part]], ...]:
        """Return all names, each with its factory, in the order of registration."""
        return tuple(self._factories.items())

    def __delitem__(self, name: str) -> None:
        """Remove the part called `name`."""
        del self._factories[name]

    def names(self) -> tuple[str, ...]:
        """Return all names, sorted."""
        return tuple(sorted(self._factories))

    def make(self, name: str, **params: object) -> Part:
        """Make the part called `name` with its parameters.

        Raises:
            UnknownNameError: there is none of that name; the message gives the nearest.
            ValueError: it has no such parameter; the message gives the nearest valid one.
        """
        return made(self[name], f"{self.kind} {name!r}", **params)


def made(factory: Callable[..., Part], what: str, /, **params: object) -> Part:
    """Make a part with its parameters.

    Args:
        factory: a class, or a function that returns the part.
        what: the part in words, for messages.
        params: its parameters.

    Raises:
        ValueError: it has no such parameter; the message gives the nearest valid one.
    """
    known = inspect.signature(factory).parameters
    for param in params:
        if param not in known:
            left = [name for name in known if name not in params]
            raise ValueError(f"{what} has no parameter {param!r}; {nearest(param, left)}")
    return factory(**params)


def _origin(factory: Callable[..., object]) -> tuple[object, object]:
    return getattr(factory, "__module__", None), getattr(factory, "__qualname__", factory)


def nearest(wrong: str, valid: Iterable[str]) -> str:
    """Return words on what `wrong` may have meant: the nearest valid name, and all if few.

    >>> nearest("epsiodes", ["episodes", "seeds"])
    "did you mean 'episodes'? Valid: episodes, seeds"
    """
    options = list(valid)
    if not options:
        return "it takes none"
    listed = ", ".join(options)
    close = get_close_matches(wrong, options, n=1, cutoff=0.6)
    if not close:
        return f"valid: {listed}"
    suggestion = f"did you mean {close[0]!r}?"
    return f"{suggestion} Valid: {listed}" if len(options) <= MOST_LISTED else suggestion
