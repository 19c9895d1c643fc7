"""The runs below a folder: what each is, how far it is, and what it came to."""

import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from marl_moe.errors import RecordError, SpecError
from marl_moe.experiment.records.tables import read_table
from marl_moe.experiment.run.folder import EXPERIMENT, RunFolder
from marl_moe.experiment.run.lock import is_under_way
from marl_moe.experiment.study.remarks import learned_policies
from paper_figures.statistics import mean_interval


class Best(NamedTuple):
    """The learned policy of greatest gain, at the sweep point where it has that.

    Attributes:
        policy: its name.
        point: label of the sweep point; empty without a sweep.
        mean: its gain, credits a slot and user.
        low: end of the interval; NaN with one seed.
        high: the other end.
    """

    policy: str
    point: str
    mean: float
    low: float
    high: float


@dataclass(frozen=True)
class ListedRun:
    """A run in a list.

    Attributes:
        path: its folder.
        begun: time of its oldest file, seconds since 1970.
        done: jobs that are done; until its search is done too, those of that among them.
        jobs: all of them, likewise.
        is_under_way: whether a process works on it.
        best: None where nothing that learned was evaluated, or not all is done.
        num_bytes: size of its files.
    """

    path: Path
    begun: float
    done: int
    jobs: int
    is_under_way: bool
    best: Best | None
    num_bytes: int


def list_runs(folder: Path) -> tuple[list[ListedRun], dict[Path, str]]:
    """Return the runs whose folders are in a folder, the oldest first.

    Returns:
        The runs, and for each other folder why it is none that can be read.

    Raises:
        OSError: there is no such folder, or it cannot be read.
    """
    runs, others = [], {}
    for path in sorted(path for path in folder.iterdir() if path.is_dir()):
        try:
            runs.append(listed_run(path))
        except (SpecError, RecordError, OSError) as error:
            others[path] = str(error)
    return sorted(runs, key=lambda run: run.begun), others


def listed_run(path: Path) -> ListedRun:
    """Read a run folder as far as a list shows it.

    Raises:
        SpecError: there is no whole experiment in it, or one with code from elsewhere.
        RecordError: a table or `environment.json` is damaged.
    """
    run = RunFolder.read(path, to_play=False)
    jobs, left = len(run.jobs), len(run.jobs_left())
    if run.spec.search is not None:  # which is not done
        search = run.search()
        jobs, left = jobs + len(search.jobs), left + len(search.jobs_left())
    files = list(_files(path))
    return ListedRun(
        path,
        min(file.st_mtime for file in files),
        jobs - left,
        jobs,
        is_under_way(path, EXPERIMENT),
        None if left else _best(run),
        sum(file.st_size for file in files),
    )


def _best(run: RunFolder) -> Best | None:
    evaluation = read_table(run.path, "evaluation", run.spec.metrics)
    learned = learned_policies(point.spec for point in run.points)
    rows = evaluation[evaluation["policy"].isin(learned)].dropna(subset=["gain"])
    if rows.empty:
        return None
    gains = mean_interval(rows, "gain", ["point", "policy"])
    best = gains.sort_values("mean", ascending=False, kind="stable").iloc[0]
    return Best(best["policy"], best["point"], best["mean"], best["low"], best["high"])


def _files(folder: Path) -> Iterator[os.stat_result]:
    """Yield what is known of each file below a folder; one that goes meanwhile is left out."""
    for parent, _, names in os.walk(folder):
        for name in names:
            with suppress(FileNotFoundError):
                yield Path(parent, name).lstat()
