"""Whole training: repeatable, counted right, for every grouping of users, and worth it."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

import mechanisms
from envs import RequestConfig, WorldConfig
from marl_moe.experiment.study.evaluation import evaluate, make_heuristic
from marl_moe.policies.learned import LearnedPolicy
from marl_moe.rllib.learner import MaskedSacLearner

from .learned_numbers import counts, same, weights

pytestmark = pytest.mark.usefixtures("ray_started")
GROUPS = {"first": [0], "second": [1]}


@pytest.mark.parametrize(
    "settings", [{}, {"users": GROUPS, "network": {"network": "mlp"}, "n_step": 3}]
)
def test_training_repeats_bit_for_bit_under_a_seed_and_not_under_another(
    build: Callable[..., Any], small_world: WorldConfig, settings: dict[str, Any]
) -> None:
    learned = []
    for seed in (4, 4, 5):
        algorithm = build(small_world, seed=seed, **settings)
        start = weights(algorithm)
        for _ in range(3):
            algorithm.train()
        learned.append(weights(algorithm))
        assert not any(
            np.array_equal(start[name], learned[-1][name])
            for name in start
            if "temperature" in name
        )
    assert same(learned[0], learned[1])
    assert not same(learned[0], learned[2])


@pytest.mark.parametrize(
    "users",
    [
        {"shared": [0, 1, 2]},
        {"user_0": [0], "user_1": [1], "user_2": [2]},
        {"pair": [0, 2], "single": [1]},
    ],
    ids=["shared", "independent", "groups"],
)
@pytest.mark.parametrize("network", ["pointer", "mlp"])
def test_every_module_of_every_grouping_trains(
    build: Callable[..., Any], small_world: WorldConfig, users: dict[str, list[int]], network: str
) -> None:
    algorithm = build(
        replace(small_world, num_users=3),
        users=users,
        network={"network": network},
        mechanism="posted_price",
        training_intensity=4.0,
    )
    start = weights(algorithm)
    result = algorithm.train()
    moved = {
        name for name, value in weights(algorithm).items() if not np.array_equal(value, start[name])
    }
    for module in users:
        for part in ("actor.", "critic.", "target_critic.", "temperature"):
            assert any(name.startswith(f"{module} {part}") for name in moved)
        assert np.isfinite(result["learners"][module]["critic_loss"])


def test_steps_and_updates_are_counted_as_the_configuration_implies(
    build: Callable[..., Any], small_world: WorldConfig
) -> None:
    # 3 worlds x 10 slots x 2 users an iteration; 60 agent steps at ratio 2 in batches of 16 are 7.5
    # updates.
    algorithm = build(small_world, training_intensity=2.0)
    assert [counts(algorithm.train()) for _ in range(4)] == [
        (30, 60, 7),
        (60, 120, 15),
        (90, 180, 22),
        (120, 240, 30),
    ]


@pytest.mark.parametrize("users", [None, GROUPS], ids=["shared", "groups"])
@pytest.mark.parametrize(
    ("intensity", "num_envs", "fragment"), [(0.3, 3, 5), (1.28, 2, 10), (4.0, 5, 2)]
)
def test_transitions_trained_on_over_those_collected_is_the_replay_ratio(
    build: Callable[..., Any],
    small_world: WorldConfig,
    intensity: float,
    num_envs: int,
    fragment: int,
    users: dict[str, list[int]] | None,
) -> None:
    algorithm = build(
        small_world, training_intensity=intensity, num_envs=num_envs, fragment=fragment, users=users
    )
    for _ in range(8):
        _, agent_steps, updates = counts(algorithm.train())
    trained_an_update = 16 * len(users or ["shared"])
    assert updates * trained_an_update == pytest.approx(
        intensity * agent_steps, abs=trained_an_update
    )
    learner = algorithm.learner_group._learner
    steps = {
        int(state["step"])
        for optimizer in learner._optimizer_parameters
        for state in optimizer.state.values()
    }
    assert steps == {updates}  # what the optimisers did, not only what was counted


def test_learning_waits_for_the_agent_steps_asked_for_and_then_keeps_the_ratio(
    build: Callable[..., Any], small_world: WorldConfig
) -> None:
    # A fragment is 30 agent steps; the third reaches 90, and from it on every fragment asks for
    # updates.
    algorithm = build(
        small_world, num_steps_sampled_before_learning_starts=90, training_intensity=1.6
    )
    start = weights(algorithm)
    assert counts(algorithm.train()) == (30, 60, 0)
    assert same(weights(algorithm), start)
    assert counts(algorithm.train()) == (60, 120, 1.6 * 60 / 16)


def test_the_runner_acts_with_the_weights_just_learned(
    build: Callable[..., Any], small_world: WorldConfig
) -> None:
    algorithm = build(small_world)
    algorithm.train()
    acting = algorithm.env_runner.get_state()["rl_module"]["shared"]
    learned = weights(algorithm)
    for name in acting:
        np.testing.assert_array_equal(np.asarray(acting[name]), learned[f"shared {name}"])


def test_two_remote_runners_collect_and_are_sent_what_is_learned(
    build: Callable[..., Any], small_world: WorldConfig
) -> None:
    algorithm = build(small_world, runners=2, training_intensity=1.6)
    start = weights(algorithm)
    assert counts(algorithm.train()) == (60, 120, 12)
    assert counts(algorithm.train()) == (120, 240, 24)
    learned = weights(algorithm)
    assert not same(start, learned)
    states = algorithm.env_runner_group.foreach_env_runner(
        lambda runner: runner.get_state(), local_env_runner=False
    )
    assert len(states) == 2
    for state in states:
        for name, value in state["rl_module"]["shared"].items():
            if name.startswith("actor."):
                np.testing.assert_array_equal(np.asarray(value), learned[f"shared {name}"])


def test_a_local_runner_has_weights_of_its_own_where_the_learner_is_not_on_the_cpu(
    build: Callable[..., Any], small_world: WorldConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The learner says so; the networks stay here.
    monkeypatch.setattr(MaskedSacLearner, "device", torch.device("cuda"))
    algorithm = build(small_world)
    algorithm.train()
    assert algorithm.env_runner.module is not algorithm.learner_group._learner.module
    acting = algorithm.env_runner.get_state()["rl_module"]["shared"]
    learned = weights(algorithm)
    for name in acting:
        if name.startswith("actor."):
            np.testing.assert_array_equal(np.asarray(acting[name]), learned[f"shared {name}"])


def test_sac_learns_to_ask_experts_of_the_right_type(build: Callable[..., Any]) -> None:
    world = WorldConfig(
        num_experts=6,
        episode_slots=20,
        information="type",
        allow_abandon=False,
        requests=RequestConfig(num_topics=2, num_transferred=1),
    )
    algorithm = build(
        world,
        network={"hidden": 16},
        num_envs=8,
        fragment=10,
        train_batch_size_per_learner=64,
        training_intensity=8.0,
        gamma=0.5,
        actor_lr=3e-3,
        critic_lr=3e-3,
    )
    for _ in range(20):
        algorithm.train()
    module = algorithm.env_runner.module["shared"].unwrapped()
    learned = LearnedPolicy("sac", {"shared": module.actor}, module.network, {"shared": [0]})
    gain = {
        policy.name: evaluate(policy, world, mechanisms.make("none"), 0, 50)[0]["gain"].mean()
        for policy in (learned, make_heuristic("random", 0), make_heuristic("topic_match", 0))
    }
    assert gain["sac"] > gain["random"] + 0.8 * (gain["topic_match"] - gain["random"])
    assert gain["topic_match"] > gain["random"] + 1.0
