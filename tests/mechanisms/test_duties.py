"""Duties of edge devices in a market: what is refused, what stays with copies, what is answered."""

from dataclasses import replace

import numpy as np
import pytest

from mechanisms import Duties, DutyOrder, Market, MarketError, outcome_at_prices
from mechanisms.concatenation import concatenated
from mechanisms.outcome import fault_of


def duties(**changed: object) -> Duties:
    """Return duties of 2 experts, 3 levels each."""
    given: dict[str, object] = {
        "share": [[0.0, 0.2, 0.5], [0.1, 0.3, 0.9]],
        "achieved": [[0.0, 0.5, 0.8], [0.2, 0.6, 0.9]],
        "cost": [[0.0, 0.1, 0.3], [0.0, 0.2, 0.5]],
        "kept": [[1.0, 1.0, 0.6], [1.0, 0.8, 0.1]],
        "value": [1.0, 2.0],
    }
    return Duties(**given | changed)


def market(**changed: object) -> Market:
    ones = np.ones(2)
    return Market(ones, ones, ones, 3 * ones, np.array(5.0), duties=duties(**changed))


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"share": [[0.0, 0.5, 0.2], [0.1, 0.3, 0.9]]}, "share.*ascend"),
        ({"share": [[0.0, 0.2, 1.5], [0.1, 0.3, 0.9]]}, r"share.*0\.\.1"),
        ({"share": [0.0, 0.2, 0.5]}, "duties"),
        ({"share": np.zeros((2, 0))}, "K at least 1"),
        ({"achieved": [[0.0, 0.5, 0.4], [0.2, 0.6, 0.9]]}, "achieved.*ascend"),
        ({"achieved": [[0.0, np.nan, 0.8], [0.2, 0.6, 0.9]]}, "achieved.*finite"),
        ({"cost": [[0.0, -0.1, 0.3], [0.0, 0.2, 0.5]]}, "cost"),
        ({"kept": [[1.0, 1.2, 0.6], [1.0, 0.8, 0.1]]}, "kept"),
        ({"kept": [[1.0, 1.0], [1.0, 1.0]]}, "kept has shape"),
        ({"value": [1.0, np.inf]}, "value.*finite"),
        ({"value": [1.0]}, "value has shape"),
    ],
)
def test_what_is_no_duty_is_refused_by_its_name(changed: dict[str, object], says: str) -> None:
    with pytest.raises(MarketError, match=says):
        duties(**changed)


def test_duties_of_other_experts_and_what_is_none_are_refused() -> None:
    three = np.ones(3)
    with pytest.raises(MarketError, match=r"duties are of 2 experts: must be of 3"):
        Market(three, three, three, three, np.array(1.0), duties=duties())
    with pytest.raises(MarketError, match="duties"):
        Market(three, three, three, three, np.array(1.0), duties="radar")


def test_copies_of_a_market_keep_the_duties_of_their_worlds() -> None:
    one, other = market(), market(value=[5.0, 6.0])
    both = concatenated([one.reshaped(1), other.reshaped(1)])
    assert both.duties is not None
    assert both.duties.value.tolist() == [[1, 2], [5, 6]]
    alone = both.world(1)
    assert alone.duties is not None
    assert alone.duties.value.tolist() == [5, 6]
    assert alone.duties.share.tolist() == duties().share.tolist()
    assert both.reshaped(2, 1).duties.share.shape == (2, 1, 2, 3)
    spread = replace(one, budget=np.ones(4))
    assert spread.duties is not None
    assert spread.duties.kept.shape == (4, 2, 3)
    with pytest.raises(ValueError, match="duties in some of the markets only"):
        concatenated([one.reshaped(1), replace(other, duties=None).reshaped(1)])


def test_an_answer_earns_most_of_all_levels_and_is_the_least_of_several() -> None:
    rng = np.random.default_rng(0)
    for _ in range(200):
        steps = rng.random((2, 5, 4))
        share = np.cumsum(steps, axis=-1) / 5
        given = Duties(
            share, 2 * share, rng.random((2, 5, 4)), rng.random((2, 5, 4)), np.ones((2, 5))
        )
        price, profit = rng.random((2, 5)) * 3, rng.random((2, 5)) * 3
        level = given.answer(price, profit)
        for n, e in np.ndindex(2, 5):
            earned = [
                price[n, e] * given.achieved[n, e, k]
                - given.cost[n, e, k]
                + profit[n, e] * given.kept[n, e, k]
                for k in range(4)
            ]
            assert earned[level[n, e]] == max(earned)
    same = duties(achieved=np.zeros((2, 3)), cost=np.zeros((2, 3)), kept=np.ones((2, 3)))
    assert same.answer(np.ones(2), np.ones(2)).tolist() == [0, 0]


def test_an_order_that_is_none_is_a_fault_of_the_mechanism() -> None:
    given = market()
    outcome = outcome_at_prices(given, np.full(2, 1.5), status="x", solve_seconds=0.0)
    orders = {
        "duty_level should": DutyOrder(np.ones(2), np.array([0, 3])),
        "whole numbers": DutyOrder(np.ones(2), np.ones(2)),
        "duty_price should be at least 0": DutyOrder(np.array([1.0, -0.1]), np.array([0, 1])),
        "duty_price has shape": DutyOrder(np.ones(3), np.array([0, 1])),
    }
    for says, order in orders.items():
        assert says in fault_of(replace(outcome, duty=order), given, allocates=False)
    right = replace(outcome, duty=DutyOrder(np.ones(2), np.array([0, 2])))
    assert fault_of(right, given, allocates=False) == ""
    without = replace(given, duties=None)
    assert "market has none" in fault_of(right, without, allocates=False)
    assert right.world(()).duty is not None
