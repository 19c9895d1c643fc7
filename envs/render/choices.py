"""Lines from each user to the expert that it chose, and the legend that says how they look."""

from abc import ABC, abstractmethod
from typing import ClassVar, Literal

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from envs.arrays import Float, Int
from envs.render.marks import Marks
from envs.render.scene import Play, Setting
from envs.render.style import BAD, GREENS, MUTED, NETWORK, Tables

LineStyle = Literal["solid"] | tuple[float, tuple[float, ...]]
LOSS: LineStyle = (0, (6, 1.2, 0.8, 1.2))
REJECTED: LineStyle = (0, (2.5, 1.5))
LATE: LineStyle = (0, (0.8, 1.0))
GROUP_LETTERS = 24  # of a group's name in the legend
ROW_LETTERS = 150  # of the names that a row of the legend has room for
MARK_LETTERS = 7  # that a mark and the space about it are as wide as


class Choices(ABC):
    """Choices of a slot between the tables of users and experts: a diagram, or a map.

    A line is green, and the thicker and deeper the more the user gained; red and broken after a
    loss, a late answer, a rejection or where the edge device declined.

    Attributes:
        tables: where the tables are that they stand between.
        axes: where they are drawn.
        choosers: the users that chose an expert.
        lines: a segment for each of them.

    Args:
        axes: where to draw.
        full_gain: credits drawn in the thickest line and deepest green.
    """

    tables: ClassVar[Tables]

    def __init__(self, axes: Axes, full_gain: float) -> None:
        self.axes, self._full_gain = axes, full_gain
        self.choosers = np.array([], int)
        self.lines = LineCollection([], capstyle="round", zorder=2)
        axes.add_collection(self.lines, autolim=False)

    @abstractmethod
    def ways(self, setting: Setting, users: Int, experts: Int) -> Float:
        """Return the line from each of some users to its expert, (L, points, 2)."""

    def update(self, setting: Setting, play: Play | None) -> None:
        """Draw the choices of a slot; none before the first is played."""
        self.choosers = np.array([], int) if play is None else np.flatnonzero(play.expert >= 0)
        if play is None:
            self.lines.set_segments([])
            return
        users = self.choosers
        gain = play.gain[users]
        self.lines.set_segments(list(self.ways(setting, users, play.expert[users])))
        strength = np.clip(gain / self._full_gain, 0, 1)
        turned_down = play.rejected[users] | play.declined[users]
        wrong = turned_down | play.late[users] | (gain < 0)
        self.lines.set_color(
            np.where(wrong[:, None], to_rgba(BAD), GREENS(0.15 + 0.85 * strength)).tolist()
        )
        self.lines.set_linewidth(np.where(wrong, 1.6, 1.0 + 3.0 * strength).tolist())
        styles = [_line_style(play, int(u)) for u in users]
        self.lines.set_linestyle(styles or ["solid"])


def legend(figure: Figure, rows: list[list[Artist]]) -> None:
    """Write what marks mean, in rows below the network.

    Args:
        figure: the figure to draw in.
        rows: handles with labels.
    """
    for row, handles in enumerate(rows):
        written = figure.legend(
            handles=handles,
            loc="upper center",
            bbox_to_anchor=(0.5, NETWORK[0] - 0.024 - 0.017 * row),
            ncols=len(handles),
            frameon=False,
            fontsize=8,
            borderaxespad=0,
            borderpad=0,
            columnspacing=1.6,
            handletextpad=0.6,
        )
        for text in written.texts:
            text.set_parse_math(False)  # names of groups are a user's


def line_handles() -> list[Artist]:
    """Return what lines of choices mean, for a legend."""
    return [
        Line2D([], [], color=GREENS(0.15), linewidth=1.4, label="small gain"),
        Line2D([], [], color=GREENS(1.0), linewidth=4.0, label="large gain"),
        Line2D([], [], color=BAD, linewidth=2.0, linestyle=LOSS, label="loss"),
        Line2D([], [], color=BAD, linewidth=2.0, linestyle=LATE, label="late"),
        Line2D([], [], color=BAD, linewidth=2.0, linestyle=REJECTED, label="rejected, declined"),
    ]


def marker_handle(shape: str, fill: str, edge: str, label: str) -> Artist:
    """Return what a marker means, for a legend."""
    return Line2D(
        [],
        [],
        color="none",
        marker=shape,
        markerfacecolor=fill,
        markeredgecolor=edge,
        label=label,
    )


def group_handles(marks: Marks) -> list[Artist]:
    """Return what the shapes of groups mean, for a legend; empty without groups."""
    named = [
        (shape, f"{side}: {_cut(name)}")
        for side, groups in (("users", marks.user_groups), ("experts", marks.expert_groups))
        for name, shape in groups.items()
    ]
    ends = np.cumsum([MARK_LETTERS + len(name) for _, name in named])
    shown = int((ends <= ROW_LETTERS).sum())
    handles = [marker_handle(shape, MUTED, MUTED, name) for shape, name in named[:shown]]
    if len(named) > shown:
        handles.append(Line2D([], [], color="none", label=f"and {len(named) - shown} more"))
    return handles


def _cut(name: str) -> str:
    return name if len(name) <= GROUP_LETTERS else f"{name[: GROUP_LETTERS - 1]}…"


def _line_style(play: Play, u: int) -> LineStyle:
    if play.rejected[u] or play.declined[u]:
        return REJECTED
    if play.late[u]:
        return LATE
    return LOSS if play.gain[u] < 0 else "solid"
