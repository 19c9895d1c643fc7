"""Time to quality: until the likeliest actions gain 50 % and 85 % of the equilibrium's gain.

Four cells tell network and engine apart: {RLlib's stock SAC, ours} x {mlp, pointer}, all on the
same observations. The mlp of RLlib's cell is RLlib's default, that of ours as wide; the pointer is
one and the same network. The clock counts collecting and learning, and stands still while
evaluating; importing and building come before it.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import log
from typing import Any

import numpy as np
from contention import contention_spec

import mechanisms
from marl_moe.experiment.spec.experiment import ExperimentSpec
from marl_moe.experiment.study.evaluation import mean_gain
from marl_moe.experiment.training.cluster import start_ray
from marl_moe.experiment.training.configuration import algorithm_config
from marl_moe.policies.base import Policy
from marl_moe.policies.columns import columns_of
from marl_moe.policies.equilibrium import Nash
from marl_moe.policies.learned import LearnedPolicy
from marl_moe.seeds import evaluation_seed

NUM_USERS = 16
LEVELS = (0.5, 0.85)  # shares of the equilibrium's gain
EVALUATION_WORLDS = 32  # an episode each
RESOLUTION = 0.04  # of the seconds passed, between two evaluations
LEAST_SECONDS = 0.1  # between two evaluations
# evaluations in a row: at the highest level they end a run, and fewer at its end do not count
HOLDS = 3
MLP_HIDDEN = 256  # RLlib's default width

Row = dict[str, Any]


@dataclass(frozen=True)
class Cell:
    """An engine and a network: `rllib` or `ours`, `mlp` or `pointer`."""

    engine: str
    network: str

    def __str__(self) -> str:
        return f"{self.engine} {self.network}"


@dataclass(frozen=True)
class Setting:
    """Values that are tuned, in the same units for both engines."""

    learning_rate: float  # of actor, critics and temperature
    gamma: float  # discount a slot
    target_entropy_ratio: float  # times log of the number of actions, nats
    replay_ratio: float  # agent transitions trained on, a transition collected
    num_envs: int  # worlds
    warm_up: int  # agent transitions before learning starts

    def algorithm(self, cell: Cell, num_users: int, num_experts: int) -> dict[str, Any]:
        """Return the `algorithm` section of an experiment in a world of that size."""
        rates = dict.fromkeys(("actor_lr", "critic_lr", "alpha_lr"), self.learning_rate)
        training = rates | {
            "gamma": self.gamma,
            "train_batch_size_per_learner": 256,
            "torch_threads": 1,
        }
        runners = {"num_envs_per_env_runner": self.num_envs}
        pointer = {"network": "pointer", "hidden": 64}
        if cell.engine == "ours":
            network = (
                pointer if cell.network == "pointer" else {"network": "mlp", "hidden": MLP_HIDDEN}
            )
            training |= {
                "target_entropy_ratio": self.target_entropy_ratio,
                "training_intensity": self.replay_ratio,
                "num_steps_sampled_before_learning_starts": self.warm_up,
            }
            return {
                "name": "sac",
                "env_runners": runners | {"rollout_fragment_length": 5},
                "rl_module": {"model_config": network},
                "training": training,
            }
        training |= {  # RLlib counts env steps, each of one transition a user
            "target_entropy": self.target_entropy_ratio * log(num_experts + 1),
            "training_intensity": self.replay_ratio * num_users,
            "num_steps_sampled_before_learning_starts": -(-self.warm_up // num_users),
        }
        network = pointer if cell.network == "pointer" else {}
        return {
            "name": "rllib_sac",
            "env_runners": runners,
            "rl_module": {"model_config": network},
            "training": training,
        }


CELLS = tuple(
    Cell(engine, network) for engine in ("rllib", "ours") for network in ("mlp", "pointer")
)


class LearningCurve:
    """One training run, looked at as it goes on: `for row in LearningCurve(...).rows(): ...`.

    Args:
        cell: engine and network.
        setting: what was tuned.
        seed: of training; the evaluation worlds follow from it.
        cap_s: seconds of the clock after which the run ends, whatever was reached.
        clock: seconds, as `time.perf_counter`.
        resolution: share of the seconds passed that lies between two evaluations.
        env: keys of the contention world that differ.
    """

    def __init__(
        self,
        cell: Cell,
        setting: Setting,
        seed: int,
        cap_s: float,
        clock: Callable[[], float] = time.perf_counter,
        resolution: float = RESOLUTION,
        **env: Any,
    ) -> None:
        self.cell, self.setting, self.seed = cell, setting, seed
        self.cap_s, self.clock, self.resolution = cap_s, clock, resolution
        env = {"num_users": NUM_USERS} | env
        world = contention_spec(**env).env
        section = setting.algorithm(cell, world.num_users, world.num_experts)
        self.spec: ExperimentSpec = contention_spec(section, **env)
        self.worlds_seed = evaluation_seed(seed, 0)
        self.equilibrium = self._gain(Nash(np.random.default_rng(0)))
        self._rows: list[Row] = []
        self.seconds, self._next_look, self._updates = 0.0, 0.0, 0

    @property
    def over(self) -> bool:
        """Return whether the highest level holds, or the cap is reached."""
        last = [row["share_of_equilibrium"] for row in self._rows[-HOLDS:]]
        return (len(last) == HOLDS and min(last) >= max(LEVELS)) or self.seconds >= self.cap_s

    def rows(self) -> Iterator[Row]:
        """Train; a row for each evaluation, as it comes."""
        start_ray()
        self.algorithm = algorithm_config(self.spec, self.seed).build_algo()
        optimizer = next(iter(self.algorithm.learner_group._learner._optimizer_parameters))
        optimizer.register_step_post_hook(lambda *args: self._on_update())
        told = 0
        try:
            self._resumed = self.clock()
            while not self.over:
                self.algorithm.train()
                yield from self._rows[told:]
                told = len(self._rows)
        finally:
            self.algorithm.stop()

    def _on_update(self) -> None:
        """Count an update of any engine; if it is time, stop the clock and evaluate."""
        if self.over:
            return
        self._updates += 1
        self.seconds += self.clock() - self._resumed
        if self.seconds >= self._next_look:
            self._rows.append(self._look())
            self._next_look = self.seconds + max(LEAST_SECONDS, self.resolution * self.seconds)
        self._resumed = self.clock()

    def _look(self) -> Row:
        gain = self._gain(self._policy())
        return {
            "engine": self.cell.engine,
            "network": self.cell.network,
            "seed": self.seed,
            "seconds": self.seconds,
            "env_steps": int(
                self.algorithm.metrics.peek(("env_runners", "num_env_steps_sampled_lifetime"))
            ),
            "updates": self._updates,
            "gain": gain,
            "share_of_equilibrium": gain / self.equilibrium,
        }

    def _policy(self) -> Policy:
        """Return what is being learned, acting deterministically."""
        module = self.algorithm.learner_group._learner.module["shared"].unwrapped()
        users = {"shared": list(range(self.spec.env.num_users))}
        if self.cell.engine == "ours":
            return LearnedPolicy("sac", {"shared": module.actor}, module.network, users)
        from marl_moe.rllib.stock_policy import StockPolicy

        world = self.spec.env
        columns = columns_of(world, allocates=False)
        return StockPolicy(
            "rllib_sac", {"shared": module}, users, world.num_experts, columns, env_steps=0
        )

    def _gain(self, policy: Policy) -> float:
        """Mean gain per slot and user in the evaluation worlds, credits."""
        return mean_gain(
            policy, self.spec.env, mechanisms.make("none"), self.worlds_seed, EVALUATION_WORLDS
        )


def time_to(rows: list[Row], level: float) -> Row | None:
    """Return the row from which the level holds, None if fewer than `HOLDS` rows are left."""
    below = [index for index, row in enumerate(rows) if row["share_of_equilibrium"] < level]
    first = below[-1] + 1 if below else 0
    return rows[first] if len(rows) - first >= HOLDS else None


@dataclass(frozen=True)
class Caps:
    """Seconds of the clock after which a run ends."""

    rllib_s: float
    ours_s: float

    def of(self, cell: Cell) -> float:
        """Return the cap of a cell."""
        return self.rllib_s if cell.engine == "rllib" else self.ours_s
