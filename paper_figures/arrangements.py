"""Arrangements: who learns beside the users at a sweep point, told apart from its mechanism.

The figures of a market of two sides are of a grid, mechanisms by arrangements. Both are read from
the settings of sweep points. A role that no point names is as the experiment has it, which the
tables do not say: labels are silent about it. Where some points name it, it is in the others what
it is by default.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from textwrap import fill
from typing import Any, NamedTuple

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from paper_figures import style
from paper_figures.letters import distinct, shortened
from paper_figures.marks import ends
from paper_figures.point_labels import point_label, told_apart
from paper_figures.settings import Settings, apart, identity, of_mechanism, read
from paper_figures.statistics import mean_interval
from paper_figures.tables import CannotDraw, Tables

_ROLES = "algorithm.roles"
_AIM = "env.roles.platform_reward"
_IDLE = {"edge_devices": "truthful", "platform": "fixed"}  # by default, and what it is called
_KEYS = (f"{_ROLES}.users", *(f"{_ROLES}.{role}" for role in _IDLE), _AIM)
MOST_MECHANISMS = 6  # side by side
# Of arrangements in the order of the experiment. They are told apart by markers and lines as well;
# the first four differ in lightness by what the paper's curves do.
LOOKS: tuple[dict[str, Any], ...] = (
    {"color": "#000000", "marker": "o", "linestyle": "-"},
    {"color": "#DDAA33", "marker": "s", "linestyle": (0, (5, 1.5))},
    {"color": "#004488", "marker": "D", "linestyle": (0, (5, 1.5, 1, 1.5))},
    {"color": "#BB5566", "marker": "^", "linestyle": (0, (1, 1))},
    {"color": "#6699CC", "marker": "v", "linestyle": (0, (8, 1))},
    {"color": "#117733", "marker": "P", "linestyle": (0, (3, 1, 1, 1, 1, 1))},
    {"color": "#AA4499", "marker": "X", "linestyle": (0, (2, 2))},
    {"color": "#777777", "marker": "h", "linestyle": (0, (9, 2, 2, 2))},
)
_WIDEST, _SPREAD = 0.16, 0.8  # of the space of a mechanism: between markers, and from end to end
_LONGEST = 28  # letters of a turned label
_UPRIGHT = 3  # mechanisms that a narrow panel has room to name without turning


class Arrangement(NamedTuple):
    """Who learns beside the users, and what for.

    Attributes:
        edge_devices: what plays them, `truthful`, `sac` or `hedge`; None: no point says.
        platform: the same, `fixed` or `sac`.
        aim: of the platform, `welfare`, `users` or `profit`; None: the point does not say.
    """

    edge_devices: str | None
    platform: str | None
    aim: str | None

    @property
    def idle(self) -> bool:
        """True where nobody learns, as far as points say, and one says so."""
        said = [(self.edge_devices, "truthful"), (self.platform, "fixed")]
        return all(name in (None, idle) for name, idle in said) and any(name for name, _ in said)

    @property
    def label(self) -> str:
        """Name in a figure, such as "Devices and platform learn: profit"; "" if nothing is said."""
        devices = {"sac": "devices learn", "hedge": "devices hedge"}
        learning = []
        if self.edge_devices not in (None, "truthful"):
            learning.append(devices.get(self.edge_devices, f"devices {self.edge_devices}"))
        if self.platform not in (None, "fixed"):
            learning.append("platform learns")
        if self.edge_devices == self.platform == "sac":
            learning = ["devices and platform learn"]
        idle = [name for name in (self.edge_devices, self.platform) if name]
        words = ", ".join(learning or idle)
        if self.aim is not None:
            words = f"{words or 'platform'}: {self.aim}"
        return style.as_text(words[:1].upper() + words[1:])


class Names(NamedTuple):
    """Labels of a sweep point: of its mechanism, and of who learns."""

    mechanism: str
    arrangement: str


@dataclass(frozen=True)
class Grid:
    """Sweep points as mechanisms by arrangements.

    Attributes:
        mechanisms: their labels, in the order of the experiment.
        arrangements: likewise.
        cells: of a point's settings, the places of its mechanism and of its arrangement.
    """

    mechanisms: list[str]
    arrangements: list[str]
    cells: dict[str, tuple[int, int]]

    def place(self, settings: str) -> float:
        """Return where a point stands beside the others: mechanisms at 0, 1, ..."""
        mechanism, arrangement = self.cells[settings]
        count = len(self.arrangements)
        step = min(_WIDEST, _SPREAD / count)
        return mechanism + step * (arrangement - (count - 1) / 2)

    def names(self, settings: str) -> Names:
        """Return the labels of a point's mechanism and arrangement."""
        mechanism, arrangement = self.cells[settings]
        return Names(self.mechanisms[mechanism], self.arrangements[arrangement].strip())

    def look(self, settings: str) -> dict[str, Any]:
        """Return keywords of `Axes.plot` for the arrangement of a point."""
        return LOOKS[self.cells[settings][1]]

    def handles(self, **changes: Any) -> list[Line2D]:
        """Return the legend's entries for arrangements that have a name.

        Args:
            changes: keywords in place of those of the look.
        """
        return [
            Line2D([], [], label=label, **look | changes)
            for label, look in zip(self.arrangements, LOOKS, strict=False)
            if label.strip()
        ]


def grid(tables: Tables, name: str) -> Grid:
    """Return the sweep points of a table as mechanisms by arrangements.

    A mechanism is a point without its arrangement. It has its name for label, and whatever else
    the points set where that alone does not tell it from the others; a point that names none has
    the name in the table "evaluation".

    Args:
        tables: of a run.
        name: of a table that has rows.

    Raises:
        CannotDraw: two points are the same mechanism and arrangement, or there are more of either
            than a figure shows.
    """
    once = tables[name].drop_duplicates("settings")
    labels: dict[str, str] = dict(zip(once["settings"], once["point"], strict=True))
    points = {text: read(text) for text in labels}
    arrangements = _arrangements(list(points.values()))
    names = _mechanism_names(tables)
    rests = [_mechanism(point, names.get(text, "")) for text, point in points.items()]
    mechanisms = {identity(apart(rest)): rest for rest in rests}
    rows, columns = list(mechanisms), list(dict.fromkeys(arrangements))
    taken: dict[tuple[int, int], str] = {}
    for text, rest, arrangement in zip(points, rests, arrangements, strict=True):
        cell = rows.index(identity(apart(rest))), columns.index(arrangement)
        if cell in taken:
            raise CannotDraw(
                f"table '{name}' has sweep points '{labels[taken[cell]]}' and '{labels[text]}', "
                "which differ neither in their mechanism nor in who learns (algorithm.roles)"
            )
        taken[cell] = text
    _check(name, "mechanisms", len(rows), MOST_MECHANISMS)
    _check(name, "arrangements of who learns", len(columns), len(LOOKS))
    return Grid(
        _mechanism_labels(list(mechanisms.values())),
        distinct(arrangement.label for arrangement in columns),
        {text: cell for cell, text in taken.items()},
    )


def require_learning(table: pd.DataFrame, name: str) -> None:
    """Raise CannotDraw if the sweep says of every point that nobody learns beside the users."""
    points = [read(text) for text in table["settings"].unique()]
    if all(arrangement.idle for arrangement in _arrangements(points)):
        raise CannotDraw(
            f"table '{name}' has no sweep point at which edge devices or the platform learn "
            "(algorithm.roles: {edge_devices: sac}); this figure shows what comes of it"
        )


def draw_points(ax: Axes, rows: pd.DataFrame, column: str, cells: Grid) -> pd.DataFrame:
    """Draw mean and interval of a column at each sweep point, and return them by its names.

    Mechanisms stand side by side, the arrangements of one beside each other.

    Args:
        ax: axes to draw into.
        rows: of episodes.
        column: of them.
        cells: where points stand.
    """
    intervals = mean_interval(rows, column, by=("settings",))
    for settings, mean, reach in zip(
        intervals["settings"], intervals["mean"], ends(intervals).T, strict=True
    ):
        look: dict[str, Any] = cells.look(settings) | {"linestyle": "", "markersize": 3.2}
        ax.errorbar(cells.place(settings), mean, yerr=reach[:, None], elinewidth=0.9, **look)
    count = len(cells.mechanisms)
    for border in range(1, count):
        ax.axvline(border - 0.5, color="0.85", linewidth=0.6, zorder=0.5)
    ax.set_xlim(-0.5, count - 0.5)
    ax.grid(visible=False, axis="x")
    ax.tick_params(axis="x", length=0)
    named = pd.DataFrame([cells.names(text) for text in intervals["settings"]])
    return pd.concat([named, intervals.drop(columns="settings")], axis=1)


def name_mechanisms(ax: Axes, labels: Sequence[str]) -> None:
    """Name the mechanisms of `draw_points` below the axes, turned where there are many."""
    if len(labels) <= _UPRIGHT:
        ax.set_xticks(range(len(labels)), wrapped(labels, 14))
        return
    turned: dict[str, Any] = {
        "rotation": 35,
        "ha": "right",
        "va": "center",
        "rotation_mode": "anchor",
    }
    names = [shortened(label, _LONGEST) for label in labels]
    ax.set_xticks(range(len(labels)), names, **turned)


def wrapped(labels: Iterable[str], width: int) -> list[str]:
    """Return labels in lines of so many letters, where blanks allow it."""
    return [fill(label, width, break_long_words=False) for label in labels]


def level(ax: Axes, height: float, forced: bool) -> None:
    """Draw a horizontal line of reference.

    Args:
        ax: axes, in which all else is drawn.
        height: of the line.
        forced: whether the axes reach to it; else it is drawn where they do already.
    """
    low, high = ax.get_ylim()
    if forced or low < height < high:
        ax.axhline(height, color="0.4", linewidth=0.6, zorder=1)


def not_below_zero(ax: Axes) -> None:
    """End axes of what is never negative at 0, where an interval reaches beyond."""
    low, high = ax.get_ylim()
    if low < 0 < high:
        ax.set_ylim(bottom=-0.03 * high)  # room for a line at 0


def _arrangements(points: Sequence[Settings]) -> list[Arrangement]:
    """Return the arrangement of each sweep point."""
    said = [_said(point) for point in points]
    named = {role for roles in said for role in roles if roles[role] is not None}
    found = []
    for roles, point in zip(said, points, strict=True):
        players = {
            role: (roles[role] or idle) if role in named else None for role, idle in _IDLE.items()
        }
        aim = apart(point).get(_AIM)
        found.append(Arrangement(**players, aim=None if aim is None else str(aim)))
    return found


def _said(point: Settings) -> dict[str, str | None]:
    """Return what a sweep point says of who plays each role, None where it says nothing."""
    parts = apart(point)
    values = {role: parts.get(f"{_ROLES}.{role}") for role in _IDLE}
    return {role: None if value is None else str(value) for role, value in values.items()}


def _mechanism(point: Settings, name: str) -> Settings:
    """Return a sweep point without its arrangement, with the mechanism's name where it has none."""
    rest = _without_arrangement(point)
    return rest if of_mechanism(rest) or not name else {"mechanism.name": name} | rest


def _without_arrangement(settings: Settings, prefix: str = "") -> Settings:
    """Return settings without what `Arrangement` holds, and without sections of nothing else."""
    kept: Settings = {}
    for key, value in settings.items():
        dotted = f"{prefix}{key}"
        if dotted in _KEYS:
            continue
        if isinstance(value, dict) and any(own.startswith(f"{dotted}.") for own in _KEYS):
            value = _without_arrangement(value, f"{dotted}.")
            if not value:
                continue
        kept[key] = value
    return kept


def _mechanism_names(tables: Tables) -> dict[str, str]:
    """Return the mechanism of each sweep point, by its settings, where a table names it."""
    evaluation = tables.get("evaluation")
    if evaluation is None or not {"settings", "mechanism"} <= set(evaluation):
        return {}
    pairs = evaluation.drop_duplicates("settings")[["settings", "mechanism"]].dropna()
    return dict(pairs.to_numpy())


def _mechanism_labels(rests: Sequence[Settings]) -> list[str]:
    """Return the label of each mechanism, told apart."""
    short = [point_label(of_mechanism(rest)) for rest in rests]
    labels = [
        label if label and short.count(label) == 1 else point_label(rest)
        for label, rest in zip(short, rests, strict=True)
    ]
    return told_apart(labels, rests)


def _check(name: str, what: str, count: int, most: int) -> None:
    if count > most:
        raise CannotDraw(f"table '{name}' has {count} {what}; this figure shows {most}")
