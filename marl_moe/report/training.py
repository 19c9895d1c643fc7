"""The tab of training: curves of every number that training records, against four clocks.

A curve is the mean over seeds with its 95 % Student t interval, at each epoch
(`statistics.learning_curve`); of a clock it is the mean over seeds too. The page holds every curve
at three widths of smoothing, each within a seed first, and of long curves a part of the epochs.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from marl_moe.experiment.records.columns import LOGGED, TRAINING, metric_columns
from marl_moe.experiment.records.point_columns import POINT
from marl_moe.report.looks import curve_look, policy_look
from marl_moe.report.reported import Reported
from marl_moe.report.section import Section, numbers
from paper_figures.headings import HEADINGS
from paper_figures.letters import distinct, shortened, visible
from paper_figures.statistics import (
    interval_label,
    learning_curve,
    mean_heading,
    smoothing_window,
)
from paper_figures.style import METRIC_LABELS

CLOCKS = {  # column of "training": its heading
    "epoch": "epoch",
    "env_steps": "env steps (slots of all worlds)",
    "updates": "gradient updates",
    "seconds": "seconds since training began",
}
# Shown below the curve that is chosen, where they have values.
LEARNING = ("entropy", "temperature", "critic_loss", "actor_loss", "q_mean")
FIRST = ("share_of_equilibrium", "gain", "utility")  # the first with a value is shown first
SMOOTHING = {"none": 0.0, "2.5 %": 0.025, "10 %": 0.1}  # share of the epochs that a mean is over
MOST_NUMBERS = 120_000  # of all curves of a run, about a megabyte
FEWEST, MOST = 12, 250  # epochs of a curve that are kept, whatever their number
LONGEST = 60  # letters of a curve's name
NOTHING_LEARNS = "Nothing learns in this run: there are no curves."


def section(runs: Sequence[Reported]) -> Section:
    """Return the section of runs."""
    return Section("training", "Training", {"runs": [_of_run(run) for run in runs]})


def _of_run(run: Reported) -> dict[str, Any]:
    training = run.tables["training"]
    if training.empty:
        return {"name": run.name, "why": run.without(NOTHING_LEARNS)}
    run.run.use_code()  # several runs may have metrics of their own
    metrics = _metrics(training, run)
    groups = dict(iter(training.groupby(["settings", "algorithm"], sort=False)))
    kept = min(MOST, max(FEWEST, MOST_NUMBERS // (len(groups) * len(metrics) * 3 * len(SMOOTHING))))
    names = distinct(_name(rows, groups) for rows in groups.values())
    algorithms = list(training["algorithm"].unique())
    single = len(groups) == len(algorithms)
    curves, epochs, labels = [], 0, []
    for place, (name, rows) in enumerate(zip(names, groups.values(), strict=True)):
        algorithm = str(rows["algorithm"].iloc[0])
        look = policy_look(algorithm, algorithms) if single else curve_look(place)
        curve, label = _curve(rows, list(metrics), kept)
        point = str(rows["point"].iloc[0])
        curves.append({"name": name, "point": point, "look": look, **curve})
        epochs = max(epochs, int(rows["epoch"].nunique()))
        labels.append(label)
    notes = [f"Curves: {mean_heading(labels[0])}. Env steps, updates and seconds are means too."]
    if epochs > kept:
        notes.append(
            f"{epochs:,} epochs thinned evenly to {kept} points a curve, the first and last too."
        )
    return {
        "name": run.name,
        "clocks": CLOCKS,
        "smoothing": list(SMOOTHING),
        "metrics": metrics,
        "first": next((name for name in FIRST if name in metrics), next(iter(metrics))),
        "learning": [name for name in LEARNING if name in metrics],
        "curves": curves,
        "notes": notes,
    }


def _metrics(training: pd.DataFrame, run: Reported) -> dict[str, tuple[str, str]]:
    """Return the columns that have a value which may change: the heading and what each is."""
    docs = TRAINING | metric_columns("training", run.run.spec.metrics)
    skipped = {*POINT, "algorithm", "agent_steps", *CLOCKS}
    found = {}
    for name in training.columns:
        if name in skipped or not training[name].notna().any():
            continue
        heading = HEADINGS[name].text if name in HEADINGS else visible(name).replace("_", " ")
        found[name] = (METRIC_LABELS.get(name, heading), docs[name][1] if name in docs else LOGGED)
    return found


def _name(rows: pd.DataFrame, groups: dict[Any, pd.DataFrame]) -> str:
    """Return the name of a curve: its sweep point, and its algorithm where that does not say it."""
    point, algorithm = str(rows["point"].iloc[0]), str(rows["algorithm"].iloc[0])
    alone = len({key[0] for key in groups}) == len(groups)
    return shortened(visible(point if point and alone else f"{algorithm} {point}".strip()), LONGEST)


def _curve(rows: pd.DataFrame, metrics: Sequence[str], kept: int) -> tuple[dict[str, Any], str]:
    """Return the curves of a sweep point, and what their intervals are over."""
    clocks = rows.groupby("epoch")[[name for name in CLOCKS if name != "epoch"]].mean()
    at = thinned(len(clocks), kept)
    curve: dict[str, Any] = {
        "clocks": {
            "epoch": numbers(clocks.index[at]),
            **{name: numbers(clocks[name].to_numpy()[at]) for name in clocks},
        },
        "metrics": {},
    }
    label = ""
    for metric in metrics:
        widths = []
        for found in _smoothed(rows, metric):
            # An epoch without a value of the metric, as a loss before learning, is a gap.
            found = found.reindex(clocks.index)
            label = label or interval_label(found[found["mean"].notna()])
            of_epochs = found.iloc[at]
            drawn = [numbers(of_epochs["mean"])]
            if found["low"].notna().any():
                drawn += [numbers(of_epochs["low"]), numbers(of_epochs["high"])]
            widths.append(drawn)
        curve["metrics"][metric] = widths
    return curve, label


def _smoothed(rows: pd.DataFrame, metric: str) -> Iterator[pd.DataFrame]:
    for share in SMOOTHING.values():
        window = smoothing_window(round(rows["epoch"].nunique() * share / 0.025))
        yield learning_curve(rows, metric, "epoch", window)


def thinned(count: int, kept: int) -> NDArray[np.int64]:
    """Return the places of at most `kept` of `count` values, evenly, the first and last too."""
    return np.unique(np.linspace(0, count - 1, min(count, kept)).round().astype(np.int64))
