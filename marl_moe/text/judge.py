"""Judges: what an integrated text is worth, in points from 0 to 10."""

from dataclasses import dataclass
from itertools import pairwise
from typing import Protocol

import numpy as np

from marl_moe.text.clauses import sentences_of, words_of
from marl_moe.text.decomposition import Request
from marl_moe.text.embedding import Embedding

TO_THE_POINT = 0.5  # cosine between a clause and a sentence that is about it


@dataclass(frozen=True)
class Score:
    """A judge's verdict."""

    points: float  # 0..10
    components: dict[str, float]  # what it is made of


class Judge(Protocol):
    """Whoever can score an integrated text."""

    name: str

    def score(self, request: Request, text: str) -> Score:
        """The verdict on a text that should answer the request."""


class EmbeddingJudge:
    """10 x relevance x diversity x length, each in 0..1; an assumption of ours that stands in for readers.

    - relevance: the harmonic mean of coverage (how near the nearest sentence comes to each clause, by gating weight)
      and focus (how near each sentence comes to its nearest clause): BERTScore (Zhang et al. 2020, eq. 1 to 3) over
      clauses and sentences for tokens, cosines over `TO_THE_POINT` and at most 1.
    - diversity: distinct-2 (Li et al. 2016), different pairs of adjacent words over all of them.
    - length: words over those asked for, at most 1.

    It tells on topic from off it, and repetition; it does not tell good style, nor sentences from shuffled words.
    """

    name = "embedding"

    def __init__(self, embedding: Embedding) -> None:
        self._embedding = embedding

    def score(self, request: Request, text: str) -> Score:
        """The verdict; 0 for an empty text."""
        said, spoken = sentences_of(text), words_of(text)
        if not said:
            return Score(0.0, dict.fromkeys(("relevance", "coverage", "focus", "diversity", "length"), 0.0))
        asked = self._embedding([subtask.clause for subtask in request.subtasks])
        nearness = np.clip(asked @ self._embedding(said).T / TO_THE_POINT, 0, 1)  # (clauses, sentences)
        weight = np.array([subtask.weight for subtask in request.subtasks])
        coverage = float(weight @ nearness.max(axis=1) / weight.sum())
        focus = float(nearness.max(axis=0).mean())
        relevance = 2 * coverage * focus / (coverage + focus) if coverage + focus > 0 else 0.0
        pairs = list(pairwise(spoken))
        diversity = len(set(pairs)) / len(pairs) if pairs else 1.0
        length = min(1.0, len(spoken) / sum(subtask.words for subtask in request.subtasks))
        components = {
            "relevance": relevance,
            "coverage": coverage,
            "focus": focus,
            "diversity": diversity,
            "length": length,
        }
        return Score(10 * relevance * diversity * length, components)
