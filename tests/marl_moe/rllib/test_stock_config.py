"""Sections of an experiment as configurations of RLlib's stock algorithms, and refusals."""

import copy
from collections.abc import Callable
from math import log
from typing import Any

import pytest

from marl_moe.errors import SpecError
from marl_moe.experiment.spec.experiment import ExperimentSpec
from marl_moe.experiment.training.configuration import algorithm_config
from marl_moe.rllib.stock import STOCK

pytestmark = pytest.mark.usefixtures("ray_started")
ALGORITHMS = tuple(STOCK)


def test_sections_arrive_at_rllib_and_the_defaults_are_the_documented_ones(
    stock_spec: Callable[..., ExperimentSpec],
) -> None:
    sections = {
        "env_runners": {"num_envs_per_env_runner": 3},
        "training": {"gamma": 0.5, "torch_threads": 2},
    }
    for name in ALGORITHMS:
        config = algorithm_config(stock_spec(name, **copy.deepcopy(sections)), seed=7)
        assert (
            config.num_envs_per_env_runner,
            config.gamma,
            config.torch_threads,
            config.seed,
        ) == (3, 0.5, 2, 7)
        assert config.env_config["seed"] == 7
        assert config.min_time_s_per_iteration == 0
    sac = algorithm_config(stock_spec("rllib_sac", training={"target_entropy": "auto"}), seed=0)
    assert sac.target_entropy == pytest.approx(0.1 * log(7))


@pytest.mark.parametrize(
    ("name", "section", "key", "value", "said"),
    [
        (
            "ppo",
            "training",
            "clip_parm",
            0.2,
            "algorithm.training.clip_parm: unknown 'clip_parm'; did you mean 'clip_param'?",
        ),
        (
            "dqn",
            "training",
            "epsilom",
            0.2,
            "algorithm.training.epsilom: unknown 'epsilom'; did you mean 'epsilon'?",
        ),
        ("rllib_sac", "training", "initial_alpa", 1, "did you mean 'initial_alpha'?"),
        ("ppo", "env_runners", "num_env_runner", 1, "did you mean 'num_env_runners'?"),
        (
            "ppo",
            "rl_module",
            "model_config",
            {"fcnet_hidden": [8]},
            "did you mean 'fcnet_hiddens'?",
        ),
        (
            "ppo",
            "rl_module",
            "model_config",
            {"fcnet_activation": "rely"},
            "rl_module.model_config: ",
        ),
        (
            "ppo",
            "rl_module",
            "model_config",
            {"use_lstm": True},
            "rl_module.model_config.use_lstm should be false",
        ),
        ("ppo", "rl_module", "model_config", 8, "model_config: should hold fcnet_hiddens"),
        ("ppo", "rl_module", "model_config", {"network": "pointer"}, "unknown 'network'"),
        (
            "rllib_sac",
            "rl_module",
            "model_config",
            {"network": "ponter"},
            "no network",
        ),
        (
            "rllib_sac",
            "rl_module",
            "model_config",
            {"hidden": 8},
            "should hold network (and hidden, prior, parameters), or else RLlib's",
        ),
        (
            "rllib_sac",
            "rl_module",
            "model_config",
            {"network": "pointer", "fcnet_hiddens": [8]},
            "or else RLlib's own keys, got fcnet_hiddens, network",
        ),
        ("ppo", "debugging", "seed", 3, "seeds are set by the key 'seeds'"),
        ("ppo", "training", "lr", -1, "training.lr should be above 0, got -1"),
        ("ppo", "training", "gamma", 2, "training.gamma should lie in 0..1, got 2"),
        ("ppo", "training", "minibatch_size", 1000, "minibatch_size"),
        (
            "dqn",
            "training",
            "train_batch_size_per_learner",
            0,
            "should be an integer of at least 1, got 0",
        ),
        (
            "dqn",
            "training",
            "replay_buffer_config",
            {"capacity": 3},
            "at least an episode of each world, 40 env steps",
        ),
        (
            "dqn",
            "training",
            "replay_buffer_config",
            {"type": "Ring"},
            "replay_buffer_config.type should be",
        ),
        (
            "rllib_sac",
            "training",
            "target_entropy",
            "high",
            "target_entropy should be a number or auto, got 'high'",
        ),
        ("rllib_sac", "training", "twin_q", False, "training.twin_q should be true"),
    ],
)
def test_what_cannot_be_is_named_by_its_key_and_the_nearest(
    stock_spec: Callable[..., ExperimentSpec],
    name: str,
    section: str,
    key: str,
    value: Any,
    said: str,
) -> None:
    with pytest.raises(SpecError) as refusal:
        algorithm_config(stock_spec(name, **{section: {key: value}}), seed=0)
    assert said in str(refusal.value)
    assert len(str(refusal.value).splitlines()) == 1
