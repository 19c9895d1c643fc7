"""A market whose users list candidates is checked where it is built."""

import dataclasses
from typing import Any

import numpy as np
import pytest

from mechanisms import Market, MarketError, UserReports

WORLDS, USERS, EXPERTS = 3, 2, 4


def reports_with_lists() -> dict[str, Any]:
    """Return three worlds, two users and four experts, of which each user reaches three."""
    fields: dict[str, Any] = {
        name: np.full((WORLDS, USERS, 3), 1.5) for name in ("value", "points", "bandwidth_need")
    }
    fields["candidates"] = np.array(
        [[[3, 0, 1], [2, 1, 0]], [[0, 1, 2], [1, 3, 0]], [[1, 2, 3], [2, 0, 3]]]
    )
    return fields


def market_of(fields: dict[str, Any]) -> Market:
    experts = np.ones((WORLDS, EXPERTS))
    return Market(experts, experts, experts, experts, np.ones(WORLDS), UserReports(**fields))


def test_fields_of_pairs_have_a_column_for_each_candidate() -> None:
    market = market_of(reports_with_lists())
    assert (market.num_users, market.num_experts) == (USERS, EXPERTS)
    assert market.users.num_columns == 3
    assert market.users.value.shape == (WORLDS, USERS, 3)
    assert market.users.candidates.dtype == np.int64
    assert not market.users.candidates.flags.writeable
    assert market.world(1).users.candidates.tolist() == [[0, 1, 2], [1, 3, 0]]


def test_lists_that_all_worlds_share_are_broadcast() -> None:
    fields = reports_with_lists() | {"candidates": [[3, 0, 1], [2, 1, 0]]}
    assert market_of(fields).users.candidates.tolist() == [[[3, 0, 1], [2, 1, 0]]] * WORLDS


def test_lists_of_nobody_are_legal() -> None:
    fields = reports_with_lists() | {"candidates": np.zeros((WORLDS, USERS, 0), dtype=int)}
    none = {name: fields[name][..., :0] for name in ("value", "points", "bandwidth_need")}
    assert market_of(fields | none).users.candidates.shape == (WORLDS, USERS, 0)


@pytest.mark.parametrize(
    ("index", "bad", "message"),
    [
        ((1, 0, 2), 4, r"users.candidates\[1, 0, 2\] = 4: must be < 4, the number of experts"),
        ((2, 1, 0), -1, r"users.candidates\[2, 1, 0\] = -1: must be finite and >= 0"),
        ((0, 1, 2), 2, r"users.candidates\[0, 1, 2\] = 2: must be once in the list of a user"),
        ((0, 1, 0), 0, r"users.candidates\[0, 1, 2\] = 0: must be once in the list of a user"),
    ],
)
def test_a_candidate_that_there_is_not_or_that_comes_twice_is_named(
    index: tuple[int, ...], bad: int, message: str
) -> None:
    fields = reports_with_lists()
    fields["candidates"][index] = bad
    with pytest.raises(MarketError, match=f"^{message}$"):
        market_of(fields)


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
    fields = reports_with_lists()
    fields[name] = np.ones(shape, dtype=fields[name].dtype)
    with pytest.raises(MarketError, match=f"^users.{name} has shape .*{expected}"):
        market_of(fields)


def test_replacing_lists_is_checked_too_and_whole_numbers_are_asked_for() -> None:
    market = market_of(reports_with_lists())
    lists = market.users.candidates
    reversed_lists = dataclasses.replace(market.users, candidates=lists[..., ::-1])
    replaced = dataclasses.replace(market, users=reversed_lists)
    assert replaced.users.candidates[0, 0].tolist() == [1, 0, 3]
    others = dataclasses.replace(market.users, candidates=lists + 10)
    with pytest.raises(MarketError, match=r"users.candidates\[0, 0, 0\] = 13: must be < 4"):
        dataclasses.replace(market, users=others)
    with pytest.raises(MarketError, match=r"users\.candidates has dtype float64: must be whole"):
        dataclasses.replace(market.users, candidates=lists + 0.5)
