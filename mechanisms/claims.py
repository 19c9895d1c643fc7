"""Claims of a mechanism, in terms that `mechanisms.audit` can test."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal

from mechanisms.effort import EFFORTS, Effort
from mechanisms.registry import nearest

Side = Literal["edge_devices", "users"]
# What each side reports, as `auditing.lies` tells it.
FIELDS: dict[Side, tuple[str, ...]] = {
    "edge_devices": ("costs", "capacity", "bandwidth_limit", "topic", "available"),
    "users": (
        "value",
        "points",
        "work",
        "points_and_work",
        "bandwidth_need",
        "topic",
        "pending",
    ),
}


def check_fields(what: str, names: Collection[str]) -> None:
    """Raise ValueError, beginning with `what`, unless all names are of sides or of their fields."""
    if isinstance(names, str):
        raise ValueError(f"{what} should be a set of names, got {names!r}")
    known = [*FIELDS, *(f"{side}.{field}" for side in FIELDS for field in FIELDS[side])]
    for name in sorted(names):
        if name not in known:
            raise ValueError(f"{what} has {name!r}; {nearest(name, known)}")


@dataclass(frozen=True)
class Claims:
    """Guarantees of a mechanism.

    Its class docstring argues them; an audit measures them.

    Attributes:
        strategic: sides whose reports the mechanism expects to be chosen in their own interest.
        incentive_compatible: what it is best to report truly, whatever others report: a field of a
            side, such as "users.value", all else being told truly; or a side, "users", for all that
            it reports. `auditing.lies` lists the fields.
        individually_rational: sides on which nobody who reports the truth loses by taking part.
        budget_balanced: charges cover payments in every market: the platform never adds money.
        within_budget: charges never exceed `Market.budget`.
        efficient: the outcome is of greatest welfare, at the costs and values reported.
        condition: what must hold of a market for all of this; empty where it always does.
        regimes: the `Market.effort` under which all of this is claimed; under another nothing is.
        where_enforced: what is claimed in place of this where effort is enforced; None for the
            same.
    """

    strategic: frozenset[Side] = frozenset()
    incentive_compatible: frozenset[str] = frozenset()
    individually_rational: frozenset[Side] = frozenset()
    budget_balanced: bool = False
    within_budget: bool = False
    efficient: bool = False
    condition: str = ""
    regimes: frozenset[Effort] = frozenset(EFFORTS)
    where_enforced: Claims | None = None

    def __post_init__(self) -> None:
        unknown = sorted(set(self.regimes) - set(EFFORTS))
        if unknown:
            allowed = ", ".join(map(repr, EFFORTS))
            raise ValueError(f"claims: regimes has {unknown[0]!r}, should be among {allowed}")
        check_fields("claims: incentive_compatible", self.incentive_compatible)
        for key in ("strategic", "individually_rational"):
            for side in sorted(getattr(self, key)):
                if side not in FIELDS:
                    raise ValueError(f"claims: {key} has {side!r}; {nearest(side, FIELDS)}")

    def under(self, effort: Effort) -> Claims:
        """Return what is claimed where effort is bought or enforced; of a regime not named none."""
        if effort not in self.regimes:
            return Claims(strategic=self.strategic)
        if effort == "enforced" and self.where_enforced is not None:
            return self.where_enforced
        return self

    def truth_is_best(self, field: str) -> bool:
        """Return whether it is claimed that telling the truth is best in a field of a side."""
        side = field.partition(".")[0]
        return field in self.incentive_compatible or side in self.incentive_compatible
