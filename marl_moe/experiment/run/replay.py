"""Policies of a run played again: for a table, which may be kept, or for films."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

import mechanisms
from marl_moe.errors import SpecError
from marl_moe.experiment.records.tables import further_columns, schema
from marl_moe.experiment.run.folder import RunFolder
from marl_moe.experiment.run.training_job import policy_names
from marl_moe.experiment.spec.labels import folder_of
from marl_moe.experiment.study.video import record_video
from marl_moe.whole_file import check_new, whole_file

CSV = ".csv"
SUFFIXES = (CSV, ".parquet")  # of files of rows


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


def film_run(run: RunFolder, names: Sequence[str], path: Path) -> list[Path]:
    """Film the first evaluation episode of a run's first job, played by each of some policies.

    Args:
        run: the run.
        names: the policies; without one, the first of the experiment, which is the learned one if
            it has one.
        path: the file; see `record_video`. Of several policies each has its own, with the name of
            the policy before the suffix.

    Returns:
        The files.

    Raises:
        SpecError: there is no such policy, or the suffix cannot be written here.
    """
    job = run.training_jobs()[0]
    names = list(dict.fromkeys(names)) or policy_names(job.spec)[:1]
    policies = [job.policy(name) for name in names]
    files = [path]
    if len(names) > 1:
        files = [path.with_stem(f"{path.stem}_{folder_of(name)}") for name in names]
    for policy, file in zip(policies, files, strict=True):
        mechanism = mechanisms.make(**job.spec.mechanism.parameters())
        try:
            record_video(
                policy,
                job.played.evaluated_env(),
                mechanism,
                job.seed,
                file,
                sides=job.sides_of(policy),
            )
        except ValueError as error:
            raise SpecError(f"video: {error}") from None
    return files


def check_rows_file(path: Path) -> None:
    """Check that rows can be written to a file, before they are computed.

    Raises:
        SpecError: its suffix is of no table, it exists, or its folder does not.
    """
    if path.suffix not in SUFFIXES:
        raise SpecError(f"--out {path}: should end in {' or '.join(SUFFIXES)}")
    check_new(path)


def write_rows(evaluation: pd.DataFrame, metrics: Sequence[str], path: Path) -> None:
    """Write rows as of `evaluation.parquet` to a file, whole or not at all.

    Args:
        evaluation: the rows.
        metrics: metrics of the experiment, a column each.
        path: a file that `check_rows_file` allows.

    Raises:
        OSError: it cannot be written.
    """
    described = schema("evaluation", further_columns("evaluation", metrics, evaluation.columns))
    rows = evaluation[described.names]
    with whole_file(path) as partial:
        if path.suffix == CSV:
            rows.to_csv(partial, index=False, lineterminator="\n")
            return
        with partial.open("wb") as file:
            pq.write_table(pa.Table.from_pandas(rows, described, preserve_index=False), file)
