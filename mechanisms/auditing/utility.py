"""Utility, welfare and envy of those who take part, at their true costs and values.

`Market.effort` of the truth says how effort follows from the outcome. Bought: it is the best
response at true costs to the price. Enforced: it is what the outcome orders. In both an edge device
declines where it would lose at its true costs, unless experts are free (`is_free`). Of users who
are allocated an expert each service is decided alone.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from mechanisms.arrays import BoolArray, FloatArray, IntArray
from mechanisms.auditing.limits import fits
from mechanisms.base import Mechanism
from mechanisms.candidates import load, of_own_expert
from mechanisms.claims import Side
from mechanisms.market import Market
from mechanisms.none import is_free
from mechanisms.outcome import Outcome
from mechanisms.services import Services, of_pairs_served, services_of
from mechanisms.supply import answer, cost, welfare_at


def realised_effort(mechanism: Mechanism, truth: Market, outcome: Outcome) -> FloatArray:
    """Return the effort (..., E), 0..1, that edge devices give where a mechanism only prices."""
    if is_free(mechanism):
        return outcome.effort
    return _answer(truth, outcome.unit_price, outcome.effort)


def utilities(
    mechanism: Mechanism,
    truth: Market,
    outcome: Outcome,
    binds: frozenset[str] = frozenset(),
) -> dict[Side, FloatArray]:
    """Return the utility of each agent, credits/slot; of users only where the mechanism allocates.

    An edge device of demand D at price p has D (p x - kappa x - slope x^2 / 2), costs being those
    of a point, less what is fixed if x > 0, (..., E), with x its realised effort. Where the
    mechanism allocates it has the sum of what it earns beyond its costs by each user that it
    serves. A user has the share x of the value of the expert that serves it less its charge, (...,
    U): 0 if it is neither served nor charged.

    Args:
        mechanism: that decided.
        truth: true costs and values; its leading axes broadcast against the outcome's.
        outcome: decided from any reports.
        binds: limits of experts, "capacity" or "band", that were lied about: where more is
            allocated to an expert than it has, it serves those it earns most by.
    """
    if not mechanism.allocates:
        effort = realised_effort(mechanism, truth, outcome)
        return {"edge_devices": _earned(truth, outcome.unit_price, effort)}
    served = serve(mechanism, truth, outcome, binds)
    profit = served.services.profit(served.pair_price, served.effort)
    return {
        "edge_devices": load(profit, served.services.expert, truth.num_experts),
        "users": served.value * served.effort - served.charge,
    }


def realised_welfare(mechanism: Mechanism, truth: Market, outcome: Outcome) -> FloatArray:
    """Return value less true cost (...) of what is delivered, credits/slot."""
    if not mechanism.allocates:
        return welfare_at(truth, realised_effort(mechanism, truth, outcome))
    served = serve(mechanism, truth, outcome)
    value = (served.value * served.effort).sum(axis=-1)
    return np.asarray(value - served.services.cost(served.effort).sum(axis=-1))


def taking_part(mechanism: Mechanism, truth: Market, outcome: Outcome, side: Side) -> BoolArray:
    """Return which edge devices (..., E) give effort, or which users (..., U) are served.

    Where a mechanism allocates, edge devices give effort for some user.
    """
    if not mechanism.allocates:
        return np.asarray(realised_effort(mechanism, truth, outcome) > 0)
    served = serve(mechanism, truth, outcome)
    is_served = np.asarray(served.effort > 0)
    if side == "users":
        return is_served
    number = load(is_served.astype(np.float64), served.services.expert, truth.num_experts)
    return np.asarray(number > 0)


def envy(mechanism: Mechanism, truth: Market, outcome: Outcome) -> dict[Side, FloatArray]:
    """Return the most that each agent would gain by changing places with another of its side.

    It is in credits/slot and never negative. An edge device would have the other's unit price and
    effort (its own best response where that is bought) for what is requested of itself, (..., E); a
    user the other's expert, effort and charge, (..., U), where an expert that is not its candidate
    is worth nothing to it.
    """
    own = utilities(mechanism, truth, outcome)
    most = {side: np.zeros_like(had) for side, had in own.items()}
    served = serve(mechanism, truth, outcome) if mechanism.allocates else None
    for other in range(truth.num_experts):
        price = np.broadcast_to(outcome.unit_price[..., [other]], outcome.unit_price.shape)
        ordered = np.broadcast_to(outcome.effort[..., [other]], outcome.effort.shape)
        if served is None:
            would_have = _earned(truth, price, _answer(truth, price, ordered))
        else:
            would_have = _earned_by_users(truth, served.services, price, ordered)
        most["edge_devices"] = np.maximum(most["edge_devices"], would_have - own["edge_devices"])
    if served is not None:
        expert = served.services.expert
        for other in range(truth.num_users):
            others_expert = np.broadcast_to(expert[..., [other]], expert.shape)
            value = _value(truth, others_expert)
            would_have = value * served.effort[..., [other]] - served.charge[..., [other]]
            most["users"] = np.maximum(most["users"], would_have - own["users"])
    return most


class Served(NamedTuple):
    """What comes of an allocation at true costs, (..., U) each."""

    services: Services
    pair_price: FloatArray
    effort: FloatArray
    value: FloatArray  # of full effort, credits
    charge: FloatArray  # at this effort, credits

    @property
    def payment(self) -> FloatArray:
        """Paid to the expert at this effort, (..., U) credits."""
        return self.pair_price * self.services.points * self.effort


def serve(
    mechanism: Mechanism,
    truth: Market,
    outcome: Outcome,
    binds: frozenset[str] = frozenset(),
) -> Served:
    """Return what comes of the allocation of an outcome; see `utilities`."""
    allocation = outcome.allocation_by(mechanism.name)
    services = services_of(truth, allocation.expert, mechanism.name)
    ordered = of_own_expert(outcome.effort, allocation.expert)
    if is_free(mechanism):
        effort = ordered
    else:
        effort = services.answer(
            allocation.pair_price, ordered if truth.effort == "enforced" else None
        )
    if binds:
        profit = services.profit(allocation.pair_price, effort)
        effort = np.where(fits(truth, allocation.expert, effort, profit, binds), effort, 0.0)
    value = _value(truth, allocation.expert)
    # Who is served by nobody pays what it is charged, if anything.
    share = np.where(allocation.expert >= 0, effort, 1.0)
    return Served(services, allocation.pair_price, effort, value, allocation.charge * share)


def _answer(truth: Market, unit_price: FloatArray, ordered: FloatArray) -> FloatArray:
    """Return the effort (..., E) that edge devices of true costs give for a point of demand."""
    return answer(
        unit_price,
        truth.point_cost,
        truth.point_slope,
        truth.fixed_point_cost,
        ordered if truth.effort == "enforced" else None,
    )


def _earned(truth: Market, unit_price: FloatArray, effort: FloatArray) -> FloatArray:
    """Return what edge devices (..., E) earn beyond their true costs, credits/slot."""
    margin = unit_price * effort - cost(effort, truth.point_cost, truth.point_slope)
    return truth.demand * margin - np.where(truth.demand * effort > 0, truth.fixed_cost, 0.0)


def _earned_by_users(
    truth: Market, services: Services, unit_price: FloatArray, ordered: FloatArray
) -> FloatArray:
    """Return the same of those who serve users, each at the price and effort (..., E) given."""
    price = of_own_expert(unit_price, services.expert)
    own_order = of_own_expert(ordered, services.expert)
    effort = services.answer(price, own_order if truth.effort == "enforced" else None)
    profit = services.profit(price, effort)
    return load(profit, services.expert, truth.num_experts)


def _value(truth: Market, expert: IntArray) -> FloatArray:
    """Return what full service by the expert (..., U) is worth to each user, credits.

    It is nothing to who has no pending subtask.
    """
    users = truth.users_for("the utility of users")
    return np.where(users.topic >= 0, of_pairs_served(truth, users.value, expert), 0.0)
