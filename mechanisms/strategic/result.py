"""Money and welfare that an outcome really leaves, whatever was reported."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from mechanisms.arrays import FloatArray
from mechanisms.assignment import optimal_welfare
from mechanisms.auditing.utility import realised_effort, realised_welfare, utilities
from mechanisms.base import Mechanism
from mechanisms.candidates import of_own_expert
from mechanisms.market import Market
from mechanisms.none import is_free
from mechanisms.outcome import Outcome
from mechanisms.services import services_of
from mechanisms.supply import greatest_welfare

_KEPT = 1e-6  # of a budget, by which charges may round above it


@dataclass(frozen=True)
class Result:
    """Means over markets, at true costs and values; credits/slot but for ratios and shares.

    Money is what really changes hands. Where effort is bought edge devices answer prices at their
    true costs, so it is not what the outcome foresees from reports. Welfare is user_utility +
    edge_utility + balance.

    Attributes:
        welfare: value less true cost.
        welfare_ratio: welfare over the greatest possible at true costs, both summed over markets; 1
            where both are 0.
        payments: to all edge devices.
        edge_utility: of all edge devices together: payments less true costs.
        user_utility: of all users together: value less charges. Where the mechanism only prices
            they pay the payments.
        balance: charges less payments; negative is a subsidy of the platform.
        budget_kept: share of markets whose charges do not exceed the budget, 0..1. It is the
            mechanism's own where that has one, else `Market.budget`.
    """

    welfare: float
    welfare_ratio: float
    payments: float
    edge_utility: float
    user_utility: float
    balance: float
    budget_kept: float


def result_of(mechanism: Mechanism, truth: Market, outcome: Outcome) -> Result:
    """Return what an outcome, decided from any reports, leaves in markets (N,) of the truth."""
    money = money_of(mechanism, truth, outcome)
    had = utilities(mechanism, truth, outcome)
    welfare = realised_welfare(mechanism, truth, outcome)
    charges = money.charges.sum(axis=-1)
    payments = money.payments.sum(axis=-1)
    if mechanism.allocates:
        user_utility = had["users"].sum(axis=-1)
    else:
        effort = realised_effort(mechanism, truth, outcome)
        user_utility = (truth.value * truth.demand * effort).sum(axis=-1) - charges
    own_budget = getattr(mechanism, "budget", None)
    budget = truth.budget if own_budget is None else own_budget
    return Result(
        welfare=float(welfare.mean()),
        welfare_ratio=_ratio(float(welfare.sum()), float(_optimum(mechanism, truth).sum())),
        payments=float(payments.mean()),
        edge_utility=float(had["edge_devices"].sum(axis=-1).mean()),
        user_utility=float(user_utility.mean()),
        balance=float((charges - payments).mean()),
        budget_kept=float((charges <= budget * (1 + _KEPT)).mean()),
    )


class Money(NamedTuple):
    """Credits/slot that really change hands.

    Attributes:
        charges: (..., U) to the users, or where the mechanism only prices (..., E) to all users
            together for the points of an expert.
        payments: (..., U) for the service of each user, or (..., E) to each edge device.
    """

    charges: FloatArray
    payments: FloatArray


def money_of(mechanism: Mechanism, truth: Market, outcome: Outcome) -> Money:
    """Return charges and payments at the efforts that edge devices give at their true costs.

    Args:
        mechanism: that decided.
        truth: true costs and values; its leading axes broadcast against the outcome's.
        outcome: decided from any reports.
    """
    if not mechanism.allocates:
        effort = realised_effort(mechanism, truth, outcome)
        payments = outcome.unit_price * truth.demand * effort
        return Money(payments, payments)
    expert, charge, pair_price = outcome.allocation_by(mechanism.name)
    services = services_of(truth, expert, mechanism.name)
    effort = of_own_expert(outcome.effort, expert)
    if not is_free(mechanism):
        effort = services.answer(pair_price, effort if truth.effort == "enforced" else None)
    # Who is served by nobody pays what it is charged, if anything.
    share = np.where(expert >= 0, effort, 1.0)
    return Money(charge * share, pair_price * services.points * effort)


def _optimum(mechanism: Mechanism, truth: Market) -> FloatArray:
    """Return the greatest welfare (...) of any allocation or of any prices, credits/slot."""
    if mechanism.allocates:
        return optimal_welfare(truth, bandwidth=bool(getattr(mechanism, "bandwidth", False)))
    return greatest_welfare(truth)


def _ratio(reached: float, optimum: float) -> float:
    """Return the share of the optimum reached; of an optimum of 0 only 0 is a finite share."""
    if optimum > 0:
        return reached / optimum
    return 1.0 if reached == 0 else -np.inf
