"""RLlib's keys under our SAC: what is taken has an effect, and what is refused has none."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from envs import WorldConfig
from marl_moe.errors import SpecError
from marl_moe.experiment.spec.files import read_sections, shipped_experiments
from marl_moe.experiment.spec.reading import parse_experiment
from marl_moe.experiment.training.configuration import algorithm_config, check_algorithm
from marl_moe.rllib.config import WorldSacConfig
from marl_moe.rllib.effective_keys import EFFECTIVE, OF_KEY, check_effective

Yaml = dict[str, Any]
# What each key does to the rows of a training of one epoch: values other than those of the tests.
CHANGES: Yaml = {
    "gamma": 0.1,
    "actor_lr": 0.1,
    "critic_lr": 0.1,
    "alpha_lr": 0.1,
    "initial_alpha": 3.0,
    "target_entropy_ratio": 0.9,
    "tau": 1.0,
    "n_step": 3,
    "grad_clip": 1e-3,
    "train_batch_size_per_learner": 8,
    "training_intensity": 5.0,
    "num_steps_sampled_before_learning_starts": 10_000,
    "replay_buffer_config": {"capacity": 12},
}
# Set past all checks, none of these may change a row.
WITHOUT_EFFECT: Yaml = {
    "num_epochs": 3,
    "minibatch_size": 4,
    "shuffle_batch_per_epoch": True,
    "train_batch_size": 7,
    "target_network_update_freq": 100,
    "target_entropy": 5.0,
    "clip_actions": True,
    "optimizer": {"eps": 0.5},
    "observation_filter": "MeanStdFilter",
    "compress_observations": True,
    "batch_mode": "complete_episodes",
    "explore": False,
    "episode_lookback_horizon": 7,
    "episodes_to_numpy": False,
    "merge_env_runner_states": False,
    "broadcast_env_runner_states": False,
    "max_requests_in_flight_per_learner": 9,
    "restart_failed_sub_environments": True,
    "metrics_num_episodes_for_smoothing": 1,
    "keep_per_episode_custom_metrics": True,
    "export_native_model_files": True,
    "log_sys_usage": True,
}


def trained(config: Any, epochs: int = 2) -> tuple[list[torch.Tensor], Any]:
    """Return the networks after some epochs."""
    algorithm = config.build_algo()
    try:
        for _ in range(epochs):
            algorithm.train()
        networks = algorithm.networks()
        return [value for part in networks.values() for value in part.values()], algorithm
    finally:
        algorithm.stop()


def same(first: list[torch.Tensor], second: list[torch.Tensor]) -> bool:
    return all(torch.equal(one, other) for one, other in zip(first, second, strict=True))


@pytest.fixture(scope="module")
def base(ray_started: None, sac_config: Callable[..., Any], small_world: WorldConfig) -> Any:
    return trained(sac_config(small_world))[0]


@pytest.mark.parametrize("key", CHANGES)
def test_a_key_of_training_that_is_taken_changes_what_is_learned(
    base: Any, sac_config: Callable[..., Any], small_world: WorldConfig, key: str
) -> None:
    learned, _ = trained(sac_config(small_world, **{key: CHANGES[key]}))
    assert not same(base, learned)


def test_every_key_of_training_that_is_taken_is_among_these() -> None:
    others = {"torch_threads", "grad_clip_by"}  # threads; read where grad_clip is, tested below
    assert set(EFFECTIVE["training"]) == {*CHANGES, *others}


def test_the_kind_of_clipping_has_an_effect_beside_a_clip_alone(
    sac_config: Callable[..., Any], small_world: WorldConfig
) -> None:
    by_norm, _ = trained(sac_config(small_world, grad_clip=1e-3))
    by_value, _ = trained(sac_config(small_world, grad_clip=1e-3, grad_clip_by="value"))
    assert not same(by_norm, by_value)
    with pytest.raises(ValueError, match="grad_clip_by has no effect without grad_clip"):
        check_effective("training", {"grad_clip_by": "value"})


def test_keys_that_are_refused_change_nothing_where_they_are_set_all_the_same(
    base: Any, sac_config: Callable[..., Any], small_world: WorldConfig
) -> None:
    config = sac_config(small_world)
    for key, value in WITHOUT_EFFECT.items():
        assert hasattr(config, key), key
        setattr(config, key, value)
    assert same(base, trained(config)[0])


def test_every_other_key_that_is_taken_is_read_by_what_trains(
    ray_started: None,
    sac_config: Callable[..., Any],
    small_world: WorldConfig,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Attributes read while building and training; remote runners and learners read the rest."""
    read: set[str] = set()
    setters = {"algorithm_config.py", "config.py"}

    def noting(config: Any, name: str) -> Any:
        if Path(sys._getframe(1).f_code.co_filename).name not in setters:
            read.add(name)
        return object.__getattribute__(config, name)

    monkeypatch.setattr(WorldSacConfig, "__getattribute__", noting, raising=False)
    trained(sac_config(small_world), epochs=1)
    elsewhere = {
        *("num_cpus_per_env_runner", "num_gpus_per_env_runner", "custom_resources_per_env_runner"),
        *("num_cpus_per_learner", "num_gpus_per_learner", "custom_resources_per_learner"),
        *("local_gpu_idx", "checkpoint_frequency", "grad_clip_by", "model_config"),
        *("delay_between_env_runner_restarts_s", "env_runner_restore_timeout_s"),
    }
    taken = {key for keys in EFFECTIVE.values() for key in keys}
    assert taken - elsewhere <= read, taken - elsewhere - read


@pytest.mark.parametrize(
    ("section", "keys", "reason"),
    [
        ("env_runners", {"observation_filter": "MeanStdFilter"}, "without RLlib's episodes, conn"),
        ("env_runners", {"explore": False}, "training draws its actions"),
        ("env_runners", {"batch_mode": "complete_episodes"}, "step whole worlds"),
        ("training", {"num_epochs": 3}, "the number of updates is set by training_intensity"),
        ("training", {"minibatch_size": 3}, "train_batch_size_per_learner"),
        ("training", {"lr": 1e-3}, "learning rates are actor_lr, critic_lr and alpha_lr"),
        ("training", {"twin_q": True}, "the critics are always twins"),
        ("learners", {"max_requests_in_flight_per_learner": 2}, "from its own replay"),
        ("fault_tolerance", {"restart_failed_sub_environments": True}, "hold worlds"),
        ("reporting", {"min_time_s_per_iteration": 1}, "epochs would last by the clock"),
        ("reporting", {"min_sample_timesteps_per_iteration": 9}, "one episode in every world"),
        ("reporting", {"log_gradients": True}, "one episode in every world"),
        ("checkpointing", {"export_native_model_files": True}, "those of the run"),
        ("debugging", {"log_sys_usage": True}, "read it"),
    ],
)
def test_a_key_without_effect_is_refused_by_its_name_with_the_reason(
    tiny_experiment: Yaml, section: str, keys: Yaml, reason: str
) -> None:
    algorithm = tiny_experiment["algorithm"] | {section: keys}
    with pytest.raises(SpecError) as error:
        check_algorithm(parse_experiment(tiny_experiment | {"algorithm": algorithm}, "tiny"))
    (key,) = keys
    assert str(error.value).startswith(f"algorithm.{section}.{key} has no effect in sac: ")
    assert reason in str(error.value)


@pytest.mark.parametrize("name", ["rllib_sac", "ppo", "dqn"])
def test_no_epoch_of_a_stock_algorithm_lasts_by_the_clock(tiny_experiment: Yaml, name: str) -> None:
    def check(seconds: float) -> None:
        algorithm = {"name": name, "reporting": {"min_time_s_per_iteration": seconds}}
        check_algorithm(parse_experiment(tiny_experiment | {"algorithm": algorithm}, "tiny"))

    check(0)
    with pytest.raises(SpecError, match=r"reporting\.min_time_s_per_iteration: epochs would last"):
        check(1)


def test_stock_algorithms_keep_the_keys_that_are_for_them(tiny_experiment: Yaml) -> None:
    sections = {"training": {"num_epochs": 2}, "reporting": {"log_gradients": True}}
    algorithm = {"name": "ppo"} | sections
    spec = parse_experiment(tiny_experiment | {"algorithm": algorithm}, "tiny")
    assert algorithm_config(spec, seed=0).num_epochs == 2


def sections_in(value: Any) -> Iterator[tuple[str, Yaml]]:
    """Yield RLlib's sections wherever they stand in an experiment, its sweep and sizes too."""
    parts = value.items() if isinstance(value, dict) else enumerate(value)
    for key, part in parts:
        if key in EFFECTIVE and isinstance(part, dict):
            yield key, part
        elif isinstance(part, dict | list):
            yield from sections_in(part)


def test_no_shipped_experiment_uses_a_key_that_is_refused() -> None:
    raw = [read_sections(path) for path in shipped_experiments().values()]
    found = list(sections_in(raw))
    assert len(found) > 20
    for section, keys in found:
        check_effective(section, keys)


def test_reasons_are_given_for_keys_that_rllib_has() -> None:
    config = WorldSacConfig()
    taken = {key for keys in EFFECTIVE.values() for key in keys}
    assert not taken & set(OF_KEY)
    assert all(hasattr(config, key) for key in OF_KEY if not key.startswith("no_"))
