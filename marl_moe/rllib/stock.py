"""Stock PPO, DQN and SAC of RLlib on the same world, with masked modules, to compare our SAC with.

Everything but environment, mask and metrics is RLlib's, and so is the cost of one episode object
an agent. What our configurations change of RLlib's defaults is listed in the classes. A training
iteration (an epoch of the records) is RLlib's: PPO collects `training.train_batch_size_per_learner`
env steps and learns from them; DQN and SAC alternate collecting and updating until
`reporting.min_sample_timesteps_per_iteration` env steps are collected.

Under one seed a run repeats bit for bit within one process: environments, weights, exploration and
replay are seeded. In another process it repeats only under the same PYTHONHASHSEED, since RLlib
orders agents and modules by sets of strings, and with remote runners as far as RLlib's timing
allows.
"""

from collections.abc import Sequence
from dataclasses import fields
from functools import partial
from math import log
from typing import Any, TypeVar

import gymnasium as gym
import numpy as np
import torch
from ray.rllib.algorithms.algorithm_config import AlgorithmConfig, NotProvided
from ray.rllib.algorithms.dqn import DQNConfig
from ray.rllib.algorithms.ppo import PPOConfig
from ray.rllib.algorithms.sac import SACConfig
from ray.rllib.core.rl_module.default_model_config import DefaultModelConfig
from ray.rllib.core.rl_module.rl_module import RLModule, RLModuleSpec

from envs import WorldConfig
from marl_moe.policies.columns import columns_of
from marl_moe.policies.networks import GIVEN
from marl_moe.policies.prior import worth_at_first
from marl_moe.rllib.callbacks import CALLED, OF_EPISODES, prepared
from marl_moe.rllib.limits import check_integers, check_positive, check_shares, is_number
from marl_moe.rllib.stock_env import EdgeExpertsEnv
from marl_moe.rllib.stock_metrics import WorldMetrics
from marl_moe.rllib.stock_modules import (
    COLUMNS,
    WORTH,
    MaskedDqnModule,
    MaskedPpoModule,
    MaskedRllibSacModule,
    columns_in,
)
from marl_moe.rllib.stock_replay import NUM_ENVS, UNIFORM, check_replay, size_replay
from mechanisms import make

TARGET_ENTROPY_RATIO = 0.1  # as our SAC's default
NO_EVALUATION = "evaluation and checkpoints are not RLlib's"  # so it calls no hooks of these

Config = TypeVar("Config", bound="StockConfig")


class StockConfig(AlgorithmConfig):
    """Defaults and checks that the three share.

    One runner in this process, 4 worlds, gamma 0.9, no least time for an iteration, which is by
    default as many env steps as 4 episodes have slots. `training(torch_threads=...)` is the one key
    that RLlib does not have: the thread count of each process that runs environments.

    Attributes:
        module_class: the masked module.
        model_keys: keys that `rl_module.model_config` may hold.
    """

    module_class: type
    model_keys = tuple(field.name for field in fields(DefaultModelConfig))
    env_config: dict[str, Any]

    def __init__(self, algo_class: type | None = None) -> None:
        super().__init__(algo_class=algo_class)
        self.torch_threads = 1
        self.gamma = 0.9
        self.num_env_runners = 0
        self.num_envs_per_env_runner = NUM_ENVS
        self.min_time_s_per_iteration = 0
        self.log_level = "ERROR"
        self.log_sys_usage = False  # by a thread whose end takes 0.7 s; nothing reads it
        self.callbacks_class = WorldMetrics

    def training(self, *, torch_threads: Any = NotProvided, **kwargs: Any) -> "StockConfig":
        """Set keys of training: RLlib's, and the one of ours (see the class)."""
        super().training(**kwargs)
        if torch_threads is not NotProvided:
            self.torch_threads = torch_threads
        return self

    def world(
        self: Config,
        config: WorldConfig,
        mechanism: dict[str, Any],
        module_users: dict[str, list[int]],
        metrics: Sequence[str] = (),
    ) -> Config:
        """Set the world that is learned in, the users of each module, and metrics to measure."""
        self.environment(
            env=EdgeExpertsEnv,
            env_config={
                "world": config.as_dict(),
                "mechanism": mechanism,
                "metrics": list(metrics),
            },
            disable_env_checking=True,  # its steps are not seeded; ours are tested
        )
        module_of = {
            f"user_{user}": module for module, users in module_users.items() for user in users
        }
        self.multi_agent(
            policies=list(module_users), policy_mapping_fn=partial(_module_of, module_of)
        )
        self._size_by(config)
        return self

    def callbacks(self, callbacks_class: Any = NotProvided, **kwargs: Any) -> "StockConfig":
        """Set RLlib's keys of callbacks; a class, or a list of them, is called beside ours.

        What they log becomes columns of the records.

        Raises:
            ValueError: a hook is never called.
        """
        given = {"callbacks_class": [] if callbacks_class is NotProvided else callbacks_class}
        keys = prepared(given | kwargs, (*CALLED, *OF_EPISODES), NO_EVALUATION)
        super().callbacks(**keys | {"callbacks_class": [WorldMetrics, *keys["callbacks_class"]]})
        return self

    def debugging(self, **kwargs: Any) -> "StockConfig":
        """Set RLlib's keys of debugging; the environments are told the seed too."""
        super().debugging(**kwargs)
        self.env_config = {**self.env_config, "seed": self.seed}
        return self

    def validate(self) -> None:
        """Check the keys, as RLlib does, and numbers that it lets pass.

        Raises:
            ValueError: a value is impossible; the message names its key.
        """
        check_integers(self, {"torch_threads": 1, "train_batch_size_per_learner": 1})
        check_shares(self, ("gamma",))
        if self.model_config.get("use_lstm"):
            raise ValueError(
                "rl_module.model_config.use_lstm should be false: evaluation keeps no memory of a "
                "policy"
            )
        with torch.random.fork_rng(devices=[]):
            try:
                self.build_module(self.world_config.num_candidates, self.model_config)
            except Exception as error:  # RLlib raises errors of any kind
                raise ValueError(f"rl_module.model_config: {error}") from None
        super().validate()

    @classmethod
    def build_module(cls, num_candidates: int, model_config: dict[str, Any]) -> RLModule:
        """Build a module that acts among so many candidates, without what only learning needs."""
        size = columns_in(model_config).size(num_candidates)
        return cls.module_class(
            observation_space=gym.spaces.Box(-np.inf, np.inf, (size,), np.float32),
            action_space=gym.spaces.Discrete(num_candidates + 1),
            inference_only=True,
            model_config=model_config,
        )

    @property
    def world_config(self) -> WorldConfig:
        """The world that is learned in."""
        return WorldConfig(**self.env_config["world"])

    def get_default_rl_module_spec(self) -> RLModuleSpec:
        """Return the specification of the masked module."""
        return RLModuleSpec(module_class=self.module_class)

    @property
    def _model_config_auto_includes(self) -> dict[str, Any]:
        allocates = make(**self.env_config["mechanism"]).allocates
        columns = columns_of(self.world_config, allocates)
        return super()._model_config_auto_includes | {
            "allow_abandon": self.env_config["world"]["allow_abandon"],
            **dict(zip(COLUMNS, map(list, columns), strict=True)),
            WORTH: worth_at_first(self.world_config, self.gamma),
        }

    def _size_by(self, world: WorldConfig) -> None:
        """Set the defaults that depend on the episode's length or the number of users."""
        raise NotImplementedError


class StockPpoConfig(StockConfig, PPOConfig):
    """PPO of RLlib: learning rate 3e-4, 10 passes in minibatches of at most 256, GAE lambda 0.95.

    The value loss is not clipped: RLlib's `vf_clip_param` of 10 credits^2 would stop the gradient
    of every error above 3.2 credits, and returns are larger.
    """

    module_class = MaskedPpoModule

    def __init__(self, algo_class: type | None = None) -> None:
        super().__init__(algo_class=algo_class)
        self.lr = 3e-4
        self.num_epochs = 10
        self.lambda_ = 0.95
        self.vf_clip_param = float("inf")

    def validate(self) -> None:
        """Check as `StockConfig.validate` does, and the keys of this algorithm."""
        check_positive(self, ("lr",))
        check_integers(self, {"num_epochs": 1, "minibatch_size": 1})
        check_shares(self, ("lambda_",))
        super().validate()

    def _size_by(self, world: WorldConfig) -> None:
        self.train_batch_size_per_learner = NUM_ENVS * world.episode_slots
        # One is in agent steps, the other in env steps; RLlib compares the bare numbers.
        self.minibatch_size = min(256, self.train_batch_size_per_learner)


class StockDqnConfig(StockConfig, DQNConfig):
    """DQN of RLlib: double, dueling, one update of 256 a slot of the worlds, uniform replay.

    Epsilon falls from 1 to 0.05 in the first 10 iterations; learning starts after the first.
    """

    module_class = MaskedDqnModule

    def __init__(self, algo_class: type | None = None) -> None:
        super().__init__(algo_class=algo_class)
        self.train_batch_size_per_learner = 256
        self.replay_buffer_config = {"type": UNIFORM}

    def validate(self) -> None:
        """Check as `StockConfig.validate` does, and the keys of this algorithm."""
        check_positive(self, ("lr",))
        check_integers(self, {"target_network_update_freq": 0})
        check_replay(self)
        super().validate()

    def _size_by(self, world: WorldConfig) -> None:
        size_replay(self, world)
        self.epsilon = [[0, 1.0], [10 * NUM_ENVS * world.episode_slots, 0.05]]


class StockSacConfig(StockConfig, SACConfig):
    """SAC of RLlib: one update of 256 a slot of the worlds, uniform replay.

    Learning starts after one iteration. Learning rates 1e-3 and initial alpha 0.2, as in our SAC.
    `target_entropy: auto` is 0.1 times the log of the number of actions, nats, since RLlib's own
    value for a discrete action, -1, lets alpha decay to 0.

    Networks are RLlib's, or with `rl_module.model_config: {network: pointer, hidden: 64}` those of
    our SAC.
    """

    module_class = MaskedRllibSacModule
    model_keys = (*StockConfig.model_keys, *GIVEN)
    target_entropy: float | str | None

    def __init__(self, algo_class: type | None = None) -> None:
        super().__init__(algo_class=algo_class)
        self.actor_lr = self.critic_lr = self.alpha_lr = 1e-3
        self.initial_alpha = 0.2
        self.train_batch_size_per_learner = 256
        self.replay_buffer_config = {"type": UNIFORM}

    def validate(self) -> None:
        """Check as `StockConfig.validate` does, and the keys of this algorithm."""
        given = set(self._model_config)
        if given & set(GIVEN) and ("network" not in given or given - set(GIVEN)):
            raise ValueError(
                "rl_module.model_config should hold network (and hidden, prior, parameters), or "
                f"else RLlib's own keys, got {', '.join(sorted(given))}"
            )
        check_positive(self, ("initial_alpha", "actor_lr", "critic_lr", "alpha_lr"))
        check_shares(self, ("tau",))
        check_replay(self)
        if not self.twin_q:
            raise ValueError("training.twin_q should be true: RLlib's discrete SAC fails without")
        if self.target_entropy in ("auto", None):
            self.target_entropy = TARGET_ENTROPY_RATIO * log(self.world_config.num_candidates + 1)
        if not is_number(self.target_entropy):
            raise ValueError(
                f"training.target_entropy should be a number or auto, got {self.target_entropy!r}"
            )
        super().validate()

    def _size_by(self, world: WorldConfig) -> None:
        size_replay(self, world)


def stock_config(
    name: str,
    world: WorldConfig,
    mechanism: dict[str, Any],
    module_users: dict[str, list[int]],
    metrics: Sequence[str] = (),
) -> StockConfig:
    """Return the configuration of `ppo`, `dqn` or `rllib_sac` in a world, with our defaults.

    Args:
        name: of the algorithm, as in `STOCK`.
        world: the world that is learned in.
        mechanism: name and parameters of the mechanism.
        module_users: users that each module acts for.
        metrics: names of the metrics to measure (`marl_moe.metrics`).
    """
    return STOCK[name]().world(world, mechanism, module_users, metrics)


STOCK: dict[str, type[StockConfig]] = {
    "rllib_sac": StockSacConfig,
    "ppo": StockPpoConfig,
    "dqn": StockDqnConfig,
}


def _module_of(module_of: dict[str, str], agent_id: str, *args: Any, **kwargs: Any) -> str:
    return module_of[agent_id]
