"""Regret: gain of an agent by the best misreport found, everybody else reporting the truth."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from mechanisms.arrays import FloatArray, IntArray
from mechanisms.auditing.clearings import Clearings, markets_at_once
from mechanisms.auditing.lie import Lie, Report
from mechanisms.auditing.misreports import ROUND, ReportSpace, most_profitable
from mechanisms.auditing.utility import utilities
from mechanisms.market import Market


@dataclass(frozen=True, eq=False)
class Agents:
    """J agents of one side, each in a market of a batch.

    Attributes:
        market: (J,) index of its market.
        agent: (J,) index of the edge device or user.
        utility: (J,) at the truth, credits/slot.
    """

    market: IntArray
    agent: IntArray
    utility: FloatArray

    @classmethod
    def drawn(cls, utility: FloatArray, count: int | None, rng: np.random.Generator) -> Agents:
        """Draw agents in each market.

        Args:
            utility: (N, agents) at the truth, credits/slot.
            count: agents of each market; None takes all.
            rng: draws them. More of them under the same seed are these and others.
        """
        drawn = rng.random(utility.shape).argsort(axis=1)[:, :count]
        agent = drawn.reshape(-1)
        market = np.repeat(np.arange(len(drawn)), drawn.shape[1])
        return cls(market, agent, utility[market, agent])

    def in_first(self, markets: int) -> Agents:
        """Return those of the first markets of the batch; they come first."""
        return self.part(slice(int((self.market < markets).sum())))

    def part(self, index: slice) -> Agents:
        """Return some of them."""
        return Agents(self.market[index], self.agent[index], self.utility[index])

    def __len__(self) -> int:
        return len(self.agent)


@dataclass(frozen=True, eq=False)
class Regrets:
    """The best misreport found for each of J agents in one field.

    Attributes:
        agents: they.
        gain: (J,) over the truth, credits/slot, >= 0.
        report: (J, D) the misreport; the truth where no gain was found.
        misreports: number tried for each agent.
    """

    agents: Agents
    gain: FloatArray
    report: FloatArray
    misreports: int


def search_regrets(
    clearings: Clearings,
    truth: Market,
    lie: Lie,
    agents: Agents,
    *,
    misreports: int,
    rng: np.random.Generator,
    instead: Callable[[Lie, ReportSpace], ReportSpace] = lambda lie, space: space,
) -> Regrets:
    """Search the lies of agents of all markets in one field, a chunk of agents at a time.

    Args:
        clearings: clears the markets with a misreport.
        truth: (N,) markets, true costs and values.
        lie: the field.
        agents: of its side.
        misreports: number that the search tries for each agent, beyond those tried first.
        rng: draws misreports.
        instead: makes another space of that of a field, as one of a grid.
    """
    if lie.report is None:
        gain = np.maximum(-agents.utility, 0.0)
        return Regrets(agents, gain, np.zeros((len(agents), 1)), 1)
    chunk = markets_at_once(truth, ROUND)
    gains, reports, tried = [np.zeros(0)], [], 0
    for start in range(0, len(agents), chunk):
        part = agents.part(slice(start, start + chunk))
        own = truth.world(part.market)
        gain_of = _GainOf(clearings, own, lie, lie.report, part)
        space = instead(lie, lie.report.space(own, part.agent))
        # A chunk has a stream of its own, which does not depend on the number of misreports.
        report, found = most_profitable(gain_of, space, misreports, rng.spawn(1)[0])
        gains.append(found)
        reports.append(report)
        tried = gain_of.tried
    report = np.concatenate(reports) if reports else np.zeros((0, 1))
    return Regrets(agents, np.concatenate(gains), report, tried)


class _GainOf:
    """Gain (J, R) of agent j of market j by each of its R misreports (J, R, D)."""

    def __init__(
        self, clearings: Clearings, truth: Market, lie: Lie, report: Report, agents: Agents
    ) -> None:
        self.clearings, self.lie, self.put, self.agents = clearings, lie, report.put, agents
        self.once = truth.map(lambda array: array[:, np.newaxis])
        self.tried = 0

    def __call__(self, reports: FloatArray) -> FloatArray:
        self.tried += reports.shape[1]
        each = np.arange(len(self.agents))[:, np.newaxis]
        place = each, np.arange(reports.shape[1]), self.agents.agent[:, np.newaxis]
        outcome, succeeded = self.clearings.clear(self.put(self.once, place, reports))
        if outcome is None:
            return np.full(succeeded.shape, -np.inf)
        mechanism, side = self.clearings.mechanism, self.lie.side
        obtained = utilities(mechanism, self.once, outcome, self.lie.binds)[side][place]
        return np.where(succeeded, obtained - self.agents.utility[:, np.newaxis], -np.inf)
