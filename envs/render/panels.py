"""Panels of a picture: users, experts and the choices between them.

Artists are made once; `update` gives them the data of a slot.
"""

from typing import Literal

import numpy as np
from matplotlib.collections import LineCollection
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from envs.arrays import Int
from envs.render.rows import Rows
from envs.render.scene import Play, Setting
from envs.render.style import (
    BAD,
    FAINT,
    GOOD,
    GREENS,
    GREY_ROW,
    INK,
    MUTED,
    NETWORK,
    PALE,
    Column,
    heading,
    network_axes,
    row_labels,
    signed,
    topic_colours,
)

LINES = (0.245, 0.325)  # left and width of the lines between users and experts, share of the figure
LineStyle = Literal["solid"] | tuple[float, tuple[float, float]]
REJECTED: LineStyle = (0, (2.5, 1.5))
LATE: LineStyle = (0, (0.8, 1.0))
_ALONG = np.linspace(0, 1, 30)
_ACROSS = _ALONG**2 * (3 - 2 * _ALONG)  # leaves a user and reaches an expert horizontally


class Users:
    """Users, from left to right: gain, number, weight of the subtask, marker with its topic.

    Attributes:
        outcomes: text of each labelled user: its gain, or why it has none.
        numbers: text of each labelled user: its number.
        weight: bars of the subtasks' weights, U segments.
        markers: U markers in the colours of the topics.
    """

    def __init__(self, figure: Figure, rows: Rows) -> None:
        self._labelled = rows.labelled_users
        names = network_axes(figure, 0.02, 0.095)
        heading(names, 0.55, "gain", "credits", "right")
        heading(names, 0.95, "user", "", "right")
        self.outcomes = row_labels(names, 0.55, rows.user, self._labelled, rows.user_font, "right")
        self.numbers = row_labels(names, 0.95, rows.user, self._labelled, rows.user_font, "right")
        for u, text in zip(self._labelled, self.numbers, strict=True):
            text.set_text(f"{u}")
        self.weight = Column(
            figure, 0.125, 0.1, rows.user, rows.user_bar, ("subtask weight", "1 = average"), 2.0
        )
        lines = network_axes(figure, *LINES)
        heading(lines, 0.0, "topic", "", "center")
        heading(lines, 0.5, "who sends a subtask to whom", "", "center")
        self.markers = lines.scatter(
            np.zeros(len(rows.user)),
            rows.user,
            s=rows.user_marker**2,
            clip_on=False,
            zorder=3,
            linewidths=1.0,
        )
        numbered = self._labelled if rows.user_marker >= 8 else []
        self._topics = row_labels(
            lines, 0.0, rows.user, numbered, min(0.72 * rows.user_marker, 9), "center"
        )
        for text in self._topics:
            text.set(color="white", weight="bold", zorder=4)

    def update(self, setting: Setting, play: Play | None) -> None:
        """Show the subtasks of the users, and their gains where the slot was played."""
        pending = setting.pending[:, None]
        colour = topic_colours(setting.topic)
        self.weight.update(setting.weight, colour)
        self.markers.set_facecolor(np.where(pending, colour, to_rgba("white")).tolist())
        self.markers.set_edgecolor(np.where(pending, colour, to_rgba(FAINT)).tolist())
        for u, text in zip(self._labelled, self._topics, strict=False):
            text.set_text(f"{setting.topic[u]}" if setting.pending[u] else "")
        for u, text in zip(self._labelled, self.outcomes, strict=True):
            outcome, text_colour = _outcome(setting, play, u)
            text.set(text=outcome, color=text_colour)


class Experts:
    """Experts, from left to right: marker, number, load, backlog, price and effort, topic.

    Attributes:
        markers: E markers in the colours of the topics.
        numbers: text of each labelled expert: its number.
        columns: bars of `load`, `backlog_s` and, where experts are paid, of `unit_price` and
            `effort`, E segments each.
        counts: text of each labelled expert: its load.
        greyed: a grey row for each expert that may not be chosen.
    """

    def __init__(self, figure: Figure, rows: Rows, topic: Int, slot_s: float, priced: bool) -> None:
        self._rows, self._labelled = rows, rows.labelled_experts
        self._colour = topic_colours(topic)
        lines = network_axes(figure, *LINES)
        self.markers = lines.scatter(
            np.ones(len(rows.expert)),
            rows.expert,
            s=rows.expert_marker**2,
            clip_on=False,
            zorder=3,
            linewidths=1.0,
        )
        left = LINES[0] + LINES[1]
        names = network_axes(figure, left, 0.04)
        heading(names, 0.85, "expert", "", "right")
        self.numbers = row_labels(
            names, 0.85, rows.expert, self._labelled, rows.expert_font, "right"
        )
        for e, text in zip(self._labelled, self.numbers, strict=True):
            text.set_text(f"{e}")

        behind = network_axes(figure, left + 0.008, 0.992 - left - 0.008)
        behind.set_zorder(-1)
        self.greyed = LineCollection(
            [], linewidths=1.28 * rows.expert_bar, colors=GREY_ROW, capstyle="butt"
        )
        behind.add_collection(self.greyed, autolim=False)
        for t, (low, high) in rows.groups.items():
            colour = topic_colours(np.array(t))
            behind.vlines(0.895, low, high, color=colour, linewidth=3)
            if t in rows.labelled_topics:
                behind.text(
                    0.91, (low + high) / 2, f"topic {t}", color=INK, size=8, va="center_baseline"
                )

        columns = {
            "load": ("users served", "in this slot", 4.0),
            "backlog_s": ("backlog", "s", slot_s),
        }
        if priced:
            columns |= {
                "unit_price": ("price", "credits/point", 1.0),
                "effort": ("effort", "bought, 0..1", 1.0),
            }
        step = (0.945 - left - 0.05) / len(columns)
        self.columns = {
            key: Column(
                figure,
                left + 0.05 + i * step,
                0.8 * step,
                rows.expert,
                rows.expert_bar,
                (name, unit),
                top,
            )
            for i, (key, (name, unit, top)) in enumerate(columns.items())
        }
        self._count_axes = self.columns["load"].axes
        has_room = rows.expert_font > 6 and len(self._labelled) == len(rows.expert)
        counted = self._labelled if has_room else []
        self.counts = row_labels(
            self._count_axes, 0.0, rows.expert, counted, rows.expert_font, "left"
        )

    def update(self, setting: Setting, play: Play | None) -> None:
        """Show the experts as users chose, and their loads where the slot was played."""
        usable = setting.usable
        colour = np.where(usable[:, None], self._colour, to_rgba(FAINT))
        self.markers.set_facecolor(
            np.where(usable[:, None], self._colour, to_rgba("white")).tolist()
        )
        self.markers.set_edgecolor(colour.tolist())
        self.greyed.set_segments([[(0.0, y), (0.885, y)] for y in self._rows.expert[~usable]])
        load = np.zeros(len(usable)) if play is None else play.load.astype(float)
        values = {
            "load": load,
            "backlog_s": setting.backlog_s,
            "unit_price": setting.unit_price,
            "effort": setting.effort,
        }
        grey = np.tile(to_rgba(MUTED), (len(usable), 1))
        for key, column in self.columns.items():
            column.update(values[key], grey if key == "backlog_s" else colour)
        for e, text in zip(self._labelled, self.numbers, strict=True):
            text.set_color(INK if usable[e] else PALE)
        gap = 0.03 * max(self._count_axes.get_xlim())
        for e, text in zip(self._labelled, self.counts, strict=False):
            text.set(text=f"{load[e]:.0f}" if load[e] else "", x=load[e] + gap)


class Choices:
    """Lines from each user to the expert that it chose.

    A line is green, and the thicker and deeper the more the user gained; red after a loss, a late
    answer, a rejection or where the edge device declined.

    Attributes:
        choosers: the users that chose an expert.
        lines: a segment for each of them.

    Args:
        figure: the figure to draw in.
        rows: places of users and experts.
        full_gain: credits drawn in the thickest line and deepest green.
    """

    def __init__(self, figure: Figure, rows: Rows, full_gain: float) -> None:
        self._rows, self._full_gain = rows, full_gain
        self.choosers = np.array([], int)
        axes = network_axes(figure, *LINES)
        axes.set_zorder(-0.5)  # below the markers
        self.lines = LineCollection([], capstyle="round")
        axes.add_collection(self.lines, autolim=False)
        figure.legend(
            handles=[
                Line2D([], [], color=GREENS(0.15), linewidth=1.4, label="small gain"),
                Line2D([], [], color=GREENS(1.0), linewidth=4.0, label="large gain"),
                Line2D([], [], color=BAD, linewidth=2.0, label="loss"),
                Line2D([], [], color=BAD, linewidth=2.0, linestyle=LATE, label="late"),
                Line2D(
                    [], [], color=BAD, linewidth=2.0, linestyle=REJECTED, label="rejected, declined"
                ),
                Line2D(
                    [],
                    [],
                    color="none",
                    marker="o",
                    markeredgecolor=FAINT,
                    label="idle, or not available",
                ),
            ],
            loc="upper center",
            bbox_to_anchor=(0.5, NETWORK[0] - 0.035),
            ncols=6,
            frameon=False,
            fontsize=8,
        )

    def update(self, play: Play | None) -> None:
        """Draw the choices of a slot; none before the first."""
        self.choosers = np.array([], int) if play is None else np.flatnonzero(play.expert >= 0)
        if play is None:
            self.lines.set_segments([])
            return
        users = self.choosers
        gain = play.gain[users]
        start, end = self._rows.user[users], self._rows.expert[play.expert[users]]
        height = start[:, None] + (end - start)[:, None] * _ACROSS
        self.lines.set_segments(
            list(np.stack([np.broadcast_to(_ALONG, height.shape), height], axis=-1))
        )
        strength = np.clip(gain / self._full_gain, 0, 1)
        turned_down = play.rejected[users] | play.declined[users]
        wrong = turned_down | play.late[users] | (gain < 0)
        self.lines.set_color(
            np.where(wrong[:, None], to_rgba(BAD), GREENS(0.15 + 0.85 * strength)).tolist()
        )
        self.lines.set_linewidth(np.where(wrong, 1.6, 1.0 + 3.0 * strength).tolist())
        styles = [_line_style(play, int(u)) for u in users]
        self.lines.set_linestyle(styles or ["solid"])


def _line_style(play: Play, u: int) -> LineStyle:
    if play.rejected[u] or play.declined[u]:
        return REJECTED
    return LATE if play.late[u] else "solid"


def _outcome(setting: Setting, play: Play | None, u: int) -> tuple[str, str]:
    """Return the result of a slot for user u, in words and as a colour."""
    if play is None:
        return ("", MUTED) if setting.pending[u] else ("idle", MUTED)
    if play.rejected[u]:
        return "rejected", BAD
    if play.declined[u]:
        return "declined", BAD
    if play.transferred[u]:
        return signed(play.gain[u]), GOOD if play.gain[u] >= 0 else BAD
    return ("drops it" if setting.pending[u] else "idle"), MUTED
