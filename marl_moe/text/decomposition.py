"""Task decomposition: a prompt is split into clauses, each of which the gate makes a subtask of a topic."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Subtask:
    """A part of a prompt that one expert answers."""

    clause: str  # of the prompt
    topic: int  # of the expert that the gate picked
    weight: float  # gating weight g; those of a request sum to 1
    compute_need: float  # compute units
    words: int  # asked of the answer


@dataclass(frozen=True)
class Request:
    """A prompt and what became of it."""

    prompt: str
    subtasks: tuple[Subtask, ...]  # in the prompt's order
    left_out: tuple[str, ...]  # clauses of no known topic, which no expert answers
