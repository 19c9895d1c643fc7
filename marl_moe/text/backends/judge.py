"""Protocol of judges, which score an integrated text in points from 0 to 10."""

from dataclasses import dataclass
from typing import Protocol

from marl_moe.text.decomposition import Request


@dataclass(frozen=True)
class Score:
    """The verdict of a judge on a text.

    Attributes:
        points: the score, in 0..10.
        components: the parts that the score is made of, by name.
    """

    points: float
    components: dict[str, float]


class Judge(Protocol):
    """A judge of integrated texts."""

    name: str

    def score(self, request: Request, text: str) -> Score:
        """Score a text that should answer the request.

        Raises:
            ExpertError: there is no verdict to be had.
        """
