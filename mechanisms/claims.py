"""Claims of a mechanism, in terms that `mechanisms.audit` can test."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from mechanisms.effort import EFFORTS, Effort

Side = Literal["edge_devices", "users"]


@dataclass(frozen=True)
class Claims:
    """Guarantees of a mechanism.

    Its class docstring argues them; an audit measures them.

    Attributes:
        strategic: sides whose reports the mechanism expects to be chosen in their own interest.
        incentive_compatible: sides for which reporting the truth is best, whatever others report.
        individually_rational: sides on which nobody who reports the truth loses by taking part.
        budget_balanced: charges cover payments in every market: the platform never adds money.
        within_budget: charges never exceed `Market.budget`.
        efficient: the outcome is of greatest welfare, at the costs and values reported.
        condition: what must hold of a market for all of this; empty where it always does.
        regimes: the `Market.effort` under which all of this is claimed; under another nothing is.
    """

    strategic: frozenset[Side] = frozenset()
    incentive_compatible: frozenset[Side] = frozenset()
    individually_rational: frozenset[Side] = frozenset()
    budget_balanced: bool = False
    within_budget: bool = False
    efficient: bool = False
    condition: str = ""
    regimes: frozenset[Effort] = frozenset(EFFORTS)

    def __post_init__(self) -> None:
        unknown = sorted(set(self.regimes) - set(EFFORTS))
        if unknown:
            allowed = ", ".join(map(repr, EFFORTS))
            raise ValueError(f"claims: regimes has {unknown[0]!r}, should be among {allowed}")
