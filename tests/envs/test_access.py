"""Sharing a band: rates, energy and bit errors against closed forms and published values."""

from math import erfc, log2, sqrt
from types import ModuleType

import numpy as np
import pytest
from scipy import integrate, stats

from envs import ChannelConfig
from envs.access import Radio
from envs.channel import rates

RADIO = Radio(bandwidth_hz=1000.0, tx_power_w=0.1)
LEVELS = {"qpsk": 2, "qam16": 4, "qam64": 8}  # of each axis
BITS = {"qpsk": 2, "qam16": 4, "qam64": 6}
# Eb/N0 at which the bit error rate is 1e-5, dB, as read off the curves of textbooks (Proakis,
# Digital Communications; Goldsmith, Wireless Communications, chapter 6)
TABLE_DB = {"qpsk": 9.6, "qam16": 13.4, "qam64": 17.8}


@pytest.fixture(scope="module")
def access() -> ModuleType:
    """Return the module of `envs` that computes transmissions."""
    from envs import access

    return access


def numbers(*given: float) -> tuple[np.ndarray, ...]:
    return tuple(np.array(number, float) for number in given)


def sent_alone(access: ModuleType, config: ChannelConfig, bits: float, snr: float) -> list[float]:
    """Return airtime, time and energy of a user alone on the band."""
    found = access.transmission(config, RADIO, *numbers(bits, snr, 1.0))
    return [float(part) for part in found]


@pytest.mark.parametrize(("snr_db", "bit_per_s"), [(5.0, 2057), (20.0, 6658)])
@pytest.mark.parametrize("kind", ["spectral_density", "total_power"])
def test_alone_on_one_kilohertz_a_user_has_shannons_rate(
    access: ModuleType, kind: str, snr_db: float, bit_per_s: int
) -> None:
    config = ChannelConfig(access=kind)
    airtime_s, time_s, energy_j = sent_alone(access, config, 1e4, 10 ** (snr_db / 10))
    assert round(1e4 / airtime_s) == bit_per_s
    assert time_s == pytest.approx(airtime_s, rel=1e-12)
    assert energy_j == pytest.approx(0.1 * time_s, rel=1e-12)


def test_shannon_by_hand(access: ModuleType) -> None:
    # 12,000 bits at an SNR of 7: 3 bit/s/Hz, 4 s of one kilohertz, 0.4 J at 0.1 W
    assert sent_alone(access, ChannelConfig(), 12_000, 7.0) == pytest.approx([4, 4, 0.4])


@pytest.mark.parametrize("share", [0.5, 0.2, 0.01])
def test_a_power_that_goes_with_the_band_is_time_division(access: ModuleType, share: float) -> None:
    # A user that has the whole band for a share b of the time, in turns of any shortness, sends for
    # as long in all, ends when one with the share b of the band ends, and spends the same energy.
    bits, snr, power_w = 12_000.0, 7.0, 0.1
    turn_s, sent_bits, clock_s, on_air_s = 1e-3, 0.0, 0.0, 0.0
    while sent_bits < bits:
        sent_bits += turn_s * 1000 * log2(1 + snr)
        on_air_s += turn_s
        clock_s += turn_s / share
    airtime_s, time_s, energy_j = (
        float(part)
        for part in access.transmission(ChannelConfig(), RADIO, *numbers(bits, snr, share))
    )
    assert airtime_s == pytest.approx(on_air_s, rel=1e-3)
    assert time_s == pytest.approx(clock_s, rel=1e-3)
    assert energy_j == pytest.approx(power_w * on_air_s, rel=1e-3)


@pytest.mark.parametrize("share", [1.0, 0.5, 0.1])
def test_all_power_in_less_band_meets_less_noise(access: ModuleType, share: float) -> None:
    bits, snr = 12_000.0, 7.0
    rate = 1000 * share * log2(1 + snr / share)  # P / (N0 b B) = snr / b
    config = ChannelConfig(access="total_power")
    airtime_s, time_s, energy_j = (
        float(part) for part in access.transmission(config, RADIO, *numbers(bits, snr, share))
    )
    assert time_s == pytest.approx(bits / rate, rel=1e-12)
    assert energy_j == pytest.approx(0.1 * bits / rate, rel=1e-12)
    assert airtime_s == pytest.approx(time_s * share, rel=1e-12)


def test_total_power_is_never_slower_and_less_band_is_later_all_the_same(
    access: ModuleType,
) -> None:
    share = np.array([1.0, 0.5, 0.1, 0.01, 1e-6])
    bits, snr = np.full(5, 12_000.0), np.full(5, 7.0)
    free = ChannelConfig(access="total_power", max_spectral_efficiency=None)
    _, fixed_s, _ = access.transmission(ChannelConfig(), RADIO, bits, snr, share)
    _, total_s, _ = access.transmission(free, RADIO, bits, snr, share)
    assert (total_s <= fixed_s * (1 + 1e-12)).all()
    assert (np.diff(total_s) > 0).all()
    # a share of a millionth: the rate is that of an SNR of 7 million
    assert total_s[-1] == pytest.approx(12_000 / (1000 * 1e-6 * log2(1 + 7e6)), rel=1e-9)


def test_power_that_is_kept_in_a_share_is_refused_where_it_has_no_meaning() -> None:
    for keys in ({"split": "min_delay"}, {"ber": "snr"}):
        with pytest.raises(ValueError, match="total_power"):
            ChannelConfig(access="total_power", **keys)
    with pytest.raises((TypeError, ValueError), match="access"):
        ChannelConfig(noise_scaling=True)  # type: ignore[call-arg]


def gray_rate(modulation: str, snr: float) -> float:
    """Return the bit error rate of Gray-coded square QAM by numerical integration.

    The received amplitude of one axis is integrated over the regions of wrong levels.
    """
    count = LEVELS[modulation]
    levels = np.arange(count) * 2 - count + 1.0
    gray = [i ^ (i >> 1) for i in range(count)]
    noise = sqrt((count**2 - 1) / 3 / snr)
    wrong = 0.0
    for i, sent in enumerate(levels):
        for j in range(count):
            bits = (gray[i] ^ gray[j]).bit_count()
            low = -np.inf if j == 0 else levels[j] - 1
            high = np.inf if j == count - 1 else levels[j] + 1
            # the density beyond 40 deviations is 0 in double precision
            low, high = max(low, sent - 40 * noise), min(high, sent + 40 * noise)
            if bits and low < high:
                density = stats.norm(sent, noise).pdf
                middle = [p for p in (sent, low + noise, high - noise) if low < p < high]
                wrong += (
                    bits
                    * integrate.quad(
                        density, low, high, points=middle or None, epsabs=1e-14, limit=200
                    )[0]
                )
    return wrong / count / log2(count)


@pytest.mark.parametrize("modulation", TABLE_DB)
def test_bit_errors_are_one_in_a_hundred_thousand_at_the_snr_of_the_textbooks(
    modulation: str,
) -> None:
    snr = BITS[modulation] * 10 ** (TABLE_DB[modulation] / 10)  # of a symbol, not of a bit
    rate = float(rates.bit_error_rate(modulation, np.array(snr)))
    assert rate == pytest.approx(1e-5, rel=0.15)  # a curve is read to a tenth of a dB
    assert rate == pytest.approx(gray_rate(modulation, snr), rel=1e-6)


@pytest.mark.parametrize("snr", [0.1, 1.0, 10.0, 50.0])
def test_bit_errors_of_qpsk_are_the_tail_of_a_normal(snr: float) -> None:
    rate = float(rates.bit_error_rate("qpsk", np.array(snr)))
    assert rate == pytest.approx(0.5 * erfc(sqrt(snr / 2)), rel=1e-12)


@pytest.mark.parametrize("modulation", LEVELS)
@pytest.mark.parametrize("snr_db", [-3.0, 5.0, 12.0])
def test_bit_errors_are_those_of_the_integral(modulation: str, snr_db: float) -> None:
    snr = 10 ** (snr_db / 10)
    rate = float(rates.bit_error_rate(modulation, np.array(snr)))
    assert rate == pytest.approx(gray_rate(modulation, snr), rel=1e-7)


@pytest.mark.parametrize(("modulation", "snr_db"), [("qpsk", 5), ("qam16", 10), ("qam64", 15)])
def test_bit_errors_are_those_of_symbols_sent_through_noise(modulation: str, snr_db: float) -> None:
    count, rng = LEVELS[modulation], np.random.default_rng(0)
    sent = rng.integers(count, size=(400_000, 2))  # the two axes
    amplitude = 2.0 * sent - count + 1
    energy = 2 * (count**2 - 1) / 3
    noise = sqrt(energy / 10 ** (snr_db / 10) / 2)
    received = amplitude + rng.normal(0, noise, amplitude.shape)
    found = np.clip(np.rint((received + count - 1) / 2), 0, count - 1).astype(int)
    differing = (sent ^ (sent >> 1)) ^ (found ^ (found >> 1))
    bits = np.array([number.bit_count() for number in range(count)])
    measured = bits[differing].mean() / log2(count)
    rate = float(rates.bit_error_rate(modulation, np.array(10 ** (snr_db / 10))))
    # errors of the bits of a symbol are not independent: twice the spread of independent ones
    assert measured == pytest.approx(rate, abs=8 * sqrt(rate / (400_000 * BITS[modulation])))


@pytest.mark.parametrize("modulation", LEVELS)
def test_bit_errors_fall_with_the_snr_from_a_half_to_nothing(modulation: str) -> None:
    snr = 10 ** (np.linspace(-200, 200, 81) / 10)
    rate = rates.bit_error_rate(modulation, snr)
    assert rate[0] == pytest.approx(0.5, abs=1e-6)
    assert rate[-1] == 0
    assert (np.diff(rate) <= 1e-15).all()
    assert ((rate >= 0) & (rate <= 0.5 + 1e-12)).all()


def test_a_word_survives_where_all_its_bits_do_both_ways() -> None:
    snr = np.array([3.0, 30.0])
    assert np.broadcast_to(rates.word_survival(ChannelConfig(), snr), 2).tolist() == [1, 1]
    qam = ChannelConfig(ber="qam", target_ber=0.01)
    survives = np.broadcast_to(rates.word_survival(qam, snr), 2)
    assert survives == pytest.approx([0.99**96] * 2, rel=1e-12)
    received = np.random.default_rng(0).random((40_000, 2, 48)) >= 0.01
    measured = received.all(axis=(1, 2)).mean()
    assert survives[0] == pytest.approx(measured, abs=4 * sqrt(0.25 / 40_000))
    fixed = ChannelConfig(ber="snr", modulation="qam16")
    expected = [(1 - gray_rate("qam16", one)) ** 96 for one in (3.0, 30.0)]
    assert rates.word_survival(fixed, snr) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize(("modulation", "bits"), BITS.items())
def test_a_fixed_modulation_has_its_bits_a_symbol_at_any_snr(
    access: ModuleType, modulation: str, bits: int
) -> None:
    config = ChannelConfig(ber="snr", modulation=modulation)
    for snr in (0.5, 5.0, 500.0):
        airtime_s, *_ = sent_alone(access, config, 12_000, snr)
        assert airtime_s == pytest.approx(12 / bits, rel=1e-12)
