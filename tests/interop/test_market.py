"""The market of all sides under TorchRL and SuperSuit: the same numbers as without them."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from supersuit import (
    concat_vec_envs_v1,
    pad_action_space_v0,
    pad_observations_v0,
    pettingzoo_env_to_vec_env_v1,
)
from tensordict import TensorDict
from torchrl.envs import PettingZooWrapper
from torchrl.envs.utils import check_env_specs

from envs import WorldConfig, edge_market_v0

pytestmark = [
    pytest.mark.filterwarnings("ignore:PettingZoo in TorchRL is tested:UserWarning"),
    pytest.mark.filterwarnings("ignore:The `render_mode` attribute is not defined:UserWarning"),
]
SEED, STEPS, WORLDS = 7, 30, 2  # two episodes and a half
GROUPS = {
    "user": ["user_0", "user_1", "user_2"],
    "edge": ["edge_0", "edge_1", "edge_2", "edge_3", "edge_4"],
    "platform": ["platform"],
}


@pytest.fixture(scope="module")
def market_world(patchy_world: WorldConfig) -> WorldConfig:
    """Return the same with costs so low that edge devices serve at most prices."""
    return replace(patchy_world, experts=replace(patchy_world.experts, unit_cost=(0.0, 0.4)))


@pytest.fixture(scope="module")
def wrapped(market_world: WorldConfig) -> PettingZooWrapper:
    return PettingZooWrapper(edge_market_v0.parallel_env(market_world), return_state=True)


@pytest.fixture(scope="module")
def rollout(wrapped: PettingZooWrapper) -> TensorDict:
    """Return random actions that TorchRL draws from its masked action specs."""
    torch.manual_seed(0)
    wrapped.set_seed(SEED)
    return wrapped.rollout(STEPS, break_when_any_done=False)


def test_torchrls_own_check_of_specs_passes(market_world: WorldConfig) -> None:
    check_env_specs(PettingZooWrapper(edge_market_v0.parallel_env(market_world)), seed=SEED)


def test_each_side_is_a_group(wrapped: PettingZooWrapper) -> None:
    assert wrapped.group_map == GROUPS


def test_specs_contain_every_step(wrapped: PettingZooWrapper, rollout: TensorDict) -> None:
    for step in rollout.unbind(0):
        assert wrapped.observation_spec.is_in(step)
        assert wrapped.observation_spec.is_in(step["next"])
        assert wrapped.full_reward_spec.is_in(step["next"])
        assert wrapped.full_done_spec.is_in(step["next"])


def test_the_state_is_all_observations_side_by_side(rollout: TensorDict) -> None:
    observations = [rollout[group, "observation"].flatten(-2) for group in GROUPS]
    torch.testing.assert_close(rollout["state"], torch.cat(observations, dim=-1), rtol=0, atol=0)


def test_torchrl_draws_choices_before_clearings_and_else_what_keeps(
    rollout: TensorDict, market_world: WorldConfig
) -> None:
    last = market_world.episode_slots - 1
    slots = [slot % market_world.episode_slots for slot in range(STEPS)]
    decides = [slot in (4, 9, last) for slot in slots]  # every fifth, and the last of the episode
    for group in ("edge", "platform"):
        mask, action = rollout[group, "action_mask"], rollout[group, "action"]
        assert mask.gather(-1, action[..., None]).all()
        keep = mask.shape[-1] - 1
        assert (action != keep).flatten(1).all(dim=-1).tolist() == decides
        assert (action != keep).flatten(1).any(dim=-1).tolist() == decides


def test_a_rollout_is_what_the_environment_gives_for_the_same_actions(
    rollout: TensorDict, market_world: WorldConfig
) -> None:
    env = edge_market_v0.parallel_env(market_world)
    env.reset(seed=SEED)  # as set_seed does; a rollout begins with a reset of its own
    for slot, step in enumerate(rollout.unbind(0)):
        if slot % market_world.episode_slots == 0:
            observations, infos = env.reset()
        actions: dict[str, int] = {}
        for group, agents in GROUPS.items():
            for agent, seen, mask in zip(
                agents, step[group, "observation"], step[group, "action_mask"], strict=True
            ):
                np.testing.assert_array_equal(seen, observations[agent])
                np.testing.assert_array_equal(mask, infos[agent]["action_mask"].astype(bool))
            actions |= dict(zip(agents, step[group, "action"].tolist(), strict=True))
        observations, rewards, _, truncated, infos = env.step(actions)
        for group, agents in GROUPS.items():
            own = np.array([rewards[agent] for agent in agents], np.float32)
            np.testing.assert_array_equal(step["next", group, "reward"].squeeze(-1), own)
        assert step["next", "truncated"].item() == all(truncated.values())
    for group in GROUPS:
        assert np.ptp(rollout["next", group, "reward"].numpy()) > 0.01


def padded(config: WorldConfig) -> Any:
    return pad_action_space_v0(pad_observations_v0(edge_market_v0.parallel_env(config)))


def test_supersuit_pads_all_sides_to_one_space_and_takes_what_is_none_for_action_0(
    market_world: WorldConfig,
) -> None:
    vector = concat_vec_envs_v1(
        pettingzoo_env_to_vec_env_v1(padded(market_world)), WORLDS, base_class="gymnasium"
    )
    envs = [edge_market_v0.parallel_env(market_world) for _ in range(WORLDS)]
    agents, rng = envs[0].possible_agents, np.random.default_rng(0)
    sizes = [envs[0].action_space(agent).n for agent in agents]
    assert vector.num_envs == WORLDS * len(agents)
    assert vector.action_space.n == max(sizes)
    seen, _ = vector.reset(seed=SEED)
    own = [env.reset(seed=SEED + world)[0] for world, env in enumerate(envs)]
    for _ in range(STEPS):
        rows = seen.reshape(WORLDS, len(agents), -1)
        for observations, row in zip(own, rows, strict=True):
            for agent, observation in zip(agents, row, strict=True):
                size = len(observations[agent])
                np.testing.assert_array_equal(observation[:size], observations[agent])
                assert not observation[size:].any()
        actions = rng.integers(max(sizes), size=(WORLDS, len(agents)))
        seen, rewards, terminated, truncated, _ = vector.step(actions.ravel())
        expected, own = [], []
        for env, chosen in zip(envs, actions, strict=True):
            taken = np.where(chosen < sizes, chosen, 0)
            observations, earned, *_ = env.step(dict(zip(agents, taken, strict=True)))
            expected += list(earned.values())
            own.append(observations if env.agents else env.reset()[0])
        np.testing.assert_array_equal(rewards, np.array(expected, np.float32))
        assert not terminated.any()
        assert len(set(truncated.tolist())) == 1
