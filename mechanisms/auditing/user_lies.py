"""Lies of users."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from mechanisms.arrays import FloatArray, IntArray
from mechanisms.auditing.lie import (
    Lie,
    Place,
    Report,
    allocates,
    by_factors,
    has_limits,
    has_pairs,
    num_topics,
    scaled,
    told,
    whole,
)
from mechanisms.auditing.misreports import ReportSpace
from mechanisms.market import Market

_SHIFTS = (0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)  # of the greatest value
_BEST_ALONE = (1, 2, 3)  # candidates that a user keeps, and says it has no use for the others


def _value(truth: Market, agent: IntArray) -> ReportSpace:
    value = truth.users_for("an audit of users").value
    own = value[np.arange(len(agent)), agent]
    size = np.abs(value).mean(axis=(1, 2))
    size = np.where(size > 0, size, 1.0)
    most = np.maximum(own.max(axis=1, initial=0.0), 0.0)[:, np.newaxis, np.newaxis]
    rows = own[:, np.newaxis]
    shifted = rows - np.asarray(_SHIFTS)[:, np.newaxis] * most
    rank = (-own).argsort(axis=1).argsort(axis=1)[:, np.newaxis]
    unwanted = -size[:, np.newaxis, np.newaxis]
    alone = np.where(rank < np.asarray(_BEST_ALONE)[:, np.newaxis], rows, unwanted)
    others = np.where(rank < 1, unwanted, rows)
    keen = np.where(rank < 1, 2 * np.abs(rows), rows)
    return ReportSpace(
        truth=own,
        first=np.concatenate([by_factors(own), shifted, alone, others, keen], axis=1),
        low=np.broadcast_to(value.min(axis=(1, 2))[:, np.newaxis], own.shape),
        high=np.broadcast_to(value.max(axis=(1, 2))[:, np.newaxis], own.shape),
        corner=np.zeros(own.shape),
        least=np.full(own.shape, -np.inf),
        scale=size,
        matters=own > 0,
    )


def _of_pairs(*names: str) -> Callable[[Market, IntArray], ReportSpace]:
    """Return the space of a user's row of a field of pairs; of several, their common factors."""

    def space(truth: Market, agent: IntArray) -> ReportSpace:
        each = np.arange(len(agent))
        users = truth.users_for("an audit of users")
        if len(names) > 1:
            return scaled(np.ones((len(agent), users.num_columns)))
        return scaled(getattr(users, names[0])[each, agent])

    return space


def _put_pairs(*names: str) -> Callable[[Market, Place, FloatArray], Market]:
    def put(once: Market, place: Place, reports: FloatArray) -> Market:
        users = once.users_for("an audit of users")
        fields: dict[str, Any] = {}
        for name in names:
            own: FloatArray = getattr(users, name)
            factored = reports * own[:, 0][place[0], place[2]] if len(names) > 1 else reports
            fields[name] = told(own, place, factored)
        # A copy keeps the work that points were told with.
        return replace(once, users=replace(users, **fields))

    return put


def _pairs(*names: str) -> Report:
    return Report(_of_pairs(*names), _put_pairs(*names))


def _topic(truth: Market, agent: IntArray) -> ReportSpace:
    own = truth.users_for("an audit of users").topic[np.arange(len(agent)), agent]
    return whole(own, np.arange(num_topics(truth)))


def _put_topic(once: Market, place: Place, reports: FloatArray) -> Market:
    users = once.users_for("an audit of users")
    topic = told(users.topic, place, reports[..., 0])
    return replace(once, users=replace(users, topic=topic))


USER_LIES: tuple[Lie, ...] = (
    Lie(
        "users",
        "value",
        "of all candidates; below 0 leaves a candidate out",
        has_pairs,
        Report(_value, _put_pairs("value")),
    ),
    Lie("users", "points", "of all candidates", has_pairs, _pairs("points")),
    Lie("users", "work", "of all candidates", has_pairs, _pairs("work")),
    Lie(
        "users",
        "points_and_work",
        "both by the same factors",
        has_pairs,
        _pairs("points", "work"),
    ),
    Lie(
        "users",
        "bandwidth_need",
        "an expert whose band it does not fit into serves those it earns most by",
        has_limits,
        _pairs("bandwidth_need"),
        frozenset({"band"}),
    ),
    Lie("users", "topic", "another of the market", allocates, Report(_topic, _put_topic)),
    Lie("users", "pending", "it withdraws", allocates, None),
)
