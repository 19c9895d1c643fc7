"""Play of reports, a round of it: draws, utilities, learning, and the money that changes hands."""

import dataclasses
from operator import itemgetter

import numpy as np
import pytest

import mechanisms
from mechanisms import Effort, Market, MechanismError
from mechanisms.auditing.clearings import Clearings
from mechanisms.auditing.utility import realised_welfare, utilities
from mechanisms.strategic.equilibrium import report_equilibrium
from mechanisms.strategic.play import Hedge, alternatives, draw_factors, with_factors
from mechanisms.strategic.result import result_of
from tests.mechanisms.report_samplers import VALUE, alike, sellers, with_users


def test_a_budget_is_overspent_where_true_costs_answer_the_price() -> None:
    """By hand: a report of 2 is to give x of 2 (1 + x) x = 1 for the price 2 (1 + x) = 1 + 3^0.5.

    At the true costs, 1 and 1, that price buys full effort.
    """
    truth = dataclasses.replace(alike(1, 1.0, 1.0)(1, np.random.default_rng(0)), budget=np.ones(1))
    mechanism = mechanisms.make("budgeted_price")
    honest = result_of(mechanism, truth, mechanism.clear(truth))
    assert honest.payments == pytest.approx(1.0, abs=1e-9)
    assert honest.budget_kept == 1.0
    outcome = mechanism.clear(with_factors(truth, np.full((1, 1), 2.0)))
    lied = result_of(mechanism, truth, outcome)
    assert outcome.payment.sum() == pytest.approx(1.0, abs=1e-9)
    assert lied.payments == pytest.approx(1 + 3**0.5, abs=1e-9)
    assert lied.budget_kept == 0.0
    assert lied.edge_utility == pytest.approx(3**0.5 - 0.5, abs=1e-9)
    assert lied.user_utility == pytest.approx(VALUE - 1 - 3**0.5, abs=1e-9)


@pytest.mark.parametrize("effort", ["bought", "enforced"])
@pytest.mark.parametrize("name", mechanisms.names())
def test_money_that_changes_hands_adds_up(name: str, effort: Effort) -> None:
    """Payments are what devices have beyond their costs, and nothing is lost between sides."""
    rng = np.random.default_rng(3)
    truth = with_users(effort)(6, rng)
    mechanism = mechanisms.make(name)
    outcome = mechanism.clear(with_factors(truth, rng.uniform(0.5, 2.0, (6, 5))))
    result = result_of(mechanism, truth, outcome)
    parts = result.user_utility + result.edge_utility + result.balance
    assert result.welfare == pytest.approx(parts, abs=1e-9)
    assert result.welfare == pytest.approx(realised_welfare(mechanism, truth, outcome).mean())
    honest = mechanism.clear(truth)
    for n in range(6):  # at the truth it is what the outcome foresees
        one = np.array([n])
        alone = result_of(mechanism, truth.world(one), honest.map(itemgetter(one)))
        assert alone.payments == pytest.approx(honest.payment[n].sum(), abs=1e-6)
        assert alone.balance == pytest.approx(honest.balance[n], abs=1e-6)


@dataclasses.dataclass(frozen=True)
class Refuses(mechanisms.PostedPrice):
    """A posted price that cannot be found where somebody reports more than a limit."""

    limit: float = 0.0

    def clear(self, market: Market) -> mechanisms.Outcome:
        if (market.unit_cost > self.limit).any():
            raise MechanismError("no answer")
        return super().clear(market)


def test_a_report_that_cannot_be_cleared_counts_as_no_gain() -> None:
    truth = alike(2, 1.0, 1.0)(3, np.random.default_rng(0))
    clearings = Clearings(Refuses(limit=3.0))
    drawn = np.array([[0, 0], [0, 1], [0, 2]])  # the last market fails as drawn
    tried = alternatives(
        clearings,
        truth,
        drawn,
        np.array([1.0, 2.0, 6.0]),
        deviators=None,
        rng=np.random.default_rng(0),
    )
    assert clearings.total == 18
    # Each device's own 6 in two markets, all of the first device's and one's own in the last.
    assert clearings.failed == 2 * 2 + 3 + 1
    expected = [(0, 0), (0, 1), (1, 0), (1, 1)]
    assert sorted(zip(tried.market.tolist(), tried.device.tolist(), strict=True)) == expected
    had = tried.utility[np.arange(4), drawn[tried.market, tried.device]]
    assert np.array_equal(tried.utility[:, 2], had)
    play = report_equilibrium(
        Refuses(limit=3.0),
        alike(2, 1.0, 1.0),
        (1.0, 2.0, 6.0),
        rng=np.random.default_rng(0),
        rounds=20,
        measured=30,
    )
    assert 0 < play.measured <= 30
    assert play.failed_clearings > 0
    assert np.isfinite(play.exploitability)
    with pytest.raises(MechanismError, match="not one of 5 markets"):
        report_equilibrium(
            Refuses(), sellers(2), rng=np.random.default_rng(0), rounds=2, measured=5
        )


def test_utilities_of_alternatives_are_those_of_the_reports() -> None:
    mechanism = mechanisms.make("vcg")
    rng = np.random.default_rng(5)
    truth = with_users("bought")(4, rng)
    grid = np.array([0.5, 1.0, 2.0])
    drawn = draw_factors(np.full((5, 3), 1 / 3), 4, rng)
    tried = alternatives(Clearings(mechanism), truth, drawn, grid, deviators=3, rng=rng)
    assert len(tried.market) == 12
    for j, (market, device) in enumerate(zip(tried.market, tried.device, strict=True)):
        for k in range(3):
            factor = grid[drawn[market]]
            factor[device] = grid[k]
            own = truth.world(market)
            outcome = mechanism.clear(with_factors(own, factor))
            expected = utilities(mechanism, own, outcome)["edge_devices"][device]
            assert tried.utility[j, k] == pytest.approx(expected, abs=1e-9)


def test_draws_follow_the_mix() -> None:
    mix = np.array([[0.2, 0.0, 0.8], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
    drawn = draw_factors(mix, 20_000, np.random.default_rng(0))
    share = np.stack([(drawn == k).mean(axis=0) for k in range(3)], axis=1)
    assert np.allclose(share, mix, rtol=0, atol=0.01)
    assert not share[mix == 0].any()


def test_a_learner_regrets_no_more_than_it_may() -> None:
    """Utilities that turn against whoever led so far, of a scale that grows."""
    rng = np.random.default_rng(0)
    learner = Hedge(2, np.full(4, 1 / 4))
    gained, had, squares, greatest = np.zeros((2, 4)), np.zeros(2), np.zeros(2), np.zeros(2)
    for step in range(500):
        mix = learner.mix
        utility = rng.random((2, 4)) * (1 + step) * [[1.0], [1e-6]]
        utility[[0, 1], mix.argmax(axis=1)] = 0.0
        learner.learn(utility, np.array([True, True]))
        gained += utility
        had += (mix * utility).sum(axis=1)
        spread = np.ptp(utility, axis=1)
        squares += spread**2
        greatest = np.maximum(greatest, spread)
    bound = np.sqrt(np.log(4) * squares) + (4 / 3 * np.log(4) + 2) * greatest
    assert (gained.max(axis=1) - had <= bound).all()
    before = learner.mix
    learner.learn(np.ones((2, 4)) * [1.0, 2.0, 3.0, 4.0], np.array([False, False]))
    assert np.array_equal(learner.mix, before)


def test_a_learner_plays_as_its_prior_weighs_what_gained_most() -> None:
    prior = np.array([0.1, 0.2, 0.3, 0.4])
    learner = Hedge(2, prior)
    assert np.allclose(learner.mix, prior, rtol=0, atol=1e-12)
    learner.learn(np.ones((2, 4)), np.array([True, True]))
    assert np.allclose(learner.mix, prior, rtol=0, atol=1e-12)
    # The first two gain as much as each other, for long, and the last two less.
    for _ in range(500):
        learner.learn(np.array([[2.0, 2.0, 1.0, 1.0]] * 2), np.array([True, True]))
    assert np.allclose(learner.mix, [1 / 3, 2 / 3, 0.0, 0.0], rtol=0, atol=1e-6)
