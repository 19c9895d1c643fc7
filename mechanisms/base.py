"""What a mechanism is, and the registry that makes one by its name."""

from __future__ import annotations

from typing import Protocol

from mechanisms.claims import Claims
from mechanisms.market import Market, Outcome
from mechanisms.registry import Registry


class Mechanism(Protocol):
    """Decides prices and payments from reports; each class docstring is its specification."""

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


MECHANISMS: Registry[Mechanism] = Registry("mechanism")
register, names, make = MECHANISMS.register, MECHANISMS.names, MECHANISMS.make
