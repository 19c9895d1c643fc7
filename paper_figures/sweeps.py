"""The grid of a sweep, read from the points of a table: which keys vary, and with which values."""

from typing import NamedTuple

import pandas as pd

from paper_figures.tables import CannotDraw

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


class Axis(NamedTuple):
    """A key that a sweep varies."""

    key: str  # such as env.channel.bandwidth_hz
    values: list[str]  # as the points write them; in order where they are numbers, else as they came
    numbers: list[float] | None  # the values, where all are numbers

    @property
    def label(self) -> str:
        """What it is called in a figure; keys of `evaluation.env` are told apart from those trained with."""
        name = self.key.rpartition(".")[2]
        label = AXIS_LABELS.get(name, name.replace("_", " ").capitalize())
        return f"{label}, evaluated" if self.key.startswith("evaluation.env.") else label


def settings(point: str) -> dict[str, str]:
    """`env.a=1 mechanism=fisher budget=8` -> {"env.a": "1", "mechanism": "fisher budget=8"}."""
    found: dict[str, str] = {}
    last = ""
    for token in point.split():
        key, _, value = token.partition("=")
        if last == "mechanism" and "." not in key:  # a parameter of the section before it
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
        axis.key: table["point"].map({point: by_point[point][axis.key] for point in by_point}) for axis in varying
    }
    return table.assign(**columns)
