"""Costs of a point of demand, as parameters of a mechanism written as a program in CVXPY."""

from collections.abc import Callable
from dataclasses import dataclass

import cvxpy as cp
import numpy as np
import pytest

from mechanisms import ConvexMechanism, ConvexProgram, Given, Market

DrawMarket = Callable[..., Market]


@dataclass(frozen=True)
class Tried(ConvexMechanism):
    """A mechanism of a program that is given."""

    made_by: Callable[[Given], ConvexProgram]
    name = "tried"

    def program(self, given: Given) -> ConvexProgram:
        return self.made_by(given)


def test_costs_of_a_point_are_parameters_that_each_market_fills(draw_market: DrawMarket) -> None:
    names = ("point_cost", "point_slope", "fixed_point_cost", "full_cost", "work", "fixed_cost")

    def program(given: Given) -> ConvexProgram:
        price = cp.Variable(given.num_experts)
        costs = sum(getattr(given, name) for name in names)
        return ConvexProgram(cp.Minimize(cp.sum_squares(price - costs)), [], price)

    rng = np.random.default_rng(0)
    market = draw_market(0, num_worlds=2, num_experts=3, demand=np.full((2, 3), 0.4))
    market = market.with_demand(market.demand, *rng.uniform(0.1, 1.0, (2, 2, 3)))
    costs = sum(getattr(market, name) for name in names)
    np.testing.assert_allclose(Tried(program).clear(market).unit_price, costs, rtol=1e-6)
    with pytest.raises(ValueError, match="tried: the parameter 'full_cost' exists already"):
        Tried(lambda given: given.derived("full_cost", lambda m: m.demand)).compiled(2)
