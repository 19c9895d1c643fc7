"""What a mechanism does, measured: incentives, losses, money, welfare and fairness, at true costs
and values.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from mechanisms.assignment import optimal_welfare
from mechanisms.base import Mechanism
from mechanisms.claims import Claims, Side
from mechanisms.errors import MechanismError
from mechanisms.market import FloatArray, IntArray, Market, Outcome
from mechanisms.regret import Clearings, Regrets, given_fields, search_regrets, select
from mechanisms.supply import best_response, welfare
from mechanisms.utility import envy, jain_index, realised_effort, realised_welfare, utilities

_FIELDS_OF_PRICING = ("unit_cost", "cost_slope", "demand", "value", "budget")


@dataclass(frozen=True)
class Misreport:
    """The lie that pays most on one side: evidence that can be cleared again.

    Attributes:
        market: index of the market in the batch, its leading axes flattened.
        agent: index of the edge device or user.
        report: (unit_cost, cost_slope), credits/point, or the row of `user_value`, credits, by
            column.
        gain: over the truth, credits/slot.
    """

    market: int
    agent: int
    report: tuple[float, ...]
    gain: float


@dataclass(frozen=True)
class AuditReport:
    """What `audit` measured of one mechanism over a batch of markets.

    Fields by side have the keys "edge_devices" and, where the mechanism allocates, "users"; a side
    without agents is left out. Regret is that of the agents searched; all the rest is of all
    agents, at the truth.

    Attributes:
        mechanism: its name.
        markets: markets measured: those whose truthful reports cleared.
        regret_mean: by side: gain of an agent by the best misreport found, others truthful, mean
            over the agents searched, credits/slot. A *lower bound* of the true regret, and so are
            the next two.
        regret_max: by side: the same for the agent that gains most, credits/slot.
        worst_misreport: by side: how that agent does it.
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
        participation: share of edge devices with positive effort, share of users served, 0..1.
        solve_seconds: to clear one market at the truth, by the mechanism's own clock, seconds.
        misreports: tried for each agent searched.
        agents: by side: agents searched, in all markets together.
        clearings: markets cleared in all.
        failed_clearings: of these, those in which the solver gave no answer. A market that fails at
            the truth is not measured at all; a misreport that fails counts as no gain.
    """

    mechanism: str
    markets: int
    regret_mean: dict[Side, float]
    regret_max: dict[Side, float]
    worst_misreport: dict[Side, Misreport]
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
    misreports: int
    agents: dict[Side, int]
    clearings: int
    failed_clearings: int


def audit(
    mechanism: Mechanism,
    market: Market,
    *,
    rng: np.random.Generator,
    misreports: int = 200,
    agents: int | None = None,
    bandwidth: bool | None = None,
) -> AuditReport:
    """Measure a mechanism on one market or a batch of them, taking the market's costs and values
    for the truth.

    All is exact but regret, which is searched (`misreports.most_profitable`): edge devices lie
    about unit_cost and cost_slope, users, where the mechanism allocates, about their row of
    user_value. Markets with a misreport are cleared many at a time, at most `regret.CHUNK_ENTRIES`
    entries a field. The same seed gives the same report but for `solve_seconds`, and with a larger
    budget never a smaller regret.

    Args:
        mechanism: what is measured.
        market: true costs and values, with any leading axes.
        rng: draws agents and misreports.
        misreports: the search budget: tried for each agent searched, >= 0.
        agents: searched on each side of each market, drawn at random, >= 1; None searches all.
        bandwidth: whether the optimum that an allocation's welfare is compared with keeps the
            bandwidth rows; None for as the mechanism does, which then has an attribute `bandwidth`.

    Raises:
        ValueError: misreports or agents below its limit, an empty batch.
        MarketError: the market lacks what the mechanism needs.
        MechanismError: not one market could be cleared.
    """
    if misreports < 0:
        raise ValueError(f"misreports = {misreports}: must be >= 0")
    if agents is not None and agents < 1:
        raise ValueError(f"agents = {agents}: must be >= 1, or None for all")
    given = _flat(market, mechanism)
    if not given.budget.size:
        raise ValueError(f"the batch {market.batch_shape} holds no market to audit")
    clearings = Clearings(mechanism)
    decided, cleared = clearings.clear(given)
    if decided is None:
        raise MechanismError(
            f"{mechanism.name}: not one of {given.budget.size} markets could be cleared"
        )
    index = np.flatnonzero(cleared)
    truth, outcome = select(given, index), _select_outcome(decided, index)

    utility = {side: had for side, had in utilities(mechanism, truth, outcome).items() if had.size}
    envies = envy(mechanism, truth, outcome)
    searched: dict[Side, Regrets] = {
        side: search_regrets(
            clearings, truth, side, had, misreports=misreports, agents=agents, rng=rng
        )
        for side, had in utility.items()
    }
    reached = realised_welfare(mechanism, truth, outcome)
    charges = outcome.balance + outcome.payment.sum(axis=-1)
    own_budget = getattr(mechanism, "budget", None)
    return AuditReport(
        mechanism=mechanism.name,
        markets=len(index),
        regret_mean={side: float(found.gain.mean()) for side, found in searched.items()},
        regret_max={side: float(found.gain.max()) for side, found in searched.items()},
        worst_misreport={side: _worst(found, index) for side, found in searched.items()},
        min_utility={side: float(had.min()) for side, had in utility.items()},
        budget_balance=float(outcome.balance.mean()),
        budget_balance_min=float(outcome.balance.min()),
        budget_excess_max=float(
            (charges - (truth.budget if own_budget is None else own_budget)).max()
        ),
        payments=float(outcome.payment.sum(axis=-1).mean()),
        welfare=float(reached.mean()),
        welfare_ratio=_ratio(reached.sum(), _optimum(mechanism, truth, bandwidth).sum()),
        jain={side: float(jain_index(had).mean()) for side, had in utility.items()},
        envy_max={side: float(envies[side].max()) for side in utility},
        participation={
            side: float(_taking_part(mechanism, truth, outcome, side).mean()) for side in utility
        },
        solve_seconds=outcome.solve_seconds / len(index),
        misreports=misreports,
        agents={side: len(found.agent) for side, found in searched.items()},
        clearings=clearings.total,
        failed_clearings=clearings.failed,
    )


def violations(report: AuditReport, claims: Claims, tolerance: float = 1e-6) -> list[str]:
    """Each claimed property that the report contradicts, in words with the number; empty where none
    is.

    A claim on a side that was not measured counts as contradicted: nothing supports it. Whether the
    markets met `claims.condition` is for the caller to see to.

    Args:
        report: from `audit`.
        claims: of the mechanism.
        tolerance: credits/slot, and share of the optimal welfare, up to which a difference is
            rounding.
    """
    found: list[tuple[bool, str]] = []
    for side in sorted(claims.incentive_compatible):
        regret = report.regret_max.get(side, np.nan)
        says = f"claims incentive compatibility of {side}, and one gains {regret:.6g} credits/slot by a misreport"
        found.append((regret <= tolerance, says))
    for side in sorted(claims.individually_rational):
        least = report.min_utility.get(side, np.nan)
        says = (
            f"claims individual rationality of {side}, and one has utility {least:.6g} credits/slot"
        )
        found.append((least >= -tolerance, says))
    if claims.budget_balanced:
        least = report.budget_balance_min
        says = (
            f"claims budget balance, and in one market the platform keeps {least:.6g} credits/slot"
        )
        found.append((least >= -tolerance, says))
    if claims.within_budget:
        excess = report.budget_excess_max
        says = f"claims to keep the budget, and in one market charges exceed it by {excess:.6g} credits/slot"
        found.append((excess <= tolerance, says))
    if claims.efficient:
        ratio = report.welfare_ratio
        says = f"claims efficiency, and its welfare is {ratio:.6g} of the optimum"
        found.append((abs(ratio - 1) <= tolerance, says))
    return [f"{report.mechanism} {says}" for holds, says in found if not holds]


def _flat(market: Market, mechanism: Mechanism) -> Market:
    """The markets along one leading axis, without what a mechanism that only prices does not look
    at.
    """
    arrays = given_fields(market)
    if not mechanism.allocates:
        arrays = {name: arrays[name] for name in _FIELDS_OF_PRICING}
    leading, num_markets = len(market.batch_shape), market.budget.size
    return Market(
        **{
            name: array.reshape(num_markets, *array.shape[leading:])
            for name, array in arrays.items()
        }
    )


def _select_outcome(outcome: Outcome, index: IntArray) -> Outcome:
    """The outcome of the markets at `index` along the first axis."""
    arrays: dict[str, Any] = {entry.name: getattr(outcome, entry.name) for entry in fields(outcome)}
    for name, array in arrays.items():
        if isinstance(array, np.ndarray):
            arrays[name] = array[index]
    return Outcome(**arrays)


def _worst(found: Regrets, index: IntArray) -> Misreport:
    worst = int(found.gain.argmax())
    report = tuple(found.report[worst].tolist())
    return Misreport(
        int(index[found.market[worst]]), int(found.agent[worst]), report, float(found.gain[worst])
    )


def _optimum(mechanism: Mechanism, truth: Market, bandwidth: bool | None) -> FloatArray:
    """The greatest welfare (...), credits/slot: of any allocation where the mechanism allocates,
    else of any prices.
    """
    if mechanism.allocates:
        if bandwidth is None:
            bandwidth = bool(getattr(mechanism, "bandwidth", False))
        return optimal_welfare(truth, bandwidth=bandwidth)
    effort = best_response(truth.value, truth.unit_cost, truth.cost_slope)
    return welfare(effort, truth.demand, truth.value, truth.unit_cost, truth.cost_slope)


def _ratio(reached: float, optimum: float) -> float:
    """Of an optimum of 0 nothing but 0 is a finite share."""
    if optimum > 0:
        return float(reached / optimum)
    return 1.0 if reached == 0 else -np.inf


def _taking_part(mechanism: Mechanism, truth: Market, outcome: Outcome, side: Side) -> FloatArray:
    if side == "edge_devices":
        return np.asarray(realised_effort(mechanism, truth, outcome) > 0)
    assert outcome.allocation is not None
    return np.asarray(outcome.allocation >= 0)
