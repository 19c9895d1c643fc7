"""Thinking is no part of an answer, whichever way a model or a server marks it."""

import json

import pytest

from marl_moe.text.backends.endpoint import Completion, EndpointError
from marl_moe.text.backends.thoughts import without_thoughts

from .asking import ask
from .misbehaving_server import Behaviour, MisbehavingServer, ok, raw, says

pytestmark = pytest.mark.usefixtures("key")
WON = "Rain fell."


@pytest.mark.parametrize(
    "written",
    [
        "<think>Hmm. A storm?</think>Rain fell.",
        "<think>\nHmm.\n</think>\n\nRain fell.",
        "<think></think>Rain fell.",
        "Hmm. A storm?\n</think>\nRain fell.",  # the template opened it
        "<THINK>Hmm</THINK> Rain fell.",
        "<thinking>Hmm</thinking>Rain fell.",
        "<thought>Hmm</thought>Rain fell.",
        "<reasoning>Hmm</reasoning>\nRain fell.",
        "<seed:think>Hmm</seed:think>Rain fell.",
        "<think>a <think>b</think> c</think>Rain fell.",
        "<think>a</think>Rain <think>b</think>fell.",
        "[THINK]Hmm[/THINK]Rain fell.",
        "◁think▷Hmm◁/think▷Rain fell.",
        "<|START_THINKING|>Hmm<|END_THINKING|><|START_RESPONSE|>Rain fell.<|END_RESPONSE|>",
        "<|begin_of_thought|>Hmm<|end_of_thought|><|begin_of_solution|>Rain fell."
        "<|end_of_solution|>",
        "<|channel|>analysis<|message|>Hmm<|end|><|start|>assistant<|channel|>final<|message|>"
        "Rain fell.<|return|>",
        "<|channel|>analysis<|message|>Hmm<|end|>Rain fell.",
        "<|channel|>final <|constrain|>text<|message|>Rain fell.",
        "<|channel>thought\nHmm<channel|>Rain fell.",
        "analysisThe user wants rain.assistantfinalRain fell.",
        "<think>Hmm</think><answer>Rain fell.</answer>",
        "Rain fell.<|im_end|>",
        "Rain fell.</s>",
    ],
)
def test_only_the_answer_is_kept(written: str) -> None:
    assert without_thoughts(written)[0] == WON


@pytest.mark.parametrize(
    "written",
    ["<think>Hmm, rain", "[THINK]Hmm", "<|channel|>analysis<|message|>Hmm", "<thinking>Hmm. Rain."],
)
def test_thinking_without_an_end_is_no_answer(written: str) -> None:
    assert without_thoughts(written) == ("", True)


@pytest.mark.parametrize(
    "written", ["Rain fell.", "2 < 3 > 1", "I think rain fell.", "[sic] Rain fell.", "analysis"]
)
def test_a_text_without_thinking_stays_as_it_is(written: str) -> None:
    assert without_thoughts(written) == (written, False)


def stream(*chunks: object) -> Behaviour:
    events = "".join(f"data: {json.dumps(chunk)}\n\n" for chunk in chunks)
    return raw(f": keep-alive\n\n{events}data: [DONE]\n\n")


def chunk(finish_reason: str | None = None, **delta: object) -> dict[str, object]:
    return {"choices": [{"index": 0, "delta": delta, "finish_reason": finish_reason}]}


@pytest.mark.parametrize(
    "answer",
    [
        says(WON, reasoning_content="Hmm."),
        says(WON, reasoning="Hmm.", refusal=None, tool_calls=None),
        says([{"type": "text", "text": "Rain "}, {"type": "text", "text": "fell."}]),
        says([{"type": "thinking", "thinking": [{"type": "text", "text": "Hmm"}]},
              {"type": "text", "text": WON}]),
        says([{"type": "reasoning", "text": "Hmm"}, {"type": "output_text", "text": WON}]),
        says(["Rain ", "fell."]),
        says({"type": "text", "text": {"value": WON}}),
        raw(json.dumps({"choices": [{"text": WON, "finish_reason": "stop"}]})),
        stream(chunk(role="assistant"), chunk(reasoning_content="Hmm"), chunk(content="Rain "),
               chunk(content="fell."), chunk("stop"), {"choices": [], "usage": {}}),
    ],
)  # fmt: skip
def test_a_content_is_read_in_each_form_that_servers_give_it(
    server: MisbehavingServer, answer: Behaviour
) -> None:
    server.will(answer)
    assert ask(server.base_url, retries=0).text == WON


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (says("", reasoning_content="Rain fell."), "no text beside the model's thinking; serve"),
        (says(None, reasoning="Rain fell."), "no text beside the model's thinking"),
        (says("<think>Rain fell.</think>"), "no text beside the model's thinking"),
        (says(None, refusal="I cannot write that."), "a refusal of the model: I cannot write that"),
        (says([{"type": "refusal", "refusal": "No."}]), "a refusal of the model: No"),
        (says(None, "content_filter"), "nothing but a content filter"),
        (says(None, tool_calls=[{"id": "1"}]), "a call of a tool, though none was offered"),
        (stream(chunk(content="Rain fe")), "a stream that broke off: "),
        (raw("data: {}\n\n"), "a stream that is no completion: "),
    ],
)
@pytest.mark.usefixtures("impatient")
def test_what_came_instead_of_a_text_is_named(
    server: MisbehavingServer, answer: Behaviour, said: str
) -> None:
    server.will(answer)
    with pytest.raises(EndpointError) as caught:
        ask(server.base_url)
    assert said in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


CUT = [
    says("<think>Hmm", "length"),
    says("", "length", reasoning_content="Hmm"),
    says(None, "length", reasoning="Hmm"),
    says("", "length", usage={"completion_tokens_details": {"reasoning_tokens": 50}}),
]


@pytest.mark.parametrize("cut", CUT)
def test_thinking_that_used_up_the_tokens_gets_more_of_them_from_then_on(
    server: MisbehavingServer, cut: Behaviour
) -> None:
    from marl_moe.text.backends.endpoint import Endpoint

    told: list[str] = []
    endpoint = Endpoint(server.base_url, "some-model", 5.0, 0, told.append)

    def once() -> Completion:
        return endpoint.complete("expert weather", "You are rain.", "Fall.", 50, 3)

    server.will(cut, ok(WON))
    assert once().text == WON
    assert once().text == WON
    assert [received.body["max_tokens"] for received in server.received] == [50, 4146, 4146]
    assert {received.body["seed"] for received in server.received} == {3}
    assert told == [
        f"{server.base_url}, model some-model: max_tokens has 4096 tokens more, for the model's "
        "thinking"
    ]


def test_thinking_that_never_ends_is_one_error_that_says_what_to_raise(
    server: MisbehavingServer,
) -> None:
    server.will(CUT[0])
    with pytest.raises(EndpointError) as caught:
        ask(server.base_url, retries=4)
    assert len(server.received) == 3
    said = str(caught.value)
    assert "thinking used up all 16434 tokens of max_tokens; gave up after 1 attempt" in said
    assert "raise --words, or serve the model without thinking" in said
