"""Rates averaged over fading, against exponential integrals, quadrature and Monte Carlo."""

from itertools import pairwise
from math import log

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.special import exp1, i0e

from envs import ChannelConfig
from envs.channel.ergodic import ergodic_efficiency, mean_efficiency
from envs.channel.links import Links
from envs.channel.rates import Rate, efficiency_at, spectral_efficiency

RAYLEIGH = Rate(rician_k=0.0)


def rician(snr: float, k: float) -> float:
    """Return E log2(1 + g h) by quadrature over the density of the power h."""

    def density(h: float) -> float:
        root = 2 * np.sqrt(k * (1 + k) * h)
        return (1 + k) * np.exp(-k - (1 + k) * h + root) * i0e(root)

    spread = 12 / np.sqrt(1 + k)
    edges = [0.0, max(1 - spread, 0) / 2, 1.0, 1 + spread, 60.0]
    return sum(
        quad(lambda h: np.log2(1 + snr * h) * density(h), *part, limit=400, epsabs=1e-13)[0]
        for part in pairwise(edges)
    )


@pytest.mark.parametrize("snr_db", [-20.0, -5.0, 0.0, 3.3, 10.0, 25.0, 40.0])
def test_rayleigh_is_the_exponential_integral(snr_db: float) -> None:
    g = 10 ** (snr_db / 10)
    expected = np.exp(1 / g) * exp1(1 / g) / log(2)
    assert mean_efficiency(np.array([g]), 0.0).item() == pytest.approx(expected, rel=1e-8)
    assert ergodic_efficiency(np.array([snr_db]), 0.0).item() == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("k_db", [-10.0, 0.0, 6.0, 15.0, 30.0])
@pytest.mark.parametrize("snr_db", [-10.0, 5.0, 17.7, 30.0])
def test_rician_is_the_mean_over_its_density(snr_db: float, k_db: float) -> None:
    g, k = 10 ** (snr_db / 10), 10 ** (k_db / 10)
    expected = rician(g, k)
    assert mean_efficiency(np.array([g]), k).item() == pytest.approx(expected, rel=1e-7)
    assert ergodic_efficiency(np.array([snr_db]), k).item() == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("k", [0.0, 4.0])
def test_a_drawn_fading_has_the_same_mean_rate(k: float) -> None:
    rng = np.random.default_rng(0)
    scattered = rng.normal(0, np.sqrt(0.5 / (1 + k)), (2, 1_000_000))
    power = (np.sqrt(k / (1 + k)) + scattered[0]) ** 2 + scattered[1] ** 2
    rate = np.log2(1 + 10 * power)
    expected = ergodic_efficiency(np.array([10.0]), k).item()
    assert expected == pytest.approx(rate.mean(), abs=4 * float(rate.std()) / 1000)


def test_the_table_is_within_1e_5_of_the_mean_rate_everywhere() -> None:
    rng = np.random.default_rng(0)
    snr_db = rng.uniform(-215, 275, 2000)
    for k in (0.0, 10.0):
        exact = mean_efficiency(10 ** (snr_db / 10), k)
        np.testing.assert_allclose(ergodic_efficiency(snr_db, k), exact, rtol=1e-5)
        single = ergodic_efficiency(snr_db.astype(np.float32), k)
        assert single.dtype == np.float32
        np.testing.assert_allclose(single, exact, rtol=2e-5)


def test_fading_costs_rate_and_a_strong_constant_part_costs_nothing() -> None:
    snr_db = np.linspace(-30, 40, 71)
    shannon = np.log2(1 + 10 ** (snr_db / 10))
    rayleigh, strong = (ergodic_efficiency(snr_db, k) for k in (0.0, 1e4))
    assert (rayleigh < shannon).all()
    np.testing.assert_allclose(strong, shannon, rtol=2e-4)
    # at high SNR the loss is Euler's constant / ln 2
    assert shannon[-1] - rayleigh[-1] == pytest.approx(np.euler_gamma / log(2), abs=2e-3)


def test_efficiency_is_capped_at_any_share_and_rises_with_the_share() -> None:
    rate = Rate(rician_k=0.0, most=8.0)
    share = np.linspace(0.02, 1, 50)
    capped = spectral_efficiency(100 / share, rate)
    assert capped.max() == 8
    np.testing.assert_allclose(
        capped, np.minimum(spectral_efficiency(100 / share, RAYLEIGH), 8), rtol=1e-12
    )
    assert (np.diff(share * capped) > 0).all()


@pytest.mark.parametrize("rate", [Rate(most=5.0), Rate(gap=5.0, rician_k=2.0, most=5.0)])
def test_links_and_shares_are_computed_alike(rate: Rate) -> None:
    snr_db = np.linspace(-60, 60, 999, dtype=np.float32)
    alone = spectral_efficiency(10 ** (snr_db.astype(float) / 10), rate)
    np.testing.assert_allclose(Links.at(snr_db, rate).efficiency, alone, rtol=2e-5)
    np.testing.assert_allclose(efficiency_at(snr_db.astype(float), rate), alone, rtol=1e-9)
    assert alone.max() == 5


def test_a_gap_is_one_to_the_mean_snr() -> None:
    gap = Rate(gap=4.0, rician_k=0.0)
    np.testing.assert_allclose(
        spectral_efficiency(np.array([40.0]), gap),
        mean_efficiency(np.array([10.0]), 0.0),
        rtol=1e-5,
    )


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"ber": "snr", "modulation": "qam64", "max_spectral_efficiency": 4.0}, "sends 6 bit/s/Hz"),
        ({"ber": "snr", "process": "geometric", "geometry": {}}, "ber: snr cannot be combined"),
        ({"max_spectral_efficiency": 0.0}, "greater than 0"),
        ({"min_snr_db": -201.0}, "greater than or equal to -200"),
        ({"min_snr_db": float("nan")}, "finite number"),
    ],
)
def test_what_does_not_go_with_a_cap_or_fading_is_refused(keys: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ChannelConfig(**keys)


def test_the_rate_of_a_configuration_has_its_fading_gap_and_cap() -> None:
    geometry = {"fading": "rician", "rician_k_db": 10.0}
    config = ChannelConfig(process="geometric", geometry=geometry, ber="qam", target_ber=1e-3)
    assert Rate.of(config) == Rate(-log(5e-3) / 1.5, None, 10.0, 8.0)
    assert Rate.of(ChannelConfig(max_spectral_efficiency=None)) == Rate()
    without = ChannelConfig(process="geometric", geometry={"fading": "none"}, ber="snr")
    assert Rate.of(without).rician_k is None
