"""Protocol of text experts, which answer subtasks."""

from dataclasses import dataclass
from typing import Protocol


class ExpertError(RuntimeError):
    """An expert, a fusion or a judge that failed: the step, where it failed, and why."""


@dataclass(frozen=True)
class Answer:
    """The answer of an expert to a subtask.

    Attributes:
        text: the answer itself.
        tokens: its length in tokens of the expert's model, or in words where it has no model.
        seconds: the time that it took.
    """

    text: str
    tokens: int
    seconds: float


class Expert(Protocol):
    """An expert that answers subtasks, those of its own topic well."""

    topic: str

    def generate(self, subtask: str, words: int) -> Answer:
        """Answer a subtask in at most `words` words.

        Raises:
            ExpertError: there is no answer to be had.
        """
