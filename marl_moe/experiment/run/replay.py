"""Policies of a run played again: for a table, or for a film."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

import mechanisms
from marl_moe.errors import SpecError
from marl_moe.experiment.run.folder import RunFolder
from marl_moe.experiment.run.training_job import policy_names
from marl_moe.experiment.study.video import record_video


def evaluate_run(run: RunFolder, names: Sequence[str] | None, episodes: int | None) -> pd.DataFrame:
    """Play policies again in the worlds of a run.

    Args:
        run: the run.
        names: policies, learned or not; None: those of the experiment.
        episodes: episodes a policy and seed; None: as in the experiment.

    Returns:
        Rows as of `evaluation.parquet`.

    Raises:
        SpecError: there is no such policy, or it was not trained at every point with every seed.
        RecordError: a policy that was trained is damaged.
    """
    rows = []
    for job in run.training_jobs():
        policies = [job.policy(name) for name in (names or policy_names(job.spec))]
        tables = job.evaluate(policies, episodes or job.spec.evaluation.episodes)
        rows.append(tables["evaluation"])
    return pd.concat(rows, ignore_index=True)


def film_run(run: RunFolder, name: str | None, path: Path) -> None:
    """Film the first evaluation episode of a run's first job, played by a policy.

    Args:
        run: the run.
        name: the policy; None: the first of the experiment, which is the learned one if it has one.
        path: the file; see `record_video`.

    Raises:
        SpecError: there is no such policy, or the suffix cannot be written here.
    """
    job = run.training_jobs()[0]
    policy = job.policy(name or policy_names(job.spec)[0])
    mechanism = mechanisms.make(**job.spec.mechanism.parameters())
    try:
        record_video(policy, job.spec.evaluated_env(), mechanism, job.seed, path)
    except ValueError as error:
        raise SpecError(f"video: {error}") from None
