"""Tuning and yardsticks, on worlds apart from those of evaluation and of training."""

from itertools import product
from typing import Literal

import numpy as np

from envs import WorldConfig
from marl_moe.experiment.evaluation import mean_gain
from marl_moe.policies.equilibrium import BetterResponse, Nash
from mechanisms import Mechanism

RESPONSE_PROBABILITIES = (0.02, 0.05, 0.1, 0.2, 0.5, 1.0)
LOADS: tuple[Literal["last", "recent"], ...] = ("last", "recent")
TUNING_WORLDS = 32  # at most; large worlds have users enough in fewer
TUNING_USERS = 1024  # in all of them, if two worlds have fewer


def tuned_better_response(
    config: WorldConfig, mechanism: Mechanism, seed: int, rng: np.random.Generator
) -> BetterResponse:
    """Better response with the inertia and the load that gain most in `tuning_worlds` episodes of
    this world.

    It draws from `rng`. So it is tuned for each number of users, as a study that sweeps them asks
    for.
    """
    tuning_seed, policy_seed = (
        int(word) for word in np.random.SeedSequence(seed, spawn_key=(0x707E,)).generate_state(2)
    )

    def gain(setting: tuple[float, Literal["last", "recent"]]) -> float:
        policy = BetterResponse(np.random.default_rng(policy_seed), *setting)
        return mean_gain(policy, config, mechanism, tuning_seed, tuning_worlds(config))

    return BetterResponse(rng, *max(product(RESPONSE_PROBABILITIES, LOADS), key=gain))


def equilibrium_gain(config: WorldConfig, mechanism: Mechanism, seed: int) -> float:
    """Mean gain of the full-information equilibrium in `tuning_worlds` episodes: what training is
    measured against.
    """
    tuning_seed = int(np.random.SeedSequence(seed, spawn_key=(0x707E,)).generate_state(1)[0])
    return mean_gain(
        Nash(np.random.default_rng(0)), config, mechanism, tuning_seed, tuning_worlds(config)
    )


def tuning_worlds(config: WorldConfig) -> int:
    """Worlds played at once, so that the cost does not grow with the number of users."""
    return min(TUNING_WORLDS, max(2, TUNING_USERS // config.num_users))
