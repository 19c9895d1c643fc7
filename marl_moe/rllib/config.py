"""Configuration of our SAC: RLlib's keys of SAC and those of our own, checked."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import torch
from ray.rllib.algorithms.algorithm_config import NotProvided
from ray.rllib.algorithms.sac import SACConfig
from ray.rllib.core.rl_module.multi_rl_module import MultiRLModuleSpec
from ray.rllib.core.rl_module.rl_module import RLModuleSpec

from envs import WorldConfig
from envs.roles.levers import USERS
from marl_moe.policies.network_checks import check_network
from marl_moe.policies.networks import NetworkConfig
from marl_moe.policies.prior import worth_at_first
from marl_moe.policies.role_networks import RoleNetworkConfig
from marl_moe.policies.sides import SAC
from marl_moe.rllib.callbacks import CALLED, prepared
from marl_moe.rllib.deviation import DEVIATOR, DeviationKeys, DeviationRunner
from marl_moe.rllib.effective_keys import check_effective
from marl_moe.rllib.env_runner import WorldRunner
from marl_moe.rllib.learner import MaskedSacLearner
from marl_moe.rllib.limits import check_integers, check_positive, check_shares, is_number
from marl_moe.rllib.module import MaskedSacModule, SideSacModule
from mechanisms import make

HANDED_BACK = ("model", "optimizer")
NO_EPISODES = (
    "the env runners of sac step whole worlds, without an object for each episode, and evaluation "
    "is not RLlib's (a metric is called in every slot)"
)


class Side(NamedTuple):
    """How a side of the market is played while users learn.

    Attributes:
        learner: `sac`, `hedge` (edge devices alone) or another name: it chooses nothing.
        training_intensity: of `sac`, decisions trained on per decision collected.
    """

    learner: str
    training_intensity: float


class WorldSacConfig(SACConfig):
    """Keys of our SAC beside those of RLlib's; `WorldSac.get_default_config()` returns them.

    `training(training_intensity=...)` is the replay ratio, explicit always: transitions trained on
    per transition collected. `training(target_entropy_ratio=...)` times the log of the number of
    allowed actions is the entropy, nats, that the temperature is driven to.
    `training(torch_threads=...)` is the thread count of learner and runners. One training iteration
    is an episode in every world. `checkpointing(checkpoint_frequency=...)` is the number of
    training iterations between two checkpoints of a run; None: as many as keep writing them a small
    share of training.

    Args:
        algo_class: the algorithm that `build_algo` builds. RLlib gives none where it restores a
            configuration from its state, and sets it later.
    """

    def __init__(self, algo_class: type | None = None) -> None:
        super().__init__()
        self.algo_class = algo_class  # never RLlib's own SAC, which SACConfig puts for None
        self.target_entropy_ratio = 0.1
        self.torch_threads = 1
        self.checkpoint_frequency: int | None = None
        self.sides: dict[str, Side] = {}
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
        self.log_sys_usage = False  # by a thread whose end takes 0.7 s; nothing reads it

    def training(
        self,
        *,
        target_entropy_ratio: Any = NotProvided,
        torch_threads: Any = NotProvided,
        **kwargs: Any,
    ) -> "WorldSacConfig":
        """Set keys of training: RLlib's, and the two of ours (see the class).

        Args:
            target_entropy_ratio: share of the greatest entropy that is aimed at, 0..1.
            torch_threads: threads of PyTorch in each process.
            kwargs: RLlib's keys.

        Returns:
            The configuration itself.

        Raises:
            ValueError: a key has no effect in our SAC.
        """
        # RLlib hands back all that a configuration is where it copies one by its dictionary.
        same = [key for key in HANDED_BACK if kwargs.get(key, self) == getattr(self, key)]
        check_effective("training", {key: kwargs[key] for key in kwargs if key not in same})
        super().training(**kwargs)
        if target_entropy_ratio is not NotProvided:
            self.target_entropy_ratio = target_entropy_ratio
        if torch_threads is not NotProvided:
            self.torch_threads = torch_threads
        return self

    def checkpointing(
        self, *, checkpoint_frequency: Any = NotProvided, **kwargs: Any
    ) -> "WorldSacConfig":
        """Set keys of checkpointing: RLlib's, and one named as in Ray's CheckpointConfig.

        Args:
            checkpoint_frequency: training iterations between two checkpoints (see the class).
            kwargs: RLlib's keys.

        Returns:
            The configuration itself.
        """
        super().checkpointing(**kwargs)
        if checkpoint_frequency is not NotProvided:
            self.checkpoint_frequency = checkpoint_frequency
        return self

    def callbacks(self, callbacks_class: Any = NotProvided, **kwargs: Any) -> "WorldSacConfig":
        """Set RLlib's keys of callbacks; what they log becomes columns of the records.

        Raises:
            ValueError: a hook is never called.
        """
        given = (
            kwargs
            if callbacks_class is NotProvided
            else kwargs | {"callbacks_class": callbacks_class}
        )
        super().callbacks(**prepared(given, CALLED, NO_EPISODES))
        return self

    def world(
        self,
        config: WorldConfig,
        mechanism: dict[str, Any],
        module_users: dict[str, list[int]],
        network: dict[str, Any],
        metrics: Sequence[str] = (),
        sides: Mapping[str, Side] | None = None,
        deviation: DeviationKeys | None = None,
    ) -> "WorldSacConfig":
        """Set the world that is learned in, the users of each module and the modules' network.

        Args:
            config: the world.
            mechanism: name and parameters of the mechanism.
            module_users: users that each module acts for.
            network: keys of `NetworkConfig` that the world does not set.
            metrics: names of the metrics to measure (`marl_moe.metrics`).
            sides: who plays edge devices and the platform; those left out choose nothing.
            deviation: one agent alone learns, against policies that stay; None: all of the above.

        Returns:
            The configuration itself.

        Raises:
            ValueError: the network cannot be built, or does not score every action.
        """
        sides = dict(sides or {})
        if deviation is not None:
            module_users = {DEVIATOR: [0]} if deviation.role == USERS else {}
            own = {role: side for role, side in sides.items() if role == deviation.role}
            sides = {role: side._replace(learner=SAC) for role, side in own.items()}
            self.env_runners(env_runner_cls=DeviationRunner)
        self.environment(
            env=None,
            env_config={
                "world": config.as_dict(),
                "mechanism": mechanism,
                "module_users": module_users,
                "metrics": list(metrics),
                "roles": {role: side.learner for role, side in sides.items()},
                "deviation": None if deviation is None else deviation._asdict(),
            },
        )
        self.sides = {role: side for role, side in sides.items() if side.learner == SAC}
        model = NetworkConfig.of(config, make(**mechanism).allocates, **network)
        check_network(model)
        spec = RLModuleSpec(module_class=MaskedSacModule, model_config=model.as_dict())
        specs = dict.fromkeys(module_users, spec)
        for role in self.sides:
            of_side = RoleNetworkConfig.of(config.roles, role)
            specs[role] = RLModuleSpec(module_class=SideSacModule, model_config=of_side.as_dict())
        # A list: modules draw their first weights in its order, and a process has its own of sets.
        self.multi_agent(policies=list(specs), policy_mapping_fn=_no_mapping)
        return self.rl_module(rl_module_spec=MultiRLModuleSpec(rl_module_specs=specs))

    def validate(self) -> None:
        """Check the keys, as RLlib does and further.

        Raises:
            ValueError: a value is impossible; the message names its key.
        """
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
        if self.grad_clip is not None:
            check_positive(self, ("grad_clip",))
        frequency = self.checkpoint_frequency
        if frequency is not None and (not is_number(frequency, int) or frequency < 1):
            raise ValueError(
                "checkpointing.checkpoint_frequency should be an integer of at least 1, or null, "
                f"got {frequency!r}"
            )
        if self.num_gpus_per_learner and not self.num_learners and not torch.cuda.is_available():
            raise ValueError("learners.num_gpus_per_learner: PyTorch finds no GPU on this machine")
        # What a budget is worth hangs on gamma, which may be given after the world.
        worth = worth_at_first(WorldConfig(**self.env_config["world"]), self.gamma)
        given = self._rl_module_spec.rl_module_specs  # `rl_module_spec` is a copy
        for module_id in self.env_config["module_users"]:
            given[module_id].model_config["budget_worth"] = worth
        super().validate()

    @property
    def _model_config_auto_includes(self) -> dict[str, Any]:
        return {}  # a module's model_config is a NetworkConfig and nothing else

    def get_default_learner_class(self) -> type:
        """Return the learner's class."""
        return MaskedSacLearner


def _no_mapping(agent_id: str, episode: Any, **kwargs: Any) -> str:
    raise NotImplementedError("runners map users to modules by env_config['module_users']")
