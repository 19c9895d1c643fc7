"""Text experts: who answers a subtask."""

import time
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from marl_moe.text.bank import Bank
from marl_moe.text.clauses import words_of
from marl_moe.text.embedding import Embedding


class ExpertError(RuntimeError):
    """An expert, a fusion or a judge that could not do its part: which step, where, and why."""


@dataclass(frozen=True)
class Answer:
    """What an expert wrote."""

    text: str
    tokens: int
    seconds: float


class Expert(Protocol):
    """Whoever can answer a subtask, well if it is of its topic."""

    topic: str

    def generate(self, subtask: str, words: int) -> Answer:
        """An answer of at most `words` words. Raises ExpertError where there is none to be had."""


class PhraseExpert:
    """Retrieval, no model of language: the phrases of its bank that are nearest to the subtask,
    nearest first.

    The same subtask always gets the same answer. A subtask of another topic is answered from the
    own bank as well as that can: so a wrong expert shows.
    """

    def __init__(self, bank: Bank, embedding: Embedding) -> None:
        self.topic = bank.topic
        self._phrases = bank.phrases
        self._num_words = np.array([len(words_of(phrase)) for phrase in bank.phrases])
        self._embedding = embedding

    def generate(self, subtask: str, words: int) -> Answer:
        """As many of the nearest phrases as `words` words hold; tokens are words here."""
        began = time.perf_counter()
        nearness = self._embedding(self._phrases) @ self._embedding([subtask])[0]
        order = np.argsort(-nearness, kind="stable")
        length = self._num_words[order].cumsum()
        chosen = order[length <= words]
        text = " ".join(self._phrases[number] for number in chosen)
        return Answer(text, int(self._num_words[chosen].sum()), time.perf_counter() - began)
