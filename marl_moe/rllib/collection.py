"""Collection: the fragments that env runners send in a call, and the wait for a dead one."""

import time
from typing import Any

from ray.rllib.execution.rollout_ops import synchronous_parallel_sample
from ray.rllib.utils import force_list
from ray.rllib.utils.metrics import ENV_RUNNER_RESULTS

from marl_moe.errors import TrainingError
from marl_moe.rllib.metrics import FAILURES
from marl_moe.rllib.replay import Fragment
from mechanisms import PartError

PAUSE_S = 0.5  # between two checks whether an env runner is back


def collect(algorithm: Any) -> list[Fragment]:
    """Collect a fragment of each env runner that is alive and answers in time.

    Their metrics are added to the algorithm's. Where no runner is alive, it returns once one is
    back.

    Args:
        algorithm: the algorithm that the runners collect for.

    Returns:
        The fragments that arrived, which may be none.

    Raises:
        PartError: code of a part, a metric or a callback failed on a runner.
        TrainingError: all runners are dead, and none is to be restarted or none was back in time,
            as `fault_tolerance` says.
    """
    group, config = algorithm.env_runner_group, algorithm.config
    fragments: list[Fragment]
    fragments, results = synchronous_parallel_sample(
        worker_set=group,
        concat=False,
        sample_timeout_s=config.sample_timeout_s,
        _uses_new_env_runners=True,
        _return_metrics=True,
    )
    for told in results:
        if FAILURES in told:
            raise PartError(force_list(told[FAILURES].peek())[0])
    algorithm.metrics.aggregate(results, key=ENV_RUNNER_RESULTS)
    if group.num_remote_workers():
        allowed_s = config.env_runner_restore_timeout_s
        deadline = time.monotonic() + allowed_s
        while not group.num_healthy_remote_workers():
            if not config.restart_failed_env_runners:
                raise _all_dead("fault_tolerance.restart_failed_env_runners is false")
            if time.monotonic() > deadline:
                key = "fault_tolerance.env_runner_restore_timeout_s"
                raise _all_dead(f"none was back within {key} ({allowed_s:g} s)")
            time.sleep(PAUSE_S)
            algorithm.restore_env_runners(group)
    return fragments


def _all_dead(reason: str) -> TrainingError:
    return TrainingError(f"all env runners are dead, and {reason}")
