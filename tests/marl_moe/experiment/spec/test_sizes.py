"""An experiment at its sizes, and evaluation in other worlds than those trained in."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from marl_moe.cli import app
from marl_moe.errors import SpecError
from marl_moe.experiment.spec.files import shipped_experiments
from marl_moe.experiment.spec.reading import load_experiment
from marl_moe.experiment.spec.sweep import sweep_points

Yaml = dict[str, Any]
Write = Callable[[Yaml | str], Path]
SMOKE = {"seeds": 1, "env": {"num_experts": 4}, "sweep": {"env": {"num_users": [2]}}, "figures": []}


@pytest.fixture
def sized(tiny_experiment: Yaml, write_experiment: Write) -> str:
    sweep = {"env": {"num_users": [1, 2, 3]}}
    return str(
        write_experiment(
            tiny_experiment | {"sweep": sweep, "sizes": {"smoke": SMOKE, "fast": {"seeds": 3}}}
        )
    )


def test_a_size_changes_the_keys_that_it_holds_and_no_other(sized: str) -> None:
    whole, smoke = load_experiment(sized), load_experiment(sized, size="smoke")
    assert (smoke.name, smoke.seeds, smoke.env.num_experts) == ("tiny_smoke", 1, 4)
    assert (smoke.sweep, smoke.figures, smoke.sizes) == ({"env": {"num_users": [2]}}, [], {})
    assert smoke.env.requests == whole.env.requests
    assert smoke.algorithm == whole.algorithm
    assert load_experiment(sized, size="fast").as_dict() == whole.as_dict() | {
        "name": "tiny_fast",
        "seeds": 3,
        "sizes": {},
    }


def test_what_is_set_comes_after_the_size(sized: str) -> None:
    assert load_experiment(sized, ["seeds=2"], "smoke").seeds == 2


def test_a_size_that_there_is_not_is_refused_with_the_nearest(
    sized: str, tiny_experiment: Yaml, tmp_path: Path
) -> None:
    with pytest.raises(SpecError, match=r"--size smok: unknown 'smok'; did you mean 'smoke'\?"):
        load_experiment(sized, size="smok")
    with pytest.raises(SpecError, match="--size smoke: the file has no sizes"):
        load_experiment("case_study", size="smoke")


def test_a_mistake_in_a_size_is_found_without_asking_for_it(
    tiny_experiment: Yaml, write_experiment: Write
) -> None:
    path = write_experiment(tiny_experiment | {"sizes": {"smoke": {"env": {"num_usres": 3}}}})
    with pytest.raises(
        SpecError, match=r"sizes\.smoke: env\.num_usres: .*did you mean 'num_users'\?"
    ):
        load_experiment(str(path))


def studies() -> list[Any]:
    """Experiments with sizes; the preset of a cluster starts processes for half a minute."""
    names = [name for name in shipped_experiments() if load_experiment(name).sizes]
    return [
        pytest.param(name, marks=[pytest.mark.faults] if name == "cluster" else [])
        for name in names
    ]


@pytest.mark.parametrize("name", studies())
def test_every_study_runs_at_its_smoke_size(name: str, tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["run", name, "--size", "smoke", "--out", str(tmp_path)])
    assert result.exit_code == 0, result.output
    spec = load_experiment(name, size="smoke")
    table, number = ("evaluation", "gain")
    if spec.kind == "market_study":
        table, number = ("audit", "played_welfare")
    rows = pd.read_parquet(tmp_path / spec.name / f"{table}.parquet")
    assert set(rows["point"]) == {point.label for point in sweep_points(spec)}
    assert np.isfinite(rows[number]).all()
    assert "not drawn" not in result.output
    for figure in spec.figures:
        assert (tmp_path / spec.name / "figures" / f"{figure}.pdf").stat().st_size > 1000


def test_evaluation_may_be_in_other_worlds_than_those_trained_in(
    tiny_experiment: Yaml, write_experiment: Write, tmp_path: Path
) -> None:
    """A pointer network trained with 6 experts plays among 9, zero-shot."""
    experiment = tiny_experiment | {"seeds": 1, "mechanism": {"name": "none"}}
    experiment["evaluation"] = {
        **experiment["evaluation"],
        "env": {"num_experts": 9, "requests": {"num_topics": 3}},
    }
    spec = load_experiment(str(write_experiment(experiment)))
    assert (spec.env.num_experts, spec.evaluated_env().num_experts) == (6, 9)
    assert spec.evaluated_env().requests.num_topics == 3
    assert spec.evaluated_env().channel == spec.env.channel
    result = CliRunner().invoke(
        app, ["run", str(tmp_path / "experiment.yaml"), "--out", str(tmp_path)]
    )
    assert result.exit_code == 0, result.output
    elsewhere = pd.read_parquet(tmp_path / "tiny" / "evaluation.parquet").set_index(
        ["policy", "episode"]
    )["gain"]
    experiment["evaluation"] = {**experiment["evaluation"], "env": {}}
    for name, env in (("there", spec.evaluated_env().as_dict()), ("here", experiment["env"])):
        write_experiment(experiment | {"name": name, "env": env})
        assert (
            CliRunner()
            .invoke(app, ["run", str(tmp_path / "experiment.yaml"), "--out", str(tmp_path)])
            .exit_code
            == 0
        )
    there = pd.read_parquet(tmp_path / "there" / "evaluation.parquet").set_index(
        ["policy", "episode"]
    )["gain"]
    pd.testing.assert_series_equal(elsewhere["random"], there["random"])  # the same worlds
    weights = [
        next((tmp_path / name).rglob("policy.safetensors")).read_bytes()
        for name in ("tiny", "here", "there")
    ]
    assert weights[0] == weights[1] != weights[2]  # trained as if the evaluation were at home


@pytest.mark.parametrize(
    ("env", "said"),
    [
        ({"num_expert": 9}, r"evaluation\.env\.num_expert: "),
        ({"num_experts": 0}, r"evaluation\.env\.num_experts: .*greater than or equal to 1, got 0"),
        (
            {"channel": {"bandwidth_hz": "wide"}},
            r"evaluation\.env\.channel\.bandwidth_hz: .*valid number, got 'wide'",
        ),
    ],
)
def test_worlds_that_cannot_be_are_refused(
    tiny_experiment: Yaml, write_experiment: Write, env: Yaml, said: str
) -> None:
    evaluation = {**tiny_experiment["evaluation"], "env": env}
    with pytest.raises(SpecError, match=said):
        load_experiment(str(write_experiment(tiny_experiment | {"evaluation": evaluation})))
