"""Integration by a language model: the question, the text that is kept, the real SmolLM2."""

import pytest

from marl_moe.text.backends.endpoint import Endpoint, EndpointError
from marl_moe.text.backends.openai_fusion import OpenAIFusion
from marl_moe.text.clauses import words_of
from marl_moe.text.decomposition import Request, Subtask

from .misbehaving_server import MisbehavingServer, ok, status

CLAUSES = ("a scarred captain", "a storm breaks", "the crew whispers")
REQUEST = Request(
    "; ".join(CLAUSES), tuple(Subtask(clause, 0, 1 / 3, 1.0, 100) for clause in CLAUSES), ()
)


def test_the_answers_are_shown_in_the_prompts_order_and_what_was_dropped_is_not_mentioned(
    server: MisbehavingServer,
) -> None:
    server.will(ok("A scar ran down his cheek. They spoke low."))
    fusion = OpenAIFusion(Endpoint(server.base_url, "m"))
    assert fusion.name == "openai:m"
    text = fusion.integrate(REQUEST, ["A scar ran down his cheek.", None, "They spoke low."])
    assert text == "A scar ran down his cheek. They spoke low."
    (received,) = server.received
    shown = received.body["messages"][-1]["content"]
    assert 0 < shown.index("A scar ran down his cheek.") < shown.index("They spoke low.")
    everything = " ".join(message["content"] for message in received.body["messages"])
    assert "storm" not in everything
    assert "None" not in everything
    assert "Passage 3" not in everything


@pytest.mark.parametrize(
    ("answers", "text"),
    [([None, None, None], ""), ([None, "Hail fell.", None], "Hail fell."), (["", None, ""], "")],
)
def test_nobody_is_asked_where_there_is_nothing_to_integrate(
    server: MisbehavingServer, answers: list[str | None], text: str
) -> None:
    server.will(status(500))
    assert OpenAIFusion(Endpoint(server.base_url, "m")).integrate(REQUEST, answers) == text
    assert server.received == []


def test_a_text_much_longer_than_its_parts_ends_within_a_fifth_more(
    server: MisbehavingServer,
) -> None:
    """5 + 5 words of answers: 12 at most, so 4 sentences of 3 words."""
    server.will(ok("Rain fell here. " * 30))
    fusion = OpenAIFusion(Endpoint(server.base_url, "m"))
    assert fusion.integrate(REQUEST, ["He had a deep scar.", "Rain fell on the pier.", None]) == (
        "Rain fell here. Rain fell here. Rain fell here. Rain fell here."
    )


def test_an_error_names_the_step(server: MisbehavingServer) -> None:
    server.will(status(404, "no model m"))
    with pytest.raises(
        EndpointError, match=rf"^integration: {server.base_url}, model m: HTTP 404: no model m"
    ):
        OpenAIFusion(Endpoint(server.base_url, "m")).integrate(REQUEST, ["One.", "Two.", None])


def test_smollm2_integrates_within_the_words(smollm2: Endpoint) -> None:
    answers = [
        "A scar ran down the captain's cheek.",
        None,
        "The crew spoke low, and nobody met his eye.",
    ]
    text = OpenAIFusion(smollm2).integrate(REQUEST, answers)
    assert 0 < len(words_of(text)) <= round(1.2 * 16)
