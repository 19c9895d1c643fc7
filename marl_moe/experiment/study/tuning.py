"""Policies tuned, and yardsticks, in worlds apart from those of evaluation and of training."""

from collections.abc import Callable, Mapping, Sequence
from itertools import product

import numpy as np

from envs import World, WorldConfig
from marl_moe.experiment.study.evaluation import mean_gain
from marl_moe.policies.base import Policy
from marl_moe.policies.crowd import Crowd
from marl_moe.policies.decentralised import Decentralised
from marl_moe.policies.equilibrium import BetterResponse, Nash, SeenLoad
from marl_moe.policies.paced import Paced
from marl_moe.seeds import tuning_seeds
from mechanisms import Mechanism

RESPONSE_PROBABILITIES = (0.02, 0.05, 0.1, 0.2, 0.5, 1.0)
LOADS: tuple[SeenLoad, ...] = ("last", "recent")
CROWD = {
    "attraction": (0.0, 0.3, 0.6, 1.0),
    "last": (0.0, 0.3, 0.6, 1.0),
    "threshold": (0.5, 0.8, 0.95),
    "response_probability": (0.05, 0.2, 0.5, 1.0),
}
CROWD_TRIALS = 20  # of the 192 settings
PACE = {
    "price": (0.0, 1.0, 2.0, 4.0, 6.0, 8.0, 12.0, 16.0, 24.0),
    "feedback": (0.0, 0.5, 1.0, 2.0),
}
TUNING_WORLDS = 32  # at most; large worlds have users enough in fewer
TUNING_USERS = 1024  # in all of them, if two worlds have fewer

Tuner = Callable[[WorldConfig, Mechanism, int, np.random.Generator], Policy]


def tuned_better_response(
    config: WorldConfig, mechanism: Mechanism, seed: int, rng: np.random.Generator
) -> BetterResponse:
    """Return better response with the inertia and the load that gain most in this world.

    They are tried in `tuning_worlds` episodes, anew for each world of a sweep. The policy draws
    from `rng`.
    """
    world_seed, policy_seed = tuning_seeds(seed)

    def gain(setting: tuple[float, SeenLoad]) -> float:
        policy = BetterResponse(np.random.default_rng(policy_seed), *setting)
        return mean_gain(policy, config, mechanism, world_seed, tuning_worlds(config))

    return BetterResponse(rng, *max(product(RESPONSE_PROBABILITIES, LOADS), key=gain))


def tuned_crowd(
    config: WorldConfig, mechanism: Mechanism, seed: int, rng: np.random.Generator
) -> Crowd:
    """Return the rule for a crowd with the parameters that gain most in this world, about.

    They are those that `climbed` finds in `CROWD` from the rule's own, tried as those of better
    response are. The policy draws from `rng`.
    """
    world_seed, policy_seed = tuning_seeds(seed)

    def gain(setting: Mapping[str, float]) -> float:
        policy = Crowd(np.random.default_rng(policy_seed), **setting)
        return mean_gain(policy, config, mechanism, world_seed, tuning_worlds(config))

    own = Crowd(rng)
    return Crowd(rng, **climbed({key: getattr(own, key) for key in CROWD}, CROWD, gain))


def tuned_paced(
    config: WorldConfig, mechanism: Mechanism, seed: int, rng: np.random.Generator
) -> Paced:
    """Return the rule for budgets with the pace that gains most in this world, about.

    The pace is climbed for in `PACE` at the crowd's own parameters, then these in `CROWD`.
    """
    world_seed, policy_seed = tuning_seeds(seed)

    def gain(setting: Mapping[str, float]) -> float:
        policy = Paced(np.random.default_rng(policy_seed), **setting)
        return mean_gain(policy, config, mechanism, world_seed, tuning_worlds(config))

    own = Paced(rng)
    pace = climbed({key: getattr(own, key) for key in PACE}, PACE, gain)
    crowd = {key: getattr(own, key) for key in CROWD}
    return Paced(rng, **pace, **climbed(crowd, CROWD, lambda setting: gain({**pace, **setting})))


# The policies that are tuned to a world unless parameters of them are given.
TUNERS: dict[str, Tuner] = {
    BetterResponse.name: tuned_better_response,
    Crowd.name: tuned_crowd,
    Paced.name: tuned_paced,
}


def train_decentralised(
    policy: Decentralised, config: WorldConfig, mechanism: Mechanism, seed: int
) -> None:
    """Train a policy of users who decide for themselves in `tuning_worlds` worlds like these."""
    world_seed, _ = tuning_seeds(seed)
    policy.train(World(config, tuning_worlds(config), world_seed, mechanism))


def climbed(
    start: Mapping[str, float],
    grid: Mapping[str, Sequence[float]],
    score: Callable[[Mapping[str, float]], float],
    trials: int = CROWD_TRIALS,
) -> dict[str, float]:
    """Return the best setting that is found by moves along one axis of a grid at a time.

    It goes on along an axis while the score rises, then along the next; it ends where no
    neighbour is better.

    Args:
        start: the setting to begin with, one of the grid's.
        grid: values of each key, in order.
        score: of a setting; greater is better.
        trials: settings that are scored at most.
    """
    best = {key: grid[key].index(value) for key, value in start.items()}
    scores: dict[tuple[int, ...], float] = {}

    def scored(place: Mapping[str, int]) -> float:
        at = tuple(place.values())
        if at not in scores:
            if len(scores) == trials:
                return -np.inf
            scores[at] = score({key: grid[key][index] for key, index in place.items()})
        return scores[at]

    top, moved = scored(best), True
    while moved:
        moved = False
        for key, step in product(grid, (-1, 1)):
            while 0 <= best[key] + step < len(grid[key]):
                there = best | {key: best[key] + step}
                found = scored(there)
                if found <= top:
                    break
                best, top, moved = there, found, True
    return {key: grid[key][index] for key, index in best.items()}


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
