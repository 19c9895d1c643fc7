"""Sensing as a duty of small cells: a radar that shares nothing with serving but time.

At the band of a service, 300 kHz, a radar would resolve c / (2 B) = 500 m, and at 1 kHz 150 km:
sensing has a band and a carrier of its own.

Source of the equations: Richards, Fundamentals of Radar Signal Processing (2nd edition, 2014): the
radar range equation (section 2.2.1), coherent integration and matched filters (chapters 1 and 4),
Swerling 1 with one sample, Pd = Pfa^(1 / (1 + SNR)) (equations 6.99 and 6.101).
"""

from dataclasses import dataclass
from math import inf, log, pi

import numpy as np

import envs.duty
from marl_moe.metrics import register as register_metric

LIGHT_M_S = 299_792_458.0
BOLTZMANN_J_K = 1.380649e-23
T0_K = 290.0


def linear(decibel):
    """Return a ratio of powers given in dB."""
    return 10 ** (np.asarray(decibel) / 10)


def pulse_snr(
    tx_power_w, gain_db, carrier_hz, rcs_m2, range_m, bandwidth_hz, noise_figure_db, losses_db
):
    """Return the linear SNR of one pulse: P G^2 lambda^2 sigma / ((4 pi)^3 R^4 k T0 F B L).

    One antenna gain for both ways; `bandwidth_hz` is that of the receiver's noise.
    """
    wavelength_m = LIGHT_M_S / carrier_hz
    power_w = tx_power_w * linear(gain_db) ** 2 * wavelength_m**2 * rcs_m2
    power_w = power_w / ((4 * pi) ** 3 * np.asarray(range_m, float) ** 4)
    noise_w = BOLTZMANN_J_K * T0_K * linear(noise_figure_db) * bandwidth_hz
    return power_w / (noise_w * linear(losses_db))


def detection_probability(snr, false_alarm):
    """Return Pd = Pfa^(1 / (1 + SNR)) of a Swerling 1 target in one (integrated) sample."""
    return false_alarm ** (1 / (1 + np.asarray(snr)))


def required_snr(detection, false_alarm):
    """Return the linear SNR that a detection probability needs, ln Pfa / ln Pd - 1."""
    return log(false_alarm) / np.log(detection) - 1


def resolution_m(bandwidth_hz):
    """Return the range resolution c / (2 B), m."""
    return LIGHT_M_S / (2 * bandwidth_hz)


@envs.duty.register("radar")
@dataclass(frozen=True)
class Radar(envs.duty.Duty):
    """Detection of a target at a range: what is achieved is the probability, Pd.

    Chirps follow each other without a pause, `chirps_per_second` of them, each with the
    time-bandwidth product B / chirps_per_second, by which a matched filter multiplies the SNR. The
    sensing time of a slot is shared by `dwells` looks: beams times updates. Within a look, in which
    a Swerling 1 target is constant, n = chirps_per_second x time / dwells chirps are integrated
    coherently, which multiplies the SNR by n; n is taken as a real number.

    Attributes:
        range_m: at which the target is.
        rcs_m2: mean radar cross section of the target.
        false_alarm: probability of a false alarm in one look, Pfa.
        dwells: looks a slot.
        consumption_w: power that sensing draws, W.
        credits_per_joule: of the edge device.
    """

    range_m: float = 200.0
    rcs_m2: float = 1.0
    tx_power_w: float = 1e-3
    antenna_gain_db: float = 20.0
    carrier_ghz: float = 24.15
    bandwidth_hz: float = 1e8
    noise_figure_db: float = 9.0
    losses_db: float = 6.0
    chirps_per_second: float = 1e4
    dwells: int = 72
    false_alarm: float = 1e-6
    consumption_w: float = 0.1
    credits_per_joule: float = 0.5

    def __post_init__(self):
        positive = ("range_m", "rcs_m2", "tx_power_w", "carrier_ghz", "bandwidth_hz")
        for name in (*positive, "chirps_per_second", "dwells"):
            if not 0 < getattr(self, name) < inf:
                raise ValueError(f"{name} should be above 0, got {getattr(self, name)}")
        for name in ("consumption_w", "credits_per_joule"):
            if not 0 <= getattr(self, name) < inf:
                raise ValueError(f"{name} should be at least 0, got {getattr(self, name)}")
        for name in ("antenna_gain_db", "noise_figure_db", "losses_db"):
            if not -100 <= getattr(self, name) <= 100:
                raise ValueError(f"{name} should be -100 to 100 dB, got {getattr(self, name)}")
        if not 0 < self.false_alarm < 1:
            raise ValueError(f"false_alarm should be between 0 and 1, got {self.false_alarm}")
        if self.bandwidth_hz < self.chirps_per_second:
            raise ValueError(
                f"bandwidth_hz should be at least chirps_per_second, {self.chirps_per_second:g}, "
                f"got {self.bandwidth_hz:g}"
            )

    @property
    def snr_per_second(self):
        """Linear SNR that a second of sensing in a slot gives to each look."""
        one = pulse_snr(
            self.tx_power_w,
            self.antenna_gain_db,
            self.carrier_ghz * 1e9,
            self.rcs_m2,
            self.range_m,
            self.bandwidth_hz,
            self.noise_figure_db,
            self.losses_db,
        )
        gain = self.bandwidth_hz / self.chirps_per_second
        return float(one * gain * self.chirps_per_second / self.dwells)

    def achieved(self, time_s):
        """Return the probability of detection after so many seconds of sensing in a slot."""
        return detection_probability(self.snr_per_second * np.asarray(time_s), self.false_alarm)

    def time_s(self, achieved):
        """Return the seconds of a slot after which a target is detected with a probability."""
        achieved = np.asarray(achieved, float)
        if ((achieved < self.false_alarm * (1 - 1e-9)) | (achieved >= 1)).any():
            raise ValueError(
                f"a detection probability should be at least false_alarm, {self.false_alarm:g}, "
                "and below 1"
            )
        snr = np.maximum(required_snr(achieved, self.false_alarm), 0.0)
        return snr / self.snr_per_second

    def cost(self, time_s):
        """Return the energy of sensing, in credits."""
        return np.asarray(time_s) * self.consumption_w * self.credits_per_joule


def _done(slot):
    """Return what the experts that are up do of their duty in a slot."""
    if slot.offer.duty is None:
        raise ValueError("this world has no env.duty")
    return slot.offer.duty.done_by(slot.conditions.available)


@register_metric("detection", unit="probability", doc="probability of detection, of each expert")
def detection(slot, result):
    """(N, E)"""
    return _done(slot).achieved


@register_metric("sensing", unit="share", doc="share of an expert's slot in which it senses")
def sensing(slot, result):
    """(N, E)"""
    return _done(slot).share


@register_metric("sensing_payment", unit="credits", doc="paid for sensing, a slot and user")
def sensing_payment(slot, result):
    """(N,)"""
    return _done(slot).payment.sum(axis=-1) / slot.num_users


@register_metric("service_payment", unit="credits", doc="paid for service, a slot and user")
def service_payment(slot, result):
    """(N,)"""
    return (result.payment - _done(slot).payment).sum(axis=-1) / slot.num_users


@register_metric(
    "total_welfare",
    unit="credits",
    doc="users' gain, edge devices' utility, the platform's balance and the worth of detection, a "
    "slot and user",
)
def total_welfare(slot, result):
    """(N,)"""
    worth = slot.config.duty.value * _done(slot).achieved.sum(axis=-1)
    utility = (result.payment - result.edge_cost).sum(axis=-1)
    total = result.gain.sum(axis=-1) + utility + result.platform_balance + worth
    return total / slot.num_users
