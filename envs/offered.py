"""The offer that follows from what a mechanism decides."""

from typing import Any

import numpy as np

from envs.arrays import Float
from envs.duty.plan import DutyPlan
from envs.offer import Offer, nobody
from envs.reports import Reports
from mechanisms import Market, Mechanism, Outcome, is_free
from mechanisms.auditing.utility import realised_effort
from mechanisms.candidates import of_served


def offered(
    mechanism: Mechanism,
    market: Market,
    outcome: Outcome,
    reports: Reports | None,
    num_users: int,
    margin: Float,
    duty: DutyPlan | None,
) -> Offer:
    """Return the offer of an outcome: prices follow from reports, effort from true costs.

    Args:
        mechanism: that decided.
        market: N worlds at true costs.
        outcome: what it decided.
        reports: reports of the users; None where the mechanism only prices.
        num_users: U.
        margin: (N,) share of their charge that users pay on top.
        duty: of the experts; None where they have none.
    """
    allocation = outcome.allocation
    if allocation is None or reports is None:
        allocation = nobody(len(outcome.effort), num_users)
        full_points = np.zeros(allocation.charge.shape)
    else:
        users = reports.users
        full_points = of_served(users.points, allocation.expert, users.candidates)
    enforced = market.effort == "enforced"
    return standing(
        mechanism,
        enforced,
        unit_price=outcome.unit_price,
        effort=outcome.effort if enforced else realised_effort(mechanism, market, outcome),
        allocation=allocation,
        full_points=full_points,
        margin=margin,
        duty=None if duty is None else duty.terms(mechanism, market, outcome),
    )


def standing(mechanism: Mechanism, enforced: bool, **terms: Any) -> Offer:
    """Return an offer of a mechanism; `terms` are the fields of `Offer` that it does not decide."""
    return Offer(
        mechanism=mechanism.name,
        allocates=mechanism.allocates,
        free=is_free(mechanism),
        enforced=enforced,
        **terms,
    )
