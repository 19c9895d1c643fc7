"""Ends of episodes that terminate: no value follows, in our SAC and in RLlib's algorithms."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from envs import World, WorldConfig
from marl_moe.rllib.env_runner import WorldRunner
from marl_moe.rllib.replay import ReplayRing
from marl_moe.rllib.stock_env import EdgeExpertsEnv

Make = Callable[..., Any]
GAMMA, SLOTS, WORLDS = 0.8, 4, 3


@pytest.fixture
def terminating(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every episode terminate, as where users have a budget over it."""
    monkeypatch.setattr(World, "terminates", property(lambda world: True))


@pytest.fixture
def world(small_world: WorldConfig) -> WorldConfig:
    return replace(small_world, episode_slots=SLOTS)


def runner_of(sac_config: Make, world: WorldConfig, fragment: int) -> WorldRunner:
    return WorldRunner(config=sac_config(world, num_envs=WORLDS, fragment=fragment))


@pytest.mark.usefixtures("terminating")
@pytest.mark.parametrize("fragment", [1, 3, SLOTS])
def test_only_the_fragment_that_ends_an_episode_terminates(
    sac_config: Make, world: WorldConfig, fragment: int
) -> None:
    runner = runner_of(sac_config, world, fragment)
    slots = 0
    while slots < 2 * SLOTS:
        sent = runner.sample()
        slots += int(sent.starts.sum())
        assert sent.terminated == (slots % SLOTS == 0)


def test_a_world_that_truncates_terminates_no_fragment(
    sac_config: Make, world: WorldConfig
) -> None:
    assert not runner_of(sac_config, world, SLOTS).sample().terminated


@pytest.mark.usefixtures("terminating")
@pytest.mark.parametrize("fragment", [1, 3, SLOTS])
@pytest.mark.parametrize("n_step", [1, 2, 3])
def test_returns_are_summed_to_the_end_and_nothing_is_bootstrapped_past_it(
    sac_config: Make, world: WorldConfig, fragment: int, n_step: int
) -> None:
    runner = runner_of(sac_config, world, fragment)
    ring = ReplayRing(10_000, n_step, GAMMA)
    rewards, seen = [], []
    for _ in range(-(-SLOTS // fragment)):
        sent = runner.sample()
        ring.add(sent)
        rewards += list(sent.reward[sent.starts])
        seen += list(sent.observation[sent.starts])
    slot_of = {row.tobytes(): slot for slot, rows in enumerate(seen) for row in rows[:, 0]}
    observation, _, total, _, discount = ring.sample(500, np.array([0]), np.random.default_rng(0))
    met = set()
    for row, value, weight in zip(observation, total, discount, strict=True):
        slot = slot_of[row.tobytes()]
        met.add(slot)
        in_world = [rows.tobytes() for rows in seen[slot][:, 0]].index(row.tobytes())
        steps = min(n_step, SLOTS - slot)
        by_hand = sum(GAMMA**m * rewards[slot + m][in_world, 0] for m in range(steps))
        assert value == pytest.approx(by_hand, rel=1e-5, abs=1e-6)
        ends = slot + steps == SLOTS
        assert weight == (0 if ends else np.float32(GAMMA) ** np.float32(steps).astype(np.float32))
    assert met == set(range(SLOTS))


@pytest.mark.usefixtures("terminating")
def test_a_row_that_is_written_over_terminates_no_more(
    sac_config: Make, world: WorldConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    runner = runner_of(sac_config, world, SLOTS)
    ring = ReplayRing(1, 1, GAMMA)  # room for two fragments
    for _ in range(3):
        ring.add(runner.sample())
    monkeypatch.setattr(World, "terminates", property(lambda world: False))
    for _ in range(2):
        ring.add(runner.sample())
    discount = ring.sample(500, np.array([0, 1]), np.random.default_rng(0))[-1]
    assert (discount == np.float32(GAMMA)).all()


@pytest.mark.usefixtures("terminating")
def test_a_ring_continues_with_the_ends_that_its_state_holds(
    sac_config: Make, world: WorldConfig
) -> None:
    one, other = ReplayRing(1000, 1, GAMMA), ReplayRing(1000, 1, GAMMA)
    one.add(runner_of(sac_config, world, SLOTS).sample())
    other.set_state(one.get_state())
    draws = [ring.sample(200, np.array([0]), np.random.default_rng(0)) for ring in (one, other)]
    np.testing.assert_array_equal(draws[0][-1], draws[1][-1])
    assert 0 < (draws[1][-1] == 0).mean() < 1


def test_where_nothing_follows_the_target_is_the_reward(
    make_learner: Make, transitions: Make, patchy_world: WorldConfig
) -> None:
    """The critics' loss of a batch, with the discounts that the replay gives past such an end."""
    learner = make_learner(patchy_world)
    module = learner.module["shared"].unwrapped()
    batch = transitions(patchy_world, 16)
    ended = torch.arange(16) % 2 == 0
    batch["discounts"] = torch.where(ended, 0.0, batch["discounts"])
    with torch.no_grad():
        for parameter in module.target_critic.parameters():
            parameter += 0.3
    learner.compute_loss_for_module(
        module_id="shared",
        config=learner.config,
        batch=batch,
        fwd_out=module.forward_train(batch),
    )
    logged = float(learner._last["shared"]["critic_loss"])

    alpha, by_hand = learner.curr_log_alpha["shared"].exp().item(), 0.0
    with torch.no_grad():
        for row in range(16):
            seen, following = batch["obs"][row][None], batch["new_obs"][row][None]
            target = float(batch["rewards"][row])
            if not ended[row]:
                log_pi = module.logits(following)[0].log_softmax(dim=-1)
                least = module.target_critic(following)[:, 0].amin(dim=0)
                value = (log_pi.exp() * (least - alpha * log_pi)).sum()
                target += float(batch["discounts"][row] * value)
            q = module.critic(seen)[:, 0, batch["actions"][row]]
            by_hand += float(((q - target) ** 2).sum()) / 16
    assert logged == pytest.approx(by_hand, rel=1e-4)


@pytest.mark.usefixtures("terminating")
def test_a_world_of_rllibs_algorithms_terminates_for_all(world: WorldConfig) -> None:
    env = EdgeExpertsEnv(
        {"world": world.as_dict(), "mechanism": {"name": "none"}, "metrics": [], "seed": 0}
    )
    env.reset(seed=0)
    nobody = dict.fromkeys([*env.possible_agents, "__all__"], False)
    for slot in range(SLOTS):
        _, _, terminated, truncated, _ = env.step(dict.fromkeys(env.possible_agents, 0))
        assert truncated == nobody
        assert terminated == dict.fromkeys(nobody, slot == SLOTS - 1)


@pytest.mark.usefixtures("terminating")
@pytest.mark.parametrize("name", ["dqn", "rllib_sac"])
def test_the_replay_of_rllibs_algorithms_holds_the_termination(
    build_stock: Make, name: str, ray_started: None
) -> None:
    algorithm = build_stock(name)
    for _ in range(2):
        algorithm.train()
    drawn = algorithm.local_replay_buffer.sample(num_items=400, n_step=1, gamma=0.9)
    ends = [episode.is_terminated for episode in drawn]
    assert any(ends)
    assert not all(ends)
    assert not any(episode.is_truncated for episode in drawn)
