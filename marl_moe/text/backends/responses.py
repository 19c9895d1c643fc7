"""Readers of what an OpenAI-compatible server sends, which may be anything."""

from typing import Any

PIECE = 8  # letters of a key in a row that are hidden wherever they stand
LONGEST_REASON = 300  # letters of what a server says, in an error


class NonsenseError(ValueError):
    """A body that is not a chat completion."""


def content_of(response: Any) -> tuple[str, int | None]:
    """Return the text of a chat completion, and its tokens where the server counts them.

    Raises:
        NonsenseError: the body is something else; the message shows it.
    """
    try:
        body = response.json()
    except (ValueError, RecursionError):
        raise NonsenseError(f"a body that is not JSON: {response.text}") from None
    try:
        text = body["choices"][0]["message"]["content"]
    except (LookupError, TypeError):
        raise NonsenseError(f"a body without choices: {response.text}") from None
    usage = body.get("usage")
    tokens = usage.get("completion_tokens") if isinstance(usage, dict) else None
    if type(tokens) is not int:
        tokens = None
    return text if isinstance(text, str) else "", tokens


def reason_of(response: Any) -> str:
    """Return what a server says about an error, in whatever form it says so."""
    try:
        return str(response.json()["error"]["message"])
    except (ValueError, RecursionError, LookupError, TypeError):
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
