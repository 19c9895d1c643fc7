"""Equilibrium of reports: promises of a mechanism, and what it does once devices have learned."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from mechanisms.arrays import FloatArray, IntArray
from mechanisms.auditing.clearings import Clearings
from mechanisms.base import Mechanism, check_no_voluntary
from mechanisms.effort import Effort
from mechanisms.errors import MechanismError
from mechanisms.market import Market
from mechanisms.strategic.play import Hedge, alternatives, draw_factors, with_factors
from mechanisms.strategic.result import Result, result_of

Sampler = Callable[[int, np.random.Generator], Market]
GRID: tuple[float, ...] = (0.5, 0.75, 0.9, 1.0, 1.05, 1.1, 1.2, 1.35, 1.5, 1.75, 2.0, 2.5, 4.0, 6.0)
# Share of the truth in the mix that devices begin with: factors that tie with it do not lead away.
_TRUTH = 0.9999


@dataclass(frozen=True, eq=False)
class ReportEquilibrium:
    """Play that edge devices have learned, and its results, by `report_equilibrium`.

    Attributes:
        mechanism: its name.
        effort: `Market.effort` of the markets, bought or enforced.
        grid: (K,) factors of true costs that may be reported, ascending.
        mix: (E, K) share of each device's play that a factor has, mean over the rounds averaged. A
            device to which all factors bring the same stays with the truth.
        mean_factor: mean over devices and their play.
        edge_mass_low: share of play at the smallest factor of the grid, mean over devices.
        edge_mass_high: the same at the largest. Where either is large, the grid ends too early,
            unless factors out there all bring the same.
        exploitability: gain of a device by the best fixed factor over its play, others playing as
            they do; mean over devices, credits/slot. The best is chosen on the markets that its
            gain is measured on, which makes it too large rather than too small, the more so the
            fewer markets and deviators there are.
        exploitability_share: the same over the size of the mean utility of a device at play; 0
            where both are 0.
        truth_regret: gain of a device by the best fixed factor over the factor 1.0, others playing
            as they do; mean over devices, credits/slot. Where it is 0 no factor of the grid is a
            better reply to play than the truth, and what else is played ties with it. The audit
            tries other lies.
        promised: what comes of truthful reports.
        played: what comes of play, in the same markets.
        rounds: played and learned from; the second half of them is averaged.
        markets: in each round.
        measured: fresh markets with results: those that cleared both ways.
        clearings: markets cleared in all.
        failed_clearings: of these, those in which the solver gave no answer. A factor that fails
            counts as no gain, a market that fails as played or at the truth is left out.
    """

    mechanism: str
    effort: Effort
    grid: FloatArray
    mix: FloatArray
    mean_factor: float
    edge_mass_low: float
    edge_mass_high: float
    exploitability: float
    exploitability_share: float
    truth_regret: float
    promised: Result
    played: Result
    rounds: int
    markets: int
    measured: int
    clearings: int
    failed_clearings: int


def report_equilibrium(
    mechanism: Mechanism,
    sampler: Sampler,
    grid: Sequence[float] | FloatArray = GRID,
    *,
    rng: np.random.Generator,
    rounds: int = 300,
    markets: int = 1,
    deviators: int | None = None,
    measured: int = 100,
) -> ReportEquilibrium:
    """Let edge devices learn what to report, and measure what then comes of a mechanism.

    Each edge device reports its true costs times a factor of the grid. In every round all draw
    their factors from their mixes, in each of the round's markets anew; a device then learns what
    every factor would have brought it at true costs, mean over these markets, all others reporting
    as drawn (`Hedge`). No device regrets much not to have played one factor throughout, so the
    average over rounds of joint play is an approximate coarse correlated equilibrium (Hannan 1957;
    Hart and Mas-Colell 2000; Freund and Schapire 1997 and 1999). Nothing is said of how a device
    might condition its factor on the costs it draws. Nor has play settled where little can be
    gained: among many sellers, of whom none moves a price much, it may drift for long. Devices
    begin with the truth in all but a ten-thousandth of their play, so that factors which bring the
    same do not lead away from it.

    The second half of the rounds is averaged: the first carries the way from the truth. For a half
    alone the theory bounds no regret, so what is left is measured: `exploitability`. On markets
    that are drawn anew, each played by the mixes of one averaged round, drawn at random, which
    keeps the correlation of play, results of play stand beside those of the truth.

    It clears (rounds x markets + measured) x deviators x K markets, in calls of at most
    `clearings.CHUNK_ENTRIES` entries a field, and a few more. The same seed gives the same report.

    Args:
        mechanism: that clears.
        sampler: returns (count,) markets of true costs, `sampler(count, rng)`, of the same edge
            devices and effort each time.
        grid: (K,) factors, > 0, ascending, 1.0 among them.
        rng: draws markets, factors and deviators.
        rounds: of play, >= 2.
        markets: in each round, >= 1.
        deviators: devices of each market for which all factors are tried, drawn at random, >= 1;
            only they learn from it. None for all.
        measured: fresh markets, >= 1.

    Raises:
        ValueError: an argument outside its limits, markets of the sampler that do not fit, or a
            mechanism that sets `voluntary`.
        MarketError: the markets lack what the mechanism needs.
        MechanismError: not one of the fresh markets could be cleared.
    """
    check_no_voluntary(mechanism, mechanism.name)
    factors = checked_grid(grid)
    for name, number, least in (
        ("rounds", rounds, 2),
        ("markets", markets, 1),
        ("deviators", 1 if deviators is None else deviators, 1),
        ("measured", measured, 1),
    ):
        if number < least:
            raise ValueError(f"{name} = {number}: must be >= {least}")
    source = _Source(sampler, mechanism.allocates)
    clearings = Clearings(mechanism)

    truth = source.draw(markets, rng)
    devices, effort = truth.num_experts, truth.effort
    learner = Hedge(devices, prior_of(factors))
    mixes = []
    for step in range(rounds):
        if step:
            truth = source.draw(markets, rng)
        mixes.append(learner.mix)
        drawn = draw_factors(mixes[-1], markets, rng)
        tried = alternatives(clearings, truth, drawn, factors, deviators=deviators, rng=rng)
        utility, count = tried.mean(tried.utility, devices)
        learner.learn(utility, count > 0)
    averaged = np.stack(mixes[rounds // 2 :])

    truth = source.draw(measured, rng)
    played_by = averaged[rng.integers(len(averaged), size=measured)]
    drawn = draw_factors(played_by, measured, rng)
    promised, honest = clearings.clear(truth)
    played, cleared = clearings.clear(with_factors(truth, factors[drawn]))
    both = np.flatnonzero(honest & cleared)
    if promised is None or played is None or not len(both):
        raise MechanismError(
            f"{mechanism.name}: not one of {measured} markets could be cleared both at the truth "
            "and as played"
        )
    truth, drawn, played_by = truth.world(both), drawn[both], played_by[both]
    results = [result_of(mechanism, truth, one.world(both)) for one in (promised, played)]
    tried = alternatives(clearings, truth, drawn, factors, deviators=deviators, rng=rng)
    # Play of its own mix in expectation: a device's own draw would only add noise.
    had = (played_by[tried.market, tried.device] * tried.utility).sum(axis=1, keepdims=True)
    gain, count = tried.mean(tried.utility - had, devices)
    exploitability = _best(gain, count)
    truthful = tried.utility[:, factors == 1.0]
    mix = averaged.mean(axis=0)
    return ReportEquilibrium(
        mechanism=mechanism.name,
        effort=effort,
        grid=factors,
        mix=mix,
        mean_factor=float((mix @ factors).mean()),
        edge_mass_low=float(mix[:, 0].mean()),
        edge_mass_high=float(mix[:, -1].mean()),
        exploitability=exploitability,
        exploitability_share=_share(exploitability, results[1].edge_utility / devices),
        truth_regret=_best(*tried.mean(tried.utility - truthful, devices)),
        promised=results[0],
        played=results[1],
        rounds=rounds,
        markets=markets,
        measured=len(both),
        clearings=clearings.total,
        failed_clearings=clearings.failed,
    )


def prior_of(factors: FloatArray) -> FloatArray:
    """Return the mix that devices begin with, (K,): nearly all of it the truth."""
    return np.where(factors == 1.0, _TRUTH, (1 - _TRUTH) / max(len(factors) - 1, 1))


class _Source:
    """Draws markets, all of the same edge devices and effort.

    Args:
        sampler: as of `report_equilibrium`.
        keeps_users: whether users' reports are needed.
    """

    def __init__(self, sampler: Sampler, keeps_users: bool) -> None:
        self._sampler = sampler
        self._keeps_users = keeps_users
        self._kind: tuple[int, Effort] | None = None

    def draw(self, count: int, rng: np.random.Generator) -> Market:
        """Return markets (count,).

        Raises:
            ValueError: the sampler returned others than it should.
        """
        market = self._sampler(count, rng)
        if market.batch_shape != (count,):
            raise ValueError(
                f"sampler: returned markets of shape {market.batch_shape}, must be ({count},)"
            )
        kind = market.num_experts, market.effort
        if self._kind is None:
            if not market.num_experts:
                raise ValueError("sampler: returned markets without edge devices")
            self._kind = kind
        if kind != self._kind:
            raise ValueError(
                f"sampler: returned {kind[0]} edge devices, effort {kind[1]}, after "
                f"{self._kind[0]}, {self._kind[1]}: must be the same each time"
            )
        return market if self._keeps_users else replace(market, users=None)


def checked_grid(grid: Sequence[float] | FloatArray, name: str = "grid") -> FloatArray:
    """Return the factors (K,) as an array of their own that is not written to.

    Raises:
        ValueError: they are not > 0, do not ascend, or lack 1.0; the message begins with `name`.
    """
    factors = np.array(grid, dtype=np.float64)
    if factors.ndim != 1 or not np.isfinite(factors).all() or not (factors > 0).all():
        raise ValueError(f"{name} = {grid}: must be a list of numbers > 0")
    if (np.diff(factors) <= 0).any():
        raise ValueError(f"{name} = {grid}: must ascend")
    if len(factors) == 1:
        raise ValueError(f"{name} = {grid}: must hold a factor beside the truth, 1.0")
    if 1.0 not in factors:
        raise ValueError(f"{name} = {grid}: must contain 1.0, the truth")
    factors.flags.writeable = False
    return factors


def _best(gain: FloatArray, count: IntArray) -> float:
    """Return the gain (E, K) by the best factor, mean over devices with a count (E,) above 0."""
    return float(gain[count > 0].max(axis=1).mean()) if count.any() else 0.0


def _share(gain: float, utility: float) -> float:
    """Return the gain as a share of the size of a utility; of 0 only 0 is a finite share."""
    if utility:
        return gain / abs(utility)
    return 0.0 if gain == 0 else np.inf
