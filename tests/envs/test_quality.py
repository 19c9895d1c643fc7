"""Judge points and credits against values worked out by hand."""

from collections.abc import Callable
from math import exp
from pathlib import Path

import numpy as np
import pytest

import mechanisms
from envs import (
    ChannelConfig,
    ExpertConfig,
    MarketConfig,
    QualityConfig,
    RequestConfig,
    RewardConfig,
    World,
    WorldConfig,
)
from envs.quality import abandon_loss, local_gain, timeliness

QUALITY, REWARD = QualityConfig(), RewardConfig()
Prices = Callable[..., mechanisms.Mechanism]


def world_of(
    competence: float,
    folder: Path,
    mechanism: mechanisms.Mechanism | None = None,
    speed: float | None = None,
) -> World:
    """Return a world of one user and one expert, an SNR of 3 and a subtask of weight 1/8.

    The answer has 200 words: 11,040 bits, 5.52 s and 0.552 J at 2 bit/s/Hz of one kilohertz. Its
    work is 200 words, 0.731 reference points.
    """
    table = folder / "competence.json"
    table.write_text(f'{{"competence": [[{competence}]]}}')
    snr_db = float(10 * np.log10(3))
    config = WorldConfig(
        num_experts=1,
        requests=RequestConfig(
            num_topics=1, num_transferred=1, words=(200, 200), compute_need=(1, 1)
        ),
        channel=ChannelConfig(snr_db=(snr_db, snr_db)),
        experts=ExpertConfig(
            competence=str(table),
            words_per_second=speed,
            unit_cost=(1.0, 1.0),
            cost_slope=(1.0, 1.0),
        ),
        market=MarketConfig(effort="bought"),
    )
    return World(config, seed=0, mechanism=mechanism)


def test_abandoning_a_subtask_of_average_weight_costs_086_points() -> None:
    assert abandon_loss(QUALITY, np.array([1 / 8, 0.5]), 8) == pytest.approx([0.86, 3.44])


def test_abandoning_everything_costs_086_points_a_subtask_whatever_the_weights() -> None:
    weight = np.random.default_rng(0).dirichlet(np.ones(8))
    assert abandon_loss(QUALITY, weight, 8).sum() == pytest.approx(8 * 0.86, rel=1e-12)


def test_worth_is_whole_up_to_the_deadline_and_falls_by_e_every_three_seconds_past_it() -> None:
    delay = np.array([0.0, 5.9, 6.0, 9.0, 12.0])
    assert timeliness(6.0, 3.0, delay) == pytest.approx([1, 1, 1, np.exp(-1), np.exp(-2)])


def test_an_answer_that_never_comes_is_worth_nothing() -> None:
    assert timeliness(6.0, 3.0, np.array(1e9)) == 0


def test_gain_of_the_device_itself_is_the_whole_loss_less_the_words() -> None:
    assert local_gain(REWARD, np.array(0.86), np.array(200.0)) == pytest.approx(5 * 0.86 - 0.5)


def test_gain_of_a_transfer_is_the_papers_reward_over_dropping(tmp_path: Path) -> None:
    # 5 s - 0.0025 W - 2 E of a subtask served at competence 0.9, less 5 s of the same request with
    # it dropped.
    *_, result = world_of(0.9, tmp_path).step([[0]])
    served = 5 * (8.80 - 0.86 * (1 - 0.85 * 0.9)) - 0.0025 * 200 - 2 * 0.552
    dropped = 5 * (8.80 - 0.86)
    assert result.gain.item() == pytest.approx(served - dropped, rel=1e-6)
    assert result.qos.item() == pytest.approx(0.86 * 0.85 * 0.9, rel=1e-6)
    assert result.energy_j.item() == pytest.approx(0.552, rel=1e-6)


@pytest.mark.parametrize("competence", [0.8, -0.5])
def test_lateness_takes_from_a_help_and_not_from_a_harm(competence: float, tmp_path: Path) -> None:
    on_time, late = (
        world_of(competence, tmp_path, speed=speed).step([[0]])[-1] for speed in (None, 40.0)
    )
    worth = exp(-(5.52 + 5 - 6) / 3)
    assert late.delay_s.item() == pytest.approx(10.52, rel=1e-6)
    assert late.qos.item() == pytest.approx(on_time.qos.item() * worth, rel=1e-5)
    assert on_time.qos.item() == pytest.approx(0.731 * max(competence, 0), rel=1e-6)
    for result in (on_time, late):
        assert result.harm.item() == pytest.approx(0.731 * max(-competence, 0), rel=1e-6)


@pytest.mark.parametrize(("price", "effort"), [(1.5, 0.2), (2.0, 0.6), (2.5, 1.0), (4.0, 1.0)])
def test_effort_is_bought_until_a_points_price_is_its_marginal_cost(
    price: float, effort: float, fixed_prices: Prices, tmp_path: Path
) -> None:
    # At competence 0.8 a reference point is 0.8 of a point: x = (0.8 p - 1) / 1.
    *_, result = world_of(0.8, tmp_path, fixed_prices(price)).step([[0]])
    points = 0.731 * 0.8
    assert result.qos.item() == pytest.approx(effort * points, rel=1e-6)
    assert result.payment.item() == pytest.approx(price * effort * points, rel=1e-6)
    assert result.charge.item() == pytest.approx(result.payment.item(), rel=1e-12)
    cost = 0.731 * (effort + effort**2 / 2)
    assert result.edge_cost.item() == pytest.approx(cost, rel=1e-6)
    tried = np.linspace(0, 1, 1001)
    profit = price * points * tried - 0.731 * (tried + tried**2 / 2)
    assert result.payment.item() - result.edge_cost.item() == pytest.approx(profit.max(), abs=1e-6)


def test_a_paid_expert_that_would_harm_or_lose_may_not_be_chosen(
    fixed_prices: Prices, tmp_path: Path
) -> None:
    for competence, price in ((-0.5, 100.0), (0.8, 1.2)):  # 0.8 x 1.2 is below kappa
        world = world_of(competence, tmp_path, fixed_prices(price))
        assert world.slot.mask[0, 0].tolist() == [False, True]
        *_, result = world.step([[0]])
        assert result.rejected.item()
        for name in ("gain", "qos", "harm", "charge", "energy_j"):
            assert getattr(result, name).item() == 0
    free = world_of(-0.5, tmp_path)
    assert free.slot.mask[0, 0].tolist() == [True, True]
