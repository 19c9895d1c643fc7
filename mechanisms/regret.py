"""Regret in a market: what each agent would gain by the best misreport found, everybody else
reporting the truth.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mechanisms.base import Mechanism
from mechanisms.claims import Side
from mechanisms.errors import MechanismError
from mechanisms.market import FloatArray, IntArray, Market, Outcome
from mechanisms.misreports import ROUND, ReportSpace, most_profitable
from mechanisms.utility import utilities

# Markets with a misreport are cleared in calls of at most this many entries a field: 8 MB of
# float64.
CHUNK_ENTRIES = 2**20
# A misreported slope is at least this share of the true one: 0 is illegal, and next to it all is
# rounding.
_LEAST_SLOPE = 1e-3


@dataclass
class Clearings:
    """Clears batches of markets with one mechanism and keeps count.

    Attributes:
        mechanism: what clears.
        total: markets cleared so far, failed ones included.
        failed: those in which the solver gave no answer.
    """

    mechanism: Mechanism
    total: int = field(default=0, init=False)
    failed: int = field(default=0, init=False)

    def clear(self, market: Market) -> tuple[Outcome | None, NDArray[np.bool_]]:
        """The outcome, NaN (-1 in an allocation) where a market failed, None where all did; and
        which did not fail.

        A batch that fails is cleared again market by market, to know which one it is.
        """
        self.total += market.budget.size
        try:
            return self.mechanism.clear(market), np.ones(market.batch_shape, dtype=bool)
        except MechanismError:
            outcomes = {
                index: self._clear_one(market.world(index))
                for index in np.ndindex(market.batch_shape)
            }
        cleared = {index: outcome for index, outcome in outcomes.items() if outcome is not None}
        self.failed += len(outcomes) - len(cleared)
        succeeded = np.zeros(market.batch_shape, dtype=bool)
        for index in cleared:
            succeeded[index] = True
        return _assembled(cleared, market.batch_shape) if cleared else None, succeeded

    def _clear_one(self, market: Market) -> Outcome | None:
        try:
            return self.mechanism.clear(market)
        except MechanismError:
            return None


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
        misreports: tried for each agent.
        agents: drawn at random in each market; None takes all.
        rng: draws agents and misreports.
    """
    # Agents are the first of a random order, and a chunk has a stream of its own: neither depends
    # on the budget.
    drawn = rng.random(utility.shape).argsort(axis=1)[:, :agents]
    agent = drawn.reshape(-1)
    market = np.repeat(np.arange(len(drawn)), drawn.shape[1])
    users = max(truth.num_users if clearings.mechanism.allocates else 1, 1)
    entries = users * (
        truth.num_experts if truth.candidates is None else truth.candidates.shape[-1]
    )
    chunk = max(1, CHUNK_ENTRIES // (ROUND * entries))
    gains, reports = [], []
    for start in range(0, len(agent), chunk):
        part = slice(start, start + chunk)
        own = select(truth, market[part])
        gain = _gain_in(clearings, own, side, agent[part], utility[market[part], agent[part]])
        report, found = most_profitable(
            gain, _space(own, side, agent[part]), misreports, rng.spawn(1)[0]
        )
        gains.append(found)
        reports.append(report)
    return Regrets(market, agent, np.concatenate(gains), np.concatenate(reports))


def _space(truth: Market, side: Side, agent: IntArray) -> ReportSpace:
    """What agent j of market j may report."""
    each = np.arange(len(agent))
    if side == "users":
        assert truth.user_value is not None
        own = truth.user_value[each, agent]
        size = np.abs(truth.user_value).mean(axis=(1, 2))
        return ReportSpace(
            truth=own,
            low=np.broadcast_to(truth.user_value.min(axis=(1, 2))[:, np.newaxis], own.shape),
            high=np.broadcast_to(truth.user_value.max(axis=(1, 2))[:, np.newaxis], own.shape),
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
    """The gain (J, R) of agent j of market j by each of its R misreports, as `most_profitable` asks
    for it.
    """
    once = {name: array[:, np.newaxis] for name, array in given_fields(truth).items()}
    true_costs_and_values = Market(**once)
    each, names = (
        np.arange(len(agent)),
        ("user_value",) if side == "users" else ("unit_cost", "cost_slope"),
    )

    def gain(reports: FloatArray) -> FloatArray:
        tried = np.arange(reports.shape[1])
        reported = {}
        for name in names:
            reported[name] = np.repeat(once[name], len(tried), axis=1)
        place = each[:, np.newaxis], tried, agent[:, np.newaxis]
        if side == "users":
            reported["user_value"][place] = reports
        else:
            reported["unit_cost"][place], reported["cost_slope"][place] = (
                reports[..., 0],
                reports[..., 1],
            )
        outcome, succeeded = clearings.clear(Market(**(once | reported)))
        if outcome is None:
            return np.full(succeeded.shape, -np.inf)
        obtained = utilities(clearings.mechanism, true_costs_and_values, outcome)[side][place]
        return np.where(succeeded, obtained - utility[:, np.newaxis], -np.inf)

    return gain


def given_fields(market: Market) -> dict[str, Any]:
    """The arrays of a market by name, without those it does not give."""
    arrays = {entry.name: getattr(market, entry.name) for entry in fields(market)}
    return {name: array for name, array in arrays.items() if array is not None}


def select(market: Market, index: IntArray) -> Market:
    """The markets at `index` along the first axis, which may repeat one."""
    return Market(**{name: array[index] for name, array in given_fields(market).items()})


def _assembled(outcomes: dict[tuple[int, ...], Outcome], batch_shape: tuple[int, ...]) -> Outcome:
    """Outcomes of single markets as one of the whole batch, NaN or -1 where there is none."""
    first = next(iter(outcomes.values()))
    joined: dict[str, Any] = {"status": first.status}
    joined["solve_seconds"] = sum(outcome.solve_seconds for outcome in outcomes.values())
    for name in (entry.name for entry in fields(Outcome) if entry.name not in joined):
        sample = getattr(first, name)
        if sample is None:
            continue
        sample = np.asarray(sample)
        missing = -1 if sample.dtype.kind == "i" else np.nan
        joined[name] = np.full(batch_shape + sample.shape, missing, dtype=sample.dtype)
        for index, outcome in outcomes.items():
            joined[name][index] = getattr(outcome, name)
    return Outcome(**joined)
