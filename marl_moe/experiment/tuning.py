"""Tuning of policies that do not learn, on worlds apart from those of evaluation and of training."""

import numpy as np

from envs import World, WorldConfig
from marl_moe.policies.equilibrium import BetterResponse
from mechanisms import Mechanism

RESPONSE_PROBABILITIES = (0.02, 0.05, 0.1, 0.2, 0.5, 1.0)
TUNING_WORLDS = 32


def tuned_better_response(
    config: WorldConfig, mechanism: Mechanism, seed: int, rng: np.random.Generator
) -> BetterResponse:
    """Better response with the inertia that gains most in `TUNING_WORLDS` episodes of this world; draws from `rng`.

    So it is tuned for each number of users, as a study that sweeps them asks for.
    """
    tuning_seed, policy_seed = (
        int(word) for word in np.random.SeedSequence(seed, spawn_key=(0x707E,)).generate_state(2)
    )

    def mean_gain(response_probability: float) -> float:
        world = World(config, TUNING_WORLDS, tuning_seed, mechanism)
        policy = BetterResponse(np.random.default_rng(policy_seed), response_probability)
        total = 0.0
        while not world.done:
            _, reward, _ = world.step(policy.act(world))
            total += float(reward.mean())
        return total / config.episode_slots

    return BetterResponse(rng, max(RESPONSE_PROBABILITIES, key=mean_gain))
