"""Readers of what an OpenAI-compatible server sends, which may be anything."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from marl_moe.text.backends.thoughts import without_thoughts

PIECE = 8  # letters of a key in a row that are hidden wherever they stand
LONGEST_REASON = 300  # letters of what a server says, in an error
THOUGHTS = ("reasoning_content", "reasoning", "thinking")  # fields that thinking comes in
ANSWERS = ("text", "output_text", "refusal", None)  # types of parts that are no thinking
CUT = ("length", "max_tokens", "model_length")  # reasons to finish: the limit was reached


class NonsenseError(ValueError):
    """A body that is not a chat completion."""


@dataclass(frozen=True)
class Reply:
    """A chat completion.

    Attributes:
        text: the answer without what the model thought before it.
        tokens: of both, where the server counts them.
        thought: whether the model thought.
        cut: whether it was ended by the limit of tokens.
        instead: what came instead of a text, in words; "" if nothing did.
        model: that wrote it, as the server says; "" where it does not.
    """

    text: str
    tokens: int | None
    thought: bool = False
    cut: bool = False
    instead: str = ""
    model: str = ""


def read_reply(response: Any) -> Reply:
    """Read a chat completion in any of the forms that servers give it.

    Its content is text, parts with a text each, or, though none was asked for, a stream.

    Raises:
        NonsenseError: the body is something else; the message shows it.
    """
    begin = response.text.lstrip("\ufeff \r\n\t")
    if begin.startswith(("data:", "event:", ":")):
        body = _of_stream(begin)
    else:
        try:
            body = response.json()
        except (ValueError, RecursionError):
            raise NonsenseError(f"a body that is not JSON: {response.text}") from None
    try:
        choice = body["choices"][0]
        message = choice["message"] if "message" in choice else {"content": choice["text"]}
        content = message.get("content")
        if not message:
            raise LookupError
    except (LookupError, TypeError, AttributeError):
        raise NonsenseError(f"a body without choices: {response.text}") from None
    text, thought = without_thoughts(_words_of(content))
    if choice.get("finish_reason") == "content_filter":
        text = ""  # what there is of it was broken off
    usage, model = body.get("usage"), body.get("model")
    tokens = usage.get("completion_tokens") if isinstance(usage, dict) else None
    return Reply(
        text=text.encode("utf-16", "surrogatepass").decode("utf-16", "replace"),
        tokens=tokens if type(tokens) is int else None,
        thought=thought or _has_thoughts(message, content) or _counts_thoughts(usage),
        cut=choice.get("finish_reason") in CUT,
        instead=_instead(message, content, choice.get("finish_reason")),
        model=model if isinstance(model, str) else "",
    )


def _words_of(content: Any) -> str:
    """Return the text of a content, or of its parts; those of thinking are left out."""
    if isinstance(content, str):
        return content
    if isinstance(content, dict):
        content = [content]
    if not isinstance(content, list):
        return ""
    words = []
    for part in content:
        text = part.get("text") if isinstance(part, dict) else part
        if isinstance(text, dict):
            text = text.get("value")
        if isinstance(text, str) and not (isinstance(part, dict) and _is_thought(part)):
            words.append(text)
    return "".join(words)


def _is_thought(part: dict[str, Any]) -> bool:
    return part.get("type", "text") not in ANSWERS or part.get("thought") is True


def _has_thoughts(message: dict[str, Any], content: Any) -> bool:
    parts = content if isinstance(content, list) else ()
    return any(message.get(field) for field in THOUGHTS) or any(
        isinstance(part, dict) and _is_thought(part) for part in parts
    )


def _counts_thoughts(usage: Any) -> bool:
    details = usage.get("completion_tokens_details") if isinstance(usage, dict) else None
    return isinstance(details, dict) and bool(details.get("reasoning_tokens"))


def _instead(message: dict[str, Any], content: Any, finish_reason: Any) -> str:
    """Return in words what a message has instead of a text."""
    refusal = message.get("refusal")
    for part in content if isinstance(content, list) else ():
        if isinstance(part, dict) and part.get("type") == "refusal":
            refusal = refusal or part.get("refusal")
    if refusal:
        return f"a refusal of the model: {refusal}"
    if finish_reason == "content_filter":
        return "nothing but a content filter"
    if message.get("tool_calls") or message.get("function_call"):
        return "a call of a tool, though none was offered; serve the model without tools"
    return ""


def _of_stream(text: str) -> dict[str, Any]:
    """Return the body that a stream of server-sent events makes together.

    Raises:
        NonsenseError: an event is no chunk of a completion, or the stream broke off.
    """
    content, thought, finish_reason, usage, model = "", False, None, None, None
    try:
        for chunk in _events(text):
            usage, model = chunk.get("usage") or usage, chunk.get("model") or model
            for choice in chunk["choices"][:1]:
                delta = choice.get("delta") or choice.get("message") or {}
                content += _words_of(delta.get("content"))
                thought = thought or _has_thoughts(delta, delta.get("content"))
                finish_reason = choice.get("finish_reason") or finish_reason
    except (ValueError, RecursionError, LookupError, TypeError, AttributeError):
        raise NonsenseError(f"a stream that is no completion: {text}") from None
    if finish_reason is None:
        raise NonsenseError(f"a stream that broke off: {text}")
    message = {"content": content, "reasoning": thought}
    choice = {"message": message, "finish_reason": finish_reason}
    return {"choices": [choice], "usage": usage, "model": model}


def _events(text: str) -> Iterator[Any]:
    for line in re.split(r"\r\n|\n|\r", text):  # and no other: JSON may hold those of Unicode
        field, _, value = line.partition(":")
        if field == "data" and value.strip() != "[DONE]":
            yield json.loads(value)


def reason_of(response: Any) -> str:
    """Return what a server says about an error, in whatever form it says so."""
    try:
        body = response.json()
        said = body.get("error") or body.get("message") or body.get("detail")
        if isinstance(said, dict):
            said = said.get("message") or said
        if said:
            return said if isinstance(said, str) else json.dumps(said, ensure_ascii=False)
    except (ValueError, RecursionError, AttributeError):
        pass
    return response.text or "no reason given"


def redacted(reason: str, key: str) -> str:
    """Put what a server says on one line for a terminal, without words that hold a piece of a key.

    A piece is `PIECE` letters in a row, in upper or lower case, or the whole of a shorter key.
    """
    length = min(PIECE, len(key))
    pieces = {key[begin : begin + length].lower() for begin in range(len(key) - length + 1)}
    printable = "".join(letter if letter.isprintable() else " " for letter in reason)
    words = []
    for word in printable.split():
        tells = any(piece in word.lower() for piece in pieces)
        words.append("[redacted]" if tells else word)
    line = " ".join(words)
    return line if len(line) <= LONGEST_REASON else f"{line[:LONGEST_REASON]}…"
