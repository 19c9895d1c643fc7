"""The environment under TorchRL's `PettingZooWrapper`: whole episodes, as without it."""

import numpy as np
import pytest
import torch
from tensordict import TensorDict
from torchrl.envs import PettingZooWrapper
from torchrl.envs.utils import check_env_specs

from envs import WorldConfig, edge_experts_v0

pytestmark = pytest.mark.filterwarnings("ignore:PettingZoo in TorchRL is tested:UserWarning")
SEED, STEPS = 7, 30  # two episodes and a half


@pytest.fixture(scope="module")
def wrapped(patchy_world: WorldConfig) -> PettingZooWrapper:
    return PettingZooWrapper(edge_experts_v0.parallel_env(patchy_world), return_state=True)


@pytest.fixture(scope="module")
def rollout(wrapped: PettingZooWrapper) -> TensorDict:
    """Return random actions that TorchRL draws from its masked action spec."""
    torch.manual_seed(0)
    wrapped.set_seed(SEED)
    return wrapped.rollout(STEPS, break_when_any_done=False)


def test_torchrls_own_check_of_specs_passes(patchy_world: WorldConfig) -> None:
    check_env_specs(PettingZooWrapper(edge_experts_v0.parallel_env(patchy_world)), seed=SEED)


def test_all_users_are_one_group_in_their_order(
    wrapped: PettingZooWrapper, patchy_world: WorldConfig
) -> None:
    assert wrapped.group_map == {"user": edge_experts_v0.parallel_env(patchy_world).possible_agents}


def test_specs_contain_every_step(wrapped: PettingZooWrapper, rollout: TensorDict) -> None:
    for step in rollout.unbind(0):
        assert wrapped.observation_spec.is_in(step)
        assert wrapped.observation_spec.is_in(step["next"])
        assert wrapped.full_reward_spec.is_in(step["next"])
        assert wrapped.full_done_spec.is_in(step["next"])


def test_the_state_is_bounded_as_the_observations_are(
    wrapped: PettingZooWrapper, rollout: TensorDict
) -> None:
    seen = wrapped.observation_spec["user", "observation"].space
    state = wrapped.observation_spec["state"].space
    torch.testing.assert_close(state.low, seen.low.flatten(), rtol=0, atol=0)
    torch.testing.assert_close(state.high, seen.high.flatten(), rtol=0, atol=0)
    torch.testing.assert_close(
        rollout["state"], rollout["user", "observation"].flatten(-2), rtol=0, atol=0
    )


def test_episodes_are_truncated_and_never_terminated(
    rollout: TensorDict, patchy_world: WorldConfig
) -> None:
    length = patchy_world.episode_slots
    ends = [slot % length == length - 1 for slot in range(STEPS)]
    assert rollout["next", "truncated"].flatten().tolist() == ends
    assert rollout["next", "user", "truncated"].squeeze(-1).all(dim=-1).tolist() == ends
    assert not rollout["next", "terminated"].any()
    assert not rollout["next", "user", "terminated"].any()


def test_no_random_action_of_torchrl_is_masked(rollout: TensorDict) -> None:
    mask, action = rollout["user", "action_mask"], rollout["user", "action"]
    assert mask.gather(-1, action[..., None]).all()
    assert not mask.all()
    assert len(action.unique()) == mask.shape[-1]


def test_a_rollout_is_what_the_environment_gives_for_the_same_actions(
    rollout: TensorDict, patchy_world: WorldConfig
) -> None:
    env = edge_experts_v0.parallel_env(patchy_world)
    env.reset(seed=SEED)  # as set_seed does; a rollout begins with a reset of its own
    for slot, step in enumerate(rollout.unbind(0)):
        if slot % patchy_world.episode_slots == 0:
            observations, infos = env.reset()
        before = step["user"]
        np.testing.assert_array_equal(before["observation"], np.stack(list(observations.values())))
        np.testing.assert_array_equal(
            before["action_mask"],
            np.stack([info["action_mask"] for info in infos.values()]).astype(bool),
        )
        actions = dict(zip(env.agents, before["action"].tolist(), strict=True))
        observations, rewards, _, _, infos = env.step(actions)
        assert not any(info["rejected"] for info in infos.values())
        after = step["next", "user"]
        np.testing.assert_array_equal(after["observation"], np.stack(list(observations.values())))
        np.testing.assert_array_equal(
            after["reward"].squeeze(-1), np.array(list(rewards.values()), np.float32)
        )
    assert np.ptp(rollout["next", "user", "reward"].numpy()) > 1
