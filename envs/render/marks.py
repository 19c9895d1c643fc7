"""Shapes of markers: one for users and one for experts, or one for each group of them."""

from typing import NamedTuple, Self

from matplotlib.markers import MarkerStyle
from matplotlib.path import Path

from envs.config import WorldConfig
from envs.groups import Groups, members

# More groups than shapes begin again.
OF_USERS = ("o", "D", "p", "^", "v")
OF_EXPERTS = ("s", "h", "P", "X", "d")


class Marks(NamedTuple):
    """Shapes of the markers of users and experts.

    Attributes:
        users, experts: outline of each agent's marker, in the order of their numbers.
        user_groups, expert_groups: shape of each group, by its name; empty without groups.
    """

    users: list[Path]
    experts: list[Path]
    user_groups: dict[str, str]
    expert_groups: dict[str, str]

    @classmethod
    def of(cls, config: WorldConfig) -> Self:
        """Return the shapes of a world's agents."""
        users, user_groups = _shapes(config.user_groups, config.num_users, OF_USERS)
        experts, expert_groups = _shapes(config.expert_groups, config.num_experts, OF_EXPERTS)
        return cls(users, experts, user_groups, expert_groups)


def _shapes(
    groups: Groups | None, count: int, shapes: tuple[str, ...]
) -> tuple[list[Path], dict[str, str]]:
    """Return the outline of each agent, and the shape of each group."""
    if groups is None:
        return [_outline(shapes[0])] * count, {}
    named = {name: shapes[i % len(shapes)] for i, name in enumerate(groups)}
    return [_outline(named[name]) for name, _ in members(groups, count)], named


def _outline(shape: str) -> Path:
    style = MarkerStyle(shape)
    return style.get_path().transformed(style.get_transform())
