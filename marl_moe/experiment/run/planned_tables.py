"""The tables of a run as they are planned: who, where and what, before anything is measured."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from marl_moe.experiment.records.columns import DUTY, SIDES, TABLES
from marl_moe.experiment.records.study_columns import PLAY
from marl_moe.experiment.run.planning import jobs_of
from marl_moe.experiment.run.training_job import policy_names
from marl_moe.experiment.spec.experiment import ExperimentSpec
from marl_moe.experiment.spec.sweep import Point
from marl_moe.experiment.spec.trials import COMPARED_WITH

MEASURED = 1.0  # stands for every number that a run will measure
# Columns that have a value only where a policy is compared, by that policy.
_OF_POLICIES = {column: (policy,) for column, policy in COMPARED_WITH.items()} | {
    "converged": ("nash", "mean_field", "optimum"),
    "regret": ("nash",),
}


def planned_tables(points: Sequence[Point], seeds: Sequence[int]) -> dict[str, pd.DataFrame]:
    """Return the tables that a run will write, with a row for each policy that has any.

    Args:
        points: points of the experiment's sweep.
        seeds: its seeds.
    """
    rows: dict[str, list[dict[str, Any]]] = {}
    of_points: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for job in jobs_of(points, seeds, Path()):
        for name in job.tables:
            if (name, job.label) not in of_points:
                of_points[name, job.label] = list(_rows(name, job.spec))
            rows.setdefault(name, []).extend(
                row | job.identity for row in of_points[name, job.label]
            )
    return {name: pd.DataFrame(of_table) for name, of_table in rows.items()}


def _rows(table: str, spec: ExperimentSpec) -> Iterator[dict[str, Any]]:
    """Return the rows of a sweep point in a table, but for what tells jobs apart."""
    values: dict[str, Any] = dict.fromkeys((*TABLES[table], *spec.metrics), MEASURED)
    values |= {
        column: float("nan")
        for column, policies in _OF_POLICIES.items()
        if column in values and not set(policies) & set(policy_names(spec))
    }
    if spec.algorithm is None or not spec.algorithm.roles.learning:
        nobody: dict[str, float] = dict.fromkeys(SIDES, float("nan"))
        if table != "training":
            nobody |= {"report_factor": 1.0, "value_factor": 1.0, "margin": 0.0}
        values |= {column: value for column, value in nobody.items() if column in values}
    if spec.env.duty is None:
        values |= {column: float("nan") for column in DUTY if column in values}
    if table == "audit" and spec.audit.play is None:
        values |= dict.fromkeys(PLAY, float("nan"))
    if "mechanism" in values:
        values["mechanism"] = spec.mechanism.name
    if table == "training":
        assert spec.algorithm is not None
        for epoch in {1, spec.algorithm.stop.training_iteration}:
            yield values | {"algorithm": spec.algorithm.name, "epoch": epoch}
    elif "policy" in values:
        played = {"episode": 0, "num_users": spec.evaluated_env().num_users}
        here = {name: value for name, value in played.items() if name in values}
        for policy in policy_names(spec):
            yield values | here | {"policy": policy}
    else:
        yield values
