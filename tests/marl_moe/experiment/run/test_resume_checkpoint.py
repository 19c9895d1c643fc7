"""A run that stopped within a seed: what its checkpoint keeps, and what resume refuses of it."""

import shutil
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml
from typer.testing import CliRunner

from marl_moe.cli import app
from marl_moe.experiment.progress import Progress
from marl_moe.experiment.run.continuation import continue_run
from marl_moe.experiment.run.creation import create_run
from marl_moe.experiment.run.folder import RunFolder
from marl_moe.experiment.spec.reading import parse_experiment
from marl_moe.experiment.training.checkpoint import CHECKPOINT

SEED_FOLDER = Path("checkpoints") / "seed_0"


@pytest.fixture(scope="module")
def stopped_in_an_epoch(
    tiny_experiment: dict[str, Any], tmp_path_factory: pytest.TempPathFactory, ray_started: None
) -> Path:
    """The folder of a run that stopped in its third epoch of four, two checkpoints behind it."""

    def stop(row: dict[str, Any]) -> None:
        if row["epoch"] == 3:
            raise KeyboardInterrupt

    algorithm = tiny_experiment["algorithm"] | {
        "stop": {"training_iteration": 4},
        "checkpointing": {"checkpoint_frequency": 1},
    }
    spec = parse_experiment(tiny_experiment | {"seeds": 1, "algorithm": algorithm}, "tiny")
    folder = create_run(spec, tmp_path_factory.mktemp("stopped")).path
    with pytest.raises(KeyboardInterrupt):
        continue_run(RunFolder.read(folder), Progress(on_epoch=stop))
    return folder


@pytest.fixture
def half_trained(stopped_in_an_epoch: Path, tmp_path: Path) -> Path:
    """A copy of that folder."""
    return shutil.copytree(stopped_in_an_epoch, tmp_path / stopped_in_an_epoch.name)


def test_resume_trains_only_the_epochs_after_the_checkpoint(half_trained: Path) -> None:
    kept: list[int] = []
    trained: list[int] = []
    continue_run(
        RunFolder.read(half_trained),
        Progress(on_kept=kept.append, on_epoch=lambda row: trained.append(row["epoch"])),
    )
    assert (kept, trained) == ([2], [3, 4])
    assert pd.read_parquet(half_trained / "training.parquet")["epoch"].tolist() == [1, 2, 3, 4]


def test_resume_of_a_seed_that_was_trained_only_evaluates(half_trained: Path) -> None:
    def stop(seed: int, policy: str) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        continue_run(RunFolder.read(half_trained), Progress(on_policy=stop))
    left = (half_trained / SEED_FOLDER / CHECKPOINT).stat().st_size
    kept: list[int] = []
    continue_run(
        RunFolder.read(half_trained),
        Progress(on_kept=kept.append, on_epoch=lambda row: pytest.fail("trained again")),
    )
    assert kept == [4]
    assert left < 20_000  # rows, and no replay
    assert not (half_trained / SEED_FOLDER / CHECKPOINT).exists()


def test_resume_refuses_a_checkpoint_of_another_experiment(half_trained: Path) -> None:
    """Where `environment.json` says nothing of the experiment, the checkpoint still does."""
    (half_trained / "environment.json").unlink()
    path = half_trained / "experiment.yaml"
    experiment = yaml.safe_load(path.read_text())
    experiment["env"]["num_users"] = 3
    path.write_text(yaml.safe_dump(experiment))
    result = CliRunner().invoke(app, ["resume", str(half_trained)])
    assert result.exit_code == 2
    assert f"{half_trained / SEED_FOLDER / CHECKPOINT}: " in result.stderr
    assert "experiment.yaml has changed since, env.num_users was 2: put that back" in result.stderr
    assert "delete it, and resume begins this seed again" in result.stderr


def test_resume_refuses_a_checkpoint_of_another_version(
    half_trained: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("marl_moe.experiment.training.resumption.LAYOUT", -1)
    result = CliRunner().invoke(app, ["resume", str(half_trained)])
    assert result.exit_code == 2
    assert "written by model 2 of the world, layout 7 with ray" in result.stderr
