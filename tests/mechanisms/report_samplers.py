"""Markets of edge devices that learn what to report."""

import dataclasses
from typing import Any

import numpy as np

import mechanisms
from mechanisms import Effort, Market, UserReports
from mechanisms.arrays import FloatArray
from mechanisms.auditing.clearings import Clearings
from mechanisms.strategic.equilibrium import GRID, ReportEquilibrium, Sampler, report_equilibrium
from mechanisms.strategic.play import alternatives

VALUE = 3.8  # credits/point, of every expert
TRUTH = GRID.index(1.0)


def sellers(experts: int, effort: Effort = "bought", credit: float = 1.0) -> Sampler:
    """Return a sampler of edge devices whose costs are drawn as the simulator does.

    Args:
        experts: E.
        effort: see `Market`.
        credit: all money is in units of this.
    """

    def draw(count: int, rng: np.random.Generator) -> Market:
        each = (count, experts)
        return Market(
            unit_cost=credit * rng.uniform(0.5, 3.0, each),
            cost_slope=credit * rng.uniform(0.5, 1.5, each),
            demand=rng.uniform(0.5, 1.5, each),
            value=np.full(each, credit * VALUE),
            budget=np.full(count, credit * 8.0),
            effort=effort,
        )

    return draw


def alike(experts: int, unit_cost: float, cost_slope: float) -> Sampler:
    """Return a sampler of markets that are all the same, with demand 1."""

    def draw(count: int, rng: np.random.Generator) -> Market:
        ones = np.ones((count, experts))
        return Market(unit_cost * ones, cost_slope * ones, ones, VALUE * ones, np.full(count, 8.0))

    return draw


def of_one_dimension(experts: int) -> Sampler:
    """Return a sampler of costs that are multiples of the contract's base cost, as it claims."""
    kappa, slope = mechanisms.Contract().base_cost

    def draw(count: int, rng: np.random.Generator) -> Market:
        drawn = sellers(experts, "enforced")(count, rng)
        multiple = rng.uniform(0.3, 1.8, drawn.demand.shape)
        return dataclasses.replace(drawn, unit_cost=kappa * multiple, cost_slope=slope * multiple)

    return draw


def with_users(effort: Effort) -> Sampler:
    """Return a sampler of markets with 6 users and 5 experts for mechanisms that allocate."""

    def draw(count: int, rng: np.random.Generator) -> Market:
        pairs = (count, 6, 5)
        points = rng.uniform(0.2, 1.0, pairs)
        return dataclasses.replace(
            sellers(5, effort)(count, rng),
            users=UserReports(
                value=VALUE * points,
                points=points,
                bandwidth_need=rng.uniform(200.0, 700.0, pairs),
                topic=rng.integers(0, 2, (count, 6)),
            ),
            capacity=rng.integers(0, 3, (count, 5)),
            bandwidth_limit=np.full((count, 5), 1000.0),
            expert_topic=np.arange(5) % 2,
        )

    return draw


def learned(name: str, sampler: Sampler, grid: Any = GRID, **fields: Any) -> ReportEquilibrium:
    rng = np.random.default_rng(fields.pop("seed", 0))
    return report_equilibrium(mechanisms.make(name), sampler, grid, rng=rng, **fields)


def gain_over_truth(
    name: str, sampler: Sampler, markets: int, grid: tuple[float, ...] = GRID
) -> FloatArray:
    """Return the gain (J, K) of each device by each factor where all others are truthful."""
    truth = sampler(markets, np.random.default_rng(1))
    tried = alternatives(
        Clearings(mechanisms.make(name)),
        truth,
        np.full(truth.demand.shape, grid.index(1.0)),
        np.array(grid),
        deviators=None,
        rng=np.random.default_rng(2),
    )
    return tried.utility - tried.utility[:, [grid.index(1.0)]]
