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
    """10 x diversity x the mean over clauses, by gating weight, of relevance x length; each in
    0..1.

    An assumption of ours that stands in for readers. Each sentence is taken to be about the clause
    that it is nearest to. Of what is about a clause,

    - relevance: how near it comes, the mean over words of cosine / `TO_THE_POINT`, at most 1; 0
      where nothing is;
    - length: its words over those asked for, at most 1.
    - diversity, of the whole text: distinct-2 (Li et al. 2016), different pairs of adjacent words
      over all of them.

    So a clause that nobody wrote about loses its share, and sentences about nothing in particular
    dilute what they land on. It tells on topic from off it, and repetition; it does not tell good
    style, nor sentences from shuffled words.
    """

    name = "embedding"

    def __init__(self, embedding: Embedding) -> None:
        self._embedding = embedding

    def score(self, request: Request, text: str) -> Score:
        """The verdict, with relevance and length as means over clauses by weight; 0 for an empty
        text.
        """
        weight = np.array([subtask.weight for subtask in request.subtasks])
        asked = np.array([subtask.words for subtask in request.subtasks])
        said = sentences_of(text)
        clauses = self._embedding([subtask.clause for subtask in request.subtasks])
        nearness = np.clip(
            clauses @ self._embedding(said).T / TO_THE_POINT, 0, 1
        )  # (clauses, sentences)
        num_words = np.array([len(words_of(sentence)) for sentence in said])
        about = nearness.argmax(axis=0)
        written = np.bincount(about, num_words, len(weight))
        near = np.bincount(about, num_words * nearness.max(axis=0, initial=0), len(weight))
        relevance = np.divide(near, written, out=np.zeros(len(weight)), where=written > 0)
        length = np.minimum(1, written / asked)
        pairs = list(pairwise(words_of(text)))
        diversity = len(set(pairs)) / len(pairs) if pairs else 0.0
        share = weight / weight.sum()
        return Score(
            10 * diversity * float(share @ (relevance * length)),
            {
                "relevance": float(share @ relevance),
                "length": float(share @ length),
                "diversity": diversity,
            },
        )
