"""What an outcome is worth to those who take part, at their true costs and values; and how evenly
it treats them.
"""

from __future__ import annotations

import numpy as np

from mechanisms.base import Mechanism
from mechanisms.candidates import load, of_served
from mechanisms.claims import Side
from mechanisms.market import FloatArray, IntArray, Market, Outcome
from mechanisms.supply import best_response, cost, welfare


def realised_effort(mechanism: Mechanism, truth: Market, outcome: Outcome) -> FloatArray:
    """Effort (..., E) in 0..1: the best response at true costs where it is voluntary, else what the
    outcome says.
    """
    if mechanism.voluntary:
        return best_response(outcome.unit_price, truth.unit_cost, truth.cost_slope)
    return outcome.effort


def full_points(mechanism: Mechanism, truth: Market, outcome: Outcome) -> FloatArray:
    """Points (..., E) an edge device is asked for: its demand, or `user_points` of the users
    allocated to it.
    """
    if not mechanism.allocates:
        return truth.demand
    assert outcome.allocation is not None
    assert truth.user_points is not None
    return load(
        _of_served(truth, truth.user_points, outcome.allocation),
        outcome.allocation,
        truth.num_experts,
    )


def utilities(mechanism: Mechanism, truth: Market, outcome: Outcome) -> dict[Side, FloatArray]:
    """Utility of each agent, credits/slot; users only where the mechanism allocates.

    An edge device asked for F points at price p has F (p x - kappa x - slope x^2 / 2), (..., E),
    with x its `realised_effort`. A user has the value of the expert it is allocated less its
    charge, (..., U): unserved and uncharged it has 0.

    Args:
        mechanism: what decided.
        truth: true costs and values; its leading axes broadcast against the outcome's.
        outcome: decided from whatever was reported.
    """
    effort = realised_effort(mechanism, truth, outcome)
    margin = outcome.unit_price * effort - cost(effort, truth.unit_cost, truth.cost_slope)
    found: dict[Side, FloatArray] = {
        "edge_devices": full_points(mechanism, truth, outcome) * margin
    }
    if mechanism.allocates:
        assert outcome.allocation is not None
        assert outcome.charge is not None
        assert truth.user_value is not None
        found["users"] = _of_served(truth, truth.user_value, outcome.allocation) - outcome.charge
    return found


def realised_welfare(mechanism: Mechanism, truth: Market, outcome: Outcome) -> FloatArray:
    """Value less true cost of what is delivered (...), credits/slot; those who allocate serve at
    full value.
    """
    effort = realised_effort(mechanism, truth, outcome)
    if not mechanism.allocates:
        return welfare(effort, truth.demand, truth.value, truth.unit_cost, truth.cost_slope)
    assert outcome.allocation is not None
    assert truth.user_value is not None
    served = _of_served(truth, truth.user_value, outcome.allocation).sum(axis=-1)
    borne = full_points(mechanism, truth, outcome) * cost(effort, truth.unit_cost, truth.cost_slope)
    return np.asarray(served - borne.sum(axis=-1))


def envy(mechanism: Mechanism, truth: Market, outcome: Outcome) -> dict[Side, FloatArray]:
    """The most each agent would gain by changing places with another of its side, credits/slot,
    never negative.

    An edge device would have the other's price and effort (its own best response where that is
    voluntary) for the points that it is asked for itself, (..., E); a user the other's allocation
    and charge, (..., U): an expert that it does not list is worth nothing to it.
    """
    own = utilities(mechanism, truth, outcome)
    most = {side: np.zeros_like(had) for side, had in own.items()}
    points = full_points(mechanism, truth, outcome)
    for other in range(truth.num_experts):
        price, effort = outcome.unit_price[..., [other]], outcome.effort[..., [other]]
        if mechanism.voluntary:
            effort = best_response(price, truth.unit_cost, truth.cost_slope)
        would_have = points * (price * effort - cost(effort, truth.unit_cost, truth.cost_slope))
        most["edge_devices"] = np.maximum(most["edge_devices"], would_have - own["edge_devices"])
    if mechanism.allocates:
        assert outcome.allocation is not None
        assert outcome.charge is not None
        assert truth.user_value is not None
        for other in range(truth.num_users):
            allocation = np.broadcast_to(outcome.allocation[..., [other]], own["users"].shape)
            would_have = (
                of_served(truth.user_value, allocation, truth.candidates)
                - outcome.charge[..., [other]]
            )
            most["users"] = np.maximum(most["users"], would_have - own["users"])
    return most


def jain_index(utility: FloatArray) -> FloatArray:
    """Jain's fairness (sum u)^2 / (n sum u^2) over the last axis, 1/n (one has all) to 1 (all
    equal, or all 0).

    It is meant for utilities >= 0; where some are negative it may fall to 0. Source: Jain, Chiu,
    Hawe (1984).
    """
    squares = (utility**2).sum(axis=-1) * utility.shape[-1]
    return np.divide(
        utility.sum(axis=-1) ** 2, squares, out=np.ones_like(squares), where=squares > 0
    )


def _of_served(truth: Market, amounts: FloatArray, allocation: IntArray) -> FloatArray:
    """`of_served` where leading axes of the truth, and of its `amounts`, broadcast to those of the
    allocation.
    """
    return of_served(
        np.broadcast_to(amounts, (*allocation.shape, amounts.shape[-1])),
        allocation,
        truth.candidates,
    )
