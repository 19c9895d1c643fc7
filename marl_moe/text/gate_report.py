"""Reports on a gate: routing of held-out subtasks, and the cost of adding a topic."""

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
    """Routing of held-out subtasks; one that is taken for no known topic counts as missed.

    Attributes:
        topics: names, (M,).
        confusion: subtasks by true topic and routed topic, (M, M + 1); the last column is for no
            known topic.
    """

    topics: tuple[str, ...]
    confusion: NDArray[np.int64]

    @property
    def recall(self) -> NDArray[np.float64]:
        """Share of each topic's subtasks that are routed to it, (M,); NaN where there are none."""
        return _ratio(self._hits, self.confusion.sum(axis=1))

    @property
    def precision(self) -> NDArray[np.float64]:
        """Share of subtasks routed to each topic that are of it, (M,); NaN where none are."""
        return _ratio(self._hits, self.confusion[:, :-1].sum(axis=0))

    @property
    def f1(self) -> NDArray[np.float64]:
        """Harmonic mean of precision and recall, (M,); NaN where there is neither."""
        true, routed = self.confusion.sum(axis=1), self.confusion[:, :-1].sum(axis=0)
        return _ratio(2 * self._hits, true + routed)

    @property
    def accuracy(self) -> float:
        """Share of all subtasks that are routed to their topic."""
        return float(self._hits.sum() / self.confusion.sum())

    @property
    def _hits(self) -> NDArray[np.int64]:
        return np.diagonal(self.confusion)


@dataclass(frozen=True)
class UpgradeReport:
    """Routing of held-out subtasks of old topics and a new one, before and after it was added.

    Attributes:
        old_before: on the old topics, by the old gate.
        old_after: on the old topics, by the new gate.
        new_subtasks: held-out subtasks of the new topic.
        new_after: accuracy on the new topic, which is 0 with the old gate.
        unknown_before: share of its subtasks that the old gate took for no known topic.
    """

    old_before: GateReport
    old_after: GateReport
    new_subtasks: int
    new_after: float
    unknown_before: float

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
    """Retrain a gate on its topics and a new one, the paper's model upgrade.

    Args:
        gate: the old gate.
        banks: of its topics.
        new: bank of the new topic.
        embedding: of texts.

    Returns:
        The new gate and a report.

    Raises:
        ValueError: the gate knows the topic already.
    """
    if new.topic in gate.topics:
        raise ValueError(
            f"the gate knows the topic {new.topic!r} already; its topics: {', '.join(gate.topics)}"
        )
    larger = fit_gate([*banks, new], embedding, start=gate)
    before = _routed(gate, new, embedding)
    after = _routed(larger, new, embedding)
    return larger, UpgradeReport(
        old_before=report(gate, banks, embedding),
        old_after=report(larger, banks, embedding),
        new_subtasks=len(new.held_out),
        new_after=float((after == larger.topics.index(new.topic)).mean()),
        unknown_before=float((before == len(gate.topics)).mean()),
    )


def _routed(gate: Gate, bank: Bank, embedding: Embedding) -> NDArray[np.int64]:
    """Return the topic that each held-out subtask is routed to, M for none."""
    routing = gate.route(torch.from_numpy(embedding(bank.held_out)))
    return torch.where(routing.known, routing.topic[:, 0], len(gate.topics)).numpy()


def _ratio(part: NDArray, whole: NDArray) -> NDArray[np.float64]:
    return np.divide(part, whole, out=np.full(len(part), np.nan), where=whole > 0)
