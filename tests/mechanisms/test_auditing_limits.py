"""Lies about limits, by hand: an expert with less than it is assigned chooses whom it serves."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import mechanisms
from mechanisms import Effort, Market, UserReports
from mechanisms.auditing.lies import LIES
from mechanisms.auditing.utility import utilities


def two_users(effort: Effort = "bought", **fields: Any) -> Market:
    """Return an expert of costs x^2 a unit of work, and users of work 1 and 2, worth 10 and 9.

    Serving them costs 1 and 2, so that the first is worth 9 and the second 7. At full effort, which
    takes a price of 2 a unit, the expert earns 1 by the first and 2 by the second.
    """
    work = np.array([[1.0], [2.0]])
    users = UserReports(value=[[10.0], [9.0]], points=work, bandwidth_need=[[700.0], [700.0]])
    limits = {"capacity": [1], "bandwidth_limit": [1000.0]} | fields
    return Market([0.0], [2.0], [3.0], [4.0], 9.0, users=users, effort=effort, **limits)


def regret(field: str, market: Market, **params: Any) -> float:
    mechanism = mechanisms.make("vcg", **params)
    rng = np.random.default_rng(0)
    report = mechanisms.audit(mechanism, market, rng=rng, misreports=20, fields=[field])
    return report.fields[field].max


def test_an_expert_that_overstates_its_capacity_serves_whom_it_earns_most_by() -> None:
    assert regret("edge_devices.capacity", two_users()) == pytest.approx(2.0 - 1.0)
    # Where it is paid its costs it has nothing to choose by.
    assert regret("edge_devices.capacity", two_users("enforced")) == pytest.approx(0.0, abs=1e-12)


def test_an_expert_that_overstates_its_band_serves_whom_it_earns_most_by() -> None:
    market = two_users(capacity=[2])
    assert regret("edge_devices.bandwidth_limit", market, bandwidth=True) == pytest.approx(1.0)


def test_a_user_that_understates_its_need_of_band_may_take_the_place_of_another() -> None:
    """It is assigned beside the first, displaces nobody, and is charged the cost of 2."""
    market = two_users(capacity=[2])
    gain = regret("users.bandwidth_need", market, bandwidth=True)
    assert gain == pytest.approx(9.0 - 2.0)


def test_who_has_less_than_it_is_assigned_leaves_the_others_unserved_and_uncharged() -> None:
    truth, vcg = two_users(), mechanisms.make("vcg")
    outcome = vcg.clear(replace(truth, capacity=[2]))
    assert outcome.allocation.expert.tolist() == [0, 0]
    had = utilities(vcg, truth, outcome, frozenset({"capacity"}))
    assert had["edge_devices"].tolist() == pytest.approx([2.0])
    assert had["users"].tolist() == pytest.approx([0.0, 9.0 - 2.0])


def test_all_fields_that_can_be_claimed_are_lied_about() -> None:
    told = {(lie.side, lie.field) for lie in LIES}
    sides = mechanisms.claims.FIELDS
    assert told == {(side, field) for side in sides for field in sides[side]}
