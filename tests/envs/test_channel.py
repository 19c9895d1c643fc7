"""Channels against closed forms, a stationary distribution and a numerical optimiser."""

import numpy as np
import pytest
from scipy import optimize, stats

from envs import ChannelConfig, ExpertConfig, RequestConfig, World, WorldConfig
from envs.access import Radio, transmission
from envs.channel.draws import standard_normal
from envs.channel.fading import FadingChannel
from envs.channel.placement import Placement, given_of_experts
from envs.channel.rates import (
    Rate,
    db_to_linear,
    min_delay_weight,
    spectral_efficiency,
    subtask_bits,
    word_survival,
)

PAIRS = (4, 50, 100)  # 20,000 independent pairs
NUM_PAIRS = 20_000
RADIO = Radio(bandwidth_hz=1000.0, tx_power_w=0.1)


def fading(config: ChannelConfig, seed: int = 0, slot_s: float = 6.0) -> FadingChannel:
    given = given_of_experts(1000.0, 0.1, (PAIRS[0], PAIRS[2]))
    placement = Placement(config.made(), *PAIRS[:2], given, np.random.default_rng(seed))
    return FadingChannel(placement, placement.pairs(), PAIRS, Rate.of(config), slot_s)


@pytest.mark.parametrize(("snr_db", "bit_per_s"), [(5.0, 2057), (20.0, 6658)])
def test_shannon_rate_of_one_kilohertz(snr_db: float, bit_per_s: int) -> None:
    _, seconds, _ = transmission(
        ChannelConfig(), RADIO, np.array(1.0), db_to_linear(np.array(snr_db))
    )
    assert round(1 / float(seconds)) == bit_per_s


@pytest.mark.parametrize(("snr_db", "joule"), [(5.0, 0.467), (20.0, 0.144)])
def test_energy_of_two_hundred_words_down(snr_db: float, joule: float) -> None:
    config = WorldConfig(
        channel=ChannelConfig(snr_db=(snr_db, snr_db), prompt_words=0),
        requests=RequestConfig(words=(200, 200), num_transferred=1),
    )
    *_, result = World(config, seed=0).step([[0]])
    assert result.energy_j.item() == pytest.approx(joule, abs=5e-4)


def test_bits_are_48_a_word_of_prompt_and_answer() -> None:
    assert subtask_bits(ChannelConfig(), np.array([100.0, 200.0])).tolist() == [6240, 11040]


def test_autocorrelation_at_every_lag_is_rho_to_the_lag() -> None:
    # A degenerate range pins every pair's mean at 12 dB while the latent goes on undisturbed by the
    # clipping.
    channel = fading(ChannelConfig(process="gauss_markov", correlation=0.9, snr_db=(12, 12)))
    start = channel.state["latent_db"].ravel()
    for lag in range(1, 21):
        channel.advance()
        if lag in (1, 2, 5, 10, 20):
            expected = 0.9**lag
            standard_error = (1 - expected**2) / np.sqrt(NUM_PAIRS)
            measured = np.corrcoef(start, channel.state["latent_db"].ravel())[0, 1]
            assert measured == pytest.approx(expected, abs=4 * standard_error)


@pytest.mark.parametrize("shape", [(200, 50, 2), (7, 1001, 3), (1,)])
def test_normal_draws_are_normal_and_independent_however_many_are_asked_for(
    shape: tuple[int, ...],
) -> None:
    draws = standard_normal(np.random.default_rng(0), shape)
    assert draws.shape == shape
    assert draws.dtype == np.float32
    if draws.size == 1:
        return
    assert stats.kstest(draws.ravel(), "norm").pvalue > 1e-3
    half = -(-draws.size // 2)  # the two halves come from the same pairs of uniform draws
    first, second = draws.ravel()[: draws.size - half], draws.ravel()[half:]
    for power in (1, 2):
        assert abs(np.corrcoef(first**power, second**power)[0, 1]) < 4 / np.sqrt(len(second))
        assert abs(
            np.corrcoef(draws.ravel()[1:] ** power, draws.ravel()[:-1] ** power)[0, 1]
        ) < 4 / np.sqrt(draws.size)


def test_latent_is_normal_about_its_mean_with_spread_sigma_from_the_first_slot_on() -> None:
    channel = fading(
        ChannelConfig(process="gauss_markov", correlation=0.8, sigma_db=3, snr_db=(12, 12))
    )
    for slot in range(31):
        if slot in (0, 1, 30):
            assert stats.kstest(channel.state["latent_db"].ravel(), "norm", (12, 3)).pvalue > 1e-3
        channel.advance()


def test_means_of_pairs_are_uniform_over_the_range_and_stay() -> None:
    channel = fading(ChannelConfig(process="gauss_markov", correlation=0.5, sigma_db=0))
    means = channel.state["latent_db"].copy()
    assert stats.kstest(means.ravel(), "uniform", (5, 15)).pvalue > 1e-3
    for _ in range(5):
        channel.advance()
    np.testing.assert_allclose(channel.state["latent_db"], means, rtol=1e-5)


def test_snr_is_clipped_and_the_latent_is_not() -> None:
    channel = fading(ChannelConfig(process="gauss_markov", correlation=0.9, sigma_db=3))
    for _ in range(3):
        channel.advance()
    assert channel.state["latent_db"].min() < 5 < 20 < channel.state["latent_db"].max()
    assert channel.links.snr_db.min() == 5
    assert channel.links.snr_db.max() == 20
    inside = (channel.state["latent_db"] > 5) & (channel.state["latent_db"] < 20)
    np.testing.assert_array_equal(channel.links.snr_db[inside], channel.state["latent_db"][inside])


@pytest.mark.parametrize(
    ("speed", "distance", "slot_s"), [(1.0, 20.0, 6.0), (0.5, 50.0, 2.0), (0.0, 20.0, 6.0)]
)
def test_speed_gives_gudmundsons_correlation(speed: float, distance: float, slot_s: float) -> None:
    config = ChannelConfig(
        process="gauss_markov", speed_m_s=speed, decorrelation_distance_m=distance, snr_db=(12, 12)
    )
    channel = fading(config, slot_s=slot_s)
    start = channel.state["latent_db"].ravel()
    channel.advance()
    expected = np.exp(-speed * slot_s / distance)
    tolerance = 4 * (1 - expected**2) / np.sqrt(NUM_PAIRS) + 1e-6
    assert np.corrcoef(start, channel.state["latent_db"].ravel())[0, 1] == pytest.approx(
        expected, abs=tolerance
    )


def test_iid_snr_is_uniform_and_independent_from_slot_to_slot() -> None:
    channel = fading(ChannelConfig())
    first = channel.links.snr_db.ravel()
    channel.advance()
    second = channel.links.snr_db.ravel()
    assert stats.kstest(first, "uniform", (5, 15)).pvalue > 1e-3
    assert stats.kstest(second, "uniform", (5, 15)).pvalue > 1e-3
    assert abs(np.corrcoef(first, second)[0, 1]) < 4 / np.sqrt(NUM_PAIRS)


@pytest.mark.parametrize("process", ["iid", "gauss_markov"])
def test_new_experts_leave_the_channels_of_the_others_alone(process: str) -> None:
    correlation = 0.9 if process == "gauss_markov" else None
    channel = fading(ChannelConfig(process=process, correlation=correlation))
    before = channel.links.snr_db
    channel.add_experts(7, given_of_experts(1000.0, 0.1, (PAIRS[0], 7)))
    assert channel.links.snr_db.shape == (4, 50, 107)
    np.testing.assert_array_equal(channel.links.snr_db[..., :100], before)
    newcomers = channel.state["latent_db"][..., 100:].ravel()
    assert newcomers.mean() == pytest.approx(12.5, abs=4 * 5.3 / np.sqrt(newcomers.size))


@pytest.mark.parametrize("seed", range(8))
def test_min_delay_split_is_optimal(seed: int) -> None:
    rng = np.random.default_rng(seed)
    count = int(rng.integers(2, 7))
    bits, efficiency = rng.uniform(4e3, 2e4, count), rng.uniform(1.5, 7, count)

    def total_delay(share: np.ndarray) -> float:
        return float((bits / (1000 * share * efficiency)).sum())

    found = optimize.minimize(
        total_delay,
        np.full(count, 1 / count),
        method="SLSQP",
        bounds=[(1e-3, 1)] * count,
        constraints={"type": "eq", "fun": lambda share: share.sum() - 1},
        options={"ftol": 1e-12, "maxiter": 500},
    )
    assert found.success
    weight = min_delay_weight(bits, efficiency)
    share = weight / weight.sum()
    assert total_delay(share) == pytest.approx(found.fun, rel=1e-8)
    np.testing.assert_allclose(share, found.x, atol=1e-4)


@pytest.mark.parametrize("seed", range(4))
def test_users_of_one_expert_finish_as_early_in_sum_as_any_split_allows(seed: int) -> None:
    config = WorldConfig(
        num_users=4,
        num_experts=1,
        channel=ChannelConfig(split="min_delay"),
        experts=ExpertConfig(words_per_second=None),
    )
    world = World(config, seed=seed)
    bits = 48 * (30 + world.requests.subtasks.words[0])
    rate = 1000 * np.log2(
        1 + 10 ** (world.slot.conditions.links.snr_db[0, :, 0].astype(float) / 10)
    )
    *_, result = world.step([[0, 0, 0, 0]])
    total = result.delay_s[0].sum()
    # Cauchy-Schwarz, with equality
    assert total == pytest.approx(np.sqrt(bits / rate).sum() ** 2, rel=1e-9)
    for _ in range(50):
        other = np.random.default_rng(seed).dirichlet(np.ones(4))
        assert (bits / (other * rate)).sum() >= total


def test_all_power_in_less_band_collects_less_noise() -> None:
    config = ChannelConfig(access="total_power")
    snr, share = 10.0, 0.25
    rate = 1000 * share * np.log2(1 + snr / share)
    airtime_s, time_s, energy_j = transmission(
        config, RADIO, np.array(9600.0), np.array(snr), share
    )
    assert time_s == pytest.approx(9600 / rate, rel=1e-12)
    assert airtime_s == pytest.approx(share * 9600 / rate, rel=1e-12)
    assert energy_j == pytest.approx(0.1 * 9600 / rate, rel=1e-12)


@pytest.mark.parametrize("key", [{"split": "min_delay"}, {"ber": "snr"}])
def test_total_power_is_refused_with_what_it_has_no_rule_for(key: dict[str, str]) -> None:
    ((name, value),) = key.items()
    with pytest.raises(ValueError, match=f"access: total_power cannot be .* {name}: {value}"):
        ChannelConfig(access="total_power", **key)


def test_a_modulation_that_nothing_reads_is_refused() -> None:
    with pytest.raises(ValueError, match="modulation has no effect with ber: qam; use ber: snr"):
        ChannelConfig(ber="qam", modulation="qam16")


@pytest.mark.parametrize("target_ber", [1e-6, 1e-4, 1e-2])
def test_qam_rate_meets_its_bit_error_rate(target_ber: float) -> None:
    # Goldsmith and Chua 1997: BER = 0.2 exp(-1.5 snr / (M - 1)) with constellation size M =
    # 2^(bit/s/Hz).
    config = ChannelConfig(ber="qam", target_ber=target_ber)
    snr = np.array([3.0, 10.0, 100.0])
    constellation = 2 ** spectral_efficiency(snr, Rate.of(config))
    np.testing.assert_allclose(
        0.2 * np.exp(-1.5 * snr / (constellation - 1)), target_ber, rtol=1e-9
    )


def test_a_word_survives_when_all_its_bits_do() -> None:
    config = ChannelConfig(ber="qam", target_ber=0.01)
    received = np.random.default_rng(0).random((40_000, 2 * 48)) >= 0.01  # up and down
    measured = received.all(axis=1).mean()
    snr = np.array([2.0, 50.0])
    assert word_survival(config, snr) == pytest.approx(measured, abs=4 * np.sqrt(0.25 / 40_000))
    assert word_survival(config, snr) == pytest.approx(0.99**96, rel=1e-12)
    assert word_survival(ChannelConfig(), snr) == 1
