"""Jobs of a run, one after another in this process, or side by side as trials of Ray Tune; the
results are the same.
"""

import logging
import os
import shutil
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import fields
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

from marl_moe.experiment.cluster import nodes, start_ray
from marl_moe.experiment.cluster_spec import ClusterSpec
from marl_moe.experiment.progress import Progress
from marl_moe.experiment.resources import Bundles, check_fits
from marl_moe.experiment.spec import SpecError

Job = TypeVar("Job")
Result = TypeVar("Result")
Work = Callable[[Job, Progress], Result]
POLL_SECONDS = 0.1
RESTARTS = 3  # of a job whose process died, as with its node; it goes on from its checkpoint
DONE, FAILED = "done", "failed"  # what a trial tells beside the calls of its Progress
TRIALS = ".trials_"  # Tune's own files, in the run folder for as long as the trials run
QUIET = {  # one progress display, ours; no files but a job's own; paths as they are here
    "RAY_AIR_NEW_OUTPUT": "0",
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "RAY_CHDIR_TO_TRIAL_DIR": "0",
}


def run_jobs(
    work: Work[Job, Result],
    jobs: Sequence[Job],
    progress: Progress,
    side_by_side: int,
    needs: Sequence[Bundles],
    folder: Path,
    cluster: ClusterSpec | None = None,
) -> Iterator[tuple[int, Result]]:
    """Do `work` on each job, at most `side_by_side` at once; yields the number of a job and its
    result as they come.

    `work`, jobs and results must be picklable where more than one runs at once; each is then given
    its bundles of `needs`, and `folder` must be one for all nodes of Ray. An error of a job is
    raised here as it was raised there, and the other jobs are stopped. A job whose process is
    killed, or whose node dies, is begun again, `RESTARTS` times.
    """
    if side_by_side == 1:
        for number, job in enumerate(jobs):
            yield number, work(job, progress)
    else:
        yield from _run_on_tune(work, jobs, progress, side_by_side, needs, folder, cluster)


def remove_trials(folder: Path) -> None:
    """Remove what a run that was killed left of Tune's own files in its folder."""
    for left in folder.glob(f"{TRIALS}*"):
        shutil.rmtree(left, ignore_errors=True)


def _run_on_tune(
    work: Work[Job, Result],
    jobs: Sequence[Job],
    progress: Progress,
    side_by_side: int,
    needs: Sequence[Bundles],
    folder: Path,
    cluster: ClusterSpec | None,
) -> Iterator[tuple[int, Result]]:
    os.environ.update(QUIET)
    # Tune complains at length of a full disk, on which its own files are the least loss.
    logging.getLogger("ray.tune.execution.experiment_state").setLevel(logging.CRITICAL)
    start_ray(cluster)
    import ray
    from ray import tune
    from ray.tune.progress_reporter import TrialProgressCallback
    from ray.util.queue import Queue
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    for bundles in needs:
        check_fits(bundles, nodes())
    here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
    told = Queue(
        actor_options={"num_cpus": 0, "scheduling_strategy": here}
    )  # a node that dies does not take it along

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
        with TemporaryDirectory(
            prefix=TRIALS, dir=folder.resolve(), ignore_cleanup_errors=True
        ) as storage:
            trial = tune.with_parameters(_trial, work=work, jobs=jobs, told=told, shared=storage)
            results = tune.Tuner(
                tune.with_resources(
                    trial, lambda config: tune.PlacementGroupFactory(needs[config["number"]])
                ),
                param_space={"number": tune.grid_search(list(range(len(jobs))))},
                tune_config=tune.TuneConfig(max_concurrent_trials=side_by_side, reuse_actors=True),
                run_config=tune.RunConfig(
                    storage_path=storage,
                    verbose=0,
                    stop=stopper,
                    callbacks=[Silent()],
                    failure_config=tune.FailureConfig(max_failures=RESTARTS),
                ),
            ).fit()
            failures.extend(results.errors)

    trials = threading.Thread(target=fit, daemon=True)
    trials.start()
    left = set(range(len(jobs)))
    epochs: Counter[int] = Counter()  # told of, by job: kept, or trained since
    try:
        while left:
            ended = (
                not trials.is_alive()
            )  # looked at before the queue, which then holds all there will be
            for number, name, arguments in told.get_nowait_batch(told.qsize()):
                if name == FAILED:
                    raise arguments[0]
                if name == DONE:
                    if (
                        number in left
                    ):  # else its process died after it had told of the end, and did it again
                        left.remove(number)
                        yield number, arguments[0]
                    continue
                if name == "on_kept":
                    arguments = (
                        arguments[0] - epochs[number],
                    )  # fewer than were trained, where a process died
                    epochs[number] += arguments[0]
                epochs[number] += name == "on_epoch"
                getattr(progress, name)(*arguments)
            if ended and left:
                raise (
                    failures[0]
                    if failures
                    else RuntimeError(f"Ray Tune ended with {len(left)} jobs left")
                )
            trials.join(POLL_SECONDS if left else None)
    finally:
        stopper.awaited = False


def _trial(
    config: dict[str, int], work: Work[Any, Any], jobs: Sequence[Any], told: Any, shared: str
) -> None:
    """In a process of Ray: do the job of that number, and tell of its progress and its end."""
    number = config["number"]

    def teller(name: str) -> Callable[..., None]:
        return lambda *arguments: told.put((number, name, arguments))

    try:
        _check_shared(Path(shared))
        result = work(
            jobs[number], Progress(**{call.name: teller(call.name) for call in fields(Progress)})
        )
    except Exception as error:
        told.put((number, FAILED, (error,)))
    else:
        told.put((number, DONE, (result,)))


def _check_shared(folder: Path) -> None:
    """Raise SpecError where a node does not see a folder that was made before, whose name no other
    ever had.
    """
    if not folder.is_dir():
        import ray

        node = ray.util.get_node_ip_address()
        raise SpecError(
            f"{folder.parent}: the node {node} does not see this folder, where a job that ran "
            "there would leave its "
            "policy and checkpoints; give --out a folder shared by all nodes, or do one job after "
            "another: "
            "cluster.max_concurrent_trials: 1"
        )
