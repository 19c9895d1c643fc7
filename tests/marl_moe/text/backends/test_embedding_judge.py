"""The embedding judge: worked by hand on vectors that are known, then on real sentences."""

from dataclasses import replace

import numpy as np
import pytest

from marl_moe.text.backends.embedding_judge import EmbeddingJudge
from marl_moe.text.backends.experts import ExpertError
from marl_moe.text.backends.phrase_experts import PhraseExpert
from marl_moe.text.bank import Bank, load_banks
from marl_moe.text.decomposition import Request, Subtask
from marl_moe.text.embedding import Embedding


class Known:
    """Texts with vectors that are given."""

    def __init__(self, **vectors: tuple[float, float, float]) -> None:
        self.vectors = {text.replace("_", " "): vector for text, vector in vectors.items()}

    def __call__(self, texts: list[str]) -> np.ndarray:
        return np.array([self.vectors[text] for text in texts], np.float32).reshape(-1, 3)


def request(*clauses: str, weights: tuple[float, ...] | None = None, words: int = 4) -> Request:
    weights = weights or (1 / len(clauses),) * len(clauses)
    subtasks = tuple(
        Subtask(clause, 0, w, 1.0, words) for clause, w in zip(clauses, weights, strict=True)
    )
    return Request("; ".join(clauses), subtasks, ())


def test_a_verdict_worked_by_hand() -> None:
    """Two clauses of weights 0.75 and 0.25, 4 words requested each.

    "Rain fell on us." (4 words, cosine 0.4 to rain: nearness 0.8), "Rain fell." (2 words, cosine
    0.2: 0.4): relevance of rain (4 x 0.8 + 2 x 0.4) / 6 = 2/3, length 1. "They spoke." (2 words,
    cosine 0.6: 1): relevance 1, length 0.5. Pairs: rain fell, fell on, on us, us rain, rain fell,
    fell they, they spoke: 6 of 7 differ.
    """
    embedding = Known(
        rain=(1, 0, 0),
        talk=(0, 1, 0),
        **{
            "Rain fell on us.": (0.4, 0.1, 0.9),
            "Rain fell.": (0.2, 0.1, 0.97),
            "They spoke.": (0.1, 0.6, 0.8),
        },
    )
    verdict = EmbeddingJudge(embedding).score(
        request("rain", "talk", weights=(0.75, 0.25)), "Rain fell on us. Rain fell. They spoke."
    )
    assert verdict.components["relevance"] == pytest.approx(0.75 * 2 / 3 + 0.25)
    assert verdict.components["length"] == pytest.approx(0.75 + 0.25 / 2)
    assert verdict.components["diversity"] == pytest.approx(6 / 7)
    assert verdict.points == pytest.approx(10 * 6 / 7 * (0.75 * 2 / 3 + 0.25 / 2))


def test_an_empty_text_is_worth_nothing(embedding: Embedding) -> None:
    assert EmbeddingJudge(embedding).score(request("rain"), " \n ").points == 0


def test_a_text_in_another_language_gets_no_verdict(embedding: Embedding) -> None:
    with pytest.raises(ExpertError, match=r"judge embedding: a text in .*know English alone"):
        EmbeddingJudge(embedding).score(request("rain"), "雨敲打着船。风很大。")


def test_a_sentence_in_another_language_is_near_to_no_clause(embedding: Embedding) -> None:
    judge, rain = EmbeddingJudge(embedding), request("rain hammers the boats")
    english = judge.score(rain, "Rain hammers the boats.").components["relevance"]
    mixed = judge.score(rain, "Rain hammers the boats. 雨敲打着船。")
    assert mixed.components["relevance"] == pytest.approx(english * 4 / 8)


@pytest.fixture(scope="module")
def requested(banks: tuple[Bank, ...]) -> Request:
    return request(*(bank.held_out[0] for bank in banks), words=100)


def answers(
    requested: Request, banks: tuple[Bank, ...], embedding: Embedding, shift: int = 0
) -> list[str]:
    """Each subtask answered from the bank `shift` topics away."""
    experts = [PhraseExpert(bank, embedding) for bank in banks]
    return [
        experts[(topic + shift) % len(banks)].generate(subtask.clause, subtask.words).text
        for topic, subtask in enumerate(requested.subtasks)
    ]


def test_answers_on_topic_score_above_answers_off_it_and_dropping_one_costs(
    requested: Request, banks: tuple[Bank, ...], embedding: Embedding
) -> None:
    judge = EmbeddingJudge(embedding)
    on, off = answers(requested, banks, embedding), answers(requested, banks, embedding, shift=1)
    food = PhraseExpert(load_banks(["food"])[-1], embedding)
    whole = judge.score(requested, "\n".join(on)).points
    for topic in range(len(banks)):
        dropped = judge.score(requested, "\n".join(on[:topic] + on[topic + 1 :])).points
        wrong = judge.score(
            requested, "\n".join([*on[:topic], off[topic], *on[topic + 1 :]])
        ).points
        assert whole > max(wrong, dropped)
    nothing = [food.generate(subtask.clause, subtask.words).text for subtask in requested.subtasks]
    assert judge.score(requested, "\n".join(nothing)).points < whole / 2


def test_a_phrase_said_again_and_again_is_worth_little(
    requested: Request, banks: tuple[Bank, ...], embedding: Embedding
) -> None:
    judge = EmbeddingJudge(embedding)
    repeated = " ".join([banks[0].phrases[0]] * 50)
    assert (
        judge.score(requested, repeated).points
        < 0.3 * judge.score(requested, "\n".join(answers(requested, banks, embedding))).points
    )


def test_words_that_nobody_requested_do_not_help(
    requested: Request, banks: tuple[Bank, ...], embedding: Embedding
) -> None:
    """With words enough in the text, more of them lower its relevance."""
    judge = EmbeddingJudge(embedding)
    text = "\n".join(answers(requested, banks, embedding))
    requested = replace(
        requested, subtasks=tuple(replace(subtask, words=70) for subtask in requested.subtasks)
    )
    padding = (
        " The invoice for the printer is due. Tax forms list taxable income. "
        "Sort the array in linear time."
    )
    assert judge.score(requested, text + padding).points < judge.score(requested, text).points
