"""The grid of a sweep, read from the points of a table: which keys vary, and with which values."""

from typing import NamedTuple

import pandas as pd

from paper_figures.tables import LEARNED, CannotDraw

AXIS_LABELS = {
    "bandwidth_hz": "Band of an edge device (Hz)",
    "speed_m_s": "Speed of the users (m/s)",
    "correlation": "Correlation of the SNR from slot to slot",
    "num_users": "Number of users",
    "num_experts": "Number of edge devices",
    "information": "What users know of competence",
    "competence": "Competence",
    "split": "Band shared",
    "mechanism": "Mechanism",
}
SECTIONS = (
    "mechanism",
    "algorithm",
)  # may be swept whole, by name with the rest of their keys behind it


class Axis(NamedTuple):
    """A key that a sweep varies."""

    key: str  # such as env.channel.bandwidth_hz
    values: list[
        str
    ]  # as the points write them; in order where they are numbers, else as they came
    numbers: list[float] | None  # the values, where all are numbers

    @property
    def label(self) -> str:
        """What it is called in a figure; keys of `evaluation.env` are told apart from those trained
        with.
        """
        name = self.key.rpartition(".")[2]
        label = AXIS_LABELS.get(name, name.replace("_", " ").capitalize())
        return f"{label}, evaluated" if self.key.startswith("evaluation.env.") else label


def settings(point: str) -> dict[str, str]:
    """`env.a=1 mechanism=fisher budget=8` -> {"env.a": "1", "mechanism": "fisher budget=8"}."""
    found: dict[str, str] = {}
    last = ""
    for token in point.split():
        key, _, value = token.partition("=")
        begins = "=" in token and ("." in key or key in SECTIONS)
        if last in SECTIONS and not begins:  # a parameter of the section before it
            found[last] += f" {token}"
        else:
            found[key] = value
            last = key
    return found


def axes(points: pd.Series) -> list[Axis]:
    """The keys that vary over the points of a table, the one of most values last.

    Raises CannotDraw where none does.
    """
    table = pd.DataFrame([settings(point) for point in points.unique()])
    varying = [str(column) for column in table if table[column].nunique() > 1]
    if not varying:
        raise CannotDraw("table 'evaluation' has one sweep point; this figure needs a sweep")
    found = []
    for key in varying:
        values = list(table[key].unique())
        numbers = pd.to_numeric(pd.Series(values), errors="coerce")
        if numbers.notna().all():
            values = [values[index] for index in numbers.argsort()]
            found.append(Axis(key, values, sorted(numbers)))
        else:
            found.append(Axis(key, values, None))
    return sorted(found, key=lambda axis: len(axis.values))


def with_axes(table: pd.DataFrame, varying: list[Axis]) -> pd.DataFrame:
    """The table with a column for each key that varies."""
    by_point = {point: settings(point) for point in table["point"].unique()}
    columns = {
        axis.key: table["point"].map({point: by_point[point][axis.key] for point in by_point})
        for axis in varying
    }
    return table.assign(**columns)


def task(point: str) -> str:
    """A sweep point without what it sets of the algorithm: where algorithms of points of their own
    meet.
    """
    return " ".join(
        f"{key}={value}"
        for key, value in settings(point).items()
        if key.split(".")[0] != "algorithm"
    )


def named(policy: str, point: str) -> str:
    """A policy by name and, where it learned, by how: what the sweep point sets of the algorithm
    beside its name.

    `sac` at `algorithm=sac network=mlp env.num_users=4` is `sac network=mlp`.
    """
    if policy.removesuffix("_stochastic") not in LEARNED:
        return policy
    parts = [policy]
    for key, value in settings(point).items():
        section, _, parameter = key.partition(".")
        if section == "algorithm" and parameter != "name":
            parts.append(
                f"{key.rpartition('.')[2]}={value}" if parameter else value.partition(" ")[2]
            )
    return " ".join(filter(None, parts))


def once_a_task(evaluation: pd.DataFrame) -> pd.DataFrame:
    """The table "evaluation" with tasks for points and policies `named`, each once a task, seed and
    episode.

    Policies that do not learn were evaluated once for every algorithm, in the same worlds.
    """
    points = pd.MultiIndex.from_frame(evaluation[["policy", "point"]])
    names = {key: named(*key) for key in points.unique()}
    rows = evaluation.assign(policy=points.map(names), point=evaluation["point"].map(task))
    return rows.drop_duplicates(["point", "policy", "seed", "episode"])


def by_task(evaluation: pd.DataFrame) -> pd.DataFrame:
    """As `once_a_task`.

    Raises CannotDraw where one policy was not evaluated at a task where others were.
    """
    rows = once_a_task(evaluation)
    policies = set(rows["policy"])
    for name, here in rows.groupby("point", sort=False):
        if absent := sorted(policies - set(here["policy"])):
            raise CannotDraw(
                f"table 'evaluation' has no rows of policy {', '.join(map(repr, absent))} at sweep "
                f"point '{name}'; "
                "policies are compared over the same points"
            )
    return rows


def require_users_vary_alone(evaluation: pd.DataFrame) -> None:
    """Raise CannotDraw unless there are several numbers of users, and each stands at one sweep
    point.
    """
    points = evaluation.groupby("num_users")["point"].unique()
    if len(points) < 2:
        raise CannotDraw(
            f"table 'evaluation' has num_users {points.index[0]} alone; this figure needs at least "
            "two numbers of users"
        )
    for num_users, names in points.items():
        if len(names) > 1:
            raise CannotDraw(
                f"table 'evaluation' has num_users {num_users} at {len(names)} sweep points "
                f"({', '.join(names)}); "
                "in this figure nothing else may vary"
            )
