"""Policies choose nobody out of coverage, in a world of places where half of the pairs are."""

import numpy as np
import pytest

from envs import ChannelConfig, World, WorldConfig
from marl_moe.policies import POLICIES, make

GEOMETRY = {"area_m": [1500, 1500], "shadowing": {"sigma_db": 8}}
CHANNEL = ChannelConfig(process="geometric", bandwidth_hz=1e6, geometry=GEOMETRY)


@pytest.mark.parametrize("name", [name for name in POLICIES if name != "local"])
def test_a_policy_chooses_nobody_out_of_coverage(name: str) -> None:
    world = World(WorldConfig(num_users=6, num_experts=9, channel=CHANNEL), 4, seed=0)
    policy = make(name, np.random.default_rng(0))
    chosen = 0
    for _ in range(6):
        covered = world.slot.conditions.links.covered
        assert covered is not None
        actions = policy.act(world.slot)
        n, u = np.nonzero(actions < 9)
        assert covered[n, u, actions[n, u]].all()
        chosen += len(n)
        _, reward, result = world.step(actions)
        assert not result.rejected.any()
        assert np.isfinite(reward).all()
    assert chosen > 0 or name in ("abandon", "follow_assignment")  # nobody is allocated
