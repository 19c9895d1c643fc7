"""Waveforms of the scenario of signals against definitions, closed forms and published numbers."""

from math import pi, sqrt

import numpy as np
import pytest
from scipy.stats import norm

from tests.scenarios.signals_code import module

waveforms = module("waveforms")
bound = module("bound")
CONSTELLATIONS = waveforms.CONSTELLATIONS
PER_SYMBOL = waveforms.SAMPLES_PER_SYMBOL


def within(found: float, expected: float, deviation: float, count: float) -> bool:
    """Whether a mean of `count` draws lies within 4.5 standard errors."""
    return abs(found - expected) < 4.5 * deviation / sqrt(count)


# Swami and Sadler 2000, table I: cumulants C40 and C42 at unit power; distances of neighbours from
# the textbook's energies (Proakis and Salehi 2008, section 3.2).
@pytest.mark.parametrize(
    ("name", "size", "c40", "c42", "distance"),
    [
        ("BPSK", 2, -2.0, -2.0, 2.0),
        ("PAM4", 4, -1.36, -1.36, 2 / sqrt(5)),
        ("QPSK", 4, 1.0, -1.0, sqrt(2)),
        ("8PSK", 8, 0.0, -1.0, 2 * np.sin(pi / 8)),
        ("16QAM", 16, -0.68, -0.68, 2 / sqrt(10)),
        ("64QAM", 64, -0.619, -0.619, 2 / sqrt(42)),
    ],
)
def test_constellations_have_the_published_cumulants_and_distances(
    name: str, size: int, c40: float, c42: float, distance: float
) -> None:
    points = CONSTELLATIONS[name]
    assert len(points) == size
    assert points.mean() == pytest.approx(0, abs=1e-12)
    square, power = (points**2).mean(), (np.abs(points) ** 2).mean()
    assert power == pytest.approx(1)
    assert (points**4).mean() - 3 * square**2 == pytest.approx(c40, abs=5e-4)
    found = (np.abs(points) ** 4).mean() - abs(square) ** 2 - 2 * power**2
    assert found == pytest.approx(c42, abs=5e-4)
    apart = np.abs(points[:, None] - points)[~np.eye(size, dtype=bool)]
    assert apart.min() == pytest.approx(distance)


def test_pulses_are_of_unit_energy_and_free_of_interference_at_other_symbols() -> None:
    pulse = waveforms.root_raised_cosine()
    both = np.convolve(pulse, pulse)
    at_symbols = both[len(pulse) - 1 :: PER_SYMBOL]
    assert at_symbols[0] == pytest.approx(1)
    assert np.abs(at_symbols[1:]).max() < 3e-3  # of the cut


@pytest.mark.parametrize("place", range(len(waveforms.MODULATIONS)))
@pytest.mark.parametrize("snr_db", [-10.0, 5.0, 20.0])
def test_received_signals_have_the_power_of_signal_and_noise(place: int, snr_db: float) -> None:
    rng = np.random.default_rng([place, round(snr_db) + 10])
    count = 1_500
    signals = waveforms.received(np.full(count, place), np.full(count, snr_db), rng)
    assert signals.shape == (count, 128)
    power = (np.abs(signals) ** 2).mean(axis=-1)
    assert within(power.mean(), 1 + 10 ** (-snr_db / 10), power.std(), count)
    assert within(abs(signals.mean()), 0, np.abs(signals.mean(axis=-1)).std() + 0.1, count)


@pytest.mark.parametrize("snr_db", [-10.0, 0.0, 20.0])
def test_noise_is_white_circular_and_of_the_power_that_the_snr_says(snr_db: float) -> None:
    signal = np.exp(2j * pi * np.random.default_rng(0).random((400, 500)))
    noise = waveforms.with_noise(signal, snr_db, np.random.default_rng(1)) - signal
    power = 10 ** (-snr_db / 10)
    assert within((np.abs(noise) ** 2).mean(), power, power, noise.size)
    assert within(abs((noise**2).mean()), 0, power, noise.size)
    assert within(abs((noise[:, 1:] * noise[:, :-1].conj()).mean()), 0, power, noise.size)


def symbol_error_rate(name: str, symbol_snr_db: float, symbols: int) -> float:
    """Return the share of wrong decisions behind a matched filter, timing and phase known."""
    rng = np.random.default_rng([len(name), round(symbol_snr_db)])
    points = CONSTELLATIONS[name]
    sent = rng.integers(len(points), size=symbols)
    signal = waveforms.linear(points[sent])
    snr_db = symbol_snr_db - 10 * np.log10(PER_SYMBOL)
    pulse = waveforms.root_raised_cosine()
    seen = waveforms.with_noise(signal, snr_db, rng)
    filtered = np.convolve(seen, pulse / sqrt(PER_SYMBOL), mode="same")[::PER_SYMBOL]
    whole = slice(waveforms.SPAN, -waveforms.SPAN)  # ends of the convolution
    decided = np.abs(filtered[whole, None] - points).argmin(axis=-1)
    first = waveforms.SPAN
    return float((decided != sent[first : first + len(filtered)][whole]).mean())


def q(x: float) -> float:
    return float(norm.sf(x))


@pytest.mark.parametrize(
    ("name", "symbol_snr_db", "expected"),
    [  # Proakis and Salehi 2008, section 4.3
        ("BPSK", 4.0, q(sqrt(2 * 10**0.4))),
        ("BPSK", 7.0, q(sqrt(2 * 10**0.7))),
        ("QPSK", 7.0, 2 * q(sqrt(10**0.7)) - q(sqrt(10**0.7)) ** 2),
        ("QPSK", 10.0, 2 * q(sqrt(10)) - q(sqrt(10)) ** 2),
        ("PAM4", 12.0, 1.5 * q(sqrt(2 * 10**1.2 / 5))),
        ("16QAM", 14.0, 1 - (1 - 1.5 * q(sqrt(10**1.4 / 5))) ** 2),
        ("64QAM", 20.0, 1 - (1 - 1.75 * q(sqrt(10**2 / 21))) ** 2),
    ],
)
def test_symbol_errors_behind_a_matched_filter_follow_the_closed_forms(
    name: str, symbol_snr_db: float, expected: float
) -> None:
    symbols = 50_000
    found = symbol_error_rate(name, symbol_snr_db, symbols)
    assert within(found, expected, sqrt(expected), symbols)


@pytest.mark.parametrize("name", list(waveforms.FREQUENCY_SHIFTS))
def test_frequency_shifts_turn_the_phase_by_pi_times_the_index_a_symbol(name: str) -> None:
    index, bandwidth_time = waveforms.FREQUENCY_SHIFTS[name]
    signal = waveforms.frequency_shift(np.ones(40), index, bandwidth_time)
    np.testing.assert_allclose(np.abs(signal), 1)
    turned = np.angle(signal[PER_SYMBOL:] / signal[:-PER_SYMBOL])
    np.testing.assert_allclose(turned, pi * index, rtol=1e-9)


def test_minimum_shift_keying_is_a_quarter_turn_a_symbol_whatever_the_data() -> None:
    bits = np.random.default_rng(0).choice([-1.0, 1.0], 60)
    signal = waveforms.frequency_shift(bits, 0.5, np.inf)
    turned = np.angle(signal[PER_SYMBOL:] / signal[:-PER_SYMBOL])[3::PER_SYMBOL]
    np.testing.assert_allclose(np.abs(turned), pi / 2, rtol=1e-9)


def test_a_likeliest_constellation_of_one_symbol_is_right_as_often_as_integration_says() -> None:
    noise = 10 ** (-3 / 10)
    axis = np.linspace(-5, 5, 401)
    seen = axis[:, None] + 1j * axis
    density = [
        (np.exp(-(np.abs(seen[..., None] - CONSTELLATIONS[name]) ** 2) / noise)).mean(axis=-1)
        for name in ("BPSK", "QPSK", "16QAM")
    ]
    area = (axis[1] - axis[0]) ** 2
    expected = np.max(density, axis=0).sum() * area / (pi * noise) / 3
    rng = np.random.default_rng(0)
    found = bound.linear_accuracy(("BPSK", "QPSK", "16QAM"), 3.0, 1, 40_000, rng)
    assert within(found, float(expected), 0.5, 120_000)


def test_two_known_signals_are_told_apart_as_often_as_the_closed_form_says() -> None:
    rng, snr_db, count = np.random.default_rng(0), -16.0, 3_000
    bits = rng.choice([-1.0, 1.0], (count, 30))
    first, second = (
        waveforms.frequency_shift(bits, *shift)[:, :128]
        for shift in waveforms.FREQUENCY_SHIFTS.values()
    )
    seen = waveforms.with_noise(first, snr_db, rng)
    nearer = (np.abs(seen - first) ** 2).sum(axis=-1) < (np.abs(seen - second) ** 2).sum(axis=-1)
    closed = bound.frequency_shift_accuracy(snr_db, count, rng)
    assert 0.6 < closed < 0.99
    assert within(nearer.mean(), closed, 0.7, count)


def test_the_bound_is_a_guess_without_a_signal_and_certain_without_noise() -> None:
    rng = np.random.default_rng(0)
    guess = bound.linear_accuracy(tuple(CONSTELLATIONS), -60.0, 28, 500, rng)
    assert within(guess, 1 / 6, 0.4, 3_000)
    assert bound.upper_bound(40.0, 20, rng) == 1
