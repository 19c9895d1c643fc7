"""Utility, welfare and envy of those who take part, at their true costs and values."""

from __future__ import annotations

import numpy as np

from mechanisms.arrays import BoolArray, FloatArray, IntArray
from mechanisms.base import Mechanism
from mechanisms.candidates import load, of_served
from mechanisms.claims import Side
from mechanisms.market import Market
from mechanisms.outcome import Outcome
from mechanisms.supply import best_response, cost, welfare


def realised_effort(mechanism: Mechanism, truth: Market, outcome: Outcome) -> FloatArray:
    """Return the effort (..., E), 0..1, that edge devices give.

    It is the best response at true costs where effort is voluntary, else what the outcome says.
    """
    if mechanism.voluntary:
        return best_response(outcome.unit_price, truth.unit_cost, truth.cost_slope)
    return outcome.effort


def requested_points(mechanism: Mechanism, truth: Market, outcome: Outcome) -> FloatArray:
    """Return the points (..., E) requested of each edge device at full effort, points/slot.

    These are its demand, or where the mechanism allocates the points of the users that it serves.
    """
    if not mechanism.allocates:
        return truth.demand
    expert = outcome.allocation_by(mechanism.name).expert
    points = truth.users_for(mechanism.name).points
    return load(_of_served(truth, points, expert), expert, truth.num_experts)


def utilities(mechanism: Mechanism, truth: Market, outcome: Outcome) -> dict[Side, FloatArray]:
    """Return the utility of each agent, credits/slot; of users only where the mechanism allocates.

    An edge device of which F points are requested at price p has F (p x - kappa x - slope x^2 / 2),
    (..., E), with x its `realised_effort`. A user has the value of the expert that serves it less
    its charge, (..., U): 0 if it is neither served nor charged.

    Args:
        mechanism: that decided.
        truth: true costs and values; its leading axes broadcast against the outcome's.
        outcome: decided from any reports.
    """
    effort = realised_effort(mechanism, truth, outcome)
    margin = outcome.unit_price * effort - cost(effort, truth.unit_cost, truth.cost_slope)
    found: dict[Side, FloatArray] = {
        "edge_devices": requested_points(mechanism, truth, outcome) * margin
    }
    if mechanism.allocates:
        allocation = outcome.allocation_by(mechanism.name)
        value = truth.users_for(mechanism.name).value
        found["users"] = _of_served(truth, value, allocation.expert) - allocation.charge
    return found


def realised_welfare(mechanism: Mechanism, truth: Market, outcome: Outcome) -> FloatArray:
    """Return value less true cost (...) of what is delivered, credits/slot.

    Where the mechanism allocates, the served have their full value.
    """
    effort = realised_effort(mechanism, truth, outcome)
    if not mechanism.allocates:
        return welfare(effort, truth.demand, truth.value, truth.unit_cost, truth.cost_slope)
    expert = outcome.allocation_by(mechanism.name).expert
    value = truth.users_for(mechanism.name).value
    served = _of_served(truth, value, expert).sum(axis=-1)
    points = requested_points(mechanism, truth, outcome)
    borne = points * cost(effort, truth.unit_cost, truth.cost_slope)
    return np.asarray(served - borne.sum(axis=-1))


def taking_part(mechanism: Mechanism, truth: Market, outcome: Outcome, side: Side) -> BoolArray:
    """Return which edge devices (..., E) give effort, or which users (..., U) are served."""
    if side == "edge_devices":
        return np.asarray(realised_effort(mechanism, truth, outcome) > 0)
    return np.asarray(outcome.allocation_by(mechanism.name).expert >= 0)


def envy(mechanism: Mechanism, truth: Market, outcome: Outcome) -> dict[Side, FloatArray]:
    """Return the most that each agent would gain by changing places with another of its side.

    It is in credits/slot and never negative. An edge device would have the other's price and effort
    (its own best response where that is voluntary) for the points that are requested of itself,
    (..., E); a user the other's expert and charge, (..., U), where an expert that is not its
    candidate is worth nothing to it.
    """
    own = utilities(mechanism, truth, outcome)
    most = {side: np.zeros_like(had) for side, had in own.items()}
    points = requested_points(mechanism, truth, outcome)
    for other in range(truth.num_experts):
        price, effort = outcome.unit_price[..., [other]], outcome.effort[..., [other]]
        if mechanism.voluntary:
            effort = best_response(price, truth.unit_cost, truth.cost_slope)
        would_have = points * (price * effort - cost(effort, truth.unit_cost, truth.cost_slope))
        most["edge_devices"] = np.maximum(most["edge_devices"], would_have - own["edge_devices"])
    if mechanism.allocates:
        users = truth.users_for(mechanism.name)
        allocation = outcome.allocation_by(mechanism.name)
        for other in range(users.num_users):
            expert = np.broadcast_to(allocation.expert[..., [other]], own["users"].shape)
            value = of_served(users.value, expert, users.candidates)
            would_have = value - allocation.charge[..., [other]]
            most["users"] = np.maximum(most["users"], would_have - own["users"])
    return most


def _of_served(truth: Market, amounts: FloatArray, expert: IntArray) -> FloatArray:
    """Return `of_served` where leading axes of `amounts` broadcast to those of the allocation."""
    candidates = None if truth.users is None else truth.users.candidates
    amounts = np.broadcast_to(amounts, (*expert.shape, amounts.shape[-1]))
    return of_served(amounts, expert, candidates)
