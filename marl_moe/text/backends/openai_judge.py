"""A judge that is a language model, held to JSON."""

import json
from typing import Any

from marl_moe.text.backends.endpoint import Endpoint
from marl_moe.text.backends.judge import Score
from marl_moe.text.decomposition import Request

MOST = 10
COMPONENTS = ("relevance", "coherence", "style")
VERDICT = (*COMPONENTS, "score")
# Half points rather than a range: every server that follows schemas can hold a model to a list.
HALF_POINTS = [half / 2 for half in range(2 * MOST + 1)]
SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {name: {"type": "number", "enum": HALF_POINTS} for name in VERDICT},
    "required": list(VERDICT),
    "additionalProperties": False,
}
MAX_TOKENS = 300
TEMPERATURE = 0.2  # above 0, so that a refused verdict may come out otherwise
SYSTEM = (
    "You are a strict critic who scores how well a text does what was asked for. Score from 0 "
    "(worthless) to 10 (perfect): relevance (every part of what was asked for is written about, "
    "and nothing else), coherence (it reads as one text), style (language and imagery), and the "
    "score of the whole. A part that is missing costs its share. Answer with a JSON object of the "
    f"numbers {', '.join(VERDICT)} and nothing else."
)


class OpenAIJudge:
    """The model of an endpoint as a judge of relevance, coherence and style, 0..10 each."""

    def __init__(self, endpoint: Endpoint) -> None:
        self.name = f"openai:{endpoint.model}"
        self._endpoint = endpoint

    def score(self, request: Request, text: str) -> Score:
        """Score a text; an empty one gets 0 without a question to the model.

        Raises:
            EndpointError: the endpoint gave up.
        """
        if not text:
            return Score(0.0, dict.fromkeys(COMPONENTS, 0.0))
        parts = "\n".join(
            f"- {subtask.clause} (weight {subtask.weight:.2f})" for subtask in request.subtasks
        )
        completion = self._endpoint.complete(
            "judge",
            system=SYSTEM,
            user=f"Asked for, part by part:\n{parts}\n\nThe text:\n{text}\n\nYour scores, as JSON:",
            max_tokens=MAX_TOKENS,
            seed=0,
            temperature=TEMPERATURE,
            schema=SCHEMA,
            check=parse_score,
        )
        return parse_score(completion.text)


def parse_score(text: str) -> Score:
    """Read a verdict: a JSON object of the numbers `VERDICT`, 0..10 each, and nothing else.

    Raises:
        ValueError: it is anything else; the message says what is wrong. No number is guessed.
    """
    try:
        verdict = json.loads(text, object_pairs_hook=_distinct)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"a verdict that is not JSON alone ({error}): {text}") from None
    if not isinstance(verdict, dict) or set(verdict) != set(VERDICT):
        raise ValueError(f"a verdict that is not an object of {', '.join(VERDICT)}: {text}")
    for name, points in verdict.items():
        if type(points) not in (int, float) or not 0 <= points <= MOST:  # NaN is refused, too
            raise ValueError(f"a verdict whose {name} is not a number from 0 to {MOST}: {text}")
    return Score(float(verdict["score"]), {name: float(verdict[name]) for name in COMPONENTS})


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Make a dict of pairs, and refuse a key that comes twice."""
    distinct = dict(pairs)
    if len(distinct) < len(pairs):
        raise ValueError("a key comes twice")
    return distinct
