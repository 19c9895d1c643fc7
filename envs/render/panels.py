"""Tables of users and experts, on the left and on the right of the choices between them.

Artists are made once; `update` gives them the data of a slot.
"""

import numpy as np
from matplotlib.collections import LineCollection
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure

from envs.arrays import Int
from envs.render.marks import Marks
from envs.render.rows import Rows
from envs.render.scene import Play, Setting
from envs.render.style import (
    BAD,
    FAINT,
    GOOD,
    GREY_ROW,
    INK,
    MUTED,
    PALE,
    Column,
    heading,
    network_axes,
    paint,
    row_labels,
    row_markers,
    signed,
    topic_colours,
)


class Users:
    """Users, from left to right: gain, number, weight of the subtask, marker with its topic.

    Attributes:
        outcomes: text of each labelled user: its gain, or why it has none.
        numbers: text of each labelled user: its number.
        weight: bars of the subtasks' weights, U segments.
        markers: U markers in the colours of the topics.

    Args:
        figure: the figure to draw in.
        rows: places of the users.
        marks: shapes of their markers.
        right: of the markers, share of the figure.
    """

    def __init__(self, figure: Figure, rows: Rows, marks: Marks, right: float) -> None:
        self._labelled = rows.labelled_users
        names = network_axes(figure, 0.02, 0.095)
        heading(names, 0.55, "gain", "credits", "right")
        heading(names, 0.95, "user", "", "right")
        self.outcomes = row_labels(names, 0.55, rows.user, self._labelled, rows.user_font, "right")
        self.numbers = row_labels(names, 0.95, rows.user, self._labelled, rows.user_font, "right")
        for u, text in zip(self._labelled, self.numbers, strict=True):
            text.set_text(f"{u}")
        weight = "subtask weight", "1 = average"
        self.weight = Column(figure, 0.125, right - 0.145, rows.user, rows.user_bar, weight, 2.0)
        topics = network_axes(figure, right, 0.01)
        heading(topics, 0.0, "topic", "", "center")
        self.markers = row_markers(topics, rows.user, rows.user_marker, marks.users)
        numbered = self._labelled if rows.user_marker >= 8 else []
        self._topics = row_labels(
            topics, 0.0, rows.user, numbered, min(0.72 * rows.user_marker, 9), "center"
        )
        for text in self._topics:
            text.set(color="white", weight="bold", zorder=4)

    def update(self, setting: Setting, play: Play | None) -> None:
        """Show the subtasks of the users, and their gains where the slot was played."""
        colour = topic_colours(setting.topic)
        self.weight.update(setting.weight, colour)
        paint(self.markers, setting.pending, colour)
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

    Args:
        figure: the figure to draw in.
        rows: places of the experts.
        marks: shapes of their markers.
        left: of the markers, share of the figure.
        topic: (E,) topic of each expert.
        slot_s: length of a slot, s.
        priced: true where experts are paid, so that prices and efforts are shown.
    """

    def __init__(
        self,
        figure: Figure,
        rows: Rows,
        marks: Marks,
        left: float,
        topic: Int,
        slot_s: float,
        priced: bool,
    ) -> None:
        self._rows, self._labelled = rows, rows.labelled_experts
        self._colour = topic_colours(topic)
        names = network_axes(figure, left, 0.04)
        heading(names, 0.85, "expert", "", "right")
        self.markers = row_markers(names, rows.expert, rows.expert_marker, marks.experts)
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
        paint(self.markers, usable, self._colour)
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


def _outcome(setting: Setting, play: Play | None, u: int) -> tuple[str, str]:
    """Return the result of a slot for user u, in words and as a colour."""
    if play is None:
        return _waiting(setting, u), MUTED
    if play.rejected[u]:
        return "rejected", BAD
    if play.declined[u]:
        return "declined", BAD
    if play.transferred[u]:
        return signed(play.gain[u]), GOOD if play.gain[u] >= 0 else BAD
    return _waiting(setting, u) or "drops it", MUTED


def _waiting(setting: Setting, u: int) -> str:
    """Return why user u can send nothing; empty where it can."""
    if not setting.pending[u]:
        return "idle"
    return "" if setting.covered[u] else "uncovered"
