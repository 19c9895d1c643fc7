"""The report of an audit."""

from __future__ import annotations

from dataclasses import dataclass

from mechanisms.claims import Side
from mechanisms.effort import Effort


@dataclass(frozen=True)
class Misreport:
    """The misreport that pays most: evidence that can be cleared again.

    Attributes:
        field: side and field, such as "users.points".
        market: index of the market in the batch, its leading axes flattened.
        agent: index of the edge device or user.
        report: what it tells, in the unit of the field: (unit_cost, cost_slope), credits/point; a
            row of a field of users by column, of several fields factors of the truth; a whole
            number. 0 in "available" and "pending" is withdrawing.
        gain: over the truth, credits/slot.
    """

    field: str
    market: int
    agent: int
    report: tuple[float, ...]
    gain: float


@dataclass(frozen=True)
class FieldRegret:
    """Regret in one field, everything else being told truly. It is a *lower bound*.

    Attributes:
        mean: gain of an agent by the best misreport found, others truthful, mean over the agents
            searched, credits/slot.
        max: the same for the agent that gains most, credits/slot.
        misreports: tried for each agent.
        grid_share: regret found over that of an exhaustive grid, both summed over the agents of
            the grid; above 1 the search found more. NaN where no grid was tried, or only the
            search found any.
        worst: how the agent that gains most does it.
    """

    mean: float
    max: float
    misreports: int
    grid_share: float
    worst: Misreport


@dataclass(frozen=True)
class AuditReport:
    """Measurements of one mechanism over a batch of markets, by `audit`.

    Fields by side have the keys "edge_devices" and, where the mechanism allocates, "users"; a side
    without agents is left out. Regret is that of the agents searched; all the rest is of all
    agents, at the truth.

    Attributes:
        mechanism: its name.
        effort: `Market.effort` of the markets, bought or enforced.
        markets: number of markets measured: those whose truthful reports cleared.
        fields: by side and field ("users.points"): regret in that field.
        unsearched: fields that agents have to report here and that `audit` was not asked to search.
        regret_mean: by side: gain of an agent by its best misreport in any field, others truthful,
            mean over the agents searched, credits/slot. A *lower bound* of the true regret, and so
            is the next.
        regret_max: by side: the same for the agent that gains most, credits/slot.
        min_utility: by side: least ex-post utility, credits/slot; negative is a loss by taking
            part.
        budget_balance: charges less payments, mean over markets, credits/slot; negative is a
            subsidy.
        budget_balance_min: the same in the worst market, credits/slot.
        budget_excess_max: charges above the budget in the worst market, credits/slot; negative
            where none goes above. The budget is the mechanism's own where it has one, else
            `Market.budget`.
        payments: to all edge devices, mean over markets, credits/slot.
        welfare: value less true cost, mean over markets, credits/slot.
        welfare_ratio: welfare over the greatest possible, both summed over markets; 1 where both
            are 0. Above 1 the mechanism serves what the optimum may not, such as more band than
            there is.
        jain: by side: Jain's fairness of utilities, mean over markets, 0..1.
        envy_max: by side: the most that anyone would gain by changing places with another
            (`utility.envy`), credits/slot.
        participation: share of edge devices with positive effort, where the mechanism allocates for
            some user; share of users served, 0..1.
        solve_seconds: to clear one market at the truth, by the mechanism's own clock, seconds.
        misreports: by side: number tried for each agent searched, in all fields.
        agents: by side: agents searched, in all markets together.
        clearings: markets cleared in all.
        failed_clearings: of these, those in which the solver gave no answer. A market that fails at
            the truth is not measured at all; a misreport that fails counts as no gain.
    """

    mechanism: str
    effort: Effort
    markets: int
    fields: dict[str, FieldRegret]
    unsearched: frozenset[str]
    regret_mean: dict[Side, float]
    regret_max: dict[Side, float]
    min_utility: dict[Side, float]
    budget_balance: float
    budget_balance_min: float
    budget_excess_max: float
    payments: float
    welfare: float
    welfare_ratio: float
    jain: dict[Side, float]
    envy_max: dict[Side, float]
    participation: dict[Side, float]
    solve_seconds: float
    misreports: dict[Side, int]
    agents: dict[Side, int]
    clearings: int
    failed_clearings: int

    def worst_misreport(self, side: Side) -> Misreport:
        """Return the misreport of a side that pays most, in any field."""
        of_side = [one.worst for name, one in self.fields.items() if name.startswith(side)]
        return max(of_side, key=lambda misreport: misreport.gain)
