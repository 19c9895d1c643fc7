"""The env runner of our SAC, which steps N worlds at once with one forward pass a module."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, ClassVar

import gymnasium as gym
import numpy as np
import ray
import torch
from numpy.typing import NDArray
from ray.rllib.algorithms.algorithm_config import AlgorithmConfig
from ray.rllib.callbacks.utils import make_callback
from ray.rllib.core import COMPONENT_RL_MODULE
from ray.rllib.env.env_runner import EnvRunner
from ray.rllib.utils import force_list
from ray.rllib.utils.checkpoints import Checkpointable
from ray.rllib.utils.metrics import (
    NUM_AGENT_STEPS_SAMPLED_LIFETIME,
    NUM_ENV_STEPS_SAMPLED,
    NUM_ENV_STEPS_SAMPLED_LIFETIME,
    NUM_EPISODES_LIFETIME,
    WEIGHTS_SEQ_NO,
)

from envs import World, WorldConfig, observation
from envs.slot import RECORDED
from marl_moe.rllib.exploring import explored
from marl_moe.rllib.metrics import RunnerMetrics, tell_failure
from marl_moe.rllib.replay import Fragment
from marl_moe.rllib.runner_sides import RunnerSides, space_of
from marl_moe.seeds import runner_seeds
from mechanisms import make
from mechanisms.errors import FAILURES_OF_PARTS


class WorldRunner(EnvRunner, Checkpointable):
    """Runner of `num_envs_per_env_runner` worlds, which hands out columns and not episodes.

    A call collects `rollout_fragment_length` slots, or those up to the episode's end.
    `config.env_config` holds `world` (WorldConfig), `mechanism` (name and parameters),
    `module_users`, the users that each module acts for, `roles`, who plays the other sides of the
    market (`RunnerSides`), and `metrics`, names of those to measure.
    Runner i is seeded with (seed, i).

    Of RLlib's hooks for callbacks it calls `on_environment_created`, with the worlds, and
    `on_sample_end`, with the fragment: there are no episodes as objects.
    """

    sides_class: ClassVar[type[RunnerSides]] = RunnerSides

    def __init__(self, *, config: AlgorithmConfig, **kwargs: Any) -> None:
        super().__init__(config=config, **kwargs)
        Checkpointable.__init__(self)
        torch.set_num_threads(self.config.torch_threads)
        self.module_users = {
            module_id: np.asarray(users)
            for module_id, users in self.config.env_config["module_users"].items()
        }
        self._callbacks = [kind() for kind in force_list(self.config.callbacks_class)]
        num_worlds = self.config.num_envs_per_env_runner
        self._measured = RunnerMetrics(self.config.env_config["metrics"], num_worlds)
        self._has_failed = False
        self.make_env()
        self.make_module()

    def make_env(self, collected: int = 0) -> None:
        """Build the worlds from `env_config`.

        Args:
            collected: env steps of all runners before this one took the place of one that died, so
                that it begins worlds of its own.
        """
        index = self.worker_index or 0
        world_seed, explore_seed = runner_seeds(self.config.seed, index, collected)
        env_config = self.config.env_config
        self.world = World(
            WorldConfig(**env_config["world"]),
            num_worlds=self.config.num_envs_per_env_runner,
            seed=world_seed,
            mechanism=make(**env_config["mechanism"]),
        )
        self._rng = np.random.default_rng(explore_seed)
        self.sides = self.sides_class(env_config["roles"], self.world, self._rng)
        self._seen = self.world.reset()
        self._call("on_environment_created", env=self.world, env_context=env_config)

    def make_module(self) -> None:
        """Build the actors."""
        spec = self.config.get_multi_rl_module_spec(spaces=self.get_spaces(), inference_only=True)
        self.module = spec.build()
        self._weights_seq_no = 0

    def get_spaces(self) -> dict[str, tuple[gym.Space, gym.Space]]:
        """Return the observation and action space of each module."""
        low, high = observation.bounds(self.world.config, self.world.mechanism.allocates)
        observations: gym.Space = gym.spaces.Box(low, high, dtype=np.float32)
        actions: gym.Space = gym.spaces.Discrete(self.world.num_candidates + 1)
        spaces = dict.fromkeys(self.module_users, (observations, actions))
        return spaces | {
            role: space_of(role, self.world.config.roles) for role in self.sides.learning
        }

    def sample(self, **kwargs: Any) -> Fragment:
        """Play one fragment with the exploring policy.

        Where code of a part fails, the algorithm is told, which stops (`metrics.tell_failure`).

        Returns:
            The fragment, whose last row holds only the observation that it ends at.
        """
        world = self.world
        slots = min(
            self.config.get_rollout_fragment_length(), world.config.episode_slots - world.slot.index
        )
        shape = (slots + 1, world.num_worlds, world.num_users)
        observations = np.empty((*shape, self._seen.shape[-1]), np.float32)
        actions, rewards = np.zeros(shape, np.int64), np.zeros(shape, np.float32)
        sums = dict.fromkeys(RECORDED, 0.0)
        utility_sum, num_requests = 0.0, 0
        continues = world.slot.index > 0
        for slot in range(slots):
            observations[slot] = self._seen
            actions[slot] = self._explore(self._seen)
            played = world.slot if self._measured else None  # else the next one takes its memory
            chosen = self.sides.choose(world, self.module)
            with self._failures_told():
                self._seen, rewards[slot], result = world.step(actions[slot], **chosen)
                self.sides.add(world)
            if self._has_failed:
                slots = max(slot, 1)  # RLlib asks again, for ever, for what has no step
                break
            if played is not None:
                self._measured.add(played, result)
            for name in RECORDED:
                sums[name] += float(getattr(result, name).sum())
            done = ~np.isnan(result.utility)
            utility_sum += float(result.utility[done].sum())
            num_requests += int(done.sum())
        observations, actions, rewards = (
            array[: slots + 1] for array in (observations, actions, rewards)
        )
        observations[slots] = self._seen
        self._log(sums, utility_sum, num_requests, world.num_worlds if world.done else 0, slots)
        self._measured.log(self.metrics)
        self.sides.log(self.metrics)
        terminated = world.done and world.terminates
        if world.done:
            with self._failures_told():
                self._seen = world.reset()
        fragment = Fragment(
            observation=observations,
            action=actions,
            reward=rewards,
            starts=np.arange(slots + 1) < slots,
            runner=self.worker_index or 0,
            continues=continues,
            terminated=terminated,
            decisions=self.sides.taken(),
        )
        self._call("on_sample_end", samples=fragment)
        return fragment

    def get_metrics(self) -> dict[str, Any]:
        """Return the metrics since the last call."""
        return self.metrics.reduce()

    def get_state(
        self, components: Any = None, *, not_components: Any = None, **kwargs: Any
    ) -> dict[str, Any]:
        """Return the weights of the actors."""
        state: dict[str, Any] = {WEIGHTS_SEQ_NO: self._weights_seq_no}
        if self._check_component(COMPONENT_RL_MODULE, components, not_components):
            state[COMPONENT_RL_MODULE] = self.module.get_state(
                components=self._get_subcomponents(COMPONENT_RL_MODULE, components),
                not_components=self._get_subcomponents(COMPONENT_RL_MODULE, not_components),
                **kwargs,
            )
        return state

    def set_state(self, state: dict[str, Any]) -> None:
        """Take over the weights of the actors."""
        if COMPONENT_RL_MODULE in state:
            weights = state[COMPONENT_RL_MODULE]
            if isinstance(weights, ray.ObjectRef):  # remote runners get a reference
                weights = ray.get(weights)
            self.module.set_state(weights)
        self._weights_seq_no = state.get(WEIGHTS_SEQ_NO, 0)

    def get_worlds(self) -> dict[str, Any]:
        """Return the state of the worlds, of exploration and of the logger.

        From it collecting continues bit for bit. It is no part of `get_state`, which RLlib hands to
        a runner that it restarts: that one begins worlds of its own.
        """
        return {
            "world": self.world.get_state(),
            "sides": self.sides.get_state(),
            "exploration": self._rng.bit_generator.state,
            "metrics": self.metrics.get_state(),
        }

    def set_worlds(self, state: dict[str, Any]) -> None:
        """Continue from what `get_worlds` of the runner of this index returned."""
        self.world.set_state(state["world"])
        self.sides.set_state(state["sides"])
        self._rng.bit_generator.state = state["exploration"]
        self.metrics.set_state(state["metrics"])
        self._seen = self.world.slot.observation

    def get_ctor_args_and_kwargs(self) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Return the arguments that build this runner again."""
        return (), {"config": self.config}

    def get_checkpointable_components(self) -> list[tuple[str, Any]]:
        """Return the parts with a state of their own."""
        return [(COMPONENT_RL_MODULE, self.module)]

    def assert_healthy(self) -> None:
        """Raise unless worlds and actors are built."""
        assert self.world is not None
        assert self.module is not None

    def _explore(self, seen: NDArray[np.float32]) -> NDArray[np.int64]:
        """Sample actions from the actors' distributions, (N, U)."""
        action = np.empty(seen.shape[:2], np.int64)
        for module_id, users in self.module_users.items():
            action[:, users] = explored(self.module[module_id], seen[:, users], self._rng)
        return action

    @contextmanager
    def _failures_told(self) -> Iterator[None]:
        """Tell the algorithm where code of a part fails, and note it."""
        try:
            yield
        except FAILURES_OF_PARTS as error:
            tell_failure(self.metrics, str(error))
            self._has_failed = True

    def _call(self, hook: str, **arguments: Any) -> None:
        """Call a hook of the callbacks."""
        make_callback(
            hook,
            self._callbacks,
            getattr(self.config, f"callbacks_{hook}"),
            kwargs={"env_runner": self, "metrics_logger": self.metrics, **arguments},
        )

    def _log(
        self,
        sums: dict[str, float],
        utility_sum: float,
        num_requests: int,
        num_episodes: int,
        slots: int,
    ) -> None:
        env_steps = slots * self.world.num_worlds
        for name, value in sums.items():
            self.metrics.log_value(name, value, reduce="sum")
        self.metrics.log_value("utility", utility_sum, reduce="sum")
        self.metrics.log_value("num_requests", num_requests, reduce="sum")
        self.metrics.log_value("num_agent_slots", env_steps * self.world.num_users, reduce="sum")
        offer = self.world.slot.offer
        self.metrics.log_value("unit_price", float(offer.unit_price.mean()) * slots, reduce="sum")
        self.metrics.log_value(
            "participation", float(offer.participates.mean()) * slots, reduce="sum"
        )
        self.metrics.log_value("num_slots", slots, reduce="sum")
        self.metrics.log_value(NUM_ENV_STEPS_SAMPLED, env_steps, reduce="sum")
        self.metrics.log_value(NUM_ENV_STEPS_SAMPLED_LIFETIME, env_steps, reduce="lifetime_sum")
        self.metrics.log_value(NUM_EPISODES_LIFETIME, num_episodes, reduce="lifetime_sum")
        for module_id, users in self.module_users.items():
            self.metrics.log_value(
                (NUM_AGENT_STEPS_SAMPLED_LIFETIME, module_id),
                env_steps * len(users),
                reduce="lifetime_sum",
            )
