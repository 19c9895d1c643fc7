"""The protocol of mechanisms, and the registry that makes one by its name."""

from __future__ import annotations

from typing import Protocol

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
    def voluntary(self) -> bool:
        """True if edge devices answer the price with their best response.

        Otherwise they give the outcome's effort.
        """

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

        Raises:
            MarketError: the market lacks what the mechanism needs.
            MechanismError: a solver gave no answer.
        """


MECHANISMS: Registry[Mechanism] = Registry("mechanism")
register, names, make = MECHANISMS.register, MECHANISMS.names, MECHANISMS.make
