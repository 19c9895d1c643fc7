"""A policy that was learned with groups of some sizes plays in worlds with groups of others."""

import numpy as np
import torch

from envs import World, WorldConfig
from marl_moe.policies.columns import columns_of, difference
from marl_moe.policies.learned import LearnedPolicy
from marl_moe.policies.networks import NetworkConfig


def population(walkers: int, cars: int, towers: int, shops: int) -> WorldConfig:
    return WorldConfig(
        user_groups={
            "walkers": {"count": walkers, "deadline_s": 9.0},
            "cars": {"count": cars, "credits_per_joule": (0.5, 1.0)},
        },
        expert_groups={
            "towers": {"count": towers, "words_per_second": 200.0},
            "shops": {"count": shops, "max_concurrent": 1},
        },
    )


def test_the_columns_of_a_population_are_those_of_one_of_other_sizes() -> None:
    one, other = population(2, 1, 3, 4), population(1, 6, 9, 2)
    assert not difference(columns_of(one, False), columns_of(other, False))
    alike = WorldConfig(num_users=3, num_experts=7)
    assert difference(columns_of(one, False), columns_of(alike, False))


def test_a_pointer_network_plays_groups_of_other_sizes_and_sees_who_is_who() -> None:
    torch.manual_seed(0)
    trained = NetworkConfig.of(population(2, 1, 3, 4), allocates=False, hidden=8)
    actor = trained.actor().requires_grad_(False)
    policy = LearnedPolicy("sac", {"shared": actor}, trained, {"shared": [0, 1, 2]})
    world = World(population(3, 3, 9, 2), num_worlds=4, seed=0)
    actions = policy.act(world.slot)
    assert actions.shape == (4, 6)
    allowed = np.take_along_axis(world.slot.mask, actions[..., None], axis=-1)
    assert allowed.all()
    seen = torch.from_numpy(world.slot.observation[:, 0].copy())
    place = trained.columns.user.index("deadline_s")
    other = seen.clone()
    other[:, place] = 0.2
    assert not torch.equal(actor(seen), actor(other))
