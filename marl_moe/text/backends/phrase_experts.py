"""Text experts that retrieve phrases from a bank, without a language model."""

import time

import numpy as np

from marl_moe.text.backends.experts import Answer
from marl_moe.text.bank import Bank
from marl_moe.text.clauses import first_words, words_of
from marl_moe.text.embedding import Embedding


class PhraseExpert:
    """An expert that answers with the phrases of its bank nearest to the subtask, nearest first.

    The same subtask always gets the same answer. A subtask of another topic is answered from the
    expert's own bank, so that the answer of a wrong expert can be told from that of the right one.
    """

    def __init__(self, bank: Bank, embedding: Embedding) -> None:
        self.topic = bank.topic
        self._phrases = bank.phrases
        self._num_words = np.array([len(words_of(phrase)) for phrase in bank.phrases])
        self._embedding = embedding

    def generate(self, subtask: str, words: int) -> Answer:
        """Return as many of the nearest phrases as `words` words hold; its tokens are words.

        Where they do not hold the nearest, its first words are returned.
        """
        began = time.perf_counter()
        nearness = self._embedding(self._phrases) @ self._embedding([subtask])[0]
        order = np.argsort(-nearness, kind="stable")
        length = self._num_words[order].cumsum()
        chosen = order[length <= words]
        text = " ".join(self._phrases[number] for number in chosen)
        if not text:
            text = first_words(self._phrases[order[0]], words)
        return Answer(text, len(words_of(text)), time.perf_counter() - began)
