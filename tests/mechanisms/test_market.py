"""A market is checked where it is built; an outcome adds up."""

import dataclasses
import pickle
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mechanisms import Market, MarketError, Outcome

WORLDS, USERS, EXPERTS = 3, 2, 4


def fields_of_a_full_market() -> dict[str, Any]:
    return {
        "unit_cost": np.full((WORLDS, EXPERTS), 0.5),
        "cost_slope": np.full((WORLDS, EXPERTS), 1.0),
        "demand": np.full((WORLDS, EXPERTS), 2.0),
        "value": np.full((WORLDS, EXPERTS), 3.8),
        "budget": np.full(WORLDS, 4.0),
        "user_value": np.full((WORLDS, USERS, EXPERTS), 1.5),
        "capacity": np.full((WORLDS, EXPERTS), 1),
        "bandwidth_need": np.full((WORLDS, USERS, EXPERTS), 200.0),
        "bandwidth_limit": np.full((WORLDS, EXPERTS), 1000.0),
        "topic": np.zeros((WORLDS, USERS), dtype=int),
        "expert_topic": np.zeros((WORLDS, EXPERTS), dtype=int),
    }


def test_a_market_knows_its_sizes() -> None:
    market = Market(**fields_of_a_full_market())
    assert (market.batch_shape, market.num_users, market.num_experts) == ((WORLDS,), USERS, EXPERTS)


@pytest.mark.parametrize("per_user", ["user_value", "bandwidth_need", "topic"])
def test_any_field_for_each_user_tells_the_number_of_users(per_user: str) -> None:
    fields = fields_of_a_full_market()
    others = {"user_value", "bandwidth_need", "topic"} - {per_user}
    market = Market(**{name: array for name, array in fields.items() if name not in others})
    assert market.num_users == USERS


def test_a_market_without_fields_for_each_user_has_no_users() -> None:
    fields = fields_of_a_full_market()
    market = Market(
        **{name: fields[name] for name in ("unit_cost", "cost_slope", "demand", "value", "budget")}
    )
    assert market.num_users == 0
    assert market.topic is None


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
    names = ("unit_cost", "cost_slope", "demand", "value", "capacity", "topic", "expert_topic")
    empty: dict[str, Any] = {name: [] for name in names}
    market = Market(**empty, budget=np.zeros(()))
    assert market.capacity is not None
    assert market.capacity.dtype == np.int64


def test_shared_fields_are_broadcast_to_every_world() -> None:
    fields = fields_of_a_full_market()
    fields["value"] = np.array([1.0, 2.0, 3.0, 4.0])
    fields["budget"] = 7.0
    fields["topic"] = np.array([1, -1])
    market = Market(**fields)
    assert market.value.shape == (WORLDS, EXPERTS)
    assert market.value[2].tolist() == [1.0, 2.0, 3.0, 4.0]
    assert market.budget.tolist() == [7.0, 7.0, 7.0]
    assert market.topic is not None
    assert market.topic[1].tolist() == [1, -1]


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
        ("user_value", np.nan, "finite credits"),
        ("capacity", -1, ">= 0 subtasks"),
        ("bandwidth_need", -5.0, ">= 0 Hz"),
        ("bandwidth_limit", np.inf, ">= 0 Hz"),
        ("topic", -2, ">= -1"),
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


@pytest.mark.parametrize(
    "name", ["unit_cost", "cost_slope", "demand", "value", "budget", "user_value"]
)
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
        ("user_value", (WORLDS, USERS, EXPERTS - 1), r"must be \(\.\.\., U, E\) with E = 4"),
        ("bandwidth_need", (WORLDS, USERS + 1, EXPERTS), "with U = 2"),
        ("topic", (WORLDS, USERS + 1), r"must be \(\.\.\., U\) with U = 2"),
        ("bandwidth_need", (EXPERTS,), r"must be \(\.\.\., U, E\)"),
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


def test_leading_axes_that_do_not_broadcast_are_named() -> None:
    fields = fields_of_a_full_market()
    fields["budget"] = np.ones(WORLDS + 2)
    with pytest.raises(MarketError, match=r"unit_cost \(3,\).*budget \(5,\)"):
        Market(**fields)


@pytest.mark.parametrize("given_instead", ["many", None, [[1.0], [1.0, 2.0]]])
def test_what_is_not_an_array_of_numbers_is_refused(given_instead: object) -> None:
    fields = fields_of_a_full_market()
    fields["unit_cost"] = given_instead
    with pytest.raises(MarketError, match="unit_cost"):
        Market(**fields)


@pytest.mark.parametrize("name", ["capacity", "topic", "expert_topic"])
def test_counts_and_topics_must_be_whole_numbers(name: str) -> None:
    fields = fields_of_a_full_market()
    fields[name] = fields[name] + 0.5
    with pytest.raises(MarketError, match=f"{name} has dtype float64: must be whole numbers"):
        Market(**fields)


@pytest.mark.parametrize("index", range(WORLDS))
def test_the_market_of_one_world_has_that_worlds_entries(index: int) -> None:
    fields = fields_of_a_full_market()
    fields["unit_cost"] = np.arange(12.0).reshape(WORLDS, EXPERTS)
    world = Market(**fields).world(index)
    assert world.batch_shape == ()
    assert world.num_users == USERS
    assert world.unit_cost.tolist() == fields["unit_cost"][index].tolist()


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
    copy = pickle.loads(pickle.dumps(market))
    assert copy.batch_shape == market.batch_shape
    assert (copy.unit_cost == market.unit_cost).all()


def outcome(payment: list[float], charge: list[float] | None) -> Outcome:
    zeros = np.zeros(len(payment))
    return Outcome(
        unit_price=zeros,
        effort=zeros,
        points=zeros,
        payment=np.array(payment),
        welfare=np.zeros(()),
        status="optimal",
        solve_seconds=0.0,
        charge=None if charge is None else np.array(charge),
    )


@pytest.mark.parametrize(
    ("charge", "balance"), [([4.0, 3.0, 0.5], 1.5), ([1.0], -5.0), ([], -6.0), (None, 0.0)]
)
def test_the_balance_is_charges_less_payments(charge: list[float] | None, balance: float) -> None:
    assert outcome([2.0, 4.0], charge).balance == pytest.approx(balance)


def test_the_balance_has_one_entry_a_world() -> None:
    one = outcome([2.0, 4.0], [1.0])
    batch = dataclasses.replace(
        one, payment=np.array([[1.0, 1.0], [2.0, 3.0]]), charge=np.array([[2.5], [4]])
    )
    assert batch.balance.tolist() == [0.5, -1.0]


def fields_with_lists() -> dict[str, Any]:
    """Three worlds, two users, four experts, of which each user reaches three; columns in no order."""
    fields = fields_of_a_full_market()
    for name in ("user_value", "bandwidth_need"):
        fields[name] = fields[name][..., :3]
    fields["candidates"] = np.array(
        [[[3, 0, 1], [2, 1, 0]], [[0, 1, 2], [1, 3, 0]], [[1, 2, 3], [2, 0, 3]]]
    )
    return fields


def test_fields_of_pairs_have_a_column_for_each_candidate() -> None:
    market = Market(**fields_with_lists())
    assert (market.num_users, market.num_experts) == (USERS, EXPERTS)
    assert market.user_value is not None
    assert market.user_value.shape == (WORLDS, USERS, 3)
    assert market.candidates is not None
    assert market.candidates.dtype == np.int64
    assert not market.candidates.flags.writeable
    assert market.world(1).candidates.tolist() == [[0, 1, 2], [1, 3, 0]]


def test_candidates_alone_tell_the_number_of_users() -> None:
    fields = fields_with_lists()
    priced = {
        name: fields[name]
        for name in ("unit_cost", "cost_slope", "demand", "value", "budget", "candidates")
    }
    assert Market(**priced).num_users == USERS


def test_lists_that_all_worlds_share_are_broadcast() -> None:
    fields = fields_with_lists() | {"candidates": [[3, 0, 1], [2, 1, 0]]}
    assert Market(**fields).candidates.tolist() == [[[3, 0, 1], [2, 1, 0]]] * WORLDS


def test_lists_of_nobody_are_legal() -> None:
    fields = fields_with_lists() | {"candidates": np.zeros((WORLDS, USERS, 0), dtype=int)}
    none = {name: fields[name][..., :0] for name in ("user_value", "bandwidth_need")}
    assert Market(**(fields | none)).candidates.shape == (WORLDS, USERS, 0)


@pytest.mark.parametrize(
    ("index", "bad", "message"),
    [
        ((1, 0, 2), 4, r"candidates\[1, 0, 2\] = 4: must be < 4, the number of experts"),
        ((2, 1, 0), -1, r"candidates\[2, 1, 0\] = -1: must be finite and >= 0"),
        ((0, 1, 2), 2, r"candidates\[0, 1, 2\] = 2: must be once in the list of a user"),
        ((0, 1, 0), 0, r"candidates\[0, 1, 2\] = 0: must be once in the list of a user"),
    ],
)
def test_a_candidate_that_there_is_not_or_that_comes_twice_is_named(
    index: tuple[int, ...], bad: int, message: str
) -> None:
    fields = fields_with_lists()
    fields["candidates"][index] = bad
    with pytest.raises(MarketError, match=f"^{message}$"):
        Market(**fields)


@pytest.mark.parametrize(
    ("name", "shape", "expected"),
    [
        ("candidates", (WORLDS, USERS, 2), r"must be \(\.\.\., U, C\) with C = 3"),
        ("candidates", (WORLDS, USERS + 1, 3), r"must be \(\.\.\., U, C\) with U = 2"),
        ("bandwidth_need", (WORLDS, USERS, EXPERTS), r"must be \(\.\.\., U, C\) with C = 3"),
        ("candidates", (3,), r"must be \(\.\.\., U, C\)"),
    ],
)
def test_lists_and_fields_of_pairs_must_fit(
    name: str, shape: tuple[int, ...], expected: str
) -> None:
    fields = fields_with_lists()
    fields[name] = np.ones(shape, dtype=fields[name].dtype)
    with pytest.raises(MarketError, match=f"^{name} has shape .*{expected}"):
        Market(**fields)


def test_replacing_lists_is_checked_too_and_whole_numbers_are_asked_for() -> None:
    market = Market(**fields_with_lists())
    assert market.candidates is not None
    reversed_lists = dataclasses.replace(market, candidates=market.candidates[..., ::-1])
    assert reversed_lists.candidates[0, 0].tolist() == [1, 0, 3]
    with pytest.raises(MarketError, match=r"candidates\[0, 0, 0\] = 13: must be < 4"):
        dataclasses.replace(market, candidates=market.candidates + 10)
    with pytest.raises(MarketError, match="candidates has dtype float64: must be whole numbers"):
        dataclasses.replace(market, candidates=market.candidates + 0.5)
