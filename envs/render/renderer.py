"""The picture of one world, kept up to date from slot to slot."""

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray

from envs.config import WorldConfig
from envs.render.choices import Choices
from envs.render.diagram import Diagram
from envs.render.map import Map
from envs.render.marks import Marks
from envs.render.panels import Experts, Users
from envs.render.rows import Rows
from envs.render.scene import Play, Setting
from envs.render.style import DPI, HEIGHT_INCHES, NETWORK_POINTS, WIDTH_INCHES, looks
from envs.render.summary import GainChart, Header
from envs.slot import Slot, SlotResult


class WorldRenderer:
    """Picture of one world of a batch: the slot just played, or before the first the next one.

    Users are listed on the left with the topic and weight of their pending subtask, experts on the
    right in groups of their topic; a line from a user to an expert is a choice. Where users and
    experts have places, a map of the area stands between both lists and the lines are drawn in it,
    else they go from list to list. Prices, effort, backlog, places and availability are those that
    users chose under. Call `look` after every `reset` of the world and after `add_experts`, and
    `show` after every step.

    Attributes:
        setting: the slot that is drawn, as it began.
        play: choices and results of that slot; None before the first step.
        gains: (T,) mean gain of the users in each slot of the episode, credits, NaN where not seen.
        users, experts, choices, chart, header: the panels, whose artists hold the drawn data;
            `choices` is a `Map` or a `Diagram`.

    Args:
        slot: the slot about to be played.
        index: number of the world in the batch.
        title: heading of the picture, such as the name of the policy.
        figure: a figure to draw in, such as a window's; one that no window shows, if left out.

    Raises:
        ValueError: there is no world of that index.
    """

    choices: Choices

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
        self._num_experts, self._mapped = 0, False
        self.look(slot)

    def look(self, slot: Slot) -> None:
        """Draw the slot about to be played, after `World.reset` or `World.add_experts`."""
        self._fit(slot)
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
        self._fit(self._slot)
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

    def _fit(self, slot: Slot) -> None:
        """Lay out the panels anew where there are more experts, or now a map or none."""
        if (slot.num_experts, _mapped(slot)) != (self._num_experts, self._mapped):
            self._arrange(slot)

    def _arrange(self, slot: Slot) -> None:
        self._num_experts, self._mapped = slot.num_experts, _mapped(slot)
        self.figure.clear()
        self.figure.set_facecolor("white")
        config, topic = slot.config, slot.conditions.pool.topic
        rows, marks = Rows(topic, slot.num_users, NETWORK_POINTS), Marks.of(config)
        users_right, experts_left = (Map if self._mapped else Diagram).tables
        priced, full_gain = slot.offer.mechanism != "none", _full_gain(config)
        with looks():
            self.header = Header(
                self.figure, self.title, _description(slot), config.episode_slots, priced
            )
            self.users = Users(self.figure, rows, marks, users_right)
            self.experts = Experts(
                self.figure, rows, marks, experts_left, topic, config.slot_s, priced
            )
            if self._mapped:
                self.choices = Map(self.figure, slot, self.index, marks, full_gain)
            else:
                self.choices = Diagram(self.figure, rows, marks, full_gain)
            self.chart = GainChart(self.figure, config.episode_slots)

    def _update(self, setting: Setting, play: Play | None) -> None:
        self.setting, self.play = setting, play
        with looks():
            self.users.update(setting, play)
            self.experts.update(setting, play)
            self.choices.update(setting, play)
            self.chart.update(self.gains)
            self.header.update(setting, play, self.gains)


def _mapped(slot: Slot) -> bool:
    return slot.conditions.positions is not None


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
