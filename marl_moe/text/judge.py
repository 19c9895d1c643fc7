"""Judges: what an integrated text is worth, in points from 0 to 10."""

from dataclasses import dataclass
from typing import Protocol

from marl_moe.text.decomposition import Request


@dataclass(frozen=True)
class Score:
    """A judge's verdict."""

    points: float  # 0..10
    components: dict[str, float]  # what it is made of


class Judge(Protocol):
    """Whoever can score an integrated text."""

    name: str

    def score(self, request: Request, text: str) -> Score:
        """The verdict on a text that should answer the request."""
