"""Policies tuned, and yardsticks, in worlds apart from those of evaluation and of training."""

from itertools import product
from typing import Literal

import numpy as np

from envs import WorldConfig
from marl_moe.experiment.study.evaluation import mean_gain
from marl_moe.policies.equilibrium import BetterResponse, Nash
from marl_moe.seeds import tuning_seeds
from mechanisms import Mechanism

RESPONSE_PROBABILITIES = (0.02, 0.05, 0.1, 0.2, 0.5, 1.0)
LOADS: tuple[Literal["last", "recent"], ...] = ("last", "recent")
TUNING_WORLDS = 32  # at most; large worlds have users enough in fewer
TUNING_USERS = 1024  # in all of them, if two worlds have fewer


def tuned_better_response(
    config: WorldConfig, mechanism: Mechanism, seed: int, rng: np.random.Generator
) -> BetterResponse:
    """Return better response with the inertia and the load that gain most in this world.

    They are tried in `tuning_worlds` episodes, anew for each world of a sweep. The policy draws
    from `rng`.
    """
    world_seed, policy_seed = tuning_seeds(seed)

    def gain(setting: tuple[float, Literal["last", "recent"]]) -> float:
        policy = BetterResponse(np.random.default_rng(policy_seed), *setting)
        return mean_gain(policy, config, mechanism, world_seed, tuning_worlds(config))

    return BetterResponse(rng, *max(product(RESPONSE_PROBABILITIES, LOADS), key=gain))


def equilibrium_gain(config: WorldConfig, mechanism: Mechanism, seed: int) -> float:
    """Return the mean gain of the full-information equilibrium in `tuning_worlds` episodes.

    The gain of training is recorded as a share of it.
    """
    world_seed, _ = tuning_seeds(seed)
    nash = Nash(np.random.default_rng(0))
    return mean_gain(nash, config, mechanism, world_seed, tuning_worlds(config))


def tuning_worlds(config: WorldConfig) -> int:
    """Return the worlds played at once; the cost does not grow with the number of users."""
    return min(TUNING_WORLDS, max(2, TUNING_USERS // config.num_users))
