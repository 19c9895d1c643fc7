"""Learned reports against closed forms, and against what the truthful mechanisms claim."""

import dataclasses
from typing import Any

import numpy as np
import pytest

from mechanisms import Market, MarketError
from mechanisms.strategic.equilibrium import GRID, ReportEquilibrium, Sampler
from tests.mechanisms.report_samplers import (
    TRUTH,
    VALUE,
    alike,
    gain_over_truth,
    learned,
    of_one_dimension,
    sellers,
    with_users,
)

# Share of each factor in the mix that edge devices begin with: nearly all of it has the truth.
BEGIN = np.where(np.array(GRID) == 1.0, 0.9999, 1e-4 / (len(GRID) - 1))


def test_one_seller_reports_as_much_as_still_is_bought() -> None:
    """By hand: a report f brings the price (v + f) / 2 while f < v, and 2 is the truthful price.

    With kappa = slope = f, profit (v - p) (p - f) / f is greatest at p = (v + f) / 2, but supply
    ends at p = 2 f, which is less where f < v / 3. Full effort costs 1.5 and is given from 2 on.
    """
    grid = np.linspace(1.0, 6.0, 51)
    report = learned("posted_price", alike(1, 1.0, 1.0), grid, rounds=200, measured=10)
    assert report.promised.payments == pytest.approx(2.0, abs=1e-12)
    assert report.promised.edge_utility == pytest.approx(0.5, abs=1e-12)
    assert report.mix[0].argmax() == 27  # of 3.7, the last below v
    assert report.mean_factor == pytest.approx(3.7, abs=1e-3)
    assert report.played.payments == pytest.approx((VALUE + 3.7) / 2, abs=1e-3)
    assert report.played.edge_utility == pytest.approx(2.25, abs=1e-3)
    assert report.played.welfare_ratio == pytest.approx(1.0, abs=1e-3)
    assert abs(report.exploitability) < 1e-3


def test_reports_are_no_lever_on_a_price_that_supply_does_not_bend() -> None:
    """With kappa = 0 and nobody at full effort the price is v / 2, whatever slopes are."""
    report = learned("posted_price", alike(5, 0.0, 10.0), rounds=20, measured=10)
    assert abs(report.exploitability) < 1e-12
    assert np.allclose(report.mix, BEGIN, rtol=0, atol=1e-12)
    assert report.played.payments == pytest.approx(report.promised.payments, abs=1e-12)


def test_together_many_sellers_raise_a_price_that_none_moves_alone() -> None:
    """Alone a lie gains less the more sell; learned lies go together, and their gain stays."""
    alone = [
        gain_over_truth("posted_price", sellers(experts), 2000 // experts).mean(axis=0)
        for experts in (2, 5, 30)
    ]
    assert alone[0].max() > 2 * alone[1].max() > 8 * alone[2].max() > 0
    assert alone[2].argmax() > TRUTH
    for experts, rounds in ((5, 300), (30, 600)):
        report = learned("posted_price", sellers(experts), rounds=rounds, measured=60)
        gain = (report.played.edge_utility - report.promised.edge_utility) / experts
        assert report.mean_factor > 2.0
        assert report.edge_mass_low < 1e-3
        assert gain > 0.25
        assert report.played.payments > 1.4 * report.promised.payments
    assert gain > 10 * alone[2].max()
    assert report.exploitability_share < 0.015


def test_where_effort_is_enforced_reports_tend_to_the_truth_as_more_sell() -> None:
    reports = [
        learned("posted_price", sellers(experts, "enforced"), rounds=rounds)
        for experts, rounds in ((2, 600), (5, 600), (30, 300))
    ]
    factors = [report.mean_factor for report in reports]
    assert 1.25 > factors[0] > 1.18 > 1.14 > factors[1] > 1.09 > 1.01 > factors[2] > 1
    assert reports[0].exploitability_share < 1e-3
    assert reports[2].truth_regret < 0.003  # of 0.41 credits/slot that a device has
    assert reports[2].exploitability_share < 0.01
    for report in reports[:2]:
        assert report.played.payments < 0.95 * report.promised.payments
    assert reports[2].edge_mass_high < 1e-3
    grid = (1.0, 1.01, 1.02, 1.03, 1.05, 1.1)
    lone = gain_over_truth("posted_price", sellers(30, "enforced"), 120, grid).mean(axis=0)
    assert 0 < lone.max() < 1.5e-3


@pytest.mark.parametrize(
    ("name", "sampler"),
    [
        ("proportional_share", sellers(5, "enforced")),
        ("proportional_share", sellers(30, "enforced")),
        ("contract", of_one_dimension(5)),
        ("contract", of_one_dimension(30)),
    ],
)
def test_truthful_mechanisms_leave_no_lie_that_gains_and_play_stays_at_the_truth(
    name: str, sampler: Sampler
) -> None:
    """No factor gains over the truth, in any market, whether others are truthful or play."""
    gain = gain_over_truth(name, sampler, 40)
    assert gain.max() < 1e-9
    report = learned(name, sampler, rounds=100, measured=40)
    assert report.truth_regret < 1e-9
    assert report.played.edge_utility <= report.promised.edge_utility + 1e-9
    assert report.mix[:, TRUTH].min() > 0.999
    assert report.mean_factor == pytest.approx(1.0, abs=1e-4)
    assert report.played.edge_utility == pytest.approx(report.promised.edge_utility, rel=1e-4)


def test_factors_that_tie_with_the_truth_do_not_lead_away_from_it() -> None:
    """Whose cost is above the price declines, so it may as well have reported less."""
    gain = gain_over_truth("proportional_share", sellers(5, "enforced"), 200)
    ties = (np.abs(gain) < 1e-9).all(axis=0)
    assert np.flatnonzero(ties).tolist() == list(range(TRUTH + 1))
    report = learned("proportional_share", sellers(5, "enforced"))
    assert report.mix[:, TRUTH].min() > 0.999
    assert report.mix[:, ~ties].max() < BEGIN[0]  # what loses, if rarely, is played ever less
    others = report.mix[:, :TRUTH] / report.mix[:, [TRUTH]]
    assert np.allclose(others, BEGIN[0] / BEGIN[TRUTH], rtol=1e-6, atol=0)


@pytest.mark.parametrize("name", ["posted_price", "budgeted_price"])
def test_mixes_do_not_depend_on_the_unit_of_money(name: str) -> None:
    ours = learned(name, sellers(5), rounds=40, measured=10)
    theirs = learned(name, sellers(5, credit=1000.0), rounds=40, measured=10)
    assert np.allclose(ours.mix, theirs.mix, rtol=0, atol=1e-8)
    assert theirs.exploitability == pytest.approx(1000 * ours.exploitability, rel=1e-6)
    assert theirs.played.payments == pytest.approx(1000 * ours.played.payments, rel=1e-9)
    assert theirs.exploitability_share == pytest.approx(ours.exploitability_share, rel=1e-6)


@pytest.mark.parametrize("name", ["posted_price", "vcg"])
def test_the_same_seed_gives_the_same_report(name: str) -> None:
    fields: dict[str, Any] = {"rounds": 6, "markets": 2, "deviators": 2, "measured": 5}
    first, second = (learned(name, with_users("bought"), **fields) for _ in range(2))
    other = learned(name, with_users("bought"), seed=1, **fields)
    for field in dataclasses.fields(ReportEquilibrium):
        ours, theirs = getattr(first, field.name), getattr(second, field.name)
        assert np.array_equal(ours, theirs), field.name
    assert other.played != first.played
    assert first.clearings == (6 * 2 + 5) * 2 * len(GRID) + 2 * 5
    assert first.failed_clearings == 0
    assert np.allclose(first.mix.sum(axis=1), 1.0, rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    ("grid", "words"),
    [
        ((0.5, 2.0), "must contain 1.0"),
        ((1.0, 0.5), "must ascend"),
        ((1.0, 1.0), "must ascend"),
        ((0.0, 1.0), "must be a list of numbers > 0"),
        ((-1.0, 1.0), "must be a list of numbers > 0"),
        ((1.0, np.inf), "must be a list of numbers > 0"),
        ((), "must contain 1.0"),
        (1.0, "must be a list of numbers > 0"),
    ],
)
def test_a_grid_that_cannot_be_played_is_refused(grid: Any, words: str) -> None:
    with pytest.raises(ValueError, match=f"^grid = .*{words}"):
        learned("posted_price", sellers(2), grid)


@pytest.mark.parametrize(
    "fields", [{"rounds": 1}, {"markets": 0}, {"deviators": 0}, {"measured": 0}]
)
def test_numbers_below_their_limits_are_refused(fields: dict[str, int]) -> None:
    name = next(iter(fields))
    with pytest.raises(ValueError, match=f"^{name} = {fields[name]}: must be >= "):
        learned("posted_price", sellers(2), **fields)


def test_markets_that_do_not_fit_are_refused() -> None:
    def growing(count: int, rng: np.random.Generator) -> Market:
        return sellers(int(rng.integers(1, 50)))(count, rng)

    def changing(count: int, rng: np.random.Generator) -> Market:
        return sellers(2, "bought" if rng.random() < 0.5 else "enforced")(count, rng)

    def single(count: int, rng: np.random.Generator) -> Market:
        return sellers(2)(1, rng).world(0)

    cases = {
        "edge devices, effort bought, after": growing,
        "must be the same each time": changing,
        r"of shape \(\)": single,
        "without edge devices": sellers(0),
    }
    for words, sampler in cases.items():
        with pytest.raises(ValueError, match=f"^sampler: returned .*{words}"):
            learned("posted_price", sampler)


def test_markets_without_users_are_refused_by_what_allocates() -> None:
    with pytest.raises(MarketError, match="vcg needs users"):
        learned("vcg", sellers(2))


def test_free_experts_have_nothing_to_learn() -> None:
    report = learned("none", sellers(3), rounds=4, measured=5)
    assert np.allclose(report.mix, BEGIN, rtol=0, atol=1e-12)
    assert abs(report.exploitability_share) < 1e-12
    assert report.played == report.promised
