"""The protocol of mechanisms, and the registry that makes one by its name."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Protocol, TypeVar

from mechanisms.claims import Claims
from mechanisms.market import Market
from mechanisms.outcome import Outcome
from mechanisms.registry import Registry


class Mechanism(Protocol):
    """Decides prices and payments from reports; each class docstring is its specification."""

    @property
    def name(self) -> str:
        """Name it is made by, as in an experiment's YAML."""

    @property
    def allocates(self) -> bool:
        """True if the outcome has an allocation.

        Such a mechanism needs `Market.users`, the users' reports for the coming slot.
        """

    @property
    def claims(self) -> Claims:
        """Guarantees that an audit can test."""

    def clear(self, market: Market) -> Outcome:
        """Decide the market, all worlds of the batch at once.

        `Market.effort` says whether edge devices answer the price with their best response, or
        give the effort that the outcome orders; the outcome has the one that they give.

        Raises:
            MarketError: the market lacks what the mechanism needs.
            MechanismError: a solver gave no answer.
        """


MECHANISMS: Registry[Mechanism] = Registry("mechanism")
names = MECHANISMS.names
_Factory = TypeVar("_Factory", bound=Callable[..., object])


def register(name: str) -> Callable[[_Factory], _Factory]:
    """Return a decorator that registers a class, or a function that returns a mechanism.

    A class that says no name of its own, but inherits one, is given this one.

    Raises:
        ValueError: by the decorator, where the name is taken by another, or the class sets
            `voluntary`.
    """

    def add(factory: _Factory) -> _Factory:
        check_no_voluntary(factory, name)
        registered = MECHANISMS.register(name)(factory)
        if isinstance(factory, type) and "name" not in vars(factory):
            factory.name = name  # type: ignore[attr-defined]
        return registered

    return add


def make(name: str, **params: object) -> Mechanism:
    """Make the mechanism registered as `name`, which is what it is called from then on.

    Raises:
        UnknownNameError: there is none of that name; the message gives the nearest.
        ValueError: it has no such parameter; the message gives the nearest valid one. Or it sets
            `voluntary`.
    """
    mechanism = MECHANISMS.make(name, **params)
    check_no_voluntary(mechanism, name)
    if getattr(mechanism, "name", None) != name:
        with suppress(AttributeError):  # of a property, which says what it says
            object.__setattr__(mechanism, "name", name)
    return mechanism


def check_complete(part: object, name: str) -> None:
    """Raise ValueError where a mechanism lacks a member of `Mechanism`, such as its claims."""
    if isinstance(part, str):
        raise ValueError(f"mechanism: should be one, such as mechanisms.make({part!r}), got a name")
    members = ("name", "allocates", "claims", "clear")
    lacking = [member for member in members if not hasattr(part, member)]
    if lacking:
        raise ValueError(
            f"mechanism {name} has no {' and no '.join(lacking)}; a mechanism has "
            f"{', '.join(members)}, see mechanisms.Mechanism, and "
            "mechanisms.testing.check_mechanism tells more of what is wrong with one"
        )


def check_no_voluntary(part: object, name: str) -> None:
    """Raise ValueError where a mechanism sets `voluntary`, which nothing would read."""
    if hasattr(part, "voluntary"):
        raise ValueError(
            f"{name}: a mechanism has no voluntary; whether edge devices answer the price or give "
            "the effort ordered is Market.effort, in a world env.market.effort: bought | enforced"
        )
