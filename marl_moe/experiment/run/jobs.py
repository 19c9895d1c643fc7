"""Jobs of a run, one after another in this process, or side by side in processes of Ray.

The results are the same.
"""

import os
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import fields
from pathlib import Path
from typing import Any, TypeVar
from uuid import uuid4

from marl_moe.errors import SpecError, TrainingError
from marl_moe.experiment.progress import Progress
from marl_moe.experiment.spec.cluster import ClusterSpec
from marl_moe.experiment.training.cluster import nodes, start_ray
from marl_moe.experiment.training.interrupts import HeldInterrupt
from marl_moe.experiment.training.resources import Bundles, check_fits
from marl_moe.plugins import Code, code
from marl_moe.whole_file import PARTIAL

Job = TypeVar("Job")
Result = TypeVar("Result")
Work = Callable[[Job, Progress], Result]
POLL_SECONDS = 0.1
RESTARTS = 3  # of a job whose process died, as with its node; it goes on from its checkpoint


def run_jobs(
    work: Work[Job, Result],
    jobs: Sequence[Job],
    progress: Progress,
    side_by_side: int,
    needs: Sequence[Bundles],
    folder: Path,
    cluster: ClusterSpec | None = None,
) -> Iterator[tuple[int, Result]]:
    """Do `work` on each job, and yield the number of a job and its result as they come.

    A job whose process is killed, or whose node dies, is begun again, `RESTARTS` times.

    Args:
        work: called with a job and the progress it tells of; picklable, as jobs and results are,
            where more than one runs at once.
        jobs: the jobs.
        progress: told, in this process, of what each job tells.
        side_by_side: how many jobs run at once; 1 runs them in this process.
        needs: the bundles of Ray that each job is given where more than one runs at once, the
            first of them for the process of the job.
        folder: where jobs write; one for all nodes of Ray.
        cluster: the cluster to run on, a Ray of this machine if None.

    Raises:
        Exception: of a job, as it was raised there; the other jobs are stopped.
        KeyboardInterrupt: after Ctrl-C, once the jobs under way have come to where they can go on
            from; a second one stops at once.
        SpecError: a job could never fit, or a node does not see `folder`.
        TrainingError: the process of a job died once more than `RESTARTS` times.
    """
    if side_by_side == 1:
        for number, job in enumerate(jobs):
            yield number, work(job, progress)
        return
    os.environ["RAY_IGNORE_UNHANDLED_ERRORS"] = "1"  # of further jobs that fail: not printed
    start_ray(cluster)
    import ray
    from ray.exceptions import RayError, RayTaskError
    from ray.util.placement_group import remove_placement_group
    from ray.util.queue import Queue
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    for bundles in needs:
        check_fits(bundles, nodes())
    # On this node: another may die and take it along.
    here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
    told = Queue(actor_options={"num_cpus": 0, "scheduling_strategy": here})
    epochs: Counter[int] = Counter()  # that `progress` was told of, by job
    deaths: Counter[int] = Counter()  # of processes, by job
    waiting = deque(range(len(jobs)))
    running: dict[Any, tuple[int, _Place]] = {}
    free: list[_Place] = []
    probe = folder.resolve() / f".shared.{uuid4().hex}{PARTIAL}"
    probe.touch()
    try:
        with HeldInterrupt() as interrupt:
            while waiting or running:
                if interrupt.came:
                    waiting.clear()
                    probe.unlink(missing_ok=True)  # by which jobs are told
                while waiting and len(running) < side_by_side:
                    number = waiting.popleft()
                    same = free and free[-1].bundles == needs[number]
                    place = free.pop() if same else _Place(needs[number])
                    call = place.process.do.remote(work, number, jobs[number], told, probe)
                    running[call] = number, place
                while free:
                    remove_placement_group(free.pop().group)
                ended, _ = ray.wait(list(running), timeout=POLL_SECONDS)
                for number, name, arguments in told.get_nowait_batch(told.qsize()):
                    _tell(progress, name, arguments, epochs, number)
                for call in ended:
                    number, place = running.pop(call)
                    free.append(place)
                    try:
                        result = ray.get(call)
                    except RayTaskError as error:
                        if not isinstance(error.cause, _StoppedError):
                            raise error.cause from None
                    except RayError as error:
                        deaths[number] += 1
                        if deaths[number] > RESTARTS:
                            what = f"a job's process died {deaths[number]} times"
                            raise TrainingError(f"{what}: {str(error).splitlines()[0]}") from error
                        remove_placement_group(free.pop().group)
                        waiting.appendleft(number)
                    else:
                        yield number, result
            if interrupt.came:
                raise KeyboardInterrupt
    finally:
        for place in [*free, *(place for _, place in running.values())]:
            remove_placement_group(place.group)  # and end all processes in it
        with suppress(OSError):
            probe.unlink()


class _StoppedError(Exception):
    """A job stopped where it can be gone on from, as it was told to."""


class _Place:
    """Bundles of Ray, and a process in the first of them that does one job after another.

    What a job starts in other processes is placed in the further bundles.
    """

    def __init__(self, bundles: Bundles) -> None:
        import ray
        from ray.util.placement_group import placement_group
        from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy

        self.bundles = bundles
        self.group = placement_group(bundles)
        first = dict(bundles[0])
        # An actor: a task would lend its cores to what it starts while it waits for that.
        actor = ray.remote(_Process).options(
            num_cpus=first.pop("CPU", 0),
            num_gpus=first.pop("GPU", 0),
            resources=first,
            scheduling_strategy=PlacementGroupSchedulingStrategy(
                self.group, 0, placement_group_capture_child_tasks=True
            ),
        )
        self.process = actor.remote(code())


class _Process:
    """A process of Ray that does jobs.

    Args:
        own: code of the user's own, which was imported here when it arrived.
    """

    def __init__(self, own: Code) -> None:
        self.own = own

    def do(self, work: Work[Job, Result], number: int, job: Job, told: Any, probe: Path) -> Result:
        """Do a job, and put the calls of its progress into the queue `told`."""

        def teller(name: str) -> Callable[..., None]:
            return lambda *arguments: told.put((number, name, arguments))

        def is_stopping() -> bool:
            return not probe.exists()

        _check_shared(probe)
        calls: dict[str, Any] = {call.name: teller(call.name) for call in fields(Progress)}
        try:
            return work(job, Progress(**calls | {"is_stopping": is_stopping}))
        except KeyboardInterrupt:
            raise _StoppedError from None


def _tell(
    progress: Progress, name: str, arguments: tuple[Any, ...], epochs: Counter[int], number: int
) -> None:
    """Make a call of a job's progress here, and count the epochs that were told of.

    A job that was begun again keeps fewer epochs than it had told of: it tells of a negative
    number of kept epochs, so that in the end as many were told of as the job has.
    """
    if name == "on_kept":
        arguments = (arguments[0] - epochs[number],)
        epochs[number] += arguments[0]
    elif name == "on_epoch":
        epochs[number] += 1
    getattr(progress, name)(*arguments)


def _check_shared(probe: Path) -> None:
    """Raise SpecError where a node does not see a file just made, of a name never used before."""
    if not probe.is_file():
        import ray

        raise SpecError(
            f"{probe.parent}: the node {ray.util.get_node_ip_address()} does not see this folder, "
            "where a job that ran there would leave its policy and checkpoints; give --out a "
            "folder shared by all nodes, or do one job after another: "
            "cluster.max_concurrent_trials: 1"
        )
