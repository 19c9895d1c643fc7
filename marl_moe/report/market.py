"""The tab of the market: prices, supply and demand, money, and what both sides have of it.

A curve is of the books that a run keeps (`market.parquet`, `market_users.parquet`): for each slot
in which the market was cleared the mean over seeds of the mean over a seed's recorded episodes,
with its 95 % Student t interval.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

import mechanisms
from marl_moe.experiment.spec.sweep import Point
from marl_moe.report.books import CURVES, book_curves, books, expert_prices
from marl_moe.report.claims import claims
from marl_moe.report.data_table import cell, table
from marl_moe.report.looks import policy_look
from marl_moe.report.reported import Reported
from marl_moe.report.section import Section
from paper_figures.headings import HEADINGS
from paper_figures.statistics import interval_label, interval_text, mean_heading, mean_interval
from paper_figures.sweeps import in_order
from paper_figures.tables import LEARNED

MOST_BOOKS = 60  # pairs of a point and a policy whose books the page holds
TOTALS = (
    *("unit_price", "charge", "edge_utility", "platform_balance", "welfare", "gain"),
    *("qos", "declined", "walked_away"),
)
FREE = "Edge devices are free in this run: nobody pays, and no market is cleared."
NO_BOOKS = "The run kept no books of its market (evaluation.market_episodes)."


def section(runs: Sequence[Reported]) -> Section:
    """Return the section of runs."""
    return Section("market", "Market", {"runs": [_of_run(run) for run in runs]})


def _of_run(run: Reported) -> dict[str, Any]:
    market, audit = run.tables["market"], run.tables["audit"]
    if len(audit):
        return {"name": run.name, **claims(run)}
    if market.empty:
        return {"name": run.name, "why": run.without(_why(run))}
    paid = run.tables["evaluation"]
    paid = paid[paid["settings"].isin(market["settings"].unique())]
    shown, left_out = _shown(market, run)
    policies = list(market["policy"].unique())
    return {
        "name": run.name,
        "totals": _totals(paid) if len(paid) else None,
        "curves": CURVES,
        "books": [
            {
                "point": str(rows["point"].iloc[0]),
                "policy": policy,
                "look": policy_look(policy, policies),
                **_books(run, rows, settings, policy),
            }
            for (settings, policy), rows in shown.items()
        ],
        "notes": [left_out] if left_out else [],
    }


def _why(run: Reported) -> str:
    names = {point.spec.mechanism.name for point in run.run.points}
    return FREE if names == {"none"} else NO_BOOKS


def _shown(market: pd.DataFrame, run: Reported) -> tuple[dict[tuple[str, str], pd.DataFrame], str]:
    """Return the rows of each point and policy that is shown, and a sentence on the others.

    What learned comes before the equilibrium, and that before rules.
    """
    rank = {name: place for place, name in enumerate((*LEARNED, *sorted(run.learned), "nash"))}
    by = market.groupby(["settings", "policy"], sort=False)
    groups = {(str(settings), str(policy)): rows for (settings, policy), rows in by}
    order = {text: place for place, text in enumerate(in_order(market["settings"].unique()))}
    names = list(market["policy"].unique())
    wanted = sorted(names, key=lambda name: (rank.get(name, len(rank)), names.index(name)))
    keys = sorted(groups, key=lambda key: (wanted.index(key[1]), order[key[0]]))
    chosen = sorted(keys[:MOST_BOOKS], key=lambda key: (order[key[0]], wanted.index(key[1])))
    rest = len(keys) - len(chosen)
    said = (
        f"{rest} of {len(keys)} pairs of a sweep point and a policy are left out." if rest else ""
    )
    return {key: groups[key] for key in chosen}, said


def _books(run: Reported, rows: pd.DataFrame, settings: str, policy: str) -> dict[str, Any]:
    """Return what the page holds of a policy at a sweep point."""
    users = run.tables["market_users"]
    of_users = users[(users["settings"] == settings) & (users["policy"] == policy)]
    label = str(rows["point"].iloc[0])
    point = next((each for each in run.run.points if each.label == label), None)
    found = books(rows, of_users, _budget(point))
    clearings = rows.drop_duplicates(["seed", "episode", "slot"])
    statuses = clearings["status"].value_counts()
    return {
        **book_curves(found),
        "prices": expert_prices(rows),
        "clearings": [[str(status), int(count)] for status, count in statuses.items()],
        "budgeted": _budget(point) is not None,
    }


def _budget(point: Point | None) -> float | None:
    """Return the credits a slot that a mechanism claims to keep to; None where it does not."""
    if point is None:
        return None
    world = point.spec.evaluated_env()
    mechanism = mechanisms.make(**point.spec.mechanism.parameters())
    if not mechanism.claims.within_budget:
        return None
    return float(np.mean(world.market.budget_per_user) * world.num_users)


def _totals(evaluation: pd.DataFrame) -> dict[str, Any]:
    """Return what came of the market under each policy, means with intervals."""
    metrics = [name for name in TOTALS if evaluation[name].notna().any()]
    by = ["point", "policy"]
    found = {name: mean_interval(evaluation, name, by).set_index(by) for name in metrics}
    failed = evaluation.groupby(by)[["failed_clearings", "clearings"]].sum()
    rows: list[Any] = []
    labels = evaluation.drop_duplicates("settings").set_index("settings")["point"]
    for point in (labels[settings] for settings in in_order(labels.index)):
        if len(labels) > 1:
            rows.append(point)
        for policy in evaluation.loc[evaluation["point"] == point, "policy"].unique():
            of_policy = [found[name].loc[(point, policy)] for name in metrics]
            bad, total = failed.loc[(point, policy)]
            rows.append(
                [
                    cell(str(policy)),
                    *(
                        cell(interval_text(row["mean"], row["low"], row["high"]), row["mean"])
                        for row in of_policy
                    ),
                    cell(f"{int(bad):,} of {int(total):,}", bad),
                ]
            )
    columns = [
        ("policy", False),
        *((HEADINGS[name].text, True) for name in metrics),
        ("failed clearings", True),
    ]
    return table(mean_heading(interval_label(pd.concat(found.values()))), columns, rows)
