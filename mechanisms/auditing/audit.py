"""The audit of a mechanism: incentives, losses, money, welfare and fairness, measured."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from mechanisms.arrays import FloatArray, IntArray
from mechanisms.assignment import optimal_welfare
from mechanisms.auditing.clearings import Clearings
from mechanisms.auditing.regret import Regrets, search_regrets
from mechanisms.auditing.report import AuditReport, Misreport
from mechanisms.auditing.utility import envy, realised_welfare, taking_part, utilities
from mechanisms.base import Mechanism, check_no_voluntary
from mechanisms.claims import Side
from mechanisms.errors import MechanismError
from mechanisms.fairness import jain_index
from mechanisms.market import Market
from mechanisms.supply import greatest_welfare


def audit(
    mechanism: Mechanism,
    market: Market,
    *,
    rng: np.random.Generator,
    misreports: int = 200,
    agents: int | None = None,
    bandwidth: bool | None = None,
) -> AuditReport:
    """Measure a mechanism on markets whose costs and values are taken for the truth.

    All is exact but regret, which is searched (`misreports.most_profitable`): edge devices lie
    about unit_cost and cost_slope, users, where the mechanism allocates, about their row of
    `UserReports.value`. Markets with a misreport are cleared many at a time, at most
    `regret.CHUNK_ENTRIES` entries a field. The same seed gives the same report but for
    `solve_seconds`, and with a larger number of misreports never a smaller regret. Effort is bought
    or enforced as `market.effort` says (`auditing.utility`).

    Args:
        mechanism: that is measured.
        market: true costs and values, with any leading axes.
        rng: draws agents and misreports.
        misreports: number tried for each agent searched, >= 0.
        agents: searched on each side of each market, drawn at random, >= 1; None searches all.
        bandwidth: True if the optimum that an allocation's welfare is compared with keeps the
            bandwidth rows; None for as the mechanism does, which then has an attribute `bandwidth`.

    Raises:
        ValueError: misreports or agents below its limit, an empty batch, or a mechanism that sets
            `voluntary`.
        MarketError: the market lacks what the mechanism needs.
        MechanismError: not one market could be cleared, or a mechanism that allocates gave no
            allocation.
    """
    check_no_voluntary(mechanism, mechanism.name)
    if misreports < 0:
        raise ValueError(f"misreports = {misreports}: must be >= 0")
    if agents is not None and agents < 1:
        raise ValueError(f"agents = {agents}: must be >= 1, or None for all")
    if not market.budget.size:
        raise ValueError(f"the batch {market.batch_shape} holds no market to audit")
    given = market.reshaped(market.budget.size)
    if not mechanism.allocates:
        given = replace(given, users=None)
    clearings = Clearings(mechanism)
    decided, cleared = clearings.clear(given)
    if decided is None:
        raise MechanismError(
            f"{mechanism.name}: not one of {given.budget.size} markets could be cleared"
        )
    index = np.flatnonzero(cleared)
    truth, outcome = given.world(index), decided.world(index)

    utility = {side: had for side, had in utilities(mechanism, truth, outcome).items() if had.size}
    envies = envy(mechanism, truth, outcome)
    searched: dict[Side, Regrets] = {}
    for side, had in utility.items():
        searched[side] = search_regrets(
            clearings, truth, side, had, misreports=misreports, agents=agents, rng=rng
        )
    reached = realised_welfare(mechanism, truth, outcome)
    charges = outcome.balance + outcome.payment.sum(axis=-1)
    own_budget = getattr(mechanism, "budget", None)
    budget = truth.budget if own_budget is None else own_budget
    return AuditReport(
        mechanism=mechanism.name,
        effort=market.effort,
        markets=len(index),
        regret_mean={side: float(found.gain.mean()) for side, found in searched.items()},
        regret_max={side: float(found.gain.max()) for side, found in searched.items()},
        worst_misreport={side: _worst(found, index) for side, found in searched.items()},
        min_utility={side: float(had.min()) for side, had in utility.items()},
        budget_balance=float(outcome.balance.mean()),
        budget_balance_min=float(outcome.balance.min()),
        budget_excess_max=float((charges - budget).max()),
        payments=float(outcome.payment.sum(axis=-1).mean()),
        welfare=float(reached.mean()),
        welfare_ratio=_ratio(reached.sum(), _optimum(mechanism, truth, bandwidth).sum()),
        jain={side: float(jain_index(had).mean()) for side, had in utility.items()},
        envy_max={side: float(envies[side].max()) for side in utility},
        participation={
            side: float(taking_part(mechanism, truth, outcome, side).mean()) for side in utility
        },
        solve_seconds=outcome.solve_seconds / len(index),
        misreports=misreports,
        agents={side: len(found.agent) for side, found in searched.items()},
        clearings=clearings.total,
        failed_clearings=clearings.failed,
    )


def _worst(found: Regrets, index: IntArray) -> Misreport:
    """Return the misreport that gains most; `index` is the place of each market in the batch."""
    worst = int(found.gain.argmax())
    return Misreport(
        market=int(index[found.market[worst]]),
        agent=int(found.agent[worst]),
        report=tuple(found.report[worst].tolist()),
        gain=float(found.gain[worst]),
    )


def _optimum(mechanism: Mechanism, truth: Market, bandwidth: bool | None) -> FloatArray:
    """Return the greatest welfare (...), credits/slot.

    It is that of any allocation where the mechanism allocates, else of any prices.
    """
    if mechanism.allocates:
        if bandwidth is None:
            bandwidth = bool(getattr(mechanism, "bandwidth", False))
        return optimal_welfare(truth, bandwidth=bandwidth)
    return greatest_welfare(truth)


def _ratio(reached: float, optimum: float) -> float:
    """Return the share of the optimum reached; of an optimum of 0 only 0 is a finite share."""
    if optimum > 0:
        return float(reached / optimum)
    return 1.0 if reached == 0 else -np.inf
