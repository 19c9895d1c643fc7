"""The sections under `algorithm`, and the keys of RLlib that they reach."""

import re
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from marl_moe.errors import SpecError
from marl_moe.experiment.spec.reading import parse_experiment
from marl_moe.experiment.spec.rllib_sections import named_code
from marl_moe.experiment.training.configuration import check_algorithm
from marl_moe.experiment.training.loop import train

TRACKER = """
from pathlib import Path
from ray.rllib.callbacks.callbacks import RLlibCallback

class Tracker(RLlibCallback):
    def on_train_result(self, *, algorithm, metrics_logger=None, result, **kwargs):
        with Path({told!r}).open("a") as file:
            slots = result["env_runners"]["num_agent_slots"]
            file.write(f"{{result['training_iteration']}} {{slots}}\\n")
"""


def test_a_tracker_named_in_yaml_is_told_of_every_iteration(
    ray_started: None,
    tiny_experiment: dict[str, Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    told = tmp_path / "told.txt"
    (tmp_path / "tracking_of_mine.py").write_text(TRACKER.format(told=str(told)))
    monkeypatch.syspath_prepend(tmp_path)
    algorithm = tiny_experiment["algorithm"] | {
        "callbacks": {"callbacks_class": "tracking_of_mine.Tracker"}
    }
    spec = parse_experiment(tiny_experiment | {"algorithm": algorithm}, "tiny")
    rows = train(spec, 0, tmp_path / "checkpoint")
    lines = [line.split() for line in told.read_text().splitlines()]
    assert [int(iteration) for iteration, _ in lines] == [row["epoch"] for row in rows]
    steps = np.diff([0, *(row["agent_steps"] for row in rows)])
    assert [float(slots) for _, slots in lines] == steps.tolist()


@pytest.mark.parametrize("path", ["no_such_module.Tracker", "pathlib.NoSuchClass", "Tracker", 3])
def test_a_tracker_that_there_is_not_is_named(
    tiny_experiment: dict[str, Any], path: object
) -> None:
    algorithm = tiny_experiment["algorithm"] | {"callbacks": {"callbacks_class": path}}
    spec = parse_experiment(tiny_experiment | {"algorithm": algorithm}, "tiny")
    with pytest.raises(
        SpecError, match=r"algorithm\.callbacks\.callbacks_class: should be the dotted path"
    ):
        check_algorithm(spec)


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        (
            "training.replay_buffer_config",
            {"type": "planted.Thing", "capacity": 9},
            "replay_buffer_config.type",
        ),
        (
            "training.replay_buffer_config",
            {"type": "planted.yaml", "capacity": 9},
            "replay_buffer_config.type",
        ),
        (
            "training.replay_buffer_config",
            {"type": "{type: planted.Thing}", "capacity": 9},
            "replay_buffer_config.type",
        ),
        (
            "training.optimizer",
            {"deep": [{"type": "planted.Thing"}]},
            "training.optimizer.deep.type",
        ),
        ("training.learner_class", "planted.Thing", "training.learner_class"),
        ("training.learner_connector", "planted.Thing", "training.learner_connector"),
        ("training.learner_config_dict", {"planted.Thing": 1}, "training.learner_config_dict"),
        ("training.model", {"custom_model": "planted.Thing"}, "training.model.custom_model"),
        ("learners.learner_class", "planted.Thing", "learners.learner_class"),
        ("env_runners.env_runner_cls", "planted.Thing", "env_runners.env_runner_cls"),
        ("env_runners.sample_collector", "planted", "env_runners.sample_collector"),
        ("env_runners.env_to_module_connector", "planted", "env_runners.env_to_module_connector"),
        (
            "env_runners.exploration_config",
            {"type": "planted.Thing"},
            "env_runners.exploration_config.type",
        ),
        ("env_runners.observation_filter", "../planted.py", "env_runners.observation_filter"),
        (
            "reporting.custom_stats_cls_lookup",
            {"a": "planted.Thing"},
            "reporting.custom_stats_cls_lookup.a",
        ),
        ("rl_module.model_config", {"network": "planted.Thing"}, "rl_module.model_config.network"),
    ],
)
@pytest.mark.parametrize("name", ["sac", "rllib_sac", "ppo", "dqn"])
def test_no_string_outside_of_callbacks_becomes_code_or_a_file(
    tiny_experiment: dict[str, Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    key: str,
    value: object,
    said: str,
) -> None:
    (tmp_path / "planted.py").write_text("raise SystemExit('imported')\n")
    (tmp_path / "planted.yaml").write_text("type: planted.Thing\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)
    section, _, last = key.partition(".")
    algorithm = {"name": name, section: {last: value}}
    spec = parse_experiment(tiny_experiment | {"algorithm": algorithm}, "tiny")
    with pytest.raises(SpecError, match=re.escape(said) + "|unknown"):
        check_algorithm(spec)
    assert "planted" not in sys.modules


def test_code_that_an_experiment_names_is_listed_with_its_key(
    tiny_experiment: dict[str, Any],
) -> None:
    algorithm = {"callbacks": {"callbacks_class": ["a.B", "c.D"], "on_train_result": "e.f"}}
    cluster = {"runtime_env": {"pip": ["g"]}, "env_vars": ["H"]}
    spec = parse_experiment(tiny_experiment | {"algorithm": algorithm, "cluster": cluster}, "tiny")
    assert named_code(spec) == [
        "algorithm.callbacks.callbacks_class: a.B",
        "algorithm.callbacks.callbacks_class: c.D",
        "algorithm.callbacks.on_train_result: e.f",
        "cluster.runtime_env.pip: ['g']",
        "cluster.env_vars: H",
    ]
    assert named_code(parse_experiment(tiny_experiment, "tiny")) == []


def test_the_modules_themselves_are_not_for_yaml_to_set(tiny_experiment: dict[str, Any]) -> None:
    algorithm = tiny_experiment["algorithm"] | {"rl_module": {"rl_module_spec": 3}}
    spec = parse_experiment(tiny_experiment | {"algorithm": algorithm}, "tiny")
    with pytest.raises(
        SpecError, match=r"algorithm\.rl_module\.rl_module_spec: unknown .* valid: model_config"
    ):
        check_algorithm(spec)


def test_training_is_measured_against_the_equilibrium_where_it_is_to_be_evaluated(
    ray_started: None, tiny_experiment: dict[str, Any], tmp_path: Path
) -> None:
    with_nash = tiny_experiment | {"evaluation": {"episodes": 2, "policies": ["nash"]}}
    rows = train(parse_experiment(with_nash, "tiny"), 0, tmp_path / "with")
    without = train(parse_experiment(tiny_experiment, "tiny"), 0, tmp_path / "without")
    equilibrium = [row["gain"] / row["share_of_equilibrium"] for row in rows]
    assert np.ptp(equilibrium) < 1e-9  # one yardstick for all epochs
    assert [row["gain"] for row in rows] == [
        row["gain"] for row in without
    ]  # measuring changes nothing
    assert np.isnan([row["share_of_equilibrium"] for row in without]).all()


@pytest.mark.parametrize("name", ["sac", "ppo"])
@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("env_runners.num_env_runners", 1.5, "should be an integer of at least 0, got 1.5"),
        ("env_runners.num_env_runners", 2.0, "should be an integer of at least 0, got 2.0"),
        ("env_runners.num_env_runners", -1, "should be an integer of at least 0, got -1"),
        ("env_runners.num_env_runners", None, "should be an integer of at least 0, got None"),
        ("env_runners.num_envs_per_env_runner", 2.5, "should be an integer of at least 1, got 2.5"),
        ("env_runners.num_cpus_per_env_runner", -1, "should be a number of at least 0, got -1"),
        ("env_runners.sample_timeout_s", -1, "should be a number of at least 0, got -1"),
        ("learners.num_learners", -1, "should be an integer of at least 0, got -1"),
        ("learners.num_learners", 1.5, "should be an integer of at least 0, got 1.5"),
        ("fault_tolerance.max_num_env_runner_restarts", -3, "should be an integer of at least 0"),
        ("debugging.log_level", "NONSENSE", "should be one of DEBUG, INFO, WARN, ERROR"),
    ],
)
def test_a_value_that_rllib_takes_whatever_it_is_is_refused_by_its_key(
    tiny_experiment: dict[str, Any], name: str, key: str, value: object, said: str
) -> None:
    section, _, last = key.partition(".")
    algorithm = {"name": name, "stop": {"training_iteration": 1}, section: {last: value}}
    spec = parse_experiment(tiny_experiment | {"algorithm": algorithm}, "tiny")
    with pytest.raises(SpecError, match=re.escape(f"algorithm.{key} {said}")):
        check_algorithm(spec)
