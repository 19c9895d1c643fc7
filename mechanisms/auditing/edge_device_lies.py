"""Lies of edge devices."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from mechanisms.arrays import FloatArray, IntArray
from mechanisms.auditing.lie import (
    Lie,
    Place,
    Report,
    allocates,
    always,
    has_limits,
    num_topics,
    repeated,
    scaled,
    told,
    whole,
)
from mechanisms.auditing.misreports import ReportSpace
from mechanisms.market import Market
from mechanisms.user_reports import UserReports

# A misreported slope is at least this share of the true one: 0 is illegal, and next to it all is
# rounding.
LEAST_SLOPE = 1e-3
# Prices of full effort that costs are made up for: of the true one, and of what a point is worth.
_OF_OWN_PRICE = (
    *(0.0, 0.5, 0.8, 0.9, 1.05, 1.1, 1.2, 1.35, 1.5, 1.75),
    *(2.0, 2.5, 3.0, 4.0, 6.0),
)
_OF_WORTH = (0.3, 0.36, 0.42, 0.48, 0.54, 0.6, 0.66, 0.72, 0.78, 0.84, 0.9, 0.97)
# Shares of that price which the first bit of effort costs: steep costs, and nearly flat ones.
_FIRST_BIT = (0.0, 0.5, 0.75, 0.9, 0.96, 0.999)
_MORE_PLACES = 3  # above the most that any expert has


def _costs(truth: Market, agent: IntArray) -> ReportSpace:
    each = np.arange(len(agent))
    costs = np.stack([truth.unit_cost, truth.cost_slope], axis=-1)
    own, work = costs[each, agent], truth.work_per_point[each, agent]
    least = own * [0.0, LEAST_SLOPE]
    price = own.sum(axis=1, keepdims=True)
    worth = np.maximum(truth.value[each, agent] / np.where(work > 0, work, 1.0), 0.0)
    if truth.users is not None:
        worth = np.maximum(worth * (truth.demand[each, agent] > 0), _worth_to_users(truth, agent))
    targets = np.concatenate([price * _OF_OWN_PRICE, worth[:, np.newaxis] * _OF_WORTH], axis=1)[
        :, :, np.newaxis
    ]
    first_bit = targets * np.asarray(_FIRST_BIT)
    made_up = np.stack([first_bit, targets - first_bit], axis=-1).reshape(len(agent), -1, 2)
    scaled = own[:, np.newaxis] * np.asarray(_OF_OWN_PRICE)[:, np.newaxis]
    # It keeps the cost of full effort, kappa + slope / 2, and raises its price, kappa + slope.
    steep = (own @ [[0.0, 2.0], [0.0, 1.0]])[:, np.newaxis]
    return ReportSpace(
        truth=own,
        first=np.maximum(np.concatenate([steep, scaled, made_up], axis=1), least[:, np.newaxis]),
        low=costs.min(axis=1),
        high=costs.max(axis=1),
        corner=least,
        least=least,
        scale=costs.sum(axis=2).mean(axis=1),
        matters=np.ones(own.shape, dtype=bool),
    )


def _worth_to_users(truth: Market, agent: IntArray) -> FloatArray:
    """Return the most that a reference point of an expert's work is worth to any user, (J,)."""
    users = truth.users_for("an audit of edge devices")
    gain = users.value - users.fixed_cost
    worth = np.divide(gain, users.work, out=np.zeros_like(gain), where=users.work > 0)
    of_agent = _columns_of(users, truth.num_experts, agent)
    return np.asarray(np.where(of_agent, worth, 0.0).max(axis=(1, 2), initial=0.0))


def _columns_of(users: UserReports, num_experts: int, agent: IntArray) -> NDArray[np.bool_]:
    """Return the pairs (J, U, C) of expert `agent[j]` in market j."""
    experts = np.arange(num_experts) if users.candidates is None else users.candidates
    return np.broadcast_to(experts == agent[:, np.newaxis, np.newaxis], users.value.shape)


def _put_costs(once: Market, place: Place, reports: FloatArray) -> Market:
    unit_cost = repeated(once.unit_cost, reports)
    cost_slope = repeated(once.cost_slope, reports)
    unit_cost[place], cost_slope[place] = reports[..., 0], reports[..., 1]
    experts = once.experts._replace(unit_cost=unit_cost, cost_slope=cost_slope)
    return once.with_experts(experts)


def _capacity(truth: Market, agent: IntArray) -> ReportSpace:
    own = truth.capacity[np.arange(len(agent)), agent]
    return whole(own, np.arange(truth.capacity.max(initial=0) + _MORE_PLACES + 1))


def _put_capacity(once: Market, place: Place, reports: FloatArray) -> Market:
    return replace(once, capacity=told(once.capacity, place, reports[..., 0]))


def _expert_topic(truth: Market, agent: IntArray) -> ReportSpace:
    own = truth.expert_topic[np.arange(len(agent)), agent]
    return whole(own, np.arange(num_topics(truth)))


def _put_expert_topic(once: Market, place: Place, reports: FloatArray) -> Market:
    return replace(once, expert_topic=told(once.expert_topic, place, reports[..., 0]))


def _bandwidth_limit(truth: Market, agent: IntArray) -> ReportSpace:
    space = scaled(truth.bandwidth_limit[np.arange(len(agent)), agent][:, np.newaxis])
    users = truth.users_for("an audit of edge devices")
    of_agent = _columns_of(users, truth.num_experts, agent)
    # Band that holds just one user, and none that needs more: there decisions change at once.
    needs = np.where(of_agent, users.bandwidth_need, 0.0).max(axis=2, initial=0.0)
    return replace(space, first=np.concatenate([space.first, needs[:, :, np.newaxis]], axis=1))


def _put_bandwidth_limit(once: Market, place: Place, reports: FloatArray) -> Market:
    return replace(once, bandwidth_limit=told(once.bandwidth_limit, place, reports[..., 0]))


EDGE_DEVICE_LIES: tuple[Lie, ...] = (
    Lie(
        "edge_devices",
        "costs",
        "unit_cost and cost_slope together",
        always,
        Report(_costs, _put_costs),
    ),
    Lie(
        "edge_devices",
        "capacity",
        "of those allocated above the true one, it serves those it earns most by",
        allocates,
        Report(_capacity, _put_capacity),
        frozenset({"capacity"}),
    ),
    Lie(
        "edge_devices",
        "bandwidth_limit",
        "of those allocated above the true one, it serves those it earns most by",
        has_limits,
        Report(_bandwidth_limit, _put_bandwidth_limit),
        frozenset({"band"}),
    ),
    Lie(
        "edge_devices",
        "topic",
        "another of the market",
        always,
        Report(_expert_topic, _put_expert_topic),
    ),
    Lie("edge_devices", "available", "it withdraws", always, None),
)
