"""What users transfer on average, of requests that are drawn or are those of a trace."""

from typing import NamedTuple


class Pace(NamedTuple):
    """What a user transfers a slot on average."""

    weight: float  # in weights of 1/K
    subtasks: float
    work: float  # words

    @property
    def mean_work(self) -> float:
        """Mean work of a subtask that is transferred, words; 0 where none ever is."""
        return self.work / self.subtasks if self.subtasks else 0.0
