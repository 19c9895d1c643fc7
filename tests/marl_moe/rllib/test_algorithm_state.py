"""States and checkpoints of our SAC: what follows one repeats bit for bit."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from envs import WorldConfig
from marl_moe.rllib.algorithm import WorldSac
from marl_moe.rllib.module import AVERAGE, AVERAGE_ACTOR, AVERAGED

from .learned_numbers import counts, learner_state, same, weights

pytestmark = pytest.mark.usefixtures("ray_started")
GROUPS = {"first": [0], "second": [1]}


def test_resume_from_rllibs_checkpoint_is_bit_identical_to_never_having_stopped(
    build: Callable[..., Any], small_world: WorldConfig, tmp_path: Path
) -> None:
    """The replay outgrows its capacity, an update is half due, experts change every episode."""
    world = replace(small_world, experts=replace(small_world.experts, resample="episode"))
    whole = build(
        world,
        training_intensity=1.3,
        replay_buffer_config={"capacity": 100},
        users=GROUPS,
        n_step=3,
    )
    whole.train()
    whole.train()
    whole.save_to_path(tmp_path)
    expected = whole.train()
    learned = learner_state(whole)
    whole.stop()
    resumed = WorldSac.from_checkpoint(tmp_path)
    try:
        result = resumed.train()
        assert counts(result) == counts(expected)
        assert result["env_runners"]["gain"] == expected["env_runners"]["gain"]
        assert same(learner_state(resumed), learned)
    finally:
        resumed.stop()


@pytest.mark.parametrize(
    "settings",
    [{}, {"runners": 2, "learners": 1}],
    ids=["in one process", "two remote runners and a remote learner"],
)
def test_restoring_an_older_checkpoint_repeats_what_followed_it(
    build: Callable[..., Any], small_world: WorldConfig, tmp_path: Path, settings: dict[str, int]
) -> None:
    algorithm = build(small_world, **settings)
    algorithm.train()
    algorithm.save_to_path(tmp_path)
    algorithm.train()
    first = learner_state(algorithm)
    algorithm.restore_from_path(tmp_path)
    assert not same(learner_state(algorithm), first)
    algorithm.train()
    assert same(learner_state(algorithm), first)


def test_a_state_replaces_the_weights_of_an_algorithm_that_learned_longer(
    build: Callable[..., Any], small_world: WorldConfig
) -> None:
    short, long = build(small_world, seed=1), build(small_world, seed=2)
    short.train()
    long.train()
    long.train()
    long.set_state(short.get_state())
    assert same(weights(long), weights(short))


def test_in_a_state_of_before_there_were_averages_the_actor_is_its_own(
    build: Callable[..., Any], small_world: WorldConfig
) -> None:
    """As where a run is resumed that an older version began."""
    algorithm = build(small_world)
    algorithm.train()
    state = algorithm.get_state()
    module = state["learner_group"]["learner"]["rl_module"]["shared"]
    older = {name: value for name, value in module.items() if not name.startswith(AVERAGE)}
    state["learner_group"]["learner"]["rl_module"]["shared"] = older
    algorithm.set_state(state)
    held = weights(algorithm)
    assert held[f"shared {AVERAGED}"] == 0
    averaged = [name for name in held if name.startswith(f"shared {AVERAGE_ACTOR}")]
    assert averaged
    for name in averaged:
        actor = name.replace(AVERAGE_ACTOR, "actor.")
        assert np.array_equal(held[name], older[actor.removeprefix("shared ")])
    algorithm.train()
    assert weights(algorithm)[f"shared {AVERAGED}"] > 0


def test_a_runner_that_is_restarted_is_handed_weights_and_no_worlds(
    build: Callable[..., Any], small_world: WorldConfig
) -> None:
    algorithm = build(small_world)
    assert set(algorithm.env_runner.get_state()) == {"rl_module", "weights_seq_no"}
