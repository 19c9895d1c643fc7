"""What a run would be, told before it is begun: jobs, room on disk, topics without experts."""

import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner, Result

from marl_moe.cli import app
from marl_moe.experiment.run.continuation import continue_run
from marl_moe.experiment.run.creation import create_run
from marl_moe.experiment.run.size import check_room
from marl_moe.experiment.spec.reading import parse_experiment
from marl_moe.experiment.spec.sweep import sweep_points
from marl_moe.experiment.training.checkpoint import CHECKPOINT

Yaml = dict[str, Any]


def told(experiment: Yaml, folder: Path, *options: str) -> Result:
    source = folder / "mine.yaml"
    source.write_text(yaml.safe_dump(experiment))
    arguments = ["run", str(source), "--out", str(folder / "out"), *options]
    return CliRunner().invoke(app, arguments)


@pytest.mark.usefixtures("ray_started", "one_core")
def test_the_room_of_a_checkpoint_is_that_of_the_file_that_is_written(
    tiny_experiment: Yaml, tmp_path: Path
) -> None:
    algorithm = tiny_experiment["algorithm"] | {
        "stop": {"training_iteration": 80, "keep_checkpoint": True}
    }
    spec = parse_experiment(tiny_experiment | {"algorithm": algorithm, "seeds": 1}, "tiny")
    needed = check_room(sweep_points(spec), [0], tmp_path)
    folder = continue_run(create_run(spec, tmp_path)).folder
    size = (folder / "checkpoints" / "seed_0" / CHECKPOINT).stat().st_size
    assert 0 < size - needed / 2 < 0.25e6  # weights, moments and rows are not counted


@pytest.mark.parametrize("options", [(), ("--dry-run",)])
def test_a_disk_without_room_for_checkpoints_is_told_before_anything_is_written(
    tiny_experiment: Yaml, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: tuple[str, ...]
) -> None:
    monkeypatch.setattr("os.cpu_count", lambda: 2)  # at once
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=1000))
    monkeypatch.setattr("marl_moe.experiment.run.creation.start_ray", lambda _: None)
    monkeypatch.setattr("marl_moe.experiment.run.creation.nodes", lambda: [{"CPU": 2.0}])
    result = told(tiny_experiment, tmp_path, *options)
    assert result.exit_code == 1
    assert "checkpoints take up to 0.1 MB at once, there is room for 0.0 MB" in result.stderr
    assert not (tmp_path / "out").exists()
    alone = tiny_experiment | {"algorithm": None, "figures": []}  # which writes none
    assert told(alone, tmp_path, "--dry-run").exit_code == 0


def test_topics_that_no_expert_is_of_are_told(tiny_experiment: Yaml, tmp_path: Path) -> None:
    experiment = tiny_experiment | {"algorithm": None, "figures": [], "seeds": 1}
    experiment |= {"env": tiny_experiment["env"] | {"requests": {"num_topics": 8}}}
    note = "note: 6 experts for 8 topics: none is of the last 2"
    dry = told(experiment, tmp_path, "--dry-run")
    assert dry.stdout.splitlines()[-1] == f"# {note}"
    assert note in told(experiment, tmp_path).stdout.splitlines()
    assert "note:" not in told(tiny_experiment, tmp_path, "--dry-run").stdout


def test_a_folder_that_can_be_none_is_told_by_a_dry_run_too(
    tiny_experiment: Yaml, tmp_path: Path
) -> None:
    (tmp_path / "out").write_text("a file")
    alone = tiny_experiment | {"algorithm": None, "figures": []}
    for options in ((), ("--dry-run",)):
        result = told(alone, tmp_path, *options)
        assert result.exit_code == 1
        assert str(tmp_path / "out") in result.stderr
        assert len(result.stderr.splitlines()) == 1


@pytest.mark.usefixtures("ray_started")
def test_more_runners_than_the_machine_can_place_are_told_by_a_dry_run_too(
    tiny_experiment: Yaml, tmp_path: Path
) -> None:
    algorithm = {"name": "ppo", "env_runners": {"num_env_runners": 5000}}
    result = told(tiny_experiment | {"algorithm": algorithm}, tmp_path, "--dry-run")
    assert result.exit_code == 2
    assert "env runners and learners of a job need 5000 cores, Ray has " in result.stderr
