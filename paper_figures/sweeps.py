"""The grid of a sweep, from the settings of its points: which keys vary, and with which values.

A task is a sweep point without what it sets of the algorithm: there algorithms of points of their
own meet. All functions take the column `settings` or its texts; `point` is only shown.
"""

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from paper_figures.settings import (
    Settings,
    apart,
    distinct,
    identity,
    is_number,
    last_key,
    point_text,
    read,
    value_text,
)
from paper_figures.tables import CannotDraw
from paper_figures.variants import variant

AXIS_LABELS = {
    "env.channel.bandwidth_hz": "Band of an edge device (Hz)",
    "env.channel.speed_m_s": "Speed of the users (m/s)",
    "env.channel.geometry.users.mobility.speed_m_s": "Speed of the users (m/s)",
    "env.channel.correlation": "Correlation of the SNR from slot to slot",
    "env.channel.split": "Band shared",
    "env.num_users": "Number of users",
    "env.num_experts": "Number of edge devices",
    "env.information": "What users know of competence",
    "env.experts.competence": "Competence",
    "mechanism": "Mechanism",
}
EVALUATED = "evaluation."  # begins the keys of worlds that are evaluated in, not trained in


@dataclass(frozen=True)
class Axis:
    """A key that a sweep varies.

    Attributes:
        key: such as env.channel.bandwidth_hz.
        values: as the sweep gave them, each once; in order where they are numbers, else as they
            came.
        places: of a point's value in `values`, by the text of the point's settings.
    """

    key: str
    values: list[Any]
    places: dict[str, int]

    @property
    def numbers(self) -> list[float] | None:
        """The values, where all are numbers."""
        return self.values if all(map(is_number, self.values)) else None

    @property
    def names(self) -> list[str]:
        """The values as texts that tell them apart, `None` and a text "None" as null and "None"."""
        names = [value_text(value) for value in self.values]
        if len(set(names)) < len(names):
            return [json.dumps(value, ensure_ascii=False) for value in self.values]
        return names

    @property
    def label(self) -> str:
        """Name in a figure; keys of `evaluation.env` are told apart from those trained with."""
        name = last_key(self.key).replace("_", " ").capitalize()
        label = AXIS_LABELS.get(self.key.removeprefix(EVALUATED), name)
        return f"{label}, evaluated" if self.key.startswith(f"{EVALUATED}env.") else label


def axes(settings: pd.Series) -> list[Axis]:
    """Return the keys that vary over the points of a table, the one of most values last.

    Of keys with as many values one of numbers comes after others: it can be drawn as a line.

    Raises:
        CannotDraw: none does, or a point lacks one.
    """
    points = {text: read(text) for text in settings.unique()}
    keys = dict.fromkeys(key for point in points.values() for key in point)
    found = []
    for key in keys:
        absent = [point_text(point) for point in points.values() if key not in point]
        if absent:
            raise CannotDraw(
                f"table 'evaluation' has sweep point '{absent[0]}' without '{key}', which others "
                "have; this figure needs the points of one sweep"
            )
        axis = _axis(*_narrowed(key, {text: point[key] for text, point in points.items()}))
        if len(axis.values) > 1:
            found.append(axis)
    if not found:
        raise CannotDraw("table 'evaluation' has one sweep point; this figure needs a sweep")
    return sorted(found, key=lambda axis: (len(axis.values), axis.numbers is not None))


def in_order(settings: Iterable[str]) -> list[str]:
    """Return the settings of sweep points in the order of their values, key by key.

    Numbers rise, where the first of them came; other values, and points without the key, stay in
    the order in which they came.
    """
    points = {text: apart(read(text)) for text in settings}
    keys = dict.fromkeys(key for point in points.values() for key in point)

    def kind(key: str, point: Settings) -> str:
        if key not in point:
            return "without"
        return "number" if is_number(point[key]) else identity(point[key])

    came = {key: list(dict.fromkeys(kind(key, point) for point in points.values())) for key in keys}

    def place(key: str, point: Settings) -> tuple[int, float]:
        what = kind(key, point)
        return came[key].index(what), point[key] if what == "number" else 0.0

    return sorted(points, key=lambda text: [place(key, points[text]) for key in keys])


def points_in_order(table: pd.DataFrame) -> list[str]:
    """Return the labels of a table's sweep points, `in_order` of what they set."""
    once = table.drop_duplicates("settings").set_index("settings")["point"]
    return [str(once[text]) for text in in_order(once.index)]


def with_axes(table: pd.DataFrame, varying: list[Axis]) -> pd.DataFrame:
    """Return the table with a column for each key that varies: the places of values in the axis."""
    columns = {axis.key: table["settings"].map(axis.places) for axis in varying}
    return table.assign(**columns)


def task(settings: str) -> str:
    """Return the settings of a sweep point without those of the algorithm, both as JSON."""
    kept = {}
    for key, value in read(settings).items():
        if key.split(".")[0] != "algorithm":
            kept[key] = value
    return json.dumps(kept)


def task_texts(settings: pd.Series) -> dict[str, str]:
    """Return the tasks of a column of settings, each with a text that tells it from the others."""
    tasks = list(dict.fromkeys(task(text) for text in settings.unique()))
    return dict(zip(tasks, distinct(point_text(read(text)) for text in tasks), strict=True))


def with_variants(table: pd.DataFrame, policy: str = "policy") -> pd.DataFrame:
    """Return a table with tasks for points, and variants for policies.

    Args:
        table: with the columns `settings` and that of the policies.
        policy: the column of the policies, which holds `Variant` afterwards.
    """
    tasks = {text: task(text) for text in table["settings"].unique()}
    texts = task_texts(table["settings"])
    pairs = pd.MultiIndex.from_frame(table[[policy, "settings"]])
    variants = {(name, text): variant(str(name), read(text)) for name, text in pairs.unique()}
    of_tasks = table["settings"].map(tasks)
    of_policies = pd.Series([variants[pair] for pair in pairs], index=table.index, dtype=object)
    return table.assign(**{policy: of_policies}, settings=of_tasks, point=of_tasks.map(texts))


def once_a_task(evaluation: pd.DataFrame) -> pd.DataFrame:
    """Return the table "evaluation" `with_variants`, each once a task, seed and episode.

    Policies that do not learn were evaluated once for every algorithm, in the same worlds.
    """
    rows = with_variants(evaluation)
    return rows.drop_duplicates(["settings", "policy", "seed", "episode"])


def by_task(evaluation: pd.DataFrame) -> pd.DataFrame:
    """Return the table "evaluation" `once_a_task`.

    Raises:
        CannotDraw: a policy was not evaluated at a task where others were.
    """
    rows = once_a_task(evaluation)
    policies = set(rows["policy"])
    for name, here in rows.groupby("point", sort=False):
        absent = sorted(which.text for which in policies - set(here["policy"]))
        if absent:
            raise CannotDraw(
                f"table 'evaluation' has no rows of policy {', '.join(map(repr, absent))} at sweep "
                f"point '{name}'; policies are compared over the same points"
            )
    return rows


def require_users_vary_alone(evaluation: pd.DataFrame) -> None:
    """Raise CannotDraw unless there are several numbers of users, and nothing else varies.

    A section that sets more than their number, as the experts that come with them, is one setting.
    """
    points = evaluation.drop_duplicates(["num_users", "settings"]).groupby("num_users")["point"]
    if points.ngroups < 2:
        raise CannotDraw(
            f"table 'evaluation' has num_users {evaluation['num_users'].iloc[0]} alone; this "
            "figure needs at least two numbers of users"
        )
    for num_users, names in points:
        if len(names) > 1:
            raise CannotDraw(
                f"table 'evaluation' has num_users {num_users} at {len(names)} sweep points "
                f"({', '.join(names)}); in this figure nothing else may vary"
            )
    settings = [read(text) for text in evaluation["settings"].unique()]
    together: set[str] = set()
    for point in settings:
        for key, value in point.items():
            parts = apart({key: value})
            if any(last_key(part) == "num_users" for part in parts):
                together |= parts.keys()
    require_nothing_else_varies(settings, together)


def require_nothing_else_varies(points: Sequence[Settings], but: Collection[str]) -> None:
    """Raise CannotDraw where sweep points differ in a key that a figure is not against.

    Args:
        points: settings of the sweep points.
        but: keys of settings taken `apart`.
    """
    rest = []
    for point in points:
        parts = apart(point)
        rest.append({key: identity(value) for key, value in parts.items() if key not in but})
    keys = dict.fromkeys(key for point in rest for key in point)
    differing = [key for key in keys if len({point.get(key) for point in rest}) > 1]
    if differing:
        raise CannotDraw(
            f"table 'evaluation' has sweep points that differ in {', '.join(map(repr, differing))} "
            "too; in this figure nothing else may vary"
        )


def _axis(key: str, at: Mapping[str, Any]) -> Axis:
    """Return the axis of a key from its value at each point."""
    by_identity = {identity(value): value for value in at.values()}
    ordered = list(by_identity.items())
    if all(is_number(value) for _, value in ordered):
        ordered.sort(key=lambda item: item[1])
    order = [name for name, _ in ordered]
    places = {text: order.index(identity(value)) for text, value in at.items()}
    return Axis(key, [value for _, value in ordered], places)


def _narrowed(key: str, at: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """Follow sections without name and label to the one key in which they differ."""
    while all(isinstance(value, dict) for value in at.values()):
        if any("name" in value or "label" in value for value in at.values()):
            break
        keys = dict.fromkeys(part for value in at.values() for part in value)
        shared = [part for part in keys if all(part in value for value in at.values())]
        differing = [
            part for part in shared if len({identity(value[part]) for value in at.values()}) > 1
        ]
        if len(shared) < len(keys) or len(differing) != 1:
            break
        key = f"{key}.{differing[0]}"
        at = {text: value[differing[0]] for text, value in at.items()}
    return key, at
