"""Places of users and experts in a picture, and the room that each has: arithmetic only."""

from math import inf

import numpy as np

from envs.arrays import Float, Int

LARGEST_PITCH = 0.09  # of the height, so that few users or experts do not stand far apart
LABEL_POINTS = 7.5  # height of the smallest label that is easy to read, with its leading
LARGEST_FONT = 8.5


class Rows:
    """Rows of users and of experts in a panel; experts in groups of their topic, from the top.

    Attributes:
        user, expert: (U,) and (E,) middle of each row, in 0..1 of the panel's height.
        groups: lower and upper edge of each topic's group, in 0..1.
        labelled_users, labelled_experts, labelled_topics: those whose labels have room.
        user_marker, expert_marker: diameters of the markers, points.
        user_bar, expert_bar: widths of the bars, points.
        user_font, expert_font: sizes of the labels, points.

    Args:
        topic: (E,) topic of each expert.
        num_users: U.
        height_points: height of the panel, points.
    """

    def __init__(self, topic: Int, num_users: int, height_points: float) -> None:
        user_pitch = min(1 / num_users, LARGEST_PITCH)
        self.user = 0.5 + user_pitch * ((num_users - 1) / 2 - np.arange(num_users))
        self.expert, self.groups, expert_pitch = _grouped(topic)

        user_room, expert_room = user_pitch * height_points, expert_pitch * height_points
        self.user_font, self.expert_font = _font(user_room), _font(expert_room)
        self.user_marker = _sized(user_room, 1.5, 16)
        self.expert_marker = _sized(expert_room, 1.2, 11)
        self.user_bar, self.expert_bar = _sized(user_room, 0.6, 10), _sized(expert_room, 0.6, 8)

        gap = LABEL_POINTS / height_points
        self.labelled_users = _with_room(self.user, gap)
        self.labelled_experts = _with_room(self.expert, gap)
        middle = np.array([sum(edges) / 2 for edges in self.groups.values()])
        topics = list(self.groups)
        self.labelled_topics = [topics[i] for i in _with_room(middle, 1.5 * gap)]


def _grouped(
    topic: Int,
) -> tuple[Float, dict[int, tuple[float, float]], float]:
    """Return heights of experts sorted by topic, edges of the groups, and height of a row."""
    present, rank = np.unique(topic, return_inverse=True)
    between = max(0.7, 0.015 * len(topic))  # rows left free between groups
    num_rows = len(topic) + between * (len(present) - 1)
    pitch = min(1 / num_rows, LARGEST_PITCH)
    order = np.argsort(rank, kind="stable")
    place = np.empty(len(topic))
    place[order] = np.arange(len(topic)) + between * rank[order]
    height = 0.5 + pitch * ((num_rows - 1) / 2 - place)
    groups = {
        int(t): (height[topic == t].min() - pitch / 2, height[topic == t].max() + pitch / 2)
        for t in present
    }
    return height, groups, pitch


def _font(room: float) -> float:
    return min(max(0.72 * room, LABEL_POINTS / 1.25), LARGEST_FONT)


def _sized(room: float, least: float, most: float) -> float:
    """Return the size of a mark in a row, points: most of the row, within limits."""
    return min(max(0.78 * room, least), most)


def _with_room(height: Float, gap: float) -> list[int]:
    """Return the indices, from the top, whose labels are at least `gap` below the one before."""
    labelled: list[int] = []
    last = inf
    for i in np.argsort(-height, kind="stable"):
        if last - height[i] >= gap * (1 - 1e-9):
            labelled.append(int(i))
            last = height[i]
    return labelled
