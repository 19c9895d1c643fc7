"""Users and experts where they are, to scale, and the choices between them."""

import numpy as np
from matplotlib.collections import LineCollection, PathCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from envs.arrays import Bool, Float, Int
from envs.render.choices import Choices, group_handles, legend, line_handles, marker_handle
from envs.render.ground import MOST_NUMBERED, Afar, Ground, in_sight, marker_points, number_font
from envs.render.marks import Marks
from envs.render.scene import Play, Setting
from envs.render.style import (
    FAINT,
    HEIGHT_INCHES,
    INK,
    MUTED,
    NETWORK,
    PALE,
    WIDTH_INCHES,
    Tables,
    network_axes,
    paint,
    topic_colours,
)
from envs.render.trails import SLOTS, Trails
from envs.slot import Slot

LEFT, RIGHT = 0.243, 0.600  # edges of the map, share of the figure
ROOM = (RIGHT - LEFT) * WIDTH_INCHES * 72, NETWORK[1] * HEIGHT_INCHES * 72  # points
REACH_PAIRS = 150  # of users and candidates; lines of more would hide the map
_BAR = NETWORK[0] + 1.02 * NETWORK[1]  # height of the scale bar, share of the figure
BACKLOG_AREA = 8.0  # of a backlog as long as a slot, in markers


class Map(Choices):
    """An area seen from above: users, experts, who covers whom, and who chose whom.

    One scale holds for an episode. Where the area is not known, it is the surroundings of the
    places that the episode begins with, and grows when somebody leaves them.

    Attributes:
        users, experts: markers of the agents, in the colours of their topics.
        uncovered: crosses behind the users whom none of their candidates covers.
        backlog: discs behind the experts; what is seen of one grows with the expert's backlog.
        reach: a thin line for each pair in coverage; in larger worlds one from each user in
            coverage to the expert of its best SNR.
        trails: ways of the agents that moved in the last slots.
        numbers: text of each agent in sight: its number.
        elevations: text over each expert that is far beyond the area: its elevation.
        bar: the scale bar.
        bar_length: text of its length.

    Args:
        figure: the figure to draw in.
        slot: the slot about to be played.
        index: number of the world in the batch.
        marks: shapes of the markers.
        full_gain: credits drawn in the thickest line and deepest green.
    """

    tables = Tables(users_right=0.222, experts_left=0.618)

    def __init__(
        self,
        figure: Figure,
        slot: Slot,
        index: int,
        marks: Marks,
        full_gain: float,
    ) -> None:
        axes = network_axes(figure, LEFT, RIGHT - LEFT)
        axes.set(aspect="equal", anchor="C")
        axes.spines[:].set_visible(True)
        super().__init__(axes, full_gain)
        self._figure, self._slot_s = figure, slot.config.slot_s
        self._colour = topic_colours(slot.conditions.pool.topic)
        self._trails = Trails()
        geometry = slot.config.channel.geometry
        self._area = None if geometry is None else geometry.area
        afar = self._seen(Setting.of(slot, index)).elevation_deg
        self._has_afar = bool(np.isfinite(afar).any())
        self._ground = Ground.of(self._seen(Setting.of(slot, index)).places, self._area)
        side = self._ground.high - self._ground.low
        count = len(marks.users) + len(marks.experts)
        room = float(side.prod()) * self._ground.points_per_m(ROOM) ** 2
        self._marker = marker_points(room, count)

        self._shows_all = slot.num_users * slot.num_candidates <= REACH_PAIRS
        self.reach = self._lines(0.6, FAINT, 0)
        self.trails = self._lines(1.4, PALE, 1)
        self.backlog = self._markers(0.5, "o", len(marks.experts))
        self.backlog.set_clip_on(True)
        self.uncovered = axes.scatter(
            [], [], s=(1.5 * self._marker) ** 2, marker="x", color=INK, zorder=3, clip_on=False
        )
        self.experts = self._markers(4, "s", len(marks.experts))
        self.experts.set_paths(marks.experts)
        self.users = self._markers(5, "o", len(marks.users))
        self.users.set_paths(marks.users)
        font = number_font(self._marker, max(len(marks.users), len(marks.experts)))
        numbered = count if font is not None and count <= MOST_NUMBERED else 0
        self.numbers = [
            axes.text(0, 0, "", size=font, ha="center", va="center_baseline", zorder=6)
            for _ in range(numbered)
        ]
        self.elevations = [
            axes.text(0, 0, "", size=6, color=INK, ha="center", va="bottom", zorder=6)
            for _ in range(len(marks.experts) if self._has_afar else 0)
        ]
        (self.bar,) = axes.plot([], [], color=INK, linewidth=2.0, transform=figure.transFigure)
        self.bar.set(clip_on=False, solid_capstyle="butt")
        self.bar_length = figure.text(0, _BAR - 0.004, "", size=7, color=MUTED)
        figure.text(
            (LEFT + RIGHT) / 2,
            NETWORK[0] + 1.042 * NETWORK[1],
            "map: who sends a subtask to whom",
            size=8,
            weight="bold",
            ha="center",
        )
        self._draw_ground()
        self._explain(marks)

    def ways(self, setting: Setting, users: Int, experts: Int) -> Float:
        """Return straight lines from users to experts."""
        places = self._seen(setting).places
        num_users = len(setting.pending)
        return np.stack([places[users], places[num_users + experts]], axis=1)

    def update(self, setting: Setting, play: Play | None) -> None:
        """Draw places, coverage and backlogs as a slot began, and choices once it was played."""
        super().update(setting, play)
        (places, elevation_deg), num_users = self._seen(setting), len(setting.pending)
        self._extend(setting.slot, places)
        users, experts = places[:num_users], places[num_users:]
        self.users.set_offsets(users)
        self.experts.set_offsets(experts)
        self.uncovered.set_offsets(users[~setting.covered])
        self.trails.set_segments(self._trails.after(setting.slot, places))
        pairs = setting.reach if self._shows_all else setting.strongest
        self.reach.set_segments(list(self.ways(setting, *pairs.T)))

        white = np.ones(4)  # tells markers apart that overlap
        paint(self.users, setting.pending, topic_colours(setting.topic), white)
        paint(self.experts, setting.usable, self._colour, white)
        self.backlog.set_offsets(experts)
        self.backlog.set_facecolor((0.65 + 0.35 * self._colour).tolist())
        long = np.minimum(setting.backlog_s / self._slot_s, 4)
        area = np.where(long > 0, 2 + BACKLOG_AREA * long, 0)  # 2: of the disc around a square
        self.backlog.set_sizes(area * self._marker**2)
        self._write_numbers(places, np.concatenate([setting.pending, setting.usable]), num_users)
        for text, place, degrees in zip(
            self.elevations, experts, elevation_deg[num_users:], strict=False
        ):
            text.set_visible(bool(degrees >= 0))
            if degrees >= 0:
                text.set(text=f"{degrees:.0f}°", position=(place[0], place[1] + self._above_m))

    def _seen(self, setting: Setting) -> Afar:
        """Return the places of users, then of experts, as the map shows them."""
        assert setting.positions is not None  # a map is drawn only where there are some
        return Afar.of(np.concatenate(setting.positions), self._area)

    @property
    def _above_m(self) -> float:
        """Distance from the middle of a marker to a text above it, m of the map."""
        return 0.6 * self._marker / self._ground.points_per_m(ROOM)

    def _extend(self, slot: int, places: Float) -> None:
        """Begin the map of an episode, or let it grow where somebody left it."""
        around = Ground.of(places, self._area)
        if slot == 0:
            self._ground = around
        elif not self._ground.holds(places):
            self._ground = self._ground.joined(around)
        else:
            return
        self._draw_ground()

    def _draw_ground(self) -> None:
        low, high = self._ground
        self.axes.set(xlim=(low[0], high[0]), ylim=(low[1], high[1]))
        length = self._ground.bar_m()
        width = length * self._ground.points_per_m(ROOM) / (WIDTH_INCHES * 72)
        self.bar.set_data([LEFT, LEFT + width], [_BAR] * 2)
        self.bar_length.set(text=_metres(length), x=LEFT + width + 0.006)

    def _write_numbers(self, places: Float, filled: Bool, num_users: int) -> None:
        """Write numbers into the markers, experts' first: users are drawn over them."""
        order = np.roll(np.arange(len(places)), -num_users)
        for text in self.numbers:
            text.set_text("")
        if not self.numbers:
            return
        scale = self._ground.points_per_m(ROOM)
        order = order[np.isfinite(places[order, 0])]
        for i in order[in_sight(scale * places[order], self._marker)]:
            number = i if i < num_users else i - num_users
            colour = "white" if filled[i] else MUTED
            self.numbers[i].set(text=f"{number}", position=places[i], color=colour)

    def _lines(self, width: float, colour: str, order: float) -> LineCollection:
        lines = LineCollection([], linewidths=width, colors=colour, zorder=order)
        self.axes.add_collection(lines, autolim=False)
        return lines

    def _markers(self, order: float, shape: str, count: int) -> PathCollection:
        nowhere = np.zeros(count)
        markers: PathCollection = self.axes.scatter(
            nowhere,
            nowhere,
            s=self._marker**2,
            marker=shape,
            zorder=order,
            linewidths=0.8,
            clip_on=False,
        )
        return markers

    def _explain(self, marks: Marks) -> None:
        reach = "in coverage" if self._shows_all else "to the expert of best SNR"
        way = f"way in the last {SLOTS} slots"
        own = [
            *([] if marks.user_groups else [marker_handle("o", MUTED, MUTED, "user")]),
            *([] if marks.expert_groups else [marker_handle("s", MUTED, MUTED, "expert")]),
            marker_handle("o", "none", FAINT, "idle, or not available"),
            marker_handle("x", INK, INK, "user out of coverage"),
            marker_handle("o", FAINT, "none", "backlog, by area"),
            Line2D([], [], color=PALE, linewidth=1.6, label=way),
            Line2D([], [], color=FAINT, linewidth=0.8, label=reach),
        ]
        if self._has_afar:
            words = "34°: beyond the edge, at this elevation"
            own.append(Line2D([], [], linestyle="", label=words))
        legend(self._figure, [line_handles(), own, group_handles(marks)])


def _metres(length: float) -> str:
    return f"{length / 1000:g} km" if length >= 1000 else f"{length:g} m"
