"""The columns of observations by name: what a policy was trained on, and what a world shows."""

from collections.abc import Sequence
from typing import NamedTuple

from envs.config import WorldConfig
from envs.features import DRAWN, expert_features, user_features


class ColumnNames(NamedTuple):
    """Names of the columns of an observation, in their order.

    Attributes:
        user: of the user, which stand first.
        expert: of each expert, block after block.
    """

    user: tuple[str, ...]
    expert: tuple[str, ...]

    def size(self, num_candidates: int) -> int:
        """Return the length D of an observation of so many candidates."""
        return len(self.user) + num_candidates * len(self.expert)


def columns_of(config: WorldConfig, allocates: bool) -> ColumnNames:
    """Return the columns of the observations of a world.

    Args:
        config: of the world.
        allocates: whether its mechanism allocates experts to users.
    """
    return ColumnNames(
        tuple(feature.name for feature in user_features(config)),
        tuple(feature.name for feature in expert_features(config, allocates)),
    )


def is_named(column: str, name: str) -> bool:
    """Return whether a column has a name, or that name where users count on strangers."""
    return column in (name, name + DRAWN)


def difference(trained: ColumnNames, here: ColumnNames) -> str:
    """Return how the columns of a world differ from those that something was trained on.

    Words such as "lack backlog of each expert, which it was trained on", empty where they are the
    same.

    Args:
        trained: that something was trained on.
        here: of the world.
    """
    if trained == here:
        return ""
    new, gone = _beyond(here, trained), _beyond(trained, here)
    words = []
    if new:
        words.append(f"have {new}, which it was not trained on")
    if gone:
        words.append(f"lack {gone}, which it was trained on")
    if not words:
        words.append("have their columns in another order than it was trained on")
    return ", and ".join(words)


def _beyond(columns: ColumnNames, others: ColumnNames) -> str:
    """Return in words the columns that others lack."""
    parts = [
        f"{', '.join(names)} {of}"
        for names, of in (
            (_without(columns.user, others.user), "of the user"),
            (_without(columns.expert, others.expert), "of each expert"),
        )
        if names
    ]
    return " and ".join(parts)


def _without(names: Sequence[str], others: Sequence[str]) -> list[str]:
    return [name for name in names if name not in others]
