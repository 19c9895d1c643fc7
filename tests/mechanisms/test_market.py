"""A market and the reports of its users are checked where they are built."""

import dataclasses
import pickle
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mechanisms import Market, MarketError, UserReports
from mechanisms.concatenation import concatenated

WORLDS, USERS, EXPERTS = 3, 2, 4


def fields_of_a_full_market() -> dict[str, Any]:
    return {
        "unit_cost": np.full((WORLDS, EXPERTS), 0.5),
        "cost_slope": np.full((WORLDS, EXPERTS), 1.0),
        "demand": np.full((WORLDS, EXPERTS), 2.0),
        "value": np.full((WORLDS, EXPERTS), 3.8),
        "budget": np.full(WORLDS, 4.0),
        "capacity": np.full((WORLDS, EXPERTS), 1),
        "bandwidth_limit": np.full((WORLDS, EXPERTS), 1000.0),
        "expert_topic": np.zeros((WORLDS, EXPERTS), dtype=int),
    }


def reports() -> UserReports:
    return UserReports(
        value=np.full((WORLDS, USERS, EXPERTS), 1.5),
        points=np.full((WORLDS, USERS, EXPERTS), 0.5),
        bandwidth_need=np.full((WORLDS, USERS, EXPERTS), 200.0),
        topic=np.zeros((WORLDS, USERS), dtype=int),
    )


def test_a_market_knows_its_sizes() -> None:
    market = Market(**fields_of_a_full_market(), users=reports())
    assert (market.batch_shape, market.num_users, market.num_experts) == ((WORLDS,), USERS, EXPERTS)


def test_a_market_without_users_reports_has_no_users() -> None:
    market = Market(**fields_of_a_full_market())
    assert market.num_users == 0
    assert market.users is None
    with pytest.raises(MarketError, match="vcg needs users, which this market does not give"):
        market.users_for("vcg")


def test_what_is_left_out_is_neutral() -> None:
    fields = fields_of_a_full_market()
    names = ("unit_cost", "cost_slope", "demand", "value", "budget")
    pairs = np.ones((USERS, EXPERTS))
    users = UserReports(value=pairs, points=pairs)
    market = Market(**{name: fields[name] for name in names}, users=users)
    assert market.capacity.shape == market.expert_topic.shape == (WORLDS, EXPERTS)
    assert (market.capacity == 1).all()
    assert (market.bandwidth_limit == np.inf).all()
    assert not market.expert_topic.any()
    assert market.users.batch_shape == (WORLDS,)
    assert not market.users.bandwidth_need.any()
    assert not market.users.topic.any()
    assert market.users.candidates is None
    assert market.capacity.dtype == market.users.topic.dtype == np.int64


def test_users_are_user_reports_or_none() -> None:
    with pytest.raises(MarketError, match=r"users = \{\}: must be UserReports, or None"):
        Market(**fields_of_a_full_market(), users={})


def test_one_market_needs_no_leading_axis_and_may_be_given_as_lists() -> None:
    lists: dict[str, Any] = {
        "unit_cost": [0],
        "cost_slope": [1],
        "demand": [2],
        "value": [3],
        "budget": 4,
    }
    market = Market(**lists)
    assert market.batch_shape == ()
    assert market.budget.dtype == np.float64


@pytest.mark.parametrize("shape", [(0,), (5, 0)])
def test_a_market_without_experts_is_legal(shape: tuple[int, ...]) -> None:
    none = np.zeros(shape)
    market = Market(
        unit_cost=none, cost_slope=none, demand=none, value=none, budget=np.zeros(shape[:-1])
    )
    assert market.num_experts == 0
    assert market.batch_shape == shape[:-1]


def test_empty_whole_fields_are_legal() -> None:
    names = ("unit_cost", "cost_slope", "demand", "value", "capacity", "expert_topic")
    empty: dict[str, Any] = {name: [] for name in names}
    market = Market(**empty, budget=np.zeros(()))
    assert market.capacity.dtype == np.int64


def test_shared_fields_are_broadcast_to_every_world() -> None:
    fields = fields_of_a_full_market()
    fields["value"] = np.array([1.0, 2.0, 3.0, 4.0])
    fields["budget"] = 7.0
    fields["users"] = dataclasses.replace(reports(), topic=np.array([1, -1]))
    market = Market(**fields)
    assert market.value.shape == (WORLDS, EXPERTS)
    assert market.value[2].tolist() == [1.0, 2.0, 3.0, 4.0]
    assert market.budget.tolist() == [7.0, 7.0, 7.0]
    assert market.users.topic[1].tolist() == [1, -1]


def test_later_writes_by_the_caller_do_not_reach_a_market() -> None:
    fields = fields_of_a_full_market()
    market = Market(**fields)
    fields["demand"][:] = -1.0
    assert (market.demand == 2.0).all()


@pytest.mark.parametrize("name", fields_of_a_full_market())
def test_no_field_can_be_written(name: str) -> None:
    market = Market(**fields_of_a_full_market())
    with pytest.raises(ValueError, match="read-only"):
        getattr(market, name)[0] = 1
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(market, name, None)


def test_replacing_a_report_is_checked_too() -> None:
    market = Market(**fields_of_a_full_market())
    assert dataclasses.replace(market, unit_cost=market.unit_cost + 1).unit_cost[0, 0] == 1.5
    with pytest.raises(MarketError, match="unit_cost"):
        dataclasses.replace(market, unit_cost=market.unit_cost - 1)


@pytest.mark.parametrize(
    ("name", "bad", "limit"),
    [
        ("unit_cost", -0.1, ">= 0 credits/point"),
        ("cost_slope", 0.0, "> 0 credits/point"),
        ("demand", -1e-9, ">= 0 points/slot"),
        ("value", -np.inf, "finite credits/point"),
        ("budget", -1.0, ">= 0 credits/slot"),
        ("capacity", -1, ">= 0 subtasks"),
        ("bandwidth_limit", -np.inf, "a number and >= 0 Hz"),
        ("bandwidth_limit", np.nan, "a number and >= 0 Hz"),
        ("expert_topic", -1, ">= 0"),
    ],
)
@given(data=st.data())
def test_a_bad_entry_is_named_with_index_value_and_limit(
    name: str, bad: float, limit: str, data: st.DataObject
) -> None:
    fields = fields_of_a_full_market()
    index = tuple(data.draw(st.integers(0, size - 1)) for size in fields[name].shape)
    fields[name][index] = bad
    with pytest.raises(MarketError) as raised:
        Market(**fields)
    message = str(raised.value)
    assert message.startswith(f"{name}[{', '.join(map(str, index))}] = {bad}: ")
    assert message.endswith(limit)


@pytest.mark.parametrize("name", ["unit_cost", "cost_slope", "demand", "value", "budget"])
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_no_field_may_be_infinite_or_undefined(name: str, bad: float) -> None:
    fields = fields_of_a_full_market()
    fields[name][-1] = bad
    with pytest.raises(MarketError, match=f"^{name}.*must be finite"):
        Market(**fields)


@pytest.mark.parametrize(
    ("name", "shape", "expected"),
    [
        ("cost_slope", (WORLDS, EXPERTS + 1), r"must be \(\.\.\., E\) with E = 4"),
        ("demand", (), r"must be \(\.\.\., E\)"),
    ],
)
def test_a_shape_that_does_not_fit_is_named(
    name: str, shape: tuple[int, ...], expected: str
) -> None:
    fields = fields_of_a_full_market()
    fields[name] = np.ones(shape, dtype=fields[name].dtype)
    with pytest.raises(MarketError, match=f"^{name} has shape .*{expected}"):
        Market(**fields)


def test_users_must_report_on_the_experts_of_the_market() -> None:
    pairs = np.ones((USERS, EXPERTS - 1))
    with pytest.raises(
        MarketError, match=r"^users.value has shape .*must be \(\.\.\., U, E\) with E = 4"
    ):
        Market(**fields_of_a_full_market(), users=UserReports(pairs, pairs))


def test_leading_axes_that_do_not_broadcast_are_named() -> None:
    fields = fields_of_a_full_market()
    fields["budget"] = np.ones(WORLDS + 2)
    with pytest.raises(MarketError, match=r"unit_cost \(3,\).*budget \(5,\)"):
        Market(**fields)
    pairs = np.ones((WORLDS + 2, USERS, EXPERTS))
    with pytest.raises(MarketError, match=r"unit_cost \(3,\).*users \(5,\)"):
        Market(**fields_of_a_full_market(), users=UserReports(pairs, pairs))
    with pytest.raises(MarketError, match=r"users\.value \(5,\).*users\.topic \(3,\)"):
        UserReports(pairs, pairs, topic=np.zeros((WORLDS, USERS), dtype=int))


@pytest.mark.parametrize("given_instead", ["many", None, [[1.0], [1.0, 2.0]]])
def test_what_is_not_an_array_of_numbers_is_refused(given_instead: object) -> None:
    fields = fields_of_a_full_market()
    fields["unit_cost"] = given_instead
    with pytest.raises(MarketError, match="unit_cost"):
        Market(**fields)


@pytest.mark.parametrize("name", ["capacity", "expert_topic"])
def test_counts_and_topics_must_be_whole_numbers(name: str) -> None:
    fields = fields_of_a_full_market()
    fields[name] = fields[name] + 0.5
    with pytest.raises(MarketError, match=f"{name} has dtype float64: must be whole numbers"):
        Market(**fields)
    with pytest.raises(MarketError, match=r"users\.topic has dtype float64: must be whole numbers"):
        dataclasses.replace(reports(), topic=np.full(USERS, 0.5))


@pytest.mark.parametrize("index", range(WORLDS))
def test_the_market_of_one_world_has_that_worlds_entries(index: int) -> None:
    fields = fields_of_a_full_market()
    fields["unit_cost"] = np.arange(12.0).reshape(WORLDS, EXPERTS)
    users = dataclasses.replace(reports(), topic=np.arange(6).reshape(WORLDS, USERS))
    world = Market(**fields, users=users).world(index)
    assert world.batch_shape == ()
    assert world.num_users == USERS
    assert world.unit_cost.tolist() == fields["unit_cost"][index].tolist()
    assert world.users.topic.tolist() == [2 * index, 2 * index + 1]
    assert world.budget.shape == ()
    assert not world.budget.flags.writeable
    assert not world.users.topic.flags.writeable


def test_markets_are_folded_and_joined_again() -> None:
    fields = fields_of_a_full_market() | {"budget": np.arange(3.0)}
    market = Market(**fields, users=reports())
    assert market.reshaped(3, 1).users.value.shape == (3, 1, USERS, EXPERTS)
    joined = concatenated([market.world(slice(0, 2)), market.world(slice(2, 3))])
    for name, array in market.arrays().items():
        np.testing.assert_array_equal(joined.arrays()[name], array)
    for name, array in market.users.arrays().items():
        np.testing.assert_array_equal(joined.users.arrays()[name], array)
    with pytest.raises(ValueError, match="users report in some of the markets only"):
        concatenated([market, dataclasses.replace(market, users=None)])


def test_a_market_with_another_demand_shares_the_rest_and_checks_the_demand_alone() -> None:
    market = Market(**fields_of_a_full_market())
    told = 2.0 * market.demand
    other = market.with_demand(told)
    np.testing.assert_array_equal(other.demand, 2.0 * market.demand)
    told[...] = 7.0  # reaches nobody
    assert not (other.demand == 7.0).any()
    assert other.unit_cost is market.unit_cost
    assert not other.demand.flags.writeable
    with pytest.raises(
        MarketError, match=r"demand\[.*\] = -1.0: must be finite and >= 0 points/slot"
    ):
        market.with_demand(np.full(market.demand.shape, -1.0))
    with pytest.raises(MarketError, match="demand has shape"):
        market.with_demand(market.demand[..., :-1])


def test_a_market_survives_pickling() -> None:
    market = Market(**fields_of_a_full_market())
    copy = pickle.loads(pickle.dumps(dataclasses.replace(market, users=reports())))
    assert (copy.users.value == reports().value).all()
    assert copy.batch_shape == market.batch_shape
    assert (copy.unit_cost == market.unit_cost).all()
