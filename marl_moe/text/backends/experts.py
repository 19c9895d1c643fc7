"""Protocol of text experts, which answer subtasks."""

from dataclasses import dataclass
from typing import Protocol

from marl_moe.text.clauses import words_of


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


def answer_of(expert: Expert, subtask: str, words: int) -> Answer:
    """Return an expert's answer, which has a word in it.

    Raises:
        ExpertError: there is no answer to be had, or one without a word.
    """
    answer = expert.generate(subtask, words)
    if not words_of(answer.text):
        raise ExpertError(f"expert {expert.topic}: an answer without a word")
    return answer
