"""Ctrl-C while a seed trains: an epoch is finished, a checkpoint written, and nothing lost."""

import os
import signal
import threading
import time
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from typer.testing import CliRunner

from marl_moe.cli import app
from marl_moe.experiment.progress import Progress
from marl_moe.experiment.run.continuation import continue_run
from marl_moe.experiment.run.creation import create_run
from marl_moe.experiment.run.folder import RunFolder
from marl_moe.experiment.run.jobs import run_jobs
from marl_moe.experiment.spec.reading import parse_experiment
from marl_moe.experiment.training.checkpoint import CHECKPOINT, read_checkpoint
from marl_moe.experiment.training.interrupts import HeldInterrupt

SEED_FOLDER = Path("checkpoints") / "seed_0"
EPOCHS = 5


def press_ctrl_c(*_: Any) -> None:
    os.kill(os.getpid(), signal.SIGINT)


def run_of(experiment: dict[str, Any], folder: Path, **changes: Any) -> RunFolder:
    algorithm = experiment["algorithm"] | {"stop": {"training_iteration": EPOCHS}}
    plain = experiment | {"seeds": 1, "algorithm": algorithm, "figures": []} | changes
    return create_run(parse_experiment(plain, "tiny"), folder)


@pytest.mark.usefixtures("ray_started", "one_core")
def test_ctrl_c_keeps_every_epoch_and_the_run_goes_on_to_the_same_tables(
    tiny_experiment: dict[str, Any], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    whole = continue_run(run_of(tiny_experiment, tmp_path / "whole")).folder
    run = run_of(tiny_experiment, tmp_path / "stopped")
    with pytest.raises(KeyboardInterrupt):
        continue_run(
            run, Progress(on_epoch=lambda row: press_ctrl_c() if row["epoch"] == 2 else None)
        )
    assert "once more stops at once" in capfd.readouterr().err
    state = read_checkpoint(run.path / SEED_FOLDER)
    assert state is not None
    assert state["rows"]["epoch"].tolist() == [1, 2]
    result = CliRunner().invoke(app, ["resume", str(run.path)])
    assert result.exit_code == 0, result.output
    for name in ("training", "evaluation"):
        ours, theirs = (pd.read_parquet(path / f"{name}.parquet") for path in (run.path, whole))
        clock = [column for column in theirs if "seconds" in column]
        pd.testing.assert_frame_equal(ours.drop(columns=clock), theirs.drop(columns=clock))


@pytest.mark.usefixtures("ray_started", "one_core")
def test_a_second_ctrl_c_stops_at_once(tiny_experiment: dict[str, Any], tmp_path: Path) -> None:
    run = run_of(tiny_experiment, tmp_path)

    def press_twice(row: dict[str, Any]) -> None:
        press_ctrl_c()
        press_ctrl_c()

    with pytest.raises(KeyboardInterrupt):
        continue_run(run, Progress(on_epoch=press_twice))
    assert not (run.path / SEED_FOLDER / CHECKPOINT).exists()


@pytest.mark.usefixtures("ray_started")
def test_jobs_side_by_side_come_to_an_end_they_can_go_on_from(tmp_path: Path) -> None:
    left = tmp_path / "left"
    left.mkdir()

    def work(job: int, progress: Progress) -> int:
        (left / f"begun {job}").touch()
        while not progress.is_stopping():
            time.sleep(0.01)
        (left / f"kept {job}").touch()
        raise KeyboardInterrupt

    def press_once_all_have_begun() -> None:
        while len(list(left.glob("begun *"))) < 2:
            time.sleep(0.01)
        press_ctrl_c()

    before = signal.getsignal(signal.SIGINT)
    thread = threading.Thread(target=press_once_all_have_begun)
    thread.start()
    with pytest.raises(KeyboardInterrupt):
        list(run_jobs(work, [0, 1, 2], Progress(), 2, [[{"CPU": 1.0}]] * 3, tmp_path))
    thread.join()
    assert sorted(path.name for path in left.glob("kept *")) == ["kept 0", "kept 1"]
    assert not (left / "begun 2").exists()
    assert signal.getsignal(signal.SIGINT) is before


def test_where_ctrl_c_is_ignored_it_stays_so() -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with HeldInterrupt() as interrupt:
            press_ctrl_c()
        assert not interrupt.came
    finally:
        signal.signal(signal.SIGINT, before)
