"""Regret: gain of an agent by the best misreport found, everybody else reporting the truth."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from mechanisms.arrays import FloatArray, IntArray
from mechanisms.auditing.clearings import Clearings
from mechanisms.auditing.misreports import ROUND, ReportSpace, most_profitable
from mechanisms.auditing.utility import utilities
from mechanisms.claims import Side
from mechanisms.market import Market

# Markets with a misreport are cleared in calls of at most this many entries a field: 8 MB of
# float64.
CHUNK_ENTRIES = 2**20
# A misreported slope is at least this share of the true one: 0 is illegal, and next to it all is
# rounding.
_LEAST_SLOPE = 1e-3


@dataclass(frozen=True, eq=False)
class Regrets:
    """The best misreport found for each of J agents of one side.

    Attributes:
        market: (J,) index of its market in the batch.
        agent: (J,) index of the edge device or user.
        gain: (J,) over the truth, credits/slot, >= 0.
        report: (J, D) the misreport; the truth where no gain was found.
    """

    market: IntArray
    agent: IntArray
    gain: FloatArray
    report: FloatArray


def search_regrets(
    clearings: Clearings,
    truth: Market,
    side: Side,
    utility: FloatArray,
    *,
    misreports: int,
    agents: int | None,
    rng: np.random.Generator,
) -> Regrets:
    """Search the agents of one side of all markets at once.

    Args:
        clearings: clears the markets with a misreport.
        truth: (N,) markets, true costs and values.
        side: whose reports are varied.
        utility: (N, agents) at the truth, credits/slot.
        misreports: number tried for each agent.
        agents: drawn at random in each market; None takes all.
        rng: draws agents and misreports.
    """
    # Agents are the first of a random order, and a chunk has a stream of its own: neither depends
    # on the number of misreports.
    drawn = rng.random(utility.shape).argsort(axis=1)[:, :agents]
    agent = drawn.reshape(-1)
    market = np.repeat(np.arange(len(drawn)), drawn.shape[1])
    chunk = max(1, CHUNK_ENTRIES // (ROUND * _most_entries(truth)))
    gains, reports = [], []
    for start in range(0, len(agent), chunk):
        part = slice(start, start + chunk)
        own = truth.world(market[part])
        gain = _gain_in(clearings, own, side, agent[part], utility[market[part], agent[part]])
        report, found = most_profitable(
            gain, _space(own, side, agent[part]), misreports, rng.spawn(1)[0]
        )
        gains.append(found)
        reports.append(report)
    return Regrets(market, agent, np.concatenate(gains), np.concatenate(reports))


def _most_entries(market: Market) -> int:
    """Return the number of entries of the largest field, in one market of a batch."""
    if market.users is None:
        return market.num_experts
    return max(market.num_users, 1) * market.users.num_columns


def _space(truth: Market, side: Side, agent: IntArray) -> ReportSpace:
    """Return what agent j of market j may report."""
    each = np.arange(len(agent))
    if side == "users":
        value = truth.users_for("an audit of users").value
        own = value[each, agent]
        size = np.abs(value).mean(axis=(1, 2))
        return ReportSpace(
            truth=own,
            low=np.broadcast_to(value.min(axis=(1, 2))[:, np.newaxis], own.shape),
            high=np.broadcast_to(value.max(axis=(1, 2))[:, np.newaxis], own.shape),
            least=np.full(own.shape, -np.inf),
            scale=np.where(size > 0, size, 1.0),
            corner=np.zeros(own.shape),
            matters=own > 0,
        )
    costs = np.stack([truth.unit_cost, truth.cost_slope], axis=-1)
    own = costs[each, agent]
    return ReportSpace(
        truth=own,
        low=costs.min(axis=1),
        high=costs.max(axis=1),
        least=own * [0.0, _LEAST_SLOPE],
        scale=costs.sum(axis=2).mean(axis=1),
        corner=own * [0.0, _LEAST_SLOPE],
        matters=np.ones(own.shape, dtype=bool),
    )


def _gain_in(
    clearings: Clearings, truth: Market, side: Side, agent: IntArray, utility: FloatArray
) -> Callable[[FloatArray], FloatArray]:
    """Return the gain (J, R) of agent j of market j by each of its R misreports, as a function."""
    once = truth.map(lambda array: array[:, np.newaxis])
    each = np.arange(len(agent))[:, np.newaxis]

    def gain(reports: FloatArray) -> FloatArray:
        place = each, np.arange(reports.shape[1]), agent[:, np.newaxis]
        outcome, succeeded = clearings.clear(_with_reports(once, side, place, reports))
        if outcome is None:
            return np.full(succeeded.shape, -np.inf)
        obtained = utilities(clearings.mechanism, once, outcome)[side][place]
        return np.where(succeeded, obtained - utility[:, np.newaxis], -np.inf)

    return gain


def _with_reports(
    once: Market, side: Side, place: tuple[IntArray, IntArray, IntArray], reports: FloatArray
) -> Market:
    """Return the markets (J, R) in which the agents at `place` report `reports`, (J, R, D)."""
    count = reports.shape[1]
    if side == "users":
        users = once.users_for("an audit of users")
        value = np.repeat(users.value, count, axis=1)
        value[place] = reports
        return replace(once, users=replace(users, value=value))
    unit_cost = np.repeat(once.unit_cost, count, axis=1)
    cost_slope = np.repeat(once.cost_slope, count, axis=1)
    unit_cost[place], cost_slope[place] = reports[..., 0], reports[..., 1]
    experts = once.experts._replace(unit_cost=unit_cost, cost_slope=cost_slope)
    return once.with_experts(experts)
