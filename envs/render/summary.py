"""The slot and the episode in numbers: figures above the network, gain per slot below it."""

import numpy as np
from matplotlib.collections import LineCollection
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from envs.arrays import Float
from envs.render.scene import Play, Setting
from envs.render.style import BAD, FAINT, GOOD, INK, MUTED, WIDTH_INCHES, signed

CHART = (0.06, 0.055, 0.915, 0.115)  # left, bottom, width, height, share of the figure


class Header:
    """Title, and figures of the slot and the episode.

    Attributes:
        values: text of each figure, by its name.

    Args:
        figure: the figure to draw in.
        title: heading of the picture.
        description: line below it.
        num_slots: slots of an episode.
        priced: true where experts are paid, so that prices and payments are shown.
    """

    def __init__(
        self, figure: Figure, title: str, description: str, num_slots: int, priced: bool
    ) -> None:
        self._num_slots = num_slots
        figure.text(0.02, 0.948, title, size=15 * min(1, 24 / max(len(title), 1)), weight="bold")
        figure.text(0.02, 0.921, description, size=8.5, color=MUTED)
        names = {
            "slot": "slot",
            "gain": "credits per user",
            "mean_gain": "mean so far",
            "served": "users served",
        }
        if priced:
            names |= {
                "unit_price": "price of a point",
                "payment": "paid to experts",
                "balance": "platform keeps",
            }
        left = 0.975 - 0.098 * len(names)
        self.values = {}
        for i, (key, name) in enumerate(names.items()):
            x = left + 0.098 * i + 0.012
            figure.add_artist(_rule(x - 0.012))
            self.values[key] = figure.text(x, 0.948, "", size=13, weight="bold")
            figure.text(x, 0.921, name, size=8, color=MUTED)

    def update(self, setting: Setting, play: Play | None, gains: Float) -> None:
        """Show the figures of a slot.

        Args:
            setting: the slot as it began.
            play: choices and results; None before it is played.
            gains: (T,) mean gain of the users in each slot, credits, NaN where not seen.
        """
        seen = gains[~np.isnan(gains)]
        texts = dict.fromkeys(self.values, "–")
        texts["slot"] = f"{setting.slot + 1} / {self._num_slots}"
        texts["unit_price"] = _range(setting.unit_price)
        if seen.size:
            texts["mean_gain"] = signed(seen.mean())
        colour = INK
        if play is not None:
            gain = play.gain.mean()
            texts["gain"] = signed(gain)
            texts["served"] = f"{play.transferred.sum()} of {setting.pending.sum()}"
            texts["payment"] = f"{play.payment:.2f}"
            texts["balance"] = signed(play.balance)
            colour = GOOD if gain >= 0 else BAD
        for name, value in self.values.items():
            value.set_text(texts[name])
        self.values["gain"].set_color(colour)


class GainChart:
    """Mean gain of the users in each slot as bars, and its mean so far as a line, credits.

    Attributes:
        axes: the axes of the chart.
        bars: a segment for each slot seen.
        mean: the line.
    """

    def __init__(self, figure: Figure, num_slots: int) -> None:
        self.axes = figure.add_axes(CHART)
        self.axes.set(xlim=(0.5, num_slots + 0.5), ylim=(0, 1))
        self.axes.spines[["top", "right"]].set_visible(False)
        self.axes.set_xlabel("slot", size=8, labelpad=1)
        self.axes.set_title(
            "gain per user in each slot (bars) and its mean so far (line), credits",
            size=8,
            color=MUTED,
            loc="left",
            pad=4,
        )
        self.axes.xaxis.set_major_locator(MaxNLocator(10, integer=True))
        self.axes.yaxis.set_major_locator(MaxNLocator(3, steps=[1, 2, 5, 10]))
        self.axes.axhline(0, color=FAINT, linewidth=0.8, zorder=0)
        room = CHART[2] * WIDTH_INCHES * 72 / num_slots
        self.bars = LineCollection([], linewidths=min(0.7 * room, 14), capstyle="butt")
        self.axes.add_collection(self.bars, autolim=False)
        (self.mean,) = self.axes.plot([], [], color=INK, linewidth=1.4)

    def update(self, gains: Float) -> None:
        """Show the mean gain of the users in each slot, (T,), NaN where not seen."""
        seen = np.flatnonzero(~np.isnan(gains))
        gain = gains[seen]
        self.bars.set_segments(
            [[(slot + 1, 0.0), (slot + 1, value)] for slot, value in zip(seen, gain, strict=True)]
        )
        self.bars.set_color(
            [to_rgba(GOOD, 0.55) if value >= 0 else to_rgba(BAD, 0.65) for value in gain]
        )
        self.mean.set_data(seen + 1, np.cumsum(gain) / np.arange(1, len(gain) + 1))
        low, high = min(gain.min(initial=0.0), 0.0), max(gain.max(initial=0.0), 0.0)
        margin = 0.08 * (high - low) or 0.5
        self.axes.set_ylim(low - margin * (low < 0), high + margin)


def _rule(x: float) -> Line2D:
    """Return a thin upright line between two figures."""
    return Line2D([x, x], [0.918, 0.968], color=FAINT, linewidth=0.8)


def _range(unit_price: Float) -> str:
    """Write one price, or the lowest and the highest."""
    low, high = f"{unit_price.min():.2f}", f"{unit_price.max():.2f}"
    return low if low == high else f"{low}–{high}"
