"""Jobs one after another and side by side."""

import os
from pathlib import Path
from typing import Any

import pytest

from marl_moe.experiment.jobs import run_jobs
from marl_moe.experiment.progress import Progress

pytestmark = pytest.mark.usefixtures("ray_started")
ONE_CORE = [{"CPU": 1.0}]


@pytest.mark.parametrize("side_by_side", [1, 2])
def test_every_job_is_done_once_and_its_progress_told(side_by_side: int, tmp_path: Path) -> None:
    def work(job: int, progress: Progress) -> tuple[int, int]:
        progress.on_policy(job, f"policy {job}")
        return job**2, os.getpid()

    told: list[Any] = []
    progress = Progress(on_policy=lambda seed, policy: told.append((seed, policy)))
    results = dict(run_jobs(work, [3, 4, 5], progress, side_by_side, [ONE_CORE] * 3, tmp_path))
    assert {number: result for number, (result, _) in results.items()} == {0: 9, 1: 16, 2: 25}
    assert sorted(told) == [(job, f"policy {job}") for job in (3, 4, 5)]
    assert ({process for _, process in results.values()} == {os.getpid()}) == (side_by_side == 1)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("side_by_side", [1, 2])
def test_what_a_job_raises_is_raised_as_it_was(side_by_side: int, tmp_path: Path) -> None:
    def work(job: int, progress: Progress) -> int:
        raise OSError(f"disk {job} is full")

    with pytest.raises(OSError, match=r"^disk 1 is full$"):
        list(run_jobs(work, [1], Progress(), side_by_side, [ONE_CORE], tmp_path))
