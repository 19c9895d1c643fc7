"""A market's work, fixed costs, and regime of effort; and all that its edge devices report."""

import copy
import dataclasses
import pickle
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import mechanisms
from mechanisms import Market, MarketError, UserReports
from mechanisms.concatenation import concatenated
from mechanisms.effort import EFFORTS, Effort
from mechanisms.testing import draw_market


def small(**fields: Any) -> Market:
    given: dict[str, Any] = {
        "unit_cost": [1.0, 2.0, 3.0],
        "cost_slope": [1.0, 1.0, 2.0],
        "demand": [2.0, 4.0, 0.0],
        "value": [5.0, 5.0, 5.0],
        "budget": 9.0,
    }
    return Market(**(given | fields))


def as_before(market: Market, *, explicit: bool) -> Market:
    """Return the market with neither work nor fixed costs, left out or said."""
    own = {name: array for name, array in market.arrays().items() if name not in LATER}
    users = market.users_for("a market").arrays()
    of_users = {name: array for name, array in users.items() if name not in LATER}
    if explicit:
        nothing, pairs = np.zeros_like(market.demand), np.zeros_like(users["points"])
        own |= {"work": market.demand.copy(), "fixed_cost": nothing}
        of_users |= {"work": users["points"].copy(), "fixed_cost": pairs}
    return Market(**own, users=UserReports(**of_users), effort=market.effort)


LATER = ("work", "fixed_cost")


@pytest.mark.parametrize("effort", EFFORTS)
@pytest.mark.parametrize("name", mechanisms.names())
def test_work_as_much_as_the_points_and_no_fixed_cost_is_what_is_left_out(
    name: str, effort: Effort
) -> None:
    mechanism = mechanisms.make(name)
    for listed in (None, 3):
        market = draw_market(31, users=9, experts=8, listed=listed, effort=effort)
        left_out = mechanism.clear(as_before(market, explicit=False))
        said = mechanism.clear(as_before(market, explicit=True))
        for field, array in left_out.arrays().items():
            np.testing.assert_array_equal(array, said.arrays()[field], err_msg=field)


def test_costs_of_a_point_are_those_of_the_work_it_takes() -> None:
    market = small(work=[1.0, 6.0, 7.0], fixed_cost=[3.0, 0.0, 2.0])
    assert market.work_per_point.tolist() == [0.5, 1.5, 1.0]
    assert market.point_cost.tolist() == [0.5, 3.0, 3.0]
    assert market.point_slope.tolist() == [0.5, 1.5, 2.0]
    assert market.fixed_point_cost.tolist() == [1.5, 0.0, 0.0]
    assert market.full_cost.tolist() == [0.5 + 0.25 + 1.5, 3.75, 4.0]


def test_where_work_is_left_out_costs_of_a_point_are_those_reported() -> None:
    market = draw_market(0)
    market = market.with_demand(market.demand)
    for ours, reported in (("point_cost", "unit_cost"), ("point_slope", "cost_slope")):
        np.testing.assert_array_equal(getattr(market, ours), getattr(market, reported))
    full = market.unit_cost + market.cost_slope / 2
    np.testing.assert_array_equal(market.full_cost, full)


@pytest.mark.filterwarnings("error")
def test_next_to_no_demand_leaves_costs_of_a_point_finite_and_slopes_above_0() -> None:
    market = small(demand=[5e-324, 1.0, 1.0], work=[1e300, 1e-320, 1.0], fixed_cost=[1e300, 0, 0])
    for name in ("point_cost", "point_slope", "full_cost"):
        assert np.isfinite(getattr(market, name)).all()
    assert (market.point_slope > 0).all()
    for name in ("posted_price", "budgeted_price", "cost_plus", "proportional_share", "contract"):
        outcome = mechanisms.make(name).clear(market)
        assert outcome.effort[0] == 0.0
        assert np.isfinite(outcome.welfare)


@given(factor=st.floats(0.01, 100.0), name=st.sampled_from(["posted_price", "budgeted_price"]))
def test_more_work_for_the_same_points_is_a_cost_that_much_higher(factor: float, name: str) -> None:
    market = small()
    more_work = dataclasses.replace(market, work=market.demand * factor)
    dearer = small(unit_cost=market.unit_cost * factor, cost_slope=market.cost_slope * factor)
    ours, theirs = (mechanisms.make(name).clear(one) for one in (more_work, dearer))
    has_demand = market.demand > 0
    for field in ("unit_price", "effort", "payment"):
        np.testing.assert_allclose(
            getattr(ours, field)[has_demand],
            getattr(theirs, field)[has_demand],
            rtol=1e-6,
            atol=1e-9,
        )


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"work": [1.0, -1.0, 0.0]}, r"work\[1\] = -1.0: must be finite and >= 0 points/slot"),
        ({"work": [1.0, np.nan, 0.0]}, r"work\[1\] = nan: must be finite"),
        ({"work": [1.0, 0.0, 0.0]}, r"work\[1\] = 0.0: must be > 0 points/slot where there is dem"),
        ({"work": [1.0, 1.0]}, r"work has shape \(2,\): must be \(..., E\) with E = 3"),
        ({"fixed_cost": [-1.0, 0.0, 0.0]}, r"fixed_cost\[0\] = -1.0: must be finite and >= 0 cred"),
        ({"effort": "free"}, "effort = 'free': must be 'bought' or 'enforced'"),
        ({"effort": None}, "effort = None: must be 'bought' or 'enforced'"),
    ],
)
def test_what_cannot_be_is_refused_by_name(fields: dict[str, Any], words: str) -> None:
    with pytest.raises(MarketError, match=words):
        small(**fields)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"work": [[1.0, -1.0]]}, r"users.work\[0, 1\] = -1.0: must be finite and >= 0 points"),
        ({"fixed_cost": [[1.0]]}, r"users.fixed_cost has shape \(1, 1\): must be"),
        ({"fixed_cost": [[0.0, np.inf]]}, r"users.fixed_cost\[0, 1\] = inf: must be finite"),
    ],
)
def test_what_users_cannot_report_is_refused_by_name(fields: dict[str, Any], words: str) -> None:
    with pytest.raises(MarketError, match=words):
        UserReports(value=[[1.0, 2.0]], points=[[1.0, 1.0]], **fields)


def test_another_demand_comes_with_its_work_and_fixed_cost() -> None:
    market = small(work=[1.0, 6.0, 7.0], fixed_cost=[3.0, 0.0, 2.0], effort="enforced")
    given = [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0], [7.0, 8.0, 9.0]]
    told = market.with_demand(*map(np.array, given))
    assert [told.demand.tolist(), told.work.tolist(), told.fixed_cost.tolist()] == given
    assert told.effort == "enforced"
    left_out = market.with_demand(np.array(given[0]))
    assert left_out.work is left_out.demand
    assert left_out.fixed_cost.tolist() == [0.0, 0.0, 0.0]
    for wrong, words in [
        ({"work": np.zeros(3)}, r"work\[0\] = 0.0: must be > 0 points/slot where"),
        ({"work": np.ones(2)}, r"work has shape \(2,\): must be \(3,\), as the market's"),
        ({"fixed_cost": -np.ones(3)}, r"fixed_cost\[0\] = -1.0: must be finite and >= 0"),
    ]:
        with pytest.raises(MarketError, match=words):
            market.with_demand(np.ones(3), **wrong)
    assert not told.work.flags.writeable


def test_the_regime_stays_with_every_part_and_copy() -> None:
    market = draw_market(1, effort="enforced")
    copies = [
        market.world(0),
        market.reshaped(2, 2),
        market.map(np.copy),
        dataclasses.replace(market, budget=np.array(0.0)),
        concatenated([market, market]),
        market.with_experts(market.experts),
        copy.deepcopy(market),
        pickle.loads(pickle.dumps(market)),
    ]
    assert {one.effort for one in copies} == {"enforced"}
    with pytest.raises(ValueError, match="bought in some of the markets and enforced in others"):
        concatenated([market, dataclasses.replace(market, effort="bought")])


def test_what_edge_devices_report_can_be_put_back_and_replaced() -> None:
    market = draw_market(2)
    same = market.with_experts(market.experts)
    for name, array in market.arrays().items():
        np.testing.assert_array_equal(array, same.arrays()[name])
    reports = market.experts
    assert set(reports._fields) == {
        "unit_cost",
        "cost_slope",
        "capacity",
        "bandwidth_limit",
        "topic",
        "available",
    }
    lies = reports._replace(
        unit_cost=reports.unit_cost + 1,
        cost_slope=reports.cost_slope * 2,
        capacity=reports.capacity + 1,
        bandwidth_limit=reports.bandwidth_limit / 2,
        topic=reports.topic + 1,
        available=np.ones_like(reports.available),
    )
    told = market.with_experts(lies)
    np.testing.assert_array_equal(told.unit_cost, market.unit_cost + 1)
    np.testing.assert_array_equal(told.cost_slope, market.cost_slope * 2)
    np.testing.assert_array_equal(told.capacity, market.capacity + 1)
    np.testing.assert_array_equal(told.bandwidth_limit, market.bandwidth_limit / 2)
    np.testing.assert_array_equal(told.expert_topic, market.expert_topic + 1)
    np.testing.assert_array_equal(told.demand, market.demand)


def test_an_expert_that_is_not_available_has_no_capacity_and_serves_nobody() -> None:
    market = draw_market(3, users=9, experts=6)
    market = dataclasses.replace(market, capacity=np.full((4, 6), 2))
    absent = market.experts._replace(available=np.arange(6) != 0)
    for name in ("vcg", "double_auction", "shadow_price", "fisher"):
        mechanism = mechanisms.make(name)
        assert mechanism.clear(market).points.any()
        outcome = mechanism.clear(market.with_experts(absent))
        assert not outcome.points[:, 0].any()
        assert (outcome.allocation_by(name).expert != 0).all()
    with pytest.raises(MarketError, match="available has dtype float64: must be true or false"):
        market.with_experts(market.experts._replace(available=np.ones(6)))
    with pytest.raises(MarketError, match="unit_cost"):
        market.with_experts(market.experts._replace(unit_cost=-np.ones(6)))


@pytest.mark.parametrize("effort", EFFORTS)
@pytest.mark.parametrize("name", ["vcg", "double_auction", "shadow_price", "fisher"])
def test_a_pair_that_costs_and_brings_no_point_is_not_formed(name: str, effort: Effort) -> None:
    # A price is of a point: nothing would pay for these services, however much they are worth.
    market = draw_market(4, users=9, experts=8, effort=effort)
    users = market.users_for(name)
    points = users.points.copy()
    points[:, :5] = 0.0
    points[:, 5:, 0] = 1e-310
    value = np.full_like(points, 9.0)
    mechanism = mechanisms.make(name)
    told = dataclasses.replace(market, users=dataclasses.replace(users, points=points, value=value))
    outcome = mechanism.clear(told)
    expert, _, pair_price = outcome.allocation_by(name)
    assert (expert[:, :5] == -1).all()
    assert (expert != 0).all()
    assert (expert[:, 5:] >= 0).any()
    assert np.isfinite(pair_price).all()
