"""Our SAC on RLlib: `WorldSac.get_default_config().world(...).build_algo()`, then `train()`."""

from collections.abc import Sequence
from itertools import chain
from math import ceil
from typing import Any

import numpy as np
import torch
from ray.rllib.algorithms.sac import SAC
from ray.rllib.core.columns import Columns
from ray.rllib.policy.sample_batch import MultiAgentBatch, SampleBatch
from ray.rllib.utils.metrics import (
    ENV_RUNNER_RESULTS,
    LEARNER_RESULTS,
    NUM_ENV_STEPS_SAMPLED_LIFETIME,
)
from torch import Tensor

from envs.roles.levers import USERS
from marl_moe.errors import TrainingError
from marl_moe.policies.networks import carried_over
from marl_moe.policies.weights import Weights
from marl_moe.rllib.callbacks import logger_of
from marl_moe.rllib.collection import collect
from marl_moe.rllib.config import WorldSacConfig
from marl_moe.rllib.decisions import DecisionRing
from marl_moe.rllib.env_runner import WorldRunner
from marl_moe.rllib.learner import DISCOUNTS, LOG_ALPHA
from marl_moe.rllib.module import AVERAGE, AVERAGED
from marl_moe.rllib.replay import ReplayRing
from marl_moe.seeds import replay_generator

NUM_UPDATES_LIFETIME = "num_updates_lifetime"
NUM_SIDE_UPDATES_LIFETIME = "num_side_updates_lifetime"  # then the side of the market
# Env steps that an iteration should have collected, less those that arrived.
NUM_ENV_STEPS_LOST = "num_env_steps_lost"
REPLAY, WORLDS, LOGGED = "replay", "worlds", "logged"  # parts of a state, beside RLlib's


class WorldSac(SAC):
    """SAC whose runners step whole worlds and whose replay keeps columns."""

    @classmethod
    def get_default_config(cls) -> WorldSacConfig:
        """Return the configuration with its defaults, which `build_algo` builds this class from."""
        return WorldSacConfig(algo_class=cls)

    def setup(self, config: WorldSacConfig) -> None:
        """Build as RLlib does.

        A local runner then acts with the very module of a local learner, if that is on the CPU.
        """
        super().setup(config)
        self._rng = replay_generator(self.config.seed)
        self._updates_due = dict.fromkeys(self._learning, 0.0)
        capacity = self.config.replay_buffer_config["capacity"]
        self._decided = {role: DecisionRing(capacity, self.config.gamma) for role in config.sides}
        learner = self.learner_group._learner  # None where learners are remote
        self._shares_module = (
            learner is not None and learner.device.type == "cpu" and self._collects_here
        )
        if self._shares_module:
            self.env_runner.module = learner.module

    def training_step(self) -> None:
        """Play one episode in every world, and update as often as the replay ratio says.

        Fragment after fragment is collected and stored, each followed by its updates. Env runners
        that are dead or silent send nothing: the slots that they should have sent are counted as
        lost, and not made up for.

        Raises:
            TrainingError: no env runner is left, or none sent anything.
        """
        world = self.config.env_config["world"]
        runners = max(1, self.env_runner_group.num_remote_workers())
        missing = due = runners * self.config.num_envs_per_env_runner * world["episode_slots"]
        for _ in range(self._rounds()):
            collected = dict.fromkeys(self._updates_due, 0)
            for fragment in collect(self):
                slots = int(fragment.starts.sum())
                missing -= slots * fragment.action.shape[1]
                if USERS in collected:
                    self.local_replay_buffer.add(fragment)
                    collected[USERS] += slots * fragment.action[0].size
                for role, decisions in fragment.decisions.items():
                    self._decided[role].add(decisions)
                    collected[role] += len(decisions)
            agent_steps = self._env_steps() * world["num_users"]
            if agent_steps < self.config.num_steps_sampled_before_learning_starts:
                continue
            due = {role: self._due(role, count) for role, count in collected.items()}
            self._send_out([self._update(role, due[role]) for role in due if due[role]])
        if missing == due:
            raise TrainingError(
                "no env runner sent anything for a whole episode; if they are slow, raise "
                "env_runners.sample_timeout_s"
            )
        self.metrics.log_value(NUM_ENV_STEPS_LOST, missing, reduce="sum")

    def restore_env_runners(self, env_runner_group: Any) -> list[int]:
        """Restore env runners as RLlib does, with new worlds.

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
        """Return RLlib's state, the replay with its generator, each runner's worlds and logger.

        From it training continues bit for bit. Its arrays may be the algorithm's own: write them
        before training on.
        """
        state: dict[str, Any] = super().get_state(
            components, not_components=not_components, **kwargs
        )
        if self._check_component(REPLAY, components, not_components):
            state[REPLAY] = {
                "ring": self.local_replay_buffer.get_state(),
                "decided": {role: ring.get_state() for role, ring in self._decided.items()},
                "sampling": self._rng.bit_generator.state,
                "updates_due": dict(self._updates_due),
            }
        if self._check_component(WORLDS, components, not_components):
            collected = self.env_runner_group.foreach_env_runner(
                lambda runner: (runner.worker_index, runner.get_worlds()),
                local_env_runner=self._collects_here,
            )
            state[WORLDS] = dict(collected)
        if self._check_component(LOGGED, components, not_components):
            state[LOGGED] = logger_of(self).get_state()
        return state

    def set_state(self, state: dict[str, Any]) -> None:
        """Take over a state of `get_state`.

        Runners whose index it does not hold begin worlds of their own.
        """
        super().set_state(state)
        if REPLAY in state:
            self.local_replay_buffer.set_state(state[REPLAY]["ring"])
            self._rng.bit_generator.state = state[REPLAY]["sampling"]
            self._updates_due = dict(state[REPLAY]["updates_due"])
            for role, ring in self._decided.items():
                ring.set_state(state[REPLAY]["decided"][role])
        if WORLDS in state:
            worlds = state[WORLDS]

            def put_back(runner: WorldRunner) -> None:
                if runner.worker_index in worlds:
                    runner.set_worlds(worlds[runner.worker_index])

            self.env_runner_group.foreach_env_runner(put_back, local_env_runner=self._collects_here)
        if LOGGED in state:
            logger_of(self).set_state(state[LOGGED])

    def networks(self) -> dict[str, dict[str, Tensor]]:
        """Return the networks that a training elsewhere may begin with.

        Returns:
            Actor, its average, critics, targets and log temperature, {module: {parameter: tensor}}.
            How many updates the average is of is not among them: training elsewhere counts anew.
        """
        states = self.learner_group.get_state(components="learner/rl_module", inference_only=False)
        state = states["learner"]
        networks = {}
        for module_id, module in state["rl_module"].items():
            networks[module_id] = {
                name: torch.as_tensor(value) for name, value in module.items() if name != AVERAGED
            }
            networks[module_id][LOG_ALPHA] = torch.tensor(state[LOG_ALPHA][module_id])
        return networks

    def begin_with(self, networks: Weights) -> None:
        """Begin with networks trained elsewhere; optimisers and replay begin anew.

        Args:
            networks: those of `networks`, maybe among another number of experts (see
                `carried_over`).

        Raises:
            ValueError: a network is of another kind.
        """
        specs = self.config.rl_module_spec.rl_module_specs
        begun = {
            module_id: {
                name: carried_over(
                    specs[module_id].model_config.get("network", module_id),
                    name.removeprefix(AVERAGE),
                    networks[module_id][name],
                    value,
                )
                for name, value in module.items()
                if name in networks[module_id] or not name.startswith(AVERAGE)
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
        """Make no folder except for Tune: RLlib would leave empty ones in the home folder."""
        self._logdir = None
        if self._storage:
            super()._setup_logdir()

    @property
    def _collects_here(self) -> bool:
        """True where the local runner collects; it does nothing where there are remote ones."""
        return self.env_runner_group.num_remote_workers() == 0

    @property
    def _learning(self) -> tuple[str, ...]:
        """The roles that learn here."""
        users = (USERS,) if self.config.env_config["module_users"] else ()
        return (*users, *self.config.sides)

    def _rounds(self) -> int:
        slots = self.config.env_config["world"]["episode_slots"]
        return ceil(slots / self.config.get_rollout_fragment_length())

    def _env_steps(self) -> int:
        return int(
            self.metrics.peek((ENV_RUNNER_RESULTS, NUM_ENV_STEPS_SAMPLED_LIFETIME), default=0)
        )

    def _due(self, role: str, collected: int) -> int:
        """Return the updates that a role is due after so many transitions more."""
        size = self.config.total_train_batch_size
        if role == USERS:
            intensity = self.config.training_intensity
            size *= len(self.config.env_config["module_users"])
        else:
            intensity = self.config.sides[role].training_intensity
            if not len(self._decided[role]):
                return 0
        due = self._updates_due[role] + intensity * collected / size
        updates, self._updates_due[role] = divmod(due, 1.0)
        return int(updates)

    def _batches(self, role: str, size: int) -> dict[str, SampleBatch]:
        """Draw transitions for each module of a role."""
        if role == USERS:
            users = self.config.env_config["module_users"].items()
            drawn = {
                module_id: self.local_replay_buffer.sample(size, np.asarray(members), self._rng)
                for module_id, members in users
            }
        else:
            drawn = {role: self._decided[role].sample(size, self._rng)}
        names = (Columns.OBS, Columns.ACTIONS, Columns.REWARDS, Columns.NEXT_OBS, DISCOUNTS)
        return {
            module_id: SampleBatch(
                {name: torch.from_numpy(one) for name, one in zip(names, columns, strict=True)}
            )
            for module_id, columns in drawn.items()
        }

    def _update(self, role: str, updates: int) -> list[str]:
        """Draw the batches of several updates at once and learn from each.

        Returns:
            The modules that learned.
        """
        size = self.config.total_train_batch_size
        batches = self._batches(role, updates * size)
        results = self.learner_group.update(
            batch=MultiAgentBatch(batches, env_steps=updates * size),
            minibatch_size=self.config.train_batch_size_per_learner,
            num_epochs=1,
            timesteps={NUM_ENV_STEPS_SAMPLED_LIFETIME: self._env_steps()},
        )
        self.metrics.aggregate(results, key=LEARNER_RESULTS)
        counted = NUM_UPDATES_LIFETIME if role == USERS else (NUM_SIDE_UPDATES_LIFETIME, role)
        self.metrics.log_value(counted, updates, reduce="lifetime_sum")
        return list(batches)

    def _send_out(self, modules: Sequence[Sequence[str]]) -> None:
        """Send weights out by one call: of several at once RLlib drops all but the first."""
        if modules and not self._shares_module:
            self.env_runner_group.sync_weights(
                from_worker_or_learner_group=self.learner_group,
                policies=list(chain.from_iterable(modules)),
                inference_only=True,
            )

    def _create_local_replay_buffer_if_necessary(self, config: WorldSacConfig) -> ReplayRing:
        return ReplayRing(config.replay_buffer_config["capacity"], config.n_step, config.gamma)
