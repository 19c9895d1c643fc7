"""Integration: the answers to a request's subtasks become one text."""

from collections.abc import Sequence
from typing import Protocol

from marl_moe.text.clauses import sentences_of
from marl_moe.text.decomposition import Request


class Fusion(Protocol):
    """Whoever can make one text of several."""

    name: str

    def integrate(self, request: Request, answers: Sequence[str | None]) -> str:
        """One text from the answers in the prompt's order; None where a subtask was dropped."""


class Joined:
    """One answer after another, a paragraph each; a sentence that was said before is not said
    again.
    """

    name = "joined"

    def integrate(self, request: Request, answers: Sequence[str | None]) -> str:
        """The answers in the prompt's order."""
        said: dict[str, None] = {}
        paragraphs = []
        for answer in answers:
            new = [sentence for sentence in sentences_of(answer or "") if sentence not in said]
            said.update(dict.fromkeys(new))
            if new:
                paragraphs.append(" ".join(new))
        return "\n\n".join(paragraphs)
