"""What the sections under `algorithm` reach in RLlib."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from marl_moe.experiment.reading import parse_experiment
from marl_moe.experiment.spec import SpecError
from marl_moe.experiment.training import check_algorithm, train

TRACKER = """
from pathlib import Path
from ray.rllib.callbacks.callbacks import RLlibCallback

class Tracker(RLlibCallback):
    def on_train_result(self, *, algorithm, metrics_logger=None, result, **kwargs):
        with Path({told!r}).open("a") as file:
            file.write(f"{{result['training_iteration']}} {{result['env_runners']['num_agent_slots']}}\\n")
"""


def test_a_tracker_named_in_yaml_is_told_of_every_iteration(
    ray_started: None, tiny_experiment: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = tmp_path / "told.txt"
    (tmp_path / "tracking_of_mine.py").write_text(TRACKER.format(told=str(told)))
    monkeypatch.syspath_prepend(tmp_path)
    algorithm = tiny_experiment["algorithm"] | {"callbacks": {"callbacks_class": "tracking_of_mine.Tracker"}}
    spec = parse_experiment(tiny_experiment | {"algorithm": algorithm}, "tiny")
    rows = train(spec, 0, tmp_path / "checkpoint")
    lines = [line.split() for line in told.read_text().splitlines()]
    assert [int(iteration) for iteration, _ in lines] == [row["epoch"] for row in rows]
    steps = np.diff([0, *(row["agent_steps"] for row in rows)])
    assert [float(slots) for _, slots in lines] == steps.tolist()


@pytest.mark.parametrize("path", ["no_such_module.Tracker", "pathlib.NoSuchClass", "Tracker", 3])
def test_a_tracker_that_there_is_not_is_named(tiny_experiment: dict[str, Any], path: object) -> None:
    algorithm = tiny_experiment["algorithm"] | {"callbacks": {"callbacks_class": path}}
    spec = parse_experiment(tiny_experiment | {"algorithm": algorithm}, "tiny")
    with pytest.raises(SpecError, match=r"algorithm\.callbacks\.callbacks_class: should be the dotted path"):
        check_algorithm(spec)


def test_the_modules_themselves_are_not_for_yaml_to_set(tiny_experiment: dict[str, Any]) -> None:
    algorithm = tiny_experiment["algorithm"] | {"rl_module": {"rl_module_spec": 3}}
    spec = parse_experiment(tiny_experiment | {"algorithm": algorithm}, "tiny")
    with pytest.raises(SpecError, match=r"algorithm\.rl_module\.rl_module_spec: unknown .* valid: model_config"):
        check_algorithm(spec)


def test_training_is_measured_against_the_equilibrium_where_it_is_to_be_evaluated(
    ray_started: None, tiny_experiment: dict[str, Any], tmp_path: Path
) -> None:
    with_nash = tiny_experiment | {"evaluation": {"episodes": 2, "policies": ["nash"]}}
    rows = train(parse_experiment(with_nash, "tiny"), 0, tmp_path / "with")
    without = train(parse_experiment(tiny_experiment, "tiny"), 0, tmp_path / "without")
    equilibrium = [row["gain"] / row["share_of_equilibrium"] for row in rows]
    assert np.ptp(equilibrium) < 1e-9  # one yardstick for all epochs
    assert [row["gain"] for row in rows] == [row["gain"] for row in without]  # measuring changes nothing
    assert np.isnan([row["share_of_equilibrium"] for row in without]).all()
