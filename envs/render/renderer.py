"""The picture of one world, kept up to date from slot to slot."""

import matplotlib
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray

from envs.render.panels import Choices, Experts, Users
from envs.render.rows import Rows
from envs.render.scene import Play, Setting
from envs.render.style import DPI, HEIGHT_INCHES, NETWORK_POINTS, STYLE, WIDTH_INCHES
from envs.render.summary import GainChart, Header
from envs.world import Info, World


class WorldRenderer:
    """Draws one world of a batch: the slot just played, or before the first step the slot about to
    be played.

    Users stand on the left with the topic and weight of their pending subtask, experts on the right
    in groups of their topic; a line from a user to an expert is a choice. Prices, effort, backlog
    and availability are those the choice was made under. Call `look` after every `reset` of the
    world and `show` after every step.

    Attributes: `setting` and `play`, what is drawn (`play` is None before the first step); `gains`
    (T,), mean gain of the users in each slot of the episode, credits, NaN where not seen; the
    panels `users`, `experts`, `choices`, `chart` and `header`, whose artists hold the drawn data.

    Args:
        world: the world; only its public attributes are read, and nothing in it is changed.
        index: which world of the batch.
        title: what the picture is headed by, such as the name of the policy.
        figure: a figure to draw in, such as a window's; one that no window shows, if left out.
    """

    def __init__(
        self,
        world: World,
        index: int = 0,
        title: str = "edge_experts_v0",
        figure: Figure | None = None,
    ) -> None:
        if not 0 <= index < world.num_worlds:
            raise ValueError(f"index should lie in 0..{world.num_worlds - 1}, got {index}")
        self.world, self.index, self.title = world, index, title
        if figure is None:
            figure = Figure(figsize=(WIDTH_INCHES, HEIGHT_INCHES), dpi=DPI)
            FigureCanvasAgg(figure)
        self.figure = figure
        self._num_experts = 0
        self.look()

    def look(self) -> None:
        """Draw the slot about to be played. After `World.reset` and `World.add_experts`."""
        world = self.world
        if world.num_experts != self._num_experts:
            self._arrange()
        if world.slot == 0:
            self.gains = np.full(world.config.episode_slots, np.nan)
        self._next = Setting.of(world, self.index)
        self._update(self._next, None)

    def show(self, actions: NDArray[np.integer], info: Info) -> None:
        """Draw the slot just played.

        actions (N, U) and info: what went into and came out of `World.step`, for the whole batch.
        Raises ValueError if a step was missed, since the prices and subtasks of that slot are then
        unknown.
        """
        if self._next.slot + 1 != self.world.slot:
            raise ValueError(
                f"slot {self.world.slot - 1} cannot be drawn after slot {self._next.slot - 1}: "
                "call show after every step and look after every reset"
            )
        play = Play.of(self.world, self.index, actions, info)
        self.gains[self._next.slot] = play.gain.mean()
        self._update(self._next, play)
        self._next = Setting.of(self.world, self.index)

    def frame(self) -> NDArray[np.uint8]:
        """The picture, (height, width, 3), red, green and blue."""
        canvas = self.figure.canvas
        if not isinstance(canvas, FigureCanvasAgg):
            raise TypeError(
                f"a frame needs a canvas that draws with Agg, not {type(canvas).__name__}"
            )
        canvas.draw()
        return np.asarray(canvas.buffer_rgba())[..., :3].copy()

    def _arrange(self) -> None:
        """Lay the panels out anew, for as many experts as there are now."""
        world = self.world
        self._num_experts = world.num_experts
        self.figure.clear()
        self.figure.set_facecolor("white")
        rows = Rows(world.pool.topic, world.num_users, NETWORK_POINTS)
        priced = world.mechanism.name != "none"
        num_slots = world.config.episode_slots
        with matplotlib.rc_context(STYLE):
            self.header = Header(self.figure, self.title, _description(world), num_slots, priced)
            self.choices = Choices(self.figure, rows, _full_gain(world))
            self.users = Users(self.figure, rows)
            self.experts = Experts(self.figure, rows, world.pool.topic, world.config.slot_s, priced)
            self.chart = GainChart(self.figure, num_slots)

    def _update(self, setting: Setting, play: Play | None) -> None:
        self.setting, self.play = setting, play
        self.users.update(setting, play)
        self.experts.update(setting, play)
        self.choices.update(play)
        self.chart.update(self.gains)
        self.header.update(setting, play, self.gains)


def _description(world: World) -> str:
    def counted(number: int, noun: str) -> str:
        return f"{number} {noun}{'' if number == 1 else 's'}"

    prices = "free experts" if world.mechanism.name == "none" else f"prices: {world.mechanism.name}"
    return f"{counted(world.num_users, 'user')}  ·  {counted(world.num_experts, 'expert')}  ·  {prices}"


def _full_gain(world: World) -> float:
    """Credits that a competence of 1 gains for a subtask of average weight, before words, energy
    and charge.
    """
    config = world.config
    return float(
        config.reward.credits_per_point * config.quality.recovered_share * config.quality.drop_loss
    )
