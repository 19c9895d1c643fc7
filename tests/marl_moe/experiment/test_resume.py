"""A run that is killed, for real, and continued; and the other commands on a run folder."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import jsonschema
import pandas as pd
import pytest
import yaml
from PIL import Image
from typer.testing import CliRunner

from marl_moe.cli import INTERRUPTED, app
from marl_moe.experiment.run import continue_run, create_run, jobs_left
from marl_moe.experiment.spec import load_experiment, shipped_experiments

SEEDS = 3


@pytest.fixture
def three_seeds(tiny_experiment: dict[str, Any], tmp_path: Path) -> Path:
    source = tmp_path / "tiny.yaml"
    source.write_text(yaml.safe_dump(tiny_experiment | {"seeds": SEEDS}))
    return source


def facts(folder: Path, name: str) -> pd.DataFrame:
    """A table without what depends on the clock."""
    table = pd.read_parquet(folder / f"{name}.parquet")
    return table.drop(columns=[column for column in table if "seconds" in column])


@pytest.mark.parametrize("sent", [signal.SIGKILL, signal.SIGINT])
def test_a_run_stopped_after_a_seed_continues_to_the_tables_of_one_that_was_not(
    ray_started: None, three_seeds: Path, tmp_path: Path, sent: signal.Signals
) -> None:
    out = tmp_path / "stopped"
    command = [sys.executable, "-m", "marl_moe", "run", str(three_seeds), "--out", str(out)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    folder = out / load_experiment(str(three_seeds)).name
    deadline = time.monotonic() + 120
    while not (folder / "evaluation.parquet").exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    os.kill(process.pid, sent)
    _, complaint = process.communicate(timeout=60)
    if sent == signal.SIGINT:
        assert process.returncode == INTERRUPTED
        assert f"marl-moe resume {folder}" in complaint
    assert 0 < len(jobs_left(folder)) < SEEDS
    kept = facts(folder, "evaluation")

    result = CliRunner().invoke(app, ["resume", str(folder)])
    assert result.exit_code == 0, result.output
    whole = continue_run(create_run(load_experiment(str(three_seeds)), tmp_path / "whole")).folder
    for name in ("training", "evaluation", "market"):
        pd.testing.assert_frame_equal(facts(folder, name), facts(whole, name))
    assert len(kept) < len(facts(folder, "evaluation"))
    assert not jobs_left(folder)


def test_a_finished_run_has_nothing_left_and_resuming_it_changes_no_table(finished: Any) -> None:
    before = {path.name: path.read_bytes() for path in finished.folder.glob("*.parquet")}
    assert not jobs_left(finished.folder)
    result = CliRunner().invoke(app, ["resume", str(finished.folder)])
    assert result.exit_code == 0, result.output
    assert before == {path.name: path.read_bytes() for path in finished.folder.glob("*.parquet")}


def test_evaluate_plays_the_saved_policies_in_the_worlds_of_the_run(finished: Any) -> None:
    result = CliRunner().invoke(app, ["evaluate", str(finished.folder), "--policy", "sac", "--policy", "nash"])
    assert result.exit_code == 0, result.output
    recorded = finished.table("evaluation").query("policy == 'sac'")
    mean = recorded.groupby("seed")["gain"].mean().mean()
    assert f"{mean:.3f} [" in result.stdout
    assert "of equilibrium" in result.stdout


@pytest.mark.parametrize("policy", ["ppo", "greddy"])
def test_evaluating_a_policy_there_is_not_is_one_clear_line(finished: Any, policy: str) -> None:
    result = CliRunner().invoke(app, ["evaluate", str(finished.folder), "--policy", policy])
    assert result.exit_code == 2
    assert f"unknown '{policy}'" in result.stderr


@pytest.mark.parametrize("command", ["resume", "evaluate"])
def test_a_folder_that_is_no_run_is_one_clear_line(tmp_path: Path, command: str) -> None:
    result = CliRunner().invoke(app, [command, str(tmp_path)])
    assert result.exit_code == 2
    assert "no run folder" in result.stderr


def test_a_torn_table_is_named_and_nothing_is_overwritten(finished: Any, tmp_path: Path) -> None:
    folder = tmp_path / "torn"
    folder.mkdir()
    (folder / "experiment.yaml").write_text((finished.folder / "experiment.yaml").read_text())
    torn = (finished.folder / "evaluation.parquet").read_bytes()[:-100]
    (folder / "evaluation.parquet").write_bytes(torn)
    result = CliRunner().invoke(app, ["resume", str(folder)])
    assert result.exit_code == 2
    assert "evaluation.parquet: not a whole evaluation table" in result.stderr
    assert (folder / "evaluation.parquet").read_bytes() == torn


def test_a_dry_run_prints_the_whole_experiment_and_its_size_and_writes_nothing(
    three_seeds: Path, tmp_path: Path
) -> None:
    out = tmp_path / "nothing"
    result = CliRunner().invoke(app, ["run", str(three_seeds), "--out", str(out), "--dry-run"])
    assert result.exit_code == 0, result.output
    spec = load_experiment(str(three_seeds))
    assert yaml.safe_load(result.stdout) == spec.as_dict()
    assert spec.algorithm is not None
    assert f"{SEEDS} jobs" in result.stdout
    assert f"{SEEDS * spec.algorithm.stop.training_iteration:,} epochs of training" in result.stdout
    assert not out.exists()


def test_the_schema_takes_the_shipped_experiments_and_refuses_a_misspelt_key() -> None:
    schema = json.loads(CliRunner().invoke(app, ["schema"]).stdout)
    for path in shipped_experiments().values():
        jsonschema.validate(yaml.safe_load(path.read_text()), schema)
        first_line = path.read_text().splitlines()[0]
        assert first_line == "# yaml-language-server: $schema=schema.json"
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({"name": "x", "env": {"num_user": 3}}, schema)


def test_the_schema_shipped_beside_the_experiments_is_the_one_of_this_version() -> None:
    shipped = next(iter(shipped_experiments().values())).with_name("schema.json")
    assert json.loads(shipped.read_text()) == json.loads(CliRunner().invoke(app, ["schema"]).stdout)


def test_a_video_of_the_learned_policy_has_a_frame_a_slot(finished: Any, tmp_path: Path) -> None:
    video = tmp_path / "sac.gif"
    result = CliRunner().invoke(app, ["evaluate", str(finished.folder), "--video", str(video)])
    assert result.exit_code == 0, result.output
    slots = load_experiment(str(finished.folder / "experiment.yaml")).env.episode_slots
    with Image.open(video) as film:
        assert film.n_frames == slots


def test_a_video_of_an_unknown_kind_is_one_clear_line(finished: Any, tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["evaluate", str(finished.folder), "--video", str(tmp_path / "sac.avi")])
    assert result.exit_code == 2
    assert ".avi" in result.stderr
    assert not list(tmp_path.iterdir())
