"""A judge that is a language model, held to an object of four numbers."""

import re
from typing import Any

import yaml

from marl_moe.text.backends.endpoint import Endpoint
from marl_moe.text.backends.judge import Score
from marl_moe.text.clauses import words_of
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
_FLAT_OBJECT = re.compile(r"\{[^{}]*\}")
_POINTS = re.compile(r"(\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)(?:\s*(?:/|out of)\s*10)?")
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
        if not words_of(text):
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
    """Read a verdict: an object of the numbers `VERDICT`, 0..10 each.

    It may stand in a fence or among other words, and be as loosely written as YAML allows (single
    quotes, a comma at the end). A number may be a text, "8" or "8/10".

    Raises:
        ValueError: it is anything else, or there are two; the message says what is wrong. No
            number is guessed.
    """
    verdicts = []
    for found in _FLAT_OBJECT.findall(text):
        pairs = _pairs(found)
        if sorted(name for name, _ in pairs) == sorted(VERDICT) and dict(pairs) not in verdicts:
            verdicts.append(dict(pairs))
    if not verdicts:
        raise ValueError(f"a verdict that is not an object of {', '.join(VERDICT)}: {text}")
    if len(verdicts) > 1:
        raise ValueError(f"a verdict beside another: {text}")
    points = {}
    for name, value in verdicts[0].items():
        number = _POINTS.fullmatch(value)
        points[name] = float(number[1]) if number else -1.0
        if not 0 <= points[name] <= MOST:
            raise ValueError(f"a verdict whose {name} is not a number from 0 to {MOST}: {text}")
    return Score(points["score"], {name: points[name] for name in COMPONENTS})


def _pairs(text: str) -> list[tuple[str, str]]:
    """Return the pairs of an object as they are written, none where it holds more than scalars."""
    try:
        node = yaml.compose(text.replace("\t", " "), yaml.SafeLoader)
    except (yaml.YAMLError, ValueError, RecursionError):
        return []
    if not isinstance(node, yaml.MappingNode):
        return []
    scalars = [part for pair in node.value for part in pair]
    if not all(isinstance(part, yaml.ScalarNode) for part in scalars):
        return []
    return [(name.value, value.value.strip()) for name, value in node.value]
