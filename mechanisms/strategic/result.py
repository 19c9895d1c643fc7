"""Money and welfare that an outcome really leaves, whatever was reported."""

from __future__ import annotations

from dataclasses import dataclass

from mechanisms.auditing.optimum import optimum, share_reached
from mechanisms.auditing.utility import realised_effort, realised_welfare, serve, utilities
from mechanisms.base import Mechanism
from mechanisms.budget import budget_of
from mechanisms.market import Market
from mechanisms.outcome import Outcome

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
    had = utilities(mechanism, truth, outcome)
    if mechanism.allocates:
        served = serve(mechanism, truth, outcome)
        payments, charges = served.payment.sum(axis=-1), served.charge.sum(axis=-1)
        user_utility = had["users"].sum(axis=-1)
    else:
        delivered = truth.demand * realised_effort(mechanism, truth, outcome)
        payments = charges = (outcome.unit_price * delivered).sum(axis=-1)
        user_utility = (truth.value * delivered).sum(axis=-1) - charges
    welfare = realised_welfare(mechanism, truth, outcome)
    budget = budget_of(truth, getattr(mechanism, "budget", None))
    return Result(
        welfare=float(welfare.mean()),
        welfare_ratio=share_reached(welfare, optimum(mechanism, truth)),
        payments=float(payments.mean()),
        edge_utility=float(had["edge_devices"].sum(axis=-1).mean()),
        user_utility=float(user_utility.mean()),
        balance=float((charges - payments).mean()),
        budget_kept=float((charges <= budget * (1 + _KEPT)).mean()),
    )
