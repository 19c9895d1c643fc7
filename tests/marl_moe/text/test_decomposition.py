"""A prompt becomes subtasks: gating weights, words and compute need as the model counts them."""

import numpy as np
import pytest
import torch

from marl_moe.text.bank import TOPICS
from marl_moe.text.decomposition import PromptError, decompose
from marl_moe.text.embedding import Embedding
from marl_moe.text.gate import Gate, load_gate

PROMPT = (
    "A sailor with a scarred face walks down the pier. Rain hammers the boats; grief overtakes "
    "her. Compute the tax on 400 dollars."
)


@pytest.fixture(scope="module")
def gate() -> Gate:
    return load_gate()


def test_clauses_become_subtasks_of_their_topics_in_order_and_the_rest_is_left_out(
    gate: Gate, embedding: Embedding
) -> None:
    request = decompose(PROMPT, gate, embedding)
    assert [(s.clause, TOPICS[s.topic]) for s in request.subtasks] == [
        ("A sailor with a scarred face walks down the pier", "character"),
        ("Rain hammers the boats", "weather"),
        ("grief overtakes her", "emotion"),
    ]
    assert request.left_out == ("Compute the tax on 400 dollars",)
    assert request.prompt == PROMPT


def test_weights_are_the_gates_probabilities_over_their_sum(
    gate: Gate, embedding: Embedding
) -> None:
    request = decompose(PROMPT, gate, embedding)
    clauses = [subtask.clause for subtask in request.subtasks]
    probability = gate.route(torch.from_numpy(embedding(clauses))).probability[:, 0].numpy()
    np.testing.assert_allclose(
        [s.weight for s in request.subtasks], probability / probability.sum(), rtol=1e-5
    )


def test_words_follow_the_length_of_the_clause_and_compute_follows_words(
    gate: Gate, embedding: Embedding
) -> None:
    """Clauses of 10, 4 and 3 words, mean 17 / 3.

    200 x 10 / mean is above the 300 of the model, 200 x 3 / mean just above 100.
    """
    request = decompose(PROMPT, gate, embedding)
    assert [subtask.words for subtask in request.subtasks] == [300, 141, 106]
    assert [subtask.compute_need for subtask in request.subtasks] == pytest.approx(
        [1.5, 12 / 17, 9 / 17]
    )
    shorter = decompose(PROMPT, gate, embedding, mean_words=20)
    assert [subtask.words for subtask in shorter.subtasks] == [30, 14, 11]
    assert [s.compute_need for s in shorter.subtasks] == [s.compute_need for s in request.subtasks]


def test_with_two_topics_a_clause_its_words_are_shared_by_probability(
    gate: Gate, embedding: Embedding
) -> None:
    request = decompose("a furious captain shouts in the storm", gate, embedding, k=2)
    first, second = request.subtasks
    assert first.clause == second.clause
    assert first.topic != second.topic
    assert first.weight + second.weight == pytest.approx(1)
    assert first.weight > second.weight
    assert first.words == pytest.approx(np.clip(400 * first.weight, 100, 300), abs=1)
    assert second.words == pytest.approx(np.clip(400 * second.weight, 100, 300), abs=1)


@pytest.mark.parametrize(
    "prompt", ["", "   \n", "...", "Write me a story.", "🌧️👍", "！？。", "\u200b"]
)
def test_an_empty_prompt_is_refused(gate: Gate, embedding: Embedding, prompt: str) -> None:
    with pytest.raises(PromptError, match="the prompt is empty"):
        decompose(prompt, gate, embedding)


@pytest.mark.parametrize(
    ("prompt", "clause"),
    [
        ("雨敲打着船。风很大。她怕。", "雨敲打着船"),
        ("ฝนตกหนักและลมพัดแรง", "ฝนตกหนักและลมพัดแรง"),
        ("La lluvia golpea los barcos.", "La lluvia golpea los barcos"),
    ],
)
def test_a_prompt_in_another_language_is_refused_with_those_that_the_experts_know(
    gate: Gate, embedding: Embedding, prompt: str, clause: str
) -> None:
    with pytest.raises(PromptError) as caught:
        decompose(prompt, gate, embedding)
    for said in (clause, "in English", "all-MiniLM-L6-v2", "the phrases", "SmolLM2", "--base-url"):
        assert said in str(caught.value)


def test_clauses_in_another_language_are_left_out_and_told(
    gate: Gate, embedding: Embedding
) -> None:
    request = decompose("Rain hammers the boats. Дождь бьёт по лодкам.", gate, embedding)
    assert [subtask.clause for subtask in request.subtasks] == ["Rain hammers the boats"]
    assert request.foreign == (("Дождь бьёт по лодкам", "ru"),)
    assert request.left_out == ()


def test_a_prompt_of_bytes_that_are_no_text_is_refused(gate: Gate, embedding: Embedding) -> None:
    with pytest.raises(PromptError, match="not UTF-8"):
        decompose("rain falls \udcff", gate, embedding)


def test_a_prompt_of_no_known_topic_is_refused_with_the_nearest(
    gate: Gate, embedding: Embedding
) -> None:
    with pytest.raises(PromptError) as caught:
        decompose("Solve x squared plus one, and file the tax form.", gate, embedding)
    for said in (*TOPICS, "cosine", "0.18 needed", "x squared plus one"):
        assert said in str(caught.value)
