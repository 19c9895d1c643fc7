"""Markets that several test files draw from, and what edge devices might report in their place."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from mechanisms import Market, UserReports


@pytest.fixture(scope="session")
def draw_market() -> Callable[..., Market]:
    """Return draw_market(seed, num_worlds, num_experts, **fields).

    Costs are drawn as the simulator does, and money is enough for a part.
    """

    def draw(seed: int, num_worlds: int = 16, num_experts: int = 30, **fields: Any) -> Market:
        rng = np.random.default_rng(seed)
        shape = (num_worlds, num_experts)
        drawn = {
            "unit_cost": rng.uniform(0.5, 3.0, shape),
            "cost_slope": rng.uniform(0.5, 1.5, shape),
            "demand": rng.uniform(0.0, 1.0, shape) * (rng.random(shape) < 0.9),
            "value": rng.uniform(2.0, 5.0, shape),
            "budget": rng.uniform(0.0, 1.2, num_worlds) * num_experts,
        }
        return Market(**(drawn | fields))

    return draw


@pytest.fixture(scope="session")
def with_false_costs() -> Callable[[Market, int, int], Market]:
    """Return with_false_costs(market, seed, count): (E, count) markets, in row e of which e lies.

    Half of the reports scale both costs by a factor of 1/2 to 2, half are costs drawn anew.
    """

    def report(market: Market, seed: int, count: int) -> Market:
        rng = np.random.default_rng(seed)
        experts = market.num_experts
        reported = {}
        factor = rng.uniform(0.5, 2.0, (experts, count))
        for name, high in (("unit_cost", 4.0), ("cost_slope", 3.0)):
            true = getattr(market, name)
            costs = np.tile(true, (experts, count, 1))
            anew = rng.uniform(0.01, high, (experts, count))
            liar = np.arange(experts)
            costs[liar, :, liar] = np.where(
                np.arange(count) % 2, anew, true[:, np.newaxis] * factor
            )
            reported[name] = costs
        same = ("demand", "value", "budget", "work", "fixed_cost", "effort")
        return Market(**reported, **{name: getattr(market, name) for name in same})

    return report


@pytest.fixture(scope="session")
def traders() -> Callable[..., Market]:
    """Return traders(bids, asks, points, **fields): one topic, bids and asks a point.

    `points` (U, E) are those of each pair.
    """

    def draw(bids: list[float], asks: list[float], points: Any = 1.0, **fields: Any) -> Market:
        shape = len(bids), len(asks)
        user_points = np.broadcast_to(points, shape)
        drawn = {
            "unit_cost": np.array(asks, dtype=float) - 0.25,
            "cost_slope": np.full(len(asks), 0.5),
            "demand": np.ones(len(asks)),
            "value": np.zeros(len(asks)),
            "budget": 0.0,
            "capacity": np.ones(len(asks), dtype=int),
            "expert_topic": np.zeros(len(asks), dtype=int),
            "users": {
                "value": np.array(bids, dtype=float)[:, np.newaxis] * user_points,
                "points": user_points,
                "topic": np.zeros(len(bids), dtype=int),
            },
        }
        users = UserReports(**(drawn.pop("users") | fields.pop("users", {})))
        return Market(**(drawn | fields), users=users)

    return draw


@pytest.fixture(scope="session")
def draw_topics() -> Callable[..., Market]:
    """Return draw_topics(seed, leading, **fields): 9 users, 8 experts and 2 topics.

    Some users are idle, some experts full.

    A user values a point alike at all experts of its topic.
    """

    def draw(seed: int, leading: tuple[int, ...] = (12,), **fields: Any) -> Market:
        rng = np.random.default_rng(seed)
        experts, users, pairs = (*leading, 8), (*leading, 9), (*leading, 9, 8)
        topic, expert_topic = rng.integers(-1, 2, users), rng.integers(0, 2, experts)
        points = rng.uniform(0.2, 1.0, pairs)
        own = topic[..., np.newaxis] == expert_topic[..., np.newaxis, :]
        worth = rng.uniform(-0.5, 5.0, (*users, 1)) * points
        drawn = {
            "unit_cost": rng.uniform(0.2, 3.0, experts),
            "cost_slope": rng.uniform(0.1, 1.5, experts),
            "demand": rng.uniform(0.0, 1.0, experts),
            "value": np.full(experts, 3.8),
            "budget": np.zeros(leading),
            "capacity": rng.integers(0, 4, experts),
            "expert_topic": expert_topic,
            "users": {
                "value": np.where(own, worth, rng.uniform(-5.0, 5.0, pairs)),
                "points": points,
                "topic": topic,
            },
        }
        users = UserReports(**(drawn.pop("users") | fields.pop("users", {})))
        return Market(**(drawn | fields), users=users)

    return draw


@pytest.fixture(scope="session")
def draw_lists() -> Callable[..., Market]:
    """Return draw_lists(seed, leading, num_users, experts, listed, **fields).

    Each user lists some experts, in any order.

    Users crowd: the first experts are on most lists. Each has a place, or two, or none, and band
    for a few users. Some users are idle, some pairs are not worth forming.
    """

    def draw(
        seed: int,
        leading: tuple[int, ...] = (6,),
        num_users: int = 8,
        experts: int = 30,
        listed: int = 6,
        **fields: Any,
    ) -> Market:
        rng = np.random.default_rng(seed)
        each, pairs = (*leading, experts), (*leading, num_users, listed)
        score = rng.random((*leading, num_users, experts)) + np.linspace(1.0, 0.0, experts)
        lists = rng.permuted(np.argsort(-score, axis=-1)[..., :listed], axis=-1)
        drawn = {
            "unit_cost": rng.uniform(0.5, 3.0, each),
            "cost_slope": rng.uniform(0.5, 1.5, each),
            "demand": rng.uniform(0.2, 1.0, each),
            "value": np.full(each, 3.8),
            "budget": np.full(leading, 2.0 * num_users),
            "capacity": rng.integers(0, 3, each),
            "bandwidth_limit": np.full(each, 1000.0),
            "expert_topic": np.arange(experts) % 3,
            "users": {
                "value": rng.uniform(-1.0, 6.0, pairs),
                "points": rng.uniform(0.2, 0.6, pairs),
                "bandwidth_need": rng.uniform(200.0, 600.0, pairs),
                "topic": rng.integers(-1, 3, (*leading, num_users)),
                "candidates": lists,
            },
        }
        users = UserReports(**(drawn.pop("users") | fields.pop("users", {})))
        return Market(**(drawn | fields), users=users)

    return draw


@pytest.fixture(scope="session")
def with_all_experts() -> Callable[[Market], Market]:
    """Return with_all_experts(market): without lists.

    A pair that no list holds does such harm that nobody forms it.
    """

    def widen(market: Market) -> Market:
        reports = market.users_for("a market without lists")
        shape = (*reports.value.shape[:-1], market.num_experts)
        unlisted = {"value": -1e3, "points": 1.0, "bandwidth_need": 100.0}
        wide = {}
        for name, otherwise in unlisted.items():
            wide[name] = np.full(shape, otherwise)
            np.put_along_axis(wide[name], reports.candidates, getattr(reports, name), axis=-1)
        return replace(market, users=UserReports(**wide, topic=reports.topic))

    return widen
