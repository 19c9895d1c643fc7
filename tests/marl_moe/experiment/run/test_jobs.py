"""Jobs one after another and side by side."""

import gc
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from marl_moe.errors import TrainingError
from marl_moe.experiment.progress import Progress
from marl_moe.experiment.run.jobs import RESTARTS, run_jobs

pytestmark = pytest.mark.usefixtures("ray_started")
ONE_CORE = [{"CPU": 1.0}]


@pytest.mark.parametrize("side_by_side", [1, 2])
def test_every_job_is_done_once_by_as_many_processes_as_run_at_once_and_its_progress_told(
    side_by_side: int, tmp_path: Path
) -> None:
    def work(job: int, progress: Progress) -> tuple[int, int]:
        progress.on_policy(job, f"policy {job}")
        return job**2, os.getpid()

    told: list[Any] = []
    progress = Progress(on_policy=lambda seed, policy: told.append((seed, policy)))
    jobs = range(3, 9)
    results = dict(run_jobs(work, jobs, progress, side_by_side, [ONE_CORE] * 6, tmp_path))
    assert {number: result for number, (result, _) in results.items()} == {
        number: job**2 for number, job in enumerate(jobs)
    }
    assert sorted(told) == [(job, f"policy {job}") for job in jobs]
    processes = {process for _, process in results.values()}
    assert len(processes) <= side_by_side
    assert (processes == {os.getpid()}) == (side_by_side == 1)
    assert not list(tmp_path.iterdir())


def test_what_a_job_raises_in_this_process_is_raised_as_it_was(tmp_path: Path) -> None:
    def work(job: int, progress: Progress) -> int:
        raise OSError(f"disk {job} is full")

    with pytest.raises(OSError, match=r"^disk 1 is full$"):
        list(run_jobs(work, [1], Progress(), 1, [ONE_CORE], tmp_path))


def wait_until(happened: Callable[[], Any], patience_s: float = 60.0) -> None:
    deadline = time.monotonic() + patience_s
    while not happened():
        assert time.monotonic() < deadline, "did not happen"
        time.sleep(0.01)


def test_each_job_has_a_placement_group_of_its_needs_that_holds_what_it_starts(
    tmp_path: Path,
) -> None:
    """The first bundle is held by the job also while it waits for another process."""
    needs = [[{"CPU": 1.0}, {"CPU": 2.0}], [{"CPU": 1.0}], [{"CPU": 2.0}, {"CPU": 1.0}]]

    def work(job: int, progress: Progress) -> Any:
        import ray

        def group() -> Any:
            return ray.util.get_current_placement_group()

        def cores_in_use() -> Any:
            return ray.get_runtime_context().get_assigned_resources()["CPU"]

        child = ray.remote(num_cpus=0)(group).remote()
        same = ray.get(child).id == group().id
        return list(group().bundle_specs), cores_in_use(), same

    results = dict(run_jobs(work, range(3), Progress(), 2, needs, tmp_path))
    for number, bundles in enumerate(needs):
        assert results[number] == (bundles, bundles[0]["CPU"], True)


@pytest.mark.faults
@pytest.mark.parametrize("deaths", [RESTARTS, RESTARTS + 1])
def test_a_job_whose_process_is_killed_is_begun_again_three_times_at_most(
    deaths: int, tmp_path: Path
) -> None:
    """Each time it keeps one epoch more than it began with, and the bar counts each once."""
    attempts = tmp_path / "attempts"
    attempts.mkdir()
    folder = tmp_path / "run"
    folder.mkdir()

    def work(job: int, progress: Progress) -> int:
        kept = len(list(attempts.iterdir()))
        progress.on_kept(kept)
        (attempts / str(kept)).touch()
        progress.on_epoch({})
        progress.on_epoch({})
        if kept < deaths:
            os.kill(os.getpid(), signal.SIGKILL)
        return kept

    kept: list[int] = []
    told: list[Any] = []
    results = run_jobs(
        work, [0], Progress(on_kept=kept.append, on_epoch=told.append), 2, [ONE_CORE], folder
    )
    if deaths > RESTARTS:
        with pytest.raises(TrainingError, match=r"^a job's process died 4 times: The actor died"):
            list(results)
    else:
        assert list(results) == [(0, deaths)]
        assert sum(kept) + len(told) == deaths + 2
    assert len(list(attempts.iterdir())) == RESTARTS + 1
    assert not list(folder.iterdir())


def test_the_error_of_a_job_ends_the_processes_of_the_others_and_what_they_started(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    started = tmp_path / "started"
    started.mkdir()
    folder = tmp_path / "run"
    folder.mkdir()

    def wait_there() -> None:
        (started / str(os.getpid())).touch()
        time.sleep(1000)

    def work(job: int, progress: Progress) -> None:
        import ray

        if job == 0:
            child = ray.remote(num_cpus=1)(wait_there).remote()
            (started / str(os.getpid())).touch()
            ray.get(child)
        while len(list(started.iterdir())) < 2:
            time.sleep(0.01)
        raise ValueError("no more")

    with pytest.raises(ValueError, match=r"^no more$"):
        list(run_jobs(work, [0, 1], Progress(), 2, [ONE_CORE * 2, ONE_CORE], folder))
    processes = [int(path.name) for path in started.iterdir()]
    assert len(processes) == 2
    wait_until(lambda: not any(map(psutil.pid_exists, processes)), patience_s=10)
    assert not list(folder.iterdir())
    assert tuple(capfd.readouterr()) == ("", "")


def test_of_jobs_that_fail_at_once_the_first_error_is_raised_as_it_was_and_nothing_printed(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    def work(job: int, progress: Progress) -> None:
        (tmp_path / str(job)).touch()
        while len(list(tmp_path.glob("[01]"))) < 2:
            time.sleep(0.01)
        raise OSError(f"disk {job} is full")

    with pytest.raises(OSError, match=r"^disk [01] is full$"):
        list(run_jobs(work, [0, 1], Progress(), 2, [ONE_CORE] * 2, tmp_path))
    gc.collect()
    assert tuple(capfd.readouterr()) == ("", "")
