"""Play of edge devices that each report their true costs times a factor and learn which one pays.

E edge devices choose among the same K factors. A device has a mix, a probability for each factor,
and draws its factor in every market anew.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mechanisms.arrays import BoolArray, FloatArray, IntArray
from mechanisms.auditing.clearings import Clearings, markets_at_once
from mechanisms.auditing.utility import utilities
from mechanisms.market import Market

# Utilities that differ by no more than this share of the largest count as equal: a rate that
# follows the scale of utilities would else learn from rounding where there is nothing to learn.
_ROUNDING = 1e-12


class Hedge:
    """Learns a mix for each of E edge devices by AdaHedge, which has no rate to be tuned.

    After gains U_k so far a device plays factor k with probability proportional to pi_k exp(eta
    U_k), with eta = ln K / Delta and pi the mix that it begins with. Delta is the sum so far of the
    mixability gaps

        (1 / eta) ln(sum_k w_k exp(eta u_k)) - sum_k w_k u_k

    with w the mix of a round and u the utilities of the factors in it. As long as Delta is 0 those
    that have gained most are played, as pi weighs them. All of it scales with the unit of money, so
    the mixes do not depend on it. From a uniform pi a device regrets, over T rounds, at most
    sqrt(ln K sum_t s_t^2) + (4/3 ln K + 2) max_t s_t against the best fixed factor, where s_t is
    the spread of u in round t; from another, ln(1 / pi_k) takes the place of ln K for factor k up
    to constants.

    Source: de Rooij, van Erven, Grünwald, Koolen, Follow the Leader If You Can, Hedge If You Must
    (JMLR 15, 2014), theorem 8; hedge itself is Freund and Schapire (1997).

    Args:
        num_devices: E.
        prior: (K,) the mix pi that each begins with, > 0.
    """

    def __init__(self, num_devices: int, prior: FloatArray) -> None:
        self._log_prior = np.log(prior)
        self._gained = np.zeros((num_devices, len(prior)))
        self._gap = np.zeros(num_devices)

    def get_state(self) -> dict[str, FloatArray]:
        """Return what it goes on from; the arrays are its own."""
        return {"gained": self._gained, "gap": self._gap}

    def set_state(self, state: dict[str, FloatArray]) -> None:
        """Take over copies of a state of `get_state`."""
        self._gained, self._gap = state["gained"].copy(), state["gap"].copy()

    @property
    def mix(self) -> FloatArray:
        """Mix of each edge device, (E, K)."""
        return np.asarray(np.exp(self._log_mix))

    @property
    def _rate(self) -> FloatArray:
        """Rates eta (E, 1), per credit/slot; infinite as long as no gap was seen."""
        log_factors = np.log(self._gained.shape[1])
        infinite = np.full_like(self._gap, np.inf)
        rate = np.divide(log_factors, self._gap, out=infinite, where=self._gap > 0)
        return rate[:, np.newaxis]

    @property
    def _log_mix(self) -> FloatArray:
        behind = self._gained - self._gained.max(axis=1, keepdims=True)
        # 0 times an infinite rate is no number: who leads is 0 behind at any rate.
        score = np.multiply(behind, self._rate, out=np.zeros_like(behind), where=behind < 0)
        score = score + self._log_prior
        return np.asarray(score - np.logaddexp.reduce(score, axis=1, keepdims=True))

    def learn(self, utility: FloatArray, learns: BoolArray) -> None:
        """Add the utilities of a round, (E, K) credits/slot, for the devices (E,) that learn."""
        spread = np.ptp(utility, axis=1)
        rows = np.flatnonzero(learns & (spread > _ROUNDING * np.abs(utility).max(axis=1)))
        log_mix, rate, gain = self._log_mix[rows], self._rate[rows], utility[rows]
        expected = (np.exp(log_mix) * gain).sum(axis=1)
        # Relative to the best factor that is played at all, lest the sum under- or overflow.
        best = np.where(np.isneginf(log_mix), -np.inf, gain).max(axis=1, keepdims=True)
        behind = gain - best
        finite = np.where(np.isfinite(rate), rate, 0.0)
        power = np.logaddexp.reduce(log_mix + finite * behind, axis=1)
        above = np.divide(power, finite[:, 0], out=np.zeros_like(power), where=finite[:, 0] > 0)
        self._gap[rows] += np.maximum(best[:, 0] + above - expected, 0.0)
        self._gained[rows] += gain


def draw_factors(mix: FloatArray, markets: int, rng: np.random.Generator) -> IntArray:
    """Return the index of each device's factor in each market, (markets, E).

    Args:
        mix: (E, K), or (markets, E, K) where markets are played by mixes of their own.
        markets: number of them.
        rng: draws, for each device by itself.
    """
    share = rng.random((markets, mix.shape[-2], 1))
    # The last sum may round to less than what is drawn, and bounds nothing.
    return np.asarray((share >= mix.cumsum(axis=-1)[..., :-1]).sum(axis=-1))


def with_factors(truth: Market, factor: FloatArray) -> Market:
    """Return the markets in which edge devices report their costs times `factor` (..., E)."""
    reports = truth.experts._replace(
        unit_cost=truth.unit_cost * factor, cost_slope=truth.cost_slope * factor
    )
    return truth.with_experts(reports)


@dataclass(frozen=True, eq=False)
class Alternatives:
    """Utilities that J edge devices would have by each factor, all others reporting as drawn.

    Attributes:
        market: (J,) index of its market in the batch.
        device: (J,) index of the edge device.
        utility: (J, K) at true costs, credits/slot. A factor with which the solver gives no answer
            has the utility of the one drawn: it counts as no gain.
    """

    market: IntArray
    device: IntArray
    utility: FloatArray

    def mean(self, utility: FloatArray, num_devices: int) -> tuple[FloatArray, IntArray]:
        """Return the mean of `utility` (J, K) for each device, (E, K), and of how many, (E,)."""
        count = np.bincount(self.device, minlength=num_devices)
        total = np.zeros((num_devices, utility.shape[1]))
        np.add.at(total, self.device, utility)
        return total / np.maximum(count, 1)[:, np.newaxis], count


def alternatives(
    clearings: Clearings,
    truth: Market,
    drawn: IntArray,
    grid: FloatArray,
    *,
    deviators: int | None,
    rng: np.random.Generator,
) -> Alternatives:
    """Clear every market with each factor of each device that deviates.

    Devices whose own draw, or whose truth, could not be cleared are left out.

    Args:
        clearings: clears, and keeps count.
        truth: (N,) markets, true costs and values.
        drawn: (N, E) index of each device's factor.
        grid: (K,) factors.
        deviators: devices of each market that are tried, drawn at random; None for all.
        rng: draws them.
    """
    device = rng.random(drawn.shape).argsort(axis=1)[:, :deviators]
    market = np.repeat(np.arange(len(device)), device.shape[1])
    device = device.reshape(-1)
    chunk = markets_at_once(truth, len(grid))
    obtained = np.full((len(device), len(grid)), np.nan)
    for start in range(0, len(device), chunk):
        part = slice(start, start + chunk)
        own = market[part]
        true = truth.world(own).map(lambda array: array[:, np.newaxis])
        each = np.arange(len(own))
        factor = np.repeat(grid[drawn[own]][:, np.newaxis], len(grid), axis=1)
        factor[each, :, device[part]] = grid
        outcome, succeeded = clearings.clear(with_factors(true, factor))
        if outcome is not None:
            utility = utilities(clearings.mechanism, true, outcome)["edge_devices"]
            obtained[part] = np.where(succeeded, utility[each, :, device[part]], np.nan)
    had = obtained[np.arange(len(device)), drawn[market, device]]
    cleared = np.isfinite(had) & np.isfinite(obtained[:, grid == 1.0]).all(axis=1)
    utility = np.where(np.isnan(obtained), had[:, np.newaxis], obtained)
    return Alternatives(market[cleared], device[cleared], utility[cleared])
