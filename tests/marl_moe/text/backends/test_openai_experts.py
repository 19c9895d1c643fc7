"""Experts that are a language model: the question, the answer that is kept, the real SmolLM2."""

import pytest

from marl_moe.text.backends.endpoint import Endpoint, EndpointError
from marl_moe.text.backends.openai_experts import OpenAIExpert
from marl_moe.text.bank import Bank
from marl_moe.text.clauses import words_of

from .misbehaving_server import MisbehavingServer, ok, seeded, status

WEATHER = 2


def test_the_persona_is_told_and_the_subtask_and_the_words_are_asked(
    server: MisbehavingServer, banks: tuple[Bank, ...]
) -> None:
    server.will(ok("Rain fell.", tokens=3))
    expert = OpenAIExpert(banks[WEATHER], Endpoint(server.base_url, "m"), seed=8)
    answer = expert.generate("rain hammers the boats", 120)
    assert (expert.topic, answer.text, answer.tokens) == ("weather", "Rain fell.", 3)
    (received,) = server.received
    system, user = received.body["messages"]
    assert system == {"role": "system", "content": banks[WEATHER].persona}
    assert user["role"] == "user"
    assert "rain hammers the boats" in user["content"]
    assert "120 words" in user["content"]
    assert received.body["seed"] == 8
    assert received.body["max_tokens"] >= 1.5 * 120  # tokens of English prose are 1.3 a word


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ("Rain fell. It was cold. Nobody came to the pier.", "Rain fell. It was cold."),
        ("Rain fell on the pier and on the boats and on us.", "Rain fell on the pier and"),
        ("Rain fell on the pier and", "Rain fell on the pier and"),
        ('"Rain," she said. "It fell on us all."', '"Rain," she said.'),
    ],
)
def test_a_text_longer_than_asked_ends_with_its_last_sentence_within(
    server: MisbehavingServer, banks: tuple[Bank, ...], written: str, kept: str
) -> None:
    server.will(ok(written))
    assert (
        OpenAIExpert(banks[WEATHER], Endpoint(server.base_url, "m"), 0).generate("rain", 6).text
        == kept
    )


def test_the_same_seed_gives_the_same_text_and_another_one_another(
    server: MisbehavingServer, banks: tuple[Bank, ...]
) -> None:
    server.will(seeded)
    endpoint = Endpoint(server.base_url, "m")
    first, again, other = (
        OpenAIExpert(banks[WEATHER], endpoint, seed).generate("rain", 20).text for seed in (1, 1, 2)
    )
    assert first == again != other


def test_an_error_names_the_expert(server: MisbehavingServer, banks: tuple[Bank, ...]) -> None:
    server.will(status(401, "who are you?"))
    with pytest.raises(
        EndpointError, match=rf"^expert weather: {server.base_url}, model m: HTTP 401: who are you"
    ):
        OpenAIExpert(banks[WEATHER], Endpoint(server.base_url, "m"), 0).generate("rain", 6)


@pytest.mark.parametrize("words", [3, 25])
def test_smollm2_answers_within_the_words(
    smollm2: Endpoint, banks: tuple[Bank, ...], words: int
) -> None:
    answer = OpenAIExpert(banks[WEATHER], smollm2, seed=1).generate("rain hammers the boats", words)
    assert 0 < len(words_of(answer.text)) <= words
    assert 0 < answer.tokens <= 2 * words
    assert answer.seconds > 0


def test_smollm2_repeats_a_seed_whatever_it_was_asked_between(
    smollm2: Endpoint, banks: tuple[Bank, ...]
) -> None:
    def draw(seed: int, subtask: str = "rain hammers the boats", words: int = 15) -> str:
        return OpenAIExpert(banks[WEATHER], smollm2, seed).generate(subtask, words).text

    first = draw(1)
    draw(1, "rain hammers the boats and the roofs of the harbor")
    other = draw(2)
    assert draw(1) == first != other
