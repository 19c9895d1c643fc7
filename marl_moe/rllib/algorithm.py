"""Our SAC on RLlib: `WorldSacConfig().build_algo()` and `train()`, as any RLlib algorithm."""

from math import ceil
from typing import Any

import numpy as np
import torch
from ray.rllib.algorithms.algorithm_config import NotProvided
from ray.rllib.algorithms.sac import SAC, SACConfig
from ray.rllib.core.columns import Columns
from ray.rllib.core.rl_module.multi_rl_module import MultiRLModuleSpec
from ray.rllib.core.rl_module.rl_module import RLModuleSpec
from ray.rllib.policy.sample_batch import MultiAgentBatch, SampleBatch
from ray.rllib.utils.metrics import (
    ENV_RUNNER_RESULTS,
    LEARNER_RESULTS,
    NUM_AGENT_STEPS_SAMPLED_LIFETIME,
    NUM_ENV_STEPS_SAMPLED_LIFETIME,
)
from torch import Tensor

from envs import WorldConfig
from envs.observation import expert_features
from marl_moe.errors import TrainingError
from marl_moe.policies.networks import NetworkConfig, carried_over
from marl_moe.policies.weights import Weights
from marl_moe.rllib.collection import collect
from marl_moe.rllib.env_runner import WorldRunner
from marl_moe.rllib.learner import DISCOUNTS, LOG_ALPHA, MaskedSacLearner
from marl_moe.rllib.limits import check_integers, check_positive, check_shares, is_number
from marl_moe.rllib.module import MaskedSacModule
from marl_moe.rllib.replay import ReplayRing
from marl_moe.seeds import replay_generator
from mechanisms import make

NUM_UPDATES_LIFETIME = "num_updates_lifetime"
NUM_ENV_STEPS_LOST = (
    "num_env_steps_lost"  # that an iteration should have collected, less those that arrived
)
WITHOUT_EFFECT = {
    "target_entropy": "the entropy is set by target_entropy_ratio",
    "target_network_update_freq": "targets move with every update by tau",
    "q_model_config": "networks are set by rl_module.model_config",
    "policy_model_config": "networks are set by rl_module.model_config",
    "store_buffer_in_checkpoints": "every checkpoint holds the replay",
}
REPLAY, WORLDS = "replay", "worlds"  # parts of a state, beside RLlib's


class WorldSacConfig(SACConfig):
    """RLlib's SACConfig with the keys of our SAC.

    `training(training_intensity=...)` is the replay ratio, explicit always: transitions trained on
    a transition collected. `training(target_entropy_ratio=...)` times the log of the number of
    allowed actions is the entropy that the temperature is driven to. `training(torch_threads=...)`
    is the thread count of learner and runners. One training iteration is an episode in every world.
    `checkpointing(checkpoint_frequency=...)` is the number of training iterations between two
    checkpoints of a run; None: as many as keep writing them a small share of training.
    """

    def __init__(self, algo_class: type | None = None) -> None:
        super().__init__(algo_class=algo_class or WorldSac)
        self.target_entropy_ratio = 0.1
        self.torch_threads = 1
        self.checkpoint_frequency: int | None = None
        self.training_intensity = 2.0
        self.gamma = 0.9
        self.initial_alpha = 0.2
        self.actor_lr = self.critic_lr = 1e-3
        self.alpha_lr = 1e-3
        self.num_steps_sampled_before_learning_starts = 2000
        self.replay_buffer_config: dict[str, Any] = {
            "type": "EpisodeReplayBuffer",
            "capacity": 200_000,
        }
        self.env_runner_cls = WorldRunner
        self.rollout_fragment_length = 5
        self.num_envs_per_env_runner = 16
        self.min_time_s_per_iteration = 0
        self.min_sample_timesteps_per_iteration = 0
        self.count_steps_by = "agent_steps"
        self.log_level = "ERROR"

    def training(
        self,
        *,
        target_entropy_ratio: Any = NotProvided,
        torch_threads: Any = NotProvided,
        **kwargs: Any,
    ) -> "WorldSacConfig":
        """RLlib's keys, and the two of ours (see the class).

        Raises ValueError for keys that our SAC does not have.
        """
        for key in WITHOUT_EFFECT.keys() & kwargs.keys():
            raise ValueError(f"{key} has no effect here: {WITHOUT_EFFECT[key]}")
        super().training(**kwargs)
        if target_entropy_ratio is not NotProvided:
            self.target_entropy_ratio = target_entropy_ratio
        if torch_threads is not NotProvided:
            self.torch_threads = torch_threads
        return self

    def checkpointing(
        self, *, checkpoint_frequency: Any = NotProvided, **kwargs: Any
    ) -> "WorldSacConfig":
        """RLlib's keys, and one of ours, named as in Ray's CheckpointConfig (see the class)."""
        super().checkpointing(**kwargs)
        if checkpoint_frequency is not NotProvided:
            self.checkpoint_frequency = checkpoint_frequency
        return self

    def world(
        self,
        config: WorldConfig,
        mechanism: dict[str, Any],
        module_users: dict[str, list[int]],
        network: dict[str, Any],
    ) -> "WorldSacConfig":
        """Set the world that is learned in, which module acts for which users, and the modules'
        network.
        """
        self.environment(
            env=None,
            env_config={
                "world": config.as_dict(),
                "mechanism": mechanism,
                "module_users": module_users,
            },
        )
        model = NetworkConfig(
            num_experts=config.num_candidates,
            allow_abandon=config.allow_abandon,
            num_expert_features=len(expert_features(make(**mechanism).allocates)),
            **network,
        )
        spec = RLModuleSpec(module_class=MaskedSacModule, model_config=model.as_dict())
        self.multi_agent(policies=set(module_users), policy_mapping_fn=_no_mapping)
        return self.rl_module(
            rl_module_spec=MultiRLModuleSpec(rl_module_specs=dict.fromkeys(module_users, spec))
        )

    def validate(self) -> None:
        """RLlib's checks, and ours; raises ValueError naming the key."""
        buffer = self.replay_buffer_config
        if not isinstance(buffer, dict) or set(buffer) != {"type", "capacity"}:
            raise ValueError(
                "training.replay_buffer_config should hold a capacity and nothing else, got "
                f"{buffer}"
            )
        if not is_number(buffer["capacity"], int) or buffer["capacity"] < 1:
            raise ValueError(
                "training.replay_buffer_config.capacity should be an integer of at least 1, got "
                f"{buffer['capacity']!r}"
            )
        least = {"n_step": 1, "torch_threads": 1, "train_batch_size_per_learner": 1}
        check_integers(self, least | {"num_steps_sampled_before_learning_starts": 0})
        check_shares(self, ("gamma", "tau", "target_entropy_ratio"))
        check_positive(
            self, ("training_intensity", "initial_alpha", "actor_lr", "critic_lr", "alpha_lr")
        )
        frequency = self.checkpoint_frequency
        if frequency is not None and (not is_number(frequency, int) or frequency < 1):
            raise ValueError(
                "checkpointing.checkpoint_frequency should be an integer of at least 1, or null, "
                f"got {frequency!r}"
            )
        if self.num_gpus_per_learner and not self.num_learners and not torch.cuda.is_available():
            raise ValueError("learners.num_gpus_per_learner: PyTorch finds no GPU on this machine")
        if not self.twin_q:
            raise ValueError("training.twin_q should be true: the critics are always twins")
        super().validate()

    @property
    def _model_config_auto_includes(self) -> dict[str, Any]:
        return {}  # a module's model_config is a NetworkConfig and nothing else

    def get_default_learner_class(self) -> type:
        """The learner."""
        return MaskedSacLearner


class WorldSac(SAC):
    """SAC whose runners step whole worlds and whose replay keeps columns."""

    @classmethod
    def get_default_config(cls) -> WorldSacConfig:
        """The configuration with its defaults."""
        return WorldSacConfig()

    def setup(self, config: WorldSacConfig) -> None:
        """Build as RLlib does; a local runner then acts with the weights of a local learner itself,
        if on the CPU.
        """
        super().setup(config)
        self._rng = replay_generator(self.config.seed)
        self._updates_due = 0.0
        learner = self.learner_group._learner  # None where learners are remote
        self._shares_module = (
            learner is not None and learner.device.type == "cpu" and self._collects_here
        )
        if self._shares_module:
            self.env_runner.module = learner.module

    def training_step(self) -> None:
        """One episode in every world: collect a fragment, store it, update as often as the replay
        ratio asks.

        Env runners that are dead or silent send nothing: the slots that they should have sent are
        counted as lost, and not made up for. Raises TrainingError where none is left, or none sent
        anything.
        """
        world = self.config.env_config["world"]
        runners = max(1, self.env_runner_group.num_remote_workers())
        missing = due = runners * self.config.num_envs_per_env_runner * world["episode_slots"]
        for _ in range(self._rounds()):
            collected = 0
            for fragment in collect(self):
                self.local_replay_buffer.add(fragment)
                collected += int(fragment.starts.sum()) * fragment.action[0].size
            missing -= collected // world["num_users"]
            if self._agent_steps() < self.config.num_steps_sampled_before_learning_starts:
                continue
            trained_an_update = self.config.total_train_batch_size * len(
                self.config.env_config["module_users"]
            )
            self._updates_due += self.config.training_intensity * collected / trained_an_update
            updates, self._updates_due = divmod(self._updates_due, 1.0)
            if updates:
                self._update(int(updates))
        if missing == due:
            raise TrainingError(
                "no env runner sent anything for a whole episode; if they are slow, raise "
                "env_runners.sample_timeout_s"
            )
        self.metrics.log_value(NUM_ENV_STEPS_LOST, missing, reduce="sum")

    def restore_env_runners(self, env_runner_group: Any) -> list[int]:
        """As RLlib's.

        A runner that is back begins worlds of its own, not those again that the dead one began
        with.
        """
        restored: list[int] = super().restore_env_runners(env_runner_group)
        if restored:
            collected = self._env_steps()
            env_runner_group.foreach_env_runner(
                lambda runner: runner.make_env(collected),
                remote_worker_ids=restored,
                local_env_runner=False,
            )
        return restored

    def get_state(
        self, components: Any = None, *, not_components: Any = None, **kwargs: Any
    ) -> dict[str, Any]:
        """RLlib's state, the replay with its generator, and the worlds of each runner by its index.

        From it training continues bit for bit. Its arrays may be the algorithm's own: write them
        before training on.
        """
        state: dict[str, Any] = super().get_state(
            components, not_components=not_components, **kwargs
        )
        if self._check_component(REPLAY, components, not_components):
            state[REPLAY] = {
                "ring": self.local_replay_buffer.get_state(),
                "sampling": self._rng.bit_generator.state,
                "updates_due": self._updates_due,
            }
        if self._check_component(WORLDS, components, not_components):
            collected = self.env_runner_group.foreach_env_runner(
                lambda runner: (runner.worker_index, runner.get_worlds()),
                local_env_runner=self._collects_here,
            )
            state[WORLDS] = dict(collected)
        return state

    def set_state(self, state: dict[str, Any]) -> None:
        """Take over a state of `get_state`.

        Runners whose index it does not hold begin worlds of their own.
        """
        super().set_state(state)
        if REPLAY in state:
            self.local_replay_buffer.set_state(state[REPLAY]["ring"])
            self._rng.bit_generator.state = state[REPLAY]["sampling"]
            self._updates_due = state[REPLAY]["updates_due"]
        if WORLDS in state:
            worlds = state[WORLDS]

            def put_back(runner: WorldRunner) -> None:
                if runner.worker_index in worlds:
                    runner.set_worlds(worlds[runner.worker_index])

            self.env_runner_group.foreach_env_runner(put_back, local_env_runner=self._collects_here)

    def networks(self) -> dict[str, dict[str, Tensor]]:
        """What a training elsewhere may begin with: actor, critics, targets and log temperature of
        each module.
        """
        state = self.learner_group.get_state(components="learner/rl_module", inference_only=False)[
            "learner"
        ]
        return {
            module_id: {name: torch.as_tensor(value) for name, value in module.items()}
            | {LOG_ALPHA: torch.tensor(state[LOG_ALPHA][module_id])}
            for module_id, module in state["rl_module"].items()
        }

    def begin_with(self, networks: Weights) -> None:
        """Begin with networks trained elsewhere, maybe among another number of experts (see
        `carried_over`).

        Optimisers and replay begin anew. Raises ValueError where a network is of another kind.
        """
        begun = {
            module_id: {
                name: carried_over(name, networks[module_id][name], value)
                for name, value in module.items()
            }
            for module_id, module in self.networks().items()
        }
        temperatures = {
            module_id: module.pop(LOG_ALPHA).item() for module_id, module in begun.items()
        }
        self.learner_group.set_state({"learner": {"rl_module": begun, LOG_ALPHA: temperatures}})
        if not self._shares_module:
            self.env_runner_group.sync_weights(
                from_worker_or_learner_group=self.learner_group,
                policies=list(begun),
                inference_only=True,
            )

    def _setup_logdir(self) -> None:
        """Only Tune needs a folder of its own; without it RLlib would leave empty ones in the home
        folder.
        """
        self._logdir = None
        if self._storage:
            super()._setup_logdir()

    @property
    def _collects_here(self) -> bool:
        """Whether the local runner collects; it does nothing where there are remote ones."""
        return self.env_runner_group.num_remote_workers() == 0

    def _rounds(self) -> int:
        slots = self.config.env_config["world"]["episode_slots"]
        return ceil(slots / self.config.get_rollout_fragment_length())

    def _env_steps(self) -> int:
        return int(
            self.metrics.peek((ENV_RUNNER_RESULTS, NUM_ENV_STEPS_SAMPLED_LIFETIME), default=0)
        )

    def _agent_steps(self) -> int:
        counts = self.metrics.peek(
            (ENV_RUNNER_RESULTS, NUM_AGENT_STEPS_SAMPLED_LIFETIME), default={}
        )
        return sum(counts.values())

    def _update(self, updates: int) -> None:
        """Draw the batches of several updates at once, learn from them one by one, send the weights
        out.
        """
        size = self.config.total_train_batch_size
        batches = {}
        for module_id, users in self.config.env_config["module_users"].items():
            columns = self.local_replay_buffer.sample(updates * size, np.asarray(users), self._rng)
            names = (Columns.OBS, Columns.ACTIONS, Columns.REWARDS, Columns.NEXT_OBS, DISCOUNTS)
            batches[module_id] = SampleBatch(
                {
                    name: torch.from_numpy(column)
                    for name, column in zip(names, columns, strict=True)
                }
            )
        results = self.learner_group.update(
            batch=MultiAgentBatch(batches, env_steps=updates * size),
            minibatch_size=self.config.train_batch_size_per_learner,
            num_epochs=1,
            timesteps={NUM_ENV_STEPS_SAMPLED_LIFETIME: self._env_steps()},
        )
        self.metrics.aggregate(results, key=LEARNER_RESULTS)
        self.metrics.log_value(NUM_UPDATES_LIFETIME, updates, reduce="lifetime_sum")
        if not self._shares_module:
            self.env_runner_group.sync_weights(
                from_worker_or_learner_group=self.learner_group,
                policies=list(batches),
                inference_only=True,
            )

    def _create_local_replay_buffer_if_necessary(self, config: WorldSacConfig) -> ReplayRing:
        return ReplayRing(config.replay_buffer_config["capacity"], config.n_step, config.gamma)


def _no_mapping(agent_id: str, episode: Any, **kwargs: Any) -> str:
    raise NotImplementedError("runners map users to modules by env_config['module_users']")
