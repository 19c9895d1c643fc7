"""Integration of the answers to a request's subtasks into one text."""

from collections.abc import Sequence
from typing import Protocol
from unicodedata import normalize

from marl_moe.text.clauses import sentence_spans
from marl_moe.text.decomposition import Request


class Fusion(Protocol):
    """A way to make one text of several answers."""

    name: str

    def integrate(self, request: Request, answers: Sequence[str | None]) -> str:
        """Make one text of the answers to a request's subtasks.

        Args:
            request: the request that was decomposed.
            answers: one a subtask in the prompt's order; None where a subtask was dropped.

        Raises:
            ExpertError: there is no text to be had.
        """


class Joined:
    """A fusion that joins the answers, a paragraph each, and leaves out repeated sentences."""

    name = "joined"

    def integrate(self, request: Request, answers: Sequence[str | None]) -> str:
        """Join the answers in the prompt's order."""
        said: set[str] = set()
        paragraphs = []
        for answer in filter(None, answers):
            paragraph = ""
            for begin, end in sentence_spans(answer):
                # The same letters may be written in two ways, and blanks in many.
                sentence = normalize("NFC", " ".join(answer[begin:end].split()))
                if sentence not in said:
                    said.add(sentence)
                    blank = answer[begin:end][:1].isspace() or answer[:begin][-1:].isspace()
                    paragraph += " " * blank + answer[begin:end].strip()
            if paragraph:
                paragraphs.append(paragraph.lstrip())
        return "\n\n".join(paragraphs)
