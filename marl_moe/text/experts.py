"""Text experts: who answers a subtask."""

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class Answer:
    """What an expert wrote."""

    text: str
    tokens: int
    seconds: float


class Expert(Protocol):
    """Whoever can answer a subtask, well if it is of its topic."""

    topic: str

    def generate(self, subtask: str, words: int) -> Answer:
        """An answer of at most `words` words."""
