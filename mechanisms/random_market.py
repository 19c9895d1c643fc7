"""Small random markets for checks of any mechanism."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from mechanisms.effort import Effort
from mechanisms.market import Market
from mechanisms.user_reports import UserReports

MARKETS, USERS, EXPERTS, LISTED = 4, 7, 5, 3


def draw_market(
    seed: int,
    *,
    users: int = USERS,
    experts: int = EXPERTS,
    listed: int | None = None,
    effort: Effort = "bought",
) -> Market:
    """Draw markets in which places and bands are scarce, some users idle, some pairs worth nothing.

    Work is half to twice the points, and some experts and pairs have fixed costs.

    Args:
        seed: of the draw.
        users: number of users, U.
        experts: number of experts, E.
        listed: number of candidates of each user; None for no lists.
        effort: see `Market`.
    """
    rng = np.random.default_rng(seed)
    each = (MARKETS, experts)
    pairs = (MARKETS, users, experts if listed is None else listed)
    candidates = None
    if listed is not None:
        order = np.argsort(rng.random((MARKETS, users, experts)), axis=-1)
        candidates = order[..., :listed]
    market = Market(
        unit_cost=rng.uniform(0.5, 3.0, each),
        cost_slope=rng.uniform(0.5, 1.5, each),
        demand=rng.uniform(0.0, 1.0, each) * (rng.random(each) < 0.9),
        value=rng.uniform(2.0, 5.0, each),
        budget=rng.uniform(0.2, 4.0, MARKETS) * max(users, 1),
        users=UserReports(
            value=rng.uniform(-1.0, 8.0, pairs),
            points=rng.uniform(0.2, 1.0, pairs),
            bandwidth_need=rng.uniform(200.0, 700.0, pairs),
            topic=rng.integers(-1, 2, (MARKETS, users)),
            candidates=candidates,
        ),
        capacity=rng.integers(0, 3, each),
        bandwidth_limit=np.full(each, 1000.0),
        expert_topic=rng.integers(0, 2, each),
        effort=effort,
    )
    reports = market.users_for("a market that is drawn")
    fixed_cost = rng.uniform(0.0, 0.3, each) * (rng.random(each) < 0.5)
    return replace(
        market,
        work=market.demand * rng.uniform(0.5, 2.0, each),
        fixed_cost=market.demand * fixed_cost,
        users=replace(
            reports,
            work=reports.points * rng.uniform(0.5, 2.0, pairs),
            fixed_cost=rng.uniform(0.0, 0.3, pairs) * (rng.random(pairs) < 0.5),
        ),
    )
