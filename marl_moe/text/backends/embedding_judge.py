"""A judge that compares embeddings of sentences and clauses, without a language model."""

from itertools import pairwise

import numpy as np

from marl_moe.text.backends.experts import ExpertError
from marl_moe.text.backends.judge import Score
from marl_moe.text.clauses import sentences_of, words_of
from marl_moe.text.decomposition import Request
from marl_moe.text.embedding import Embedding
from marl_moe.text.languages import KNOWN, foreign

TO_THE_POINT = 0.5  # cosine between a clause and a sentence that is about it


class EmbeddingJudge:
    """A judge of relevance, length and diversity, an assumption of ours in place of readers.

    The score is 10 x diversity x the mean over clauses, by gating weight, of relevance x length;
    each of them lies in 0..1. Each sentence is taken to be about the clause it is nearest to. Of
    the sentences about a clause,

    - relevance: mean over words of cosine / `TO_THE_POINT`, at most 1; 0 where there are none;
    - length: their words over those requested, at most 1.

    Of the whole text,

    - diversity: distinct-2 (Li et al. 2016), different pairs of adjacent words over all of them.

    So a clause without a sentence loses its share, and sentences about nothing in particular lower
    the relevance of the clause they are nearest to. The judge tells answers on topic from answers
    off it, and finds repetition; it tells neither good style nor sentences from shuffled words.
    """

    name = "embedding"

    def __init__(self, embedding: Embedding) -> None:
        self._embedding = embedding

    def score(self, request: Request, text: str) -> Score:
        """Score a text, with relevance and length as means over clauses; 0 for an empty text.

        A sentence in another language than English is near to no clause.

        Raises:
            ExpertError: no sentence of the text is in English.
        """
        weight = np.array([subtask.weight for subtask in request.subtasks])
        requested = np.array([subtask.words for subtask in request.subtasks])
        said = sentences_of(text)
        unread = np.array([foreign(sentence) is not None for sentence in said], bool)
        if said and unread.all():
            raise ExpertError(f"judge {self.name}: a text in {foreign(said[0])!r}; {KNOWN}")
        clauses = self._embedding([subtask.clause for subtask in request.subtasks])
        cosine = clauses @ self._embedding(said).T
        nearness = np.clip(cosine / TO_THE_POINT, 0, 1)  # (clauses, sentences)
        nearness[:, unread] = 0
        num_words = np.array([len(words_of(sentence)) for sentence in said])
        about = nearness.argmax(axis=0)
        written = np.bincount(about, num_words, len(weight))
        near = np.bincount(about, num_words * nearness.max(axis=0, initial=0), len(weight))
        relevance = np.divide(near, written, out=np.zeros(len(weight)), where=written > 0)
        length = np.minimum(1, written / requested)
        pairs = list(pairwise(words_of(text)))
        diversity = len(set(pairs)) / len(pairs) if pairs else 0.0
        share = weight / weight.sum()
        components = {
            "relevance": float(share @ relevance),
            "length": float(share @ length),
            "diversity": diversity,
        }
        return Score(10 * diversity * float(share @ (relevance * length)), components)
