"""Integration: the answers to a request's subtasks become one text."""

from collections.abc import Sequence
from typing import Protocol

from marl_moe.text.decomposition import Request


class Fusion(Protocol):
    """Whoever can make one text of several."""

    def integrate(self, request: Request, answers: Sequence[str | None]) -> str:
        """One text from the answers in the prompt's order; None where a subtask was dropped."""
