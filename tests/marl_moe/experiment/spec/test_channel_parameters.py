"""A channel process from outside of the package in an experiment: checked, swept, trained."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from envs.channel import Arrays, ChannelProcess, register
from marl_moe.errors import SpecError
from marl_moe.experiment.run.continuation import run_experiment
from marl_moe.experiment.spec.reading import load_experiment, parse_experiment
from marl_moe.experiment.spec.sweep import sweep_points

Yaml = dict[str, Any]


@register("path_loss")
@dataclass(frozen=True)
class PathLoss(ChannelProcess):
    """Pairs at distances of 10 to 300 m, whose SNR lies far beyond the range of the paper's."""

    exponent: float = 3.0

    def __post_init__(self) -> None:
        if self.exponent <= 0:
            raise ValueError(f"exponent should be greater than 0, got {self.exponent}")

    def large_scale(self, shape: Any, users: Arrays, experts: Arrays, rng: Any) -> Arrays:
        return {"distance_m": rng.uniform(10, 300, shape).astype(np.float32)}

    def small_scale(self, shape: Any, state: Arrays, rng: np.random.Generator) -> Arrays:
        return {"snr_db": 60 - 10 * self.exponent * np.log10(state["distance_m"])}


def with_channel(experiment: Yaml, **channel: Any) -> Yaml:
    return experiment | {"env": experiment["env"] | {"channel": channel}}


@pytest.mark.parametrize(
    ("channel", "message"),
    [
        (
            {"process": "path_los"},
            "x.yaml: env.channel.process: no channel process 'path_los'; did you mean 'path_loss'?",
        ),
        (
            {"process": "path_loss", "parameters": {"exponet": 2}},
            "x.yaml: env.channel.parameters: "
            "channel process 'path_loss' has no parameter 'exponet'; did you mean 'exponent'?",
        ),
        (
            {"process": "path_loss", "parameters": {"exponent": 0}},
            "x.yaml: env.channel.parameters: exponent should be greater than 0, got 0",
        ),
        (
            {"process": "iid", "parameters": {"exponent": 2}},
            "x.yaml: env.channel.parameters: "
            "channel process 'iid' has no parameter 'exponent'; it takes none",
        ),
        (
            {"process": "path_loss", "correlation": 0.5},
            "x.yaml: env.channel: "
            "correlation has no effect with process: path_loss; use process: gauss_markov",
        ),
    ],
)
def test_a_mistake_is_told_with_its_key(tiny_experiment: Yaml, channel: Yaml, message: str) -> None:
    with pytest.raises(SpecError) as error:
        parse_experiment(with_channel(tiny_experiment, **channel), "x.yaml")
    assert str(error.value).startswith(message)


def test_parameters_are_swept_set_and_left_out_where_another_process_is_played(
    tiny_experiment: Yaml, tmp_path: Path
) -> None:
    raw = with_channel(tiny_experiment, process="path_loss", parameters={"exponent": 2.5})
    raw["sweep"] = {"env.channel.parameters.exponent": [2, 3]}
    other = {"process": "iid", "parameters": None}
    raw["evaluation"] = raw.get("evaluation", {}) | {"env": {"channel": other}}
    spec = parse_experiment(raw, "x.yaml")
    points = sweep_points(spec)
    assert [point.settings for point in points] == [
        {"env.channel.parameters.exponent": exponent} for exponent in (2, 3)
    ]
    assert [point.spec.env.channel.made() for point in points] == [PathLoss(2), PathLoss(3)]
    assert spec.evaluated_env().channel.process == "iid"
    (tmp_path / "x.yaml").write_text(spec.to_yaml())
    alone = ["sweep={}", "env.channel.parameters.exponent=4"]
    again = load_experiment(str(tmp_path / "x.yaml"), alone)
    assert again.env.channel.made() == PathLoss(4)
    bad = raw | {"sweep": {"env.channel.parameters.exponent": [2, -1]}}
    with pytest.raises(SpecError, match=r"exponent=-1: env\.channel\.parameters: exponent should"):
        sweep_points(parse_experiment(bad, "x.yaml"))


def test_a_policy_is_trained_and_evaluated_on_it(
    tiny_experiment: Yaml, tmp_path: Path, one_core: None
) -> None:
    raw = with_channel(tiny_experiment, process="path_loss", parameters={"exponent": 4.0})
    run = run_experiment(parse_experiment(raw | {"seeds": 1}, "x.yaml"), tmp_path / "run")
    assert np.isfinite(run.results["gain"]).all()
    assert "sac" in set(run.results["policy"])
