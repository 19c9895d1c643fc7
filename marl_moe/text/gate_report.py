"""How well a gate routes what it was not fitted to, and what adding a topic to it costs."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from marl_moe.text.bank import Bank
from marl_moe.text.embedding import Embedding
from marl_moe.text.gate import Gate, fit_gate


@dataclass(frozen=True)
class GateReport:
    """Routing of held-out subtasks; a subtask that the gate takes for no known topic counts as
    missed.
    """

    topics: tuple[str, ...]
    confusion: NDArray[np.int64]  # (M, M + 1), true topic x routed topic; last: no known topic

    @property
    def recall(self) -> NDArray[np.float64]:
        """Share of each topic's subtasks that are routed to it, (M,); NaN where there are none."""
        return _ratio(self._hits, self.confusion.sum(axis=1))

    @property
    def precision(self) -> NDArray[np.float64]:
        """Share of what is routed to each topic that is of it, (M,); NaN where nothing is."""
        return _ratio(self._hits, self.confusion[:, :-1].sum(axis=0))

    @property
    def f1(self) -> NDArray[np.float64]:
        """Harmonic mean of precision and recall, (M,); NaN where there is neither."""
        return _ratio(
            2 * self._hits, self.confusion.sum(axis=1) + self.confusion[:, :-1].sum(axis=0)
        )

    @property
    def accuracy(self) -> float:
        """Share of all subtasks that are routed to their topic."""
        return float(self._hits.sum() / self.confusion.sum())

    @property
    def _hits(self) -> NDArray[np.int64]:
        return np.diagonal(self.confusion)


@dataclass(frozen=True)
class UpgradeReport:
    """Routing before and after a topic was added, each on held-out subtasks of the old topics and
    of the new one.
    """

    old_before: GateReport
    old_after: GateReport
    new_subtasks: int
    new_after: float  # accuracy on the new topic, where the old gate had none
    unknown_before: (
        float  # share of the new topic's subtasks that the old gate took for no known topic
    )

    @property
    def forgotten(self) -> float:
        """Points of accuracy lost on the old topics, percent."""
        return 100 * (self.old_before.accuracy - self.old_after.accuracy)


def report(gate: Gate, banks: Sequence[Bank], embedding: Embedding) -> GateReport:
    """Route the held-out subtasks of banks whose topics the gate knows."""
    confusion = np.zeros((len(gate.topics), len(gate.topics) + 1), np.int64)
    for bank in banks:
        routed = _routed(gate, bank, embedding)
        confusion[gate.topics.index(bank.topic)] += np.bincount(
            routed, minlength=confusion.shape[1]
        )
    return GateReport(gate.topics, confusion)


def upgrade(
    gate: Gate, banks: Sequence[Bank], new: Bank, embedding: Embedding
) -> tuple[Gate, UpgradeReport]:
    """The paper's model upgrade: an expert of a new topic joins, and the gate is retrained on old
    and new topics.

    Raises ValueError where the gate knows the topic already.
    """
    if new.topic in gate.topics:
        raise ValueError(
            f"the gate knows the topic {new.topic!r} already; its topics: {', '.join(gate.topics)}"
        )
    larger = fit_gate([*banks, new], embedding, start=gate)
    before = _routed(gate, new, embedding)
    return larger, UpgradeReport(
        old_before=report(gate, banks, embedding),
        old_after=report(larger, banks, embedding),
        new_subtasks=len(new.held_out),
        new_after=float((_routed(larger, new, embedding) == larger.topics.index(new.topic)).mean()),
        unknown_before=float((before == len(gate.topics)).mean()),
    )


def _routed(gate: Gate, bank: Bank, embedding: Embedding) -> NDArray[np.int64]:
    """Topic to which each held-out subtask goes, M where to none."""
    routing = gate.route(torch.from_numpy(embedding(bank.held_out)))
    return torch.where(routing.known, routing.topic[:, 0], len(gate.topics)).numpy()


def _ratio(part: NDArray, whole: NDArray) -> NDArray[np.float64]:
    return np.divide(part, whole, out=np.full(len(part), np.nan), where=whole > 0)
