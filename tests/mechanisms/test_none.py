"""Free edge devices, as in the paper: everything is served and no money moves."""

import numpy as np
import pytest

import mechanisms
from mechanisms import Market


def market(value: float, shape: tuple[int, ...] = (3, 4)) -> Market:
    return Market(
        unit_cost=np.full(shape, 1.0),
        cost_slope=np.full(shape, 2.0),
        demand=np.arange(float(np.prod(shape))).reshape(shape),
        value=np.full(shape, value),
        budget=np.zeros(shape[:-1]),
    )


def test_all_demand_is_served_and_nobody_pays() -> None:
    outcome = mechanisms.make("none").clear(market(value=3.0))
    assert (outcome.effort == 1.0).all()
    assert (outcome.points == market(3.0).demand).all()
    assert not outcome.unit_price.any()
    assert not outcome.payment.any()
    assert outcome.allocation is None
    assert outcome.balance.tolist() == [0.0, 0.0, 0.0]
    assert outcome.status == "free"


@pytest.mark.parametrize(("value", "worth_of_a_point"), [(3.0, 1.0), (2.0, 0.0), (0.5, -1.5)])
def test_welfare_counts_the_cost_that_nobody_pays(value: float, worth_of_a_point: float) -> None:
    # Full effort at kappa 1 and slope 2 costs 1 + 2 / 2 credits a point.
    outcome = mechanisms.make("none").clear(market(value))
    np.testing.assert_allclose(
        outcome.welfare, worth_of_a_point * market(value).demand.sum(axis=-1)
    )
