"""Refusals of impossible values in the configuration of our SAC."""

from collections.abc import Callable
from typing import Any

import pytest
import torch

from envs import WorldConfig
from marl_moe.rllib.algorithm import WorldSac

pytestmark = pytest.mark.usefixtures("ray_started")


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("training_intensity", 0),
        ("target_entropy_ratio", 1.2),
        ("torch_threads", 0),
        ("twin_q", False),
        ("n_step", 0),
        ("n_step", (1, 3)),
        ("gamma", -3),
        ("gamma", float("nan")),
        ("gamma", "0.9"),
        ("tau", 7),
        ("train_batch_size_per_learner", 0),
        ("actor_lr", -1),
        ("critic_lr", float("inf")),
        ("initial_alpha", 0),
        ("num_steps_sampled_before_learning_starts", "soon"),
        ("replay_buffer_config", {"capacityy": 10}),
        ("replay_buffer_config", {"capacity": 0}),
        ("store_buffer_in_checkpoints", False),
    ],
)
def test_an_impossible_value_is_refused_by_its_key(
    sac_config: Callable[..., Any], small_world: WorldConfig, key: str, value: Any
) -> None:
    with pytest.raises(ValueError, match=key):
        sac_config(small_world, **{key: value}).validate()


@pytest.mark.parametrize("frequency", [0, 1.5, True, "often"])
def test_an_impossible_checkpoint_frequency_is_refused_by_its_key(
    sac_config: Callable[..., Any], small_world: WorldConfig, frequency: Any
) -> None:
    config = sac_config(small_world).checkpointing(checkpoint_frequency=frequency)
    with pytest.raises(
        ValueError, match=r"checkpointing\.checkpoint_frequency should be an integer of at least 1"
    ):
        config.validate()


def test_a_gpu_is_asked_for_by_rllibs_key_and_refused_where_there_is_none(
    sac_config: Callable[..., Any], small_world: WorldConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = sac_config(small_world).learners(num_gpus_per_learner=1)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ValueError, match=r"learners\.num_gpus_per_learner: PyTorch finds no GPU"):
        config.validate()
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    config.validate()


def test_what_the_other_tests_use_is_accepted(
    sac_config: Callable[..., Any], small_world: WorldConfig
) -> None:
    sac_config(small_world, replay_buffer_config={"capacity": 10}, n_step=3, tau=1.0).validate()
    assert torch.get_num_threads() == 1


@pytest.mark.parametrize(("gamma", "worth"), [(0.0, 0.0), (1.0, 0.3 * 5.0 * 8)])
def test_a_discount_that_is_given_after_the_world_decides_what_a_budget_is_worth(
    gamma: float, worth: float
) -> None:
    world = WorldConfig(num_users=2, episode_slots=8, energy_budget_j=0.5)
    config = WorldSac.get_default_config().world(world, {"name": "none"}, {"shared": [0, 1]}, {})
    config.training(gamma=gamma).validate()
    model = config.rl_module_spec.rl_module_specs["shared"].model_config
    assert model["budget_worth"] == pytest.approx(worth)
