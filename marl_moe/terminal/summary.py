"""The table printed at the end of a run: policies, with means and 95 % intervals."""

from collections.abc import Iterable, Mapping, Sequence

import pandas as pd

from marl_moe.errors import SpecError, unknown_key
from marl_moe.metrics import named
from marl_moe.terminal.tables import Column, FittedTable
from paper_figures.headings import HEADINGS, Heading
from paper_figures.sides import CHOSEN, LEFT_TO_GAIN, nobody_chose
from paper_figures.statistics import interval_label, interval_text, mean_heading, mean_interval
from paper_figures.sweeps import points_in_order

COLUMNS = {
    name: HEADINGS[name].text
    for name in ("utility", "gain", "welfare", "share_of_equilibrium", "share_of_optimum")
}

OF_SIDES = (*CHOSEN, *LEFT_TO_GAIN)  # columns of tables where the other sides learn


def summary_table(
    title: str, evaluation: pd.DataFrame, columns: Mapping[str, str] = COLUMNS
) -> FittedTable:
    """Return a row for each policy at each sweep point, greatest utility first.

    Where no request was completed there is no utility, and the greatest gain comes first.

    Shares are shown where equilibrium or optimum were played, the welfare (of users, edge devices
    and platform) where anybody pays.

    Args:
        title: name of the experiment.
        evaluation: rows of `evaluation.parquet`.
        columns: those to show where they have a value, with their headings.
    """
    by = ["point", "policy"]
    metrics = with_values(evaluation, columns)
    order = "utility" if evaluation["utility"].notna().any() else "gain"
    intervals = {
        metric: mean_interval(evaluation, metric, by).set_index(by)
        for metric in dict.fromkeys((order, *metrics))
    }
    table = FittedTable(
        f"{title}: {mean_heading(interval_label(pd.concat(intervals.values())))}",
        [
            Column("policy", folded=True, stays=True),
            *(Column(columns[metric], stays=metric == metrics[0]) for metric in metrics),
        ],
    )
    failed = int(evaluation["failed_clearings"].sum())
    if failed:
        total = int(evaluation["clearings"].sum())
        table.notes.append(
            f"{failed} of {total} clearings of the market failed; the last prices stood"
        )
    swept = evaluation["point"].nunique() > 1
    for point in points_in_order(evaluation):
        if swept:
            table.rows.append([point])
        of_point = intervals[order].xs(point, level="point")["mean"]
        for policy in of_point.sort_values(ascending=False).index:
            cells = [interval_cell(intervals[metric].loc[(point, policy)]) for metric in metrics]
            table.rows.append([policy, *cells])
    return table


def with_values(evaluation: pd.DataFrame, metrics: Iterable[str]) -> list[str]:
    """Return the metrics that have a value, the welfare only where anybody pays.

    Factors and margins are among them where anybody chose one.

    Args:
        evaluation: rows of `evaluation.parquet`.
        metrics: columns of it.
    """
    found = [
        metric
        for metric in metrics
        if _has_value(evaluation, metric) and not nobody_chose(evaluation, metric)
    ]
    if "welfare" in found and not evaluation["charge"].any():
        found.remove("welfare")  # nobody pays: what free edge devices bear is theirs
    return found


def chosen_metrics(
    names: Sequence[str], own: Sequence[str], evaluation: pd.DataFrame, others: Iterable[str]
) -> dict[str, Heading]:
    """Return the metrics of the option `--metrics`, with their headings.

    Args:
        names: what was given: names, several with commas between them; none: those of `others`
            that have a value.
        own: metrics of the experiment, which are registered.
        evaluation: rows of `evaluation.parquet`.
        others: metrics where none is given.

    Raises:
        SpecError: one does not exist, or has no value here; or none has.
    """
    known = HEADINGS | {metric.name: Heading(metric.name, metric.unit) for metric in named(own)}
    wanted = [name.strip() for given in names for name in given.split(",")]
    for name in wanted:
        if name not in known:
            raise SpecError(f"--metrics: {unknown_key(name, known)}")
        if not _has_value(evaluation, name):
            raise SpecError(f"--metrics: {name} has no value here")
    chosen = dict.fromkeys(wanted) or with_values(evaluation, others)
    if not chosen:
        raise SpecError(f"none of {', '.join(others)} has a value here; name others by --metrics")
    return {name: known[name] for name in chosen}


def lost_line(training: pd.DataFrame) -> str | None:
    """Return in words the slots that env runners did not send, None where nothing was lost."""
    lost = training["lost_slots"].sum()
    if not lost:
        return None
    due = lost + training.groupby(["point", "seed"])["env_steps"].max().sum()
    epochs = int((training["lost_slots"] > 0).sum())
    return (
        f"{lost:,.0f} of {due:,.0f} slots in {epochs} epochs: env runners were dead or silent "
        "(lost_slots)"
    )


def interval_cell(row: pd.Series) -> str:
    return interval_text(row["mean"], row["low"], row["high"])


def _has_value(evaluation: pd.DataFrame, metric: str) -> bool:
    return metric in evaluation and bool(evaluation[metric].notna().any())
