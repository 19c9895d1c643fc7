"""Runs whose edge devices report what they end up reporting: found once a point, kept, and used."""

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml
from typer.testing import CliRunner

from marl_moe.cli import app
from marl_moe.errors import RecordError, SpecError
from marl_moe.experiment.run.checks import checked_points
from marl_moe.experiment.run.creation import create_run
from marl_moe.experiment.run.folder import RunFolder
from marl_moe.experiment.run.strategic import asks_for_mix, filled
from marl_moe.experiment.run.training_job import TrainingJob
from marl_moe.experiment.spec.reading import parse_experiment

MIX = [(1.0, 0.5), (2.0, 0.5)]


@pytest.fixture(scope="module")
def strategic(tiny_experiment: dict[str, Any]) -> dict[str, Any]:
    env = tiny_experiment["env"] | {
        "episode_slots": 12,
        "experts": {"cost_report": "strategic", "unit_cost": [0.5, 1.0]},
    }
    played = {"episodes": 2, "policies": ["greedy"]}
    return tiny_experiment | {"env": env, "algorithm": None, "evaluation": played}


def job_of(experiment: dict[str, Any], folder: Path) -> TrainingJob:
    return create_run(parse_experiment(experiment, "tiny"), folder).training_jobs()[0]


@pytest.mark.usefixtures("one_core")
def test_what_devices_end_up_reporting_is_found_once_and_kept_in_the_run(
    strategic: dict[str, Any], tmp_path: Path
) -> None:
    source = tmp_path / "strategic.yaml"
    source.write_text(yaml.safe_dump(strategic))
    result = CliRunner().invoke(app, ["run", str(source), "--out", str(tmp_path)])
    assert result.exit_code == 0, result.output
    (file,) = (tmp_path / "tiny" / "report_mix").iterdir()
    found = json.loads(file.read_text())
    assert found["rounds"] >= 600
    mix = found["mix"]
    assert sum(share for _, share in mix) == pytest.approx(1)
    assert sum(factor * share for factor, share in mix) > 1.01  # they overstate their costs
    rows = pd.read_parquet(tmp_path / "tiny" / "evaluation.parquet")
    assert set(rows["seed"]) == {0, 1}
    # It is what is played by: read again it gives the same, and with true reports something else.
    job = RunFolder.read(tmp_path / "tiny").training_jobs()[0]
    assert greedy_gain(job) == pytest.approx(rows.loc[rows["seed"] == 0, "gain"].tolist())
    file.write_text(json.dumps(found | {"mix": [[1.0, 1.0]]}))
    assert greedy_gain(job_of_again(job)) != pytest.approx(greedy_gain(job))


def greedy_gain(job: TrainingJob) -> list[float]:
    return job.evaluate([job.policy("greedy")], 2)["evaluation"]["gain"].tolist()


def test_other_worlds_of_an_experiment_have_the_mix_where_they_are_strategic(
    strategic: dict[str, Any],
) -> None:
    changed = strategic["evaluation"] | {"env": {"num_users": 3}}
    spec = filled(parse_experiment(strategic | {"evaluation": changed}, "tiny"), MIX)
    assert spec.env.experts.report_mix == spec.evaluated_env().experts.report_mix == tuple(MIX)
    assert spec.evaluated_env().num_users == 3
    assert not asks_for_mix(spec)
    changed = strategic["evaluation"] | {"env": {"experts": {"cost_report": "truthful"}}}
    spec = filled(parse_experiment(strategic | {"evaluation": changed}, "tiny"), MIX)
    assert spec.env.experts.report_mix == tuple(MIX)
    assert spec.evaluated_env().experts.report_mix is None
    env = strategic["env"] | {"experts": {}}
    changed = strategic["evaluation"] | {"env": {"experts": {"cost_report": "strategic"}}}
    spec = filled(parse_experiment(strategic | {"env": env, "evaluation": changed}, "tiny"), MIX)
    assert spec.env.experts.report_mix is None
    assert spec.evaluated_env().experts.report_mix == tuple(MIX)


def test_a_mix_that_is_given_is_played_and_nothing_is_searched(
    strategic: dict[str, Any], tmp_path: Path
) -> None:
    experts = strategic["env"]["experts"] | {"report_mix": [[1.0, 0.5], [2.0, 0.5]]}
    job = job_of(strategic | {"env": strategic["env"] | {"experts": experts}}, tmp_path)
    assert job.played.env.experts.report_mix == tuple(MIX)
    assert not (job.folder / "report_mix").exists()


def test_a_damaged_mix_is_named(strategic: dict[str, Any], tmp_path: Path) -> None:
    job = job_of(strategic, tmp_path)
    assert asks_for_mix(job.spec)
    assert not asks_for_mix(job.played)
    (file,) = (job.folder / "report_mix").iterdir()
    found = json.loads(file.read_text())
    damaged = [found | {"mix": mix} for mix in ([[1.0, 0.2]], [[-1.0, 1.0]], [1, 2])]
    for content in ["{", "[]", *map(json.dumps, damaged)]:
        file.write_text(content)
        with pytest.raises(RecordError, match=f"{file.name}: not what edge devices .* delete it"):
            _ = job_of_again(job).played


def job_of_again(job: TrainingJob) -> TrainingJob:
    return TrainingJob(job.label, job.settings, job.seed, job.spec, job.folder)


def test_a_market_study_of_reports_that_are_no_truth_is_refused() -> None:
    for how in ("scaled", "strategic"):
        raw = {"kind": "market_study", "env": {"experts": {"cost_report": how}}}
        with pytest.raises(SpecError, match=f"takes reports for the truth .* got {how}"):
            checked_points(parse_experiment({"name": "study"} | raw, "FILE"))
