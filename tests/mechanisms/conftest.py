"""Markets that several test files draw from, and what edge devices might report in their place."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from mechanisms import Market


@pytest.fixture(scope="session")
def draw_market() -> Callable[..., Market]:
    """draw_market(seed, num_worlds, num_experts, **fields): costs as the simulator draws them, money for a part."""

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
    """with_false_costs(market, seed, count): a single market as (E, count) markets, in row e of which e lies.

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
            costs[liar, :, liar] = np.where(np.arange(count) % 2, anew, true[:, np.newaxis] * factor)
            reported[name] = costs
        others = {name: getattr(market, name) for name in ("demand", "value", "budget")}
        return Market(**reported, **others)

    return report
