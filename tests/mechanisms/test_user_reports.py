"""Reports of users are checked where they are built."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mechanisms import MarketError, UserReports

WORLDS, USERS, EXPERTS = 3, 2, 4


def reports() -> UserReports:
    return UserReports(
        value=np.full((WORLDS, USERS, EXPERTS), 1.5),
        points=np.full((WORLDS, USERS, EXPERTS), 0.5),
        bandwidth_need=np.full((WORLDS, USERS, EXPERTS), 200.0),
        topic=np.zeros((WORLDS, USERS), dtype=int),
    )


@pytest.mark.parametrize("name", ["value", "points", "bandwidth_need", "topic"])
def test_no_report_of_users_can_be_written(name: str) -> None:
    users = reports()
    with pytest.raises(ValueError, match="read-only"):
        getattr(users, name)[0] = 1
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(users, name, None)


@pytest.mark.parametrize(
    ("name", "bad", "limit"),
    [
        ("value", np.nan, "finite credits"),
        ("value", np.inf, "finite credits"),
        ("points", -0.1, ">= 0 points"),
        ("bandwidth_need", -5.0, ">= 0 Hz"),
        ("bandwidth_need", np.inf, ">= 0 Hz"),
        ("topic", -2, ">= -1"),
    ],
)
@given(data=st.data())
def test_a_bad_report_of_a_user_is_named_with_index_value_and_limit(
    name: str, bad: float, limit: str, data: st.DataObject
) -> None:
    array = getattr(reports(), name).copy()
    index = tuple(data.draw(st.integers(0, size - 1)) for size in array.shape)
    array[index] = bad
    with pytest.raises(MarketError) as raised:
        dataclasses.replace(reports(), **{name: array})
    message = str(raised.value)
    assert message.startswith(f"users.{name}[{', '.join(map(str, index))}] = {bad}: ")
    assert message.endswith(limit)


@pytest.mark.parametrize("name", ["value", "points"])
def test_value_and_points_are_needed(name: str) -> None:
    with pytest.raises(MarketError, match=rf"users\.{name} = None: must be an array of numbers"):
        dataclasses.replace(reports(), **{name: None})


@pytest.mark.parametrize(
    ("name", "shape", "expected"),
    [
        ("value", (WORLDS, USERS, EXPERTS - 1), r"must be \(\.\.\., U, E\) with E = 3"),
        ("bandwidth_need", (WORLDS, USERS + 1, EXPERTS), "with U = 2"),
        ("topic", (WORLDS, USERS + 1), r"must be \(\.\.\., U\) with U = 2"),
        ("bandwidth_need", (EXPERTS,), r"must be \(\.\.\., U, E\)"),
    ],
)
def test_a_report_of_users_that_does_not_fit_is_named(
    name: str, shape: tuple[int, ...], expected: str
) -> None:
    array = np.ones(shape, dtype=getattr(reports(), name).dtype)
    with pytest.raises(MarketError, match=f"^users.(points|{name}) has shape .*{expected}"):
        dataclasses.replace(reports(), **{name: array})
