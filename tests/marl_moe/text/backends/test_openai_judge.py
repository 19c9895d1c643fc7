"""A language model as the judge: a verdict is JSON of four numbers from 0 to 10, or refused."""

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marl_moe.text.backends.endpoint import Endpoint, EndpointError
from marl_moe.text.backends.judge import Score
from marl_moe.text.backends.openai_judge import OpenAIJudge, parse_score
from marl_moe.text.decomposition import Request, Subtask

from .misbehaving_server import MisbehavingServer, ok, status

GOOD = '{"relevance": 8, "coherence": 6.5, "style": 0, "score": 10}'
REQUEST = Request(
    "p",
    (Subtask("a storm breaks", 2, 0.75, 1.0, 100), Subtask("they whisper", 4, 0.25, 1.0, 100)),
    (),
)

in_range = st.one_of(st.integers(0, 10), st.floats(0, 10))
anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=5,
)
names = st.sampled_from(["relevance", "coherence", "style", "score", "Score", "extra"])


def test_a_verdict_is_read() -> None:
    assert parse_score(f" {GOOD}\n") == Score(
        10.0, {"relevance": 8.0, "coherence": 6.5, "style": 0.0}
    )


@pytest.mark.parametrize(
    "written",
    [
        f"Here you are: {GOOD}",
        f"{GOOD} I liked it {{very}} much.",
        f"```json\n{GOOD}\n```",
        f"```\n{GOOD}\n```\nThat is my verdict.",
        f"[{GOOD}]",
        f'{{"verdict": {GOOD}}}',
        f"{GOOD}\nAgain: {GOOD}",
        GOOD.replace("}", ",}"),
        GOOD.replace('"', "'"),
        GOOD.replace('"', ""),
        GOOD.replace(", ", ",\n\t"),
        GOOD.replace("8", '"8"'),
        GOOD.replace("8", '"8/10"'),
        GOOD.replace("8", "8/10"),
        GOOD.replace("8", '"8.0 out of 10"'),
    ],
)
def test_a_verdict_is_read_however_loosely_it_is_written(written: str) -> None:
    assert parse_score(written) == Score(10.0, {"relevance": 8.0, "coherence": 6.5, "style": 0.0})


@pytest.mark.parametrize(
    "text",
    [
        "",
        "8",
        "Score: 8/10",
        f"{GOOD} or rather {GOOD.replace('8', '7')}",
        GOOD.replace("8", '"8/100"'),
        GOOD.replace("8", '"11/10"'),
        GOOD.replace("8", '"very good"'),
        GOOD.replace("8", '""'),
        GOOD.replace("8", "true"),
        GOOD.replace("8", "null"),
        GOOD.replace("8", "NaN"),
        GOOD.replace("8", "Infinity"),
        GOOD.replace("8", "1e999"),
        GOOD.replace("8", "10.01"),
        GOOD.replace("8", "-0.5"),
        GOOD.replace("8", "[8]"),
        GOOD.replace("8", "8" * 5000),
        GOOD.replace(', "style": 0', ""),
        GOOD.replace("style", "Style"),
        GOOD.replace("}", ', "comment": "good"}'),
        GOOD.replace("}", ', "wit": 5}'),
        GOOD.replace("}", ', "score": 1}'),
        GOOD.removesuffix("}"),
        "[" * 100_000,
        '{"score": ' * 100_000,
    ],
    ids=range(25),
)
def test_what_is_no_verdict_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"^a verdict "):
        parse_score(text)


@given(
    in_range,
    in_range,
    in_range,
    in_range,
    st.permutations(["relevance", "coherence", "style", "score"]),
)
def test_every_verdict_in_range_is_read_whatever_the_order(
    a: float, b: float, c: float, d: float, order: list[str]
) -> None:
    verdict = {"relevance": a, "coherence": b, "style": c, "score": d}
    read = parse_score(json.dumps({name: verdict[name] for name in order}))
    assert read == Score(d, {"relevance": a, "coherence": b, "style": c})
    assert all(type(points) is float for points in (read.points, *read.components.values()))


def is_points(value: object) -> bool:
    """A number from 0 to 10, or a text of one."""
    if type(value) is str and value.strip().isascii():
        try:
            return 0 <= float(value) <= 10 and "_" not in value and value.strip()[0] not in "+-."
        except ValueError:
            return False
    return type(value) in (int, float) and math.isfinite(value) and 0 <= value <= 10


@given(st.dictionaries(names, st.one_of(in_range, anything), max_size=5) | anything)
def test_of_any_json_at_all_only_four_numbers_in_range_are_read(value: object) -> None:
    is_verdict = (
        isinstance(value, dict)
        and sorted(value) == ["coherence", "relevance", "score", "style"]
        and all(map(is_points, value.values()))
    )
    if is_verdict:
        assert parse_score(json.dumps(value)).points == float(value["score"])
    else:
        with pytest.raises(ValueError, match=r"^a verdict "):
            parse_score(json.dumps(value))


@given(
    st.text()
    | st.builds(
        lambda i, s: GOOD[:i] + s + GOOD[i:], st.integers(0, len(GOOD)), st.text(max_size=4)
    )
)
def test_no_text_does_anything_but_be_read_or_be_refused(text: str) -> None:
    try:
        score = parse_score(text)
    except ValueError:
        return
    assert all(0 <= points <= 10 for points in (score.points, *score.components.values()))


def test_a_refused_verdict_is_asked_for_again_in_the_form_of_the_schema(
    server: MisbehavingServer,
) -> None:
    server.will(ok("I would say 8 of 10."), ok(GOOD))
    judge = OpenAIJudge(Endpoint(server.base_url, "m", retries=1))
    assert judge.name == "openai:m"
    assert judge.score(REQUEST, "Rain fell.").points == 10
    first, second = server.received
    assert (first.body["seed"], second.body["seed"]) == (0, 1)
    form = first.body["response_format"]["json_schema"]
    assert form["strict"] is True
    assert form["schema"]["additionalProperties"] is False
    assert (
        set(form["schema"]["required"])
        == set(form["schema"]["properties"])
        == set(json.loads(GOOD))
    )
    shown = first.body["messages"][-1]["content"]
    for part in ("a storm breaks", "0.75", "they whisper", "0.25", "Rain fell."):
        assert part in shown


def test_a_verdict_refused_each_time_is_one_error_that_shows_the_last(
    server: MisbehavingServer,
) -> None:
    server.will(ok("I would say 8 of 10."), ok('{"score": 8}'))
    with pytest.raises(EndpointError) as caught:
        OpenAIJudge(Endpoint(server.base_url, "m", retries=2)).score(REQUEST, "Rain fell.")
    assert str(caught.value) == (
        f"judge: {server.base_url}, model m: a verdict that is not an object of relevance, "
        'coherence, style, score: {"score": 8}; gave up after 3 attempts'
    )
    assert len(server.received) == 3


def test_an_empty_text_is_worth_nothing_and_nobody_is_asked(server: MisbehavingServer) -> None:
    server.will(status(500))
    score = OpenAIJudge(Endpoint(server.base_url, "m")).score(REQUEST, "")
    assert score == Score(0.0, {"relevance": 0.0, "coherence": 0.0, "style": 0.0})
    assert server.received == []


@pytest.mark.parametrize("text", ["Rain fell.", "word " * 200])
def test_smollm2_is_held_to_the_form_of_a_verdict_at_the_first_attempt(
    smollm2: Endpoint, text: str
) -> None:
    """It is no judge of quality."""
    once = Endpoint(smollm2.base_url, smollm2.model, retries=0)
    assert 0 <= OpenAIJudge(once).score(REQUEST, text).points <= 10
