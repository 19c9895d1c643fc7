"""Audits of mechanisms in markets whose users list candidates."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
import pytest

import mechanisms
from mechanisms import Market, Side
from mechanisms.auditing import clearings
from mechanisms.auditing.utility import utilities

DrawMarket = Callable[..., Market]

EDGE_DEVICES, USERS = frozenset[Side]({"edge_devices"}), frozenset[Side]({"users"})


def scarce(draw: DrawMarket, markets: int = 12) -> Market:
    """Nine users list three of five experts, which have one place each."""
    return draw(
        0, leading=(markets,), num_users=9, experts=5, listed=3, capacity=np.ones(5, dtype=int)
    )


def shared_bands(draw: DrawMarket, leading: tuple[int, ...] = (12,), users: int = 9) -> Market:
    """Places for all, and band for two users an expert or three; money for some."""
    places = np.full(5, users)
    budget = np.full(leading, 4.0 * users)
    return draw(
        1, leading=leading, num_users=users, experts=5, listed=3, capacity=places, budget=budget
    )


def one_worth_a_point(draw: DrawMarket) -> Market:
    """Draw two topics; a point is worth the same to a user at all experts of its list.

    Each brings as many points.
    """
    sizes = {"leading": (10,), "num_users": 12, "experts": 8, "listed": 3}
    rng = np.random.default_rng(2)
    points, worth = rng.uniform(0.3, 0.9, (10, 12, 1)), rng.uniform(0.0, 5.0, (10, 12, 1))
    each = np.ones((10, 12, 3))
    return draw(
        2,
        **sizes,
        capacity=np.ones(8, dtype=int),
        expert_topic=np.arange(8) % 2,
        users={"points": points * each, "value": worth * points * each, "topic": np.arange(12) % 2},
    )


class Trial(NamedTuple):
    """A mechanism, markets that meet its condition, and how long to search them."""

    name: str
    market: Callable[[DrawMarket], Market]
    misreports: int = 100
    agents: int | None = None
    regretted_by: frozenset[Side] = frozenset()  # sides on which lies must be seen to pay
    params: Mapping[str, Any] = MappingProxyType({})


TRIALS = [
    Trial("vcg", scarce, regretted_by=EDGE_DEVICES),
    Trial(
        "vcg",
        lambda draw: shared_bands(draw, (2,), 5),
        misreports=15,
        agents=1,
        params={"bandwidth": True},
    ),
    Trial("double_auction", one_worth_a_point, misreports=40),
    Trial(
        "shadow_price",
        lambda draw: scarce(draw, 6),
        misreports=40,
        agents=2,
        regretted_by=USERS,
        params={"bandwidth": False},
    ),
    Trial(
        "fisher", lambda draw: shared_bands(draw, (6,)), misreports=30, agents=1, regretted_by=USERS
    ),
]


@pytest.mark.parametrize("trial", TRIALS, ids=lambda trial: trial.name)
def test_a_mechanism_keeps_what_it_claims_and_shows_the_regret_it_does_not_deny(
    trial: Trial, draw_lists: DrawMarket
) -> None:
    mechanism, market = mechanisms.make(trial.name, **trial.params), trial.market(draw_lists)
    rng = np.random.default_rng(1)
    report = mechanisms.audit(
        mechanism, market, rng=rng, misreports=trial.misreports, agents=trial.agents
    )
    assert mechanisms.violations(report, mechanism.claims) == []
    assert report.failed_clearings == 0
    assert report.payments > 0
    assert report.participation["users"] > 0.1
    for side in trial.regretted_by:
        assert report.regret_max[side] > 0.1


def test_a_misreport_is_told_by_column_and_gains_what_is_told(draw_lists: DrawMarket) -> None:
    market = scarce(draw_lists, 4)
    mechanism = mechanisms.make("shadow_price", bandwidth=False)
    report = mechanisms.audit(
        mechanism, market, rng=np.random.default_rng(3), misreports=40, agents=2
    )
    found = report.fields["users.value"].worst
    truth = market.world(found.market)
    lie = truth.users.value.copy()
    assert len(found.report) == lie.shape[-1] == 3
    lie[found.agent] = found.report
    honest, lying = (
        utilities(mechanism, truth, mechanism.clear(asked))["users"][found.agent]
        for asked in (truth, replace(truth, users=replace(truth.users, value=lie)))
    )
    assert lying - honest == pytest.approx(found.gain, rel=1e-6)
    assert found.gain > 0.1


def test_as_many_markets_are_cleared_at_a_time_as_pairs_allow(
    draw_lists: DrawMarket, monkeypatch: pytest.MonkeyPatch
) -> None:
    market = draw_lists(3, leading=(4,), num_users=9, experts=60, listed=3)
    sizes = []
    clear = mechanisms.VCG.clear

    def watched(self: mechanisms.VCG, asked: Market) -> mechanisms.Outcome:
        sizes.append(asked.users.value.size)
        return clear(self, asked)

    monkeypatch.setattr(mechanisms.VCG, "clear", watched)
    # ten agents, a round of five each, of 60 experts, which are more than the 27 pairs
    monkeypatch.setattr(clearings, "CHUNK_ENTRIES", 10 * 5 * 60)
    mechanisms.audit(
        mechanisms.make("vcg"), market, rng=np.random.default_rng(0), misreports=5, agents=5
    )
    assert set(sizes[1:]) <= {10 * reports * 9 * 3 for reports in range(1, 6)}
    assert max(sizes[1:]) == 10 * 5 * 9 * 3


@pytest.mark.parametrize("name", ["vcg", "fisher"])
def test_what_is_measured_at_the_truth_is_what_the_market_of_all_experts_shows(
    name: str, draw_lists: DrawMarket, with_all_experts: Callable[[Market], Market]
) -> None:
    market, mechanism = shared_bands(draw_lists, (3,)), mechanisms.make(name)
    ours, theirs = (
        mechanisms.audit(mechanism, asked, rng=np.random.default_rng(0), misreports=0, agents=1)
        for asked in (market, with_all_experts(market))
    )
    for field in ("min_utility", "jain", "envy_max", "participation"):
        assert getattr(ours, field) == pytest.approx(getattr(theirs, field), rel=1e-5, abs=1e-7)
    for field in (
        "welfare",
        "welfare_ratio",
        "payments",
        "budget_balance_min",
        "budget_excess_max",
    ):
        assert getattr(ours, field) == pytest.approx(getattr(theirs, field), rel=1e-5, abs=1e-7)
