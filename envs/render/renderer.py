"""The picture of one world, kept up to date from slot to slot."""

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray

from envs.config import WorldConfig
from envs.render.panels import Choices, Experts, Users
from envs.render.rows import Rows
from envs.render.scene import Play, Setting
from envs.render.style import DPI, HEIGHT_INCHES, NETWORK_POINTS, WIDTH_INCHES, looks
from envs.render.summary import GainChart, Header
from envs.slot import Slot, SlotResult


class WorldRenderer:
    """Picture of one world of a batch: the slot just played, or before the first the next one.

    Users stand on the left with the topic and weight of their pending subtask, experts on the right
    in groups of their topic; a line from a user to an expert is a choice. Prices, effort, backlog
    and availability are those that users chose under. Call `look` after every `reset` of the world
    and `show` after every step.

    Attributes:
        setting: the slot that is drawn, as it began.
        play: choices and results of that slot; None before the first step.
        gains: (T,) mean gain of the users in each slot of the episode, credits, NaN where not seen.
        users, experts, choices, chart, header: the panels, whose artists hold the drawn data.

    Args:
        slot: the slot about to be played.
        index: number of the world in the batch.
        title: heading of the picture, such as the name of the policy.
        figure: a figure to draw in, such as a window's; one that no window shows, if left out.

    Raises:
        ValueError: there is no world of that index.
    """

    def __init__(
        self,
        slot: Slot,
        index: int = 0,
        title: str = "edge_experts_v0",
        figure: Figure | None = None,
    ) -> None:
        if not 0 <= index < slot.num_worlds:
            raise ValueError(f"index should lie in 0..{slot.num_worlds - 1}, got {index}")
        self.index, self.title = index, title
        if figure is None:
            with looks():
                figure = Figure(figsize=(WIDTH_INCHES, HEIGHT_INCHES), dpi=DPI)
            FigureCanvasAgg(figure)
        self.figure = figure
        self._num_experts = 0
        self.look(slot)

    def look(self, slot: Slot) -> None:
        """Draw the slot about to be played, after `World.reset` or `World.add_experts`."""
        if slot.num_experts != self._num_experts:
            self._arrange(slot)
        if slot.index == 0:
            self.gains = np.full(slot.config.episode_slots, np.nan)
        self._slot = slot
        self._update(Setting.of(slot, self.index), None)

    def show(self, actions: NDArray[np.integer], result: SlotResult, following: Slot) -> None:
        """Draw the slot just played.

        Args:
            actions: (N, U) actions of the whole batch.
            result: their results, from `World.step`.
            following: the next slot.

        Raises:
            ValueError: a step was missed; prices and subtasks of its slot are not known.
        """
        if self._slot.index + 1 != following.index:
            raise ValueError(
                f"slot {following.index - 1} cannot be drawn after slot {self._slot.index - 1}: "
                "call show after every step and look after every reset"
            )
        play = Play.of(self._slot, self.index, actions, result)
        self.gains[self._slot.index] = play.gain.mean()
        self._update(Setting.of(self._slot, self.index), play)
        self._slot = following

    def frame(self) -> NDArray[np.uint8]:
        """Return the picture, (height, width, 3), red, green and blue.

        Raises:
            TypeError: the figure given was one of a window that does not draw with Agg.
        """
        canvas = self.figure.canvas
        if not isinstance(canvas, FigureCanvasAgg):
            raise TypeError(
                f"a frame needs a canvas that draws with Agg, not {type(canvas).__name__}"
            )
        with looks():
            canvas.draw()
        return np.asarray(canvas.buffer_rgba())[..., :3].copy()

    def _arrange(self, slot: Slot) -> None:
        """Lay out the panels anew for the present number of experts."""
        self._num_experts = slot.num_experts
        self.figure.clear()
        self.figure.set_facecolor("white")
        topic = slot.conditions.pool.topic
        rows = Rows(topic, slot.num_users, NETWORK_POINTS)
        priced = slot.offer.mechanism != "none"
        num_slots = slot.config.episode_slots
        with looks():
            description = _description(slot)
            self.header = Header(self.figure, self.title, description, num_slots, priced)
            self.choices = Choices(self.figure, rows, _full_gain(slot.config))
            self.users = Users(self.figure, rows)
            self.experts = Experts(self.figure, rows, topic, slot.config.slot_s, priced)
            self.chart = GainChart(self.figure, num_slots)

    def _update(self, setting: Setting, play: Play | None) -> None:
        self.setting, self.play = setting, play
        with looks():
            self.users.update(setting, play)
            self.experts.update(setting, play)
            self.choices.update(play)
            self.chart.update(self.gains)
            self.header.update(setting, play, self.gains)


def _description(slot: Slot) -> str:
    mechanism = slot.offer.mechanism
    prices = "free experts" if mechanism == "none" else f"prices: {mechanism}"
    parts = (_counted(slot.num_users, "user"), _counted(slot.num_experts, "expert"), prices)
    return "  ·  ".join(parts)


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _full_gain(config: WorldConfig) -> float:
    """Return the gain of competence 1 for a subtask of average weight, before costs, credits."""
    points = config.quality.recovered_share * config.quality.drop_loss
    return config.bounds["credits_per_point"].greatest * points
