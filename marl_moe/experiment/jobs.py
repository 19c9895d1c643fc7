"""Jobs of a run, one after another in this process, or side by side in processes of Ray; the results are the same."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

from marl_moe.experiment.progress import Progress
from marl_moe.experiment.training import start_ray

Job = TypeVar("Job")
Result = TypeVar("Result")
POLL_SECONDS = 0.2


def run_jobs(
    work: Callable[[Job, Progress], Result], jobs: Sequence[Job], progress: Progress, side_by_side: int
) -> Iterator[tuple[int, Result]]:
    """Do `work` on each job, at most `side_by_side` at once; yields the number of a job and its result as they come.

    `work`, jobs and results must be picklable where more than one runs at once. An error of a job is raised here.
    """
    if side_by_side == 1:
        for number, job in enumerate(jobs):
            yield number, work(job, progress)
    else:
        yield from _run_on_ray(work, jobs, progress, side_by_side)


def _run_on_ray(
    work: Callable[[Job, Progress], Result], jobs: Sequence[Job], progress: Progress, side_by_side: int
) -> Iterator[tuple[int, Result]]:
    start_ray()
    import ray
    from ray.util.queue import Queue

    told = Queue(actor_options={"num_cpus": 0})
    remote = ray.remote(_tell_and_work).options(num_cpus=0, max_retries=0)
    waiting = list(enumerate(jobs))
    running: dict[Any, int] = {}
    try:
        while waiting or running:
            while waiting and len(running) < side_by_side:
                number, job = waiting.pop(0)
                running[remote.remote(work, job, told)] = number
            done, _ = ray.wait(list(running), timeout=POLL_SECONDS)
            _pass_on(told, progress)
            for reference in done:
                yield running.pop(reference), _result(reference)
    finally:
        for reference in running:
            ray.cancel(reference, force=True)
        told.shutdown(force=True)


def _tell_and_work(work: Callable[[Any, Progress], Any], job: Any, told: Any) -> Any:
    """In a process of Ray: do the job, and tell of its progress through a queue."""
    return work(
        job,
        Progress(
            on_kept=lambda epochs: told.put_nowait(("on_kept", (epochs,))),
            on_epoch=lambda row: told.put_nowait(("on_epoch", (row,))),
            on_policy=lambda seed, policy: told.put_nowait(("on_policy", (seed, policy))),
        ),
    )


def _pass_on(told: Any, progress: Progress) -> None:
    for name, arguments in told.get_nowait_batch(told.qsize()):
        getattr(progress, name)(*arguments)


def _result(reference: Any) -> Any:
    """The result of a job; its error as it was raised there, not as Ray wraps it."""
    import ray

    try:
        return ray.get(reference)
    except ray.exceptions.RayTaskError as error:
        raise error.cause from None
