"""Metrics of the world from RLlib's stock runners, under the names that `WorldRunner` reports."""

from collections import defaultdict
from typing import Any

import torch
from ray.rllib.callbacks.callbacks import RLlibCallback

from envs.slot import RECORDED_OF_USERS
from marl_moe.rllib.metrics import RunnerMetrics, tell_failure
from marl_moe.rllib.stock_env import EdgeExpertsEnv
from marl_moe.seeds import replay_generator

REQUEST_SUMS = ("utility", "num_requests")
WORLD_SUMS = ("platform_balance", "unit_price", "participation", "num_slots", "num_agent_slots")


class WorldMetrics(RLlibCallback):
    """Sums over slots and users of all environments of a runner, logged each time it has sampled.

    `platform_balance` is booked when an interval between clearings ends: an iteration that ends
    within one leaves it to the next. The callback also sets the thread count of torch in each
    process that runs environments, and seeds the replay buffer, which RLlib seeds from nothing.
    """

    def __init__(self) -> None:
        super().__init__()
        self._sums: defaultdict[str, float] = defaultdict(float)
        self._measured = RunnerMetrics((), num_worlds=1)
        self._failure = ""  # of a part's code, in words

    def on_algorithm_init(self, *, algorithm: Any, **kwargs: Any) -> None:
        """Seed the replay buffer."""
        if algorithm.local_replay_buffer is not None:
            algorithm.local_replay_buffer.rng = replay_generator(algorithm.config.seed)

    def on_environment_created(self, *, env_runner: Any, **kwargs: Any) -> None:
        """Set the thread count, and begin to measure what the experiment names."""
        torch.set_num_threads(env_runner.config.torch_threads)
        self._measured = RunnerMetrics(env_runner.config.env_config["metrics"], num_worlds=1)

    def on_episode_step(self, *, env: Any, env_index: int, **kwargs: Any) -> None:
        """Add the results of one slot of one world."""
        adapter: EdgeExpertsEnv = env.envs[env_index].unwrapped
        if adapter.failure:
            self._failure = adapter.failure
            return
        world, sums = adapter.parallel.world, self._sums
        for info in adapter.infos.values():
            for name in RECORDED_OF_USERS:
                sums[name] += info[name]
            if "utility" in info:
                sums["utility"] += info["utility"]
                sums["num_requests"] += 1
        sums["num_agent_slots"] += len(adapter.infos)
        sums["num_slots"] += 1
        sums["unit_price"] += float(world.slot.offer.unit_price.mean())
        sums["participation"] += float(world.slot.offer.participates.mean())
        if world.closed_clearing is not None:
            sums["platform_balance"] += float(world.closed_clearing.balance.sum())
        if self._measured:
            self._measured.add(*adapter.played)

    def on_sample_end(self, *, metrics_logger: Any, **kwargs: Any) -> None:
        """Log the sums and begin anew."""
        for name in (*RECORDED_OF_USERS, *REQUEST_SUMS, *WORLD_SUMS):
            metrics_logger.log_value(name, self._sums[name], reduce="sum")
        self._sums.clear()
        if self._failure:
            tell_failure(metrics_logger, self._failure)
        self._measured.log(metrics_logger)
