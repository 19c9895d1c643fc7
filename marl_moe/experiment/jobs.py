"""Jobs of a run, one after another in this process, or side by side as trials of Ray Tune; the results are the same."""

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import fields
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

from marl_moe.experiment.progress import Progress
from marl_moe.experiment.training import start_ray

Job = TypeVar("Job")
Result = TypeVar("Result")
POLL_SECONDS = 0.1
DONE, FAILED = "done", "failed"  # what a trial tells beside the calls of its Progress
QUIET = {  # one progress display, ours; no files but a job's own; paths as they are here
    "RAY_AIR_NEW_OUTPUT": "0",
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "RAY_CHDIR_TO_TRIAL_DIR": "0",
}


def run_jobs(
    work: Callable[[Job, Progress], Result], jobs: Sequence[Job], progress: Progress, side_by_side: int, cores: int = 1
) -> Iterator[tuple[int, Result]]:
    """Do `work` on each job, at most `side_by_side` at once; yields the number of a job and its result as they come.

    `work`, jobs and results must be picklable where more than one runs at once; each is then given `cores` CPU cores.
    An error of a job is raised here as it was raised there, and the other jobs are stopped.
    """
    if side_by_side == 1:
        for number, job in enumerate(jobs):
            yield number, work(job, progress)
    else:
        yield from _run_on_tune(work, jobs, progress, side_by_side, cores)


def _run_on_tune(
    work: Callable[[Job, Progress], Result], jobs: Sequence[Job], progress: Progress, side_by_side: int, cores: int
) -> Iterator[tuple[int, Result]]:
    os.environ.update(QUIET)
    start_ray()
    from ray import tune
    from ray.tune.progress_reporter import TrialProgressCallback
    from ray.util.queue import Queue

    told = Queue(actor_options={"num_cpus": 0})

    class Silent(TrialProgressCallback):  # Tune would add one that prints
        on_trial_result = on_trial_complete = on_trial_error = lambda *arguments, **named: None

    class Stopper(tune.Stopper):
        """Stops the trials when nobody waits for them any more."""

        awaited = True

        def __call__(self, trial_id: str, result: Any) -> bool:
            return False

        def stop_all(self) -> bool:
            return not self.awaited

    stopper = Stopper()
    failures: list[Exception] = []

    def fit() -> None:
        with TemporaryDirectory(ignore_cleanup_errors=True) as storage:
            trial = tune.with_parameters(_trial, work=work, jobs=jobs, told=told)
            results = tune.Tuner(
                tune.with_resources(trial, {"cpu": cores}),
                param_space={"number": tune.grid_search(list(range(len(jobs))))},
                tune_config=tune.TuneConfig(max_concurrent_trials=side_by_side, reuse_actors=True),
                run_config=tune.RunConfig(storage_path=storage, verbose=0, stop=stopper, callbacks=[Silent()]),
            ).fit()
            failures.extend(results.errors)

    trials = threading.Thread(target=fit, daemon=True)
    trials.start()
    left = len(jobs)
    try:
        while left:
            ended = not trials.is_alive()  # looked at before the queue, which then holds all there will be
            for name, arguments in told.get_nowait_batch(told.qsize()):
                if name == FAILED:
                    raise arguments[0]
                if name == DONE:
                    left -= 1
                    yield arguments
                else:
                    getattr(progress, name)(*arguments)
            if ended and left:
                raise failures[0] if failures else RuntimeError(f"Ray Tune ended with {left} jobs left")
            trials.join(POLL_SECONDS if left else None)
    finally:
        stopper.awaited = False


def _trial(config: dict[str, int], work: Callable[[Any, Progress], Any], jobs: Sequence[Any], told: Any) -> None:
    """In a process of Ray: do the job of that number, and tell of its progress and its end."""

    def teller(name: str) -> Callable[..., None]:
        return lambda *arguments: told.put((name, arguments))

    number = config["number"]
    try:
        result = work(jobs[number], Progress(**{call.name: teller(call.name) for call in fields(Progress)}))
    except Exception as error:
        told.put((FAILED, (error,)))
    else:
        told.put((DONE, (number, result)))
