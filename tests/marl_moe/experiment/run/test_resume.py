"""Runs that are killed, for real, and continued."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from typer.testing import CliRunner

from marl_moe.cli import app
from marl_moe.experiment.run.continuation import continue_run
from marl_moe.experiment.run.creation import create_run
from marl_moe.experiment.run.folder import RunFolder
from marl_moe.experiment.spec.reading import load_experiment
from marl_moe.experiment.training.checkpoint import CHECKPOINT, read_checkpoint
from marl_moe.terminal.console import INTERRUPTED

SEEDS = 4  # so many that a busy machine has not done them all when the first is seen to be done
EPOCHS = 80
PATIENCE_S = 300.0  # with a process that should be quick, on a machine that may be busy
SEED_FOLDER = Path("checkpoints") / "seed_0"


@pytest.fixture(scope="module")
def several_seeds(
    tiny_experiment: dict[str, Any], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    source = tmp_path_factory.mktemp("several") / "tiny.yaml"
    source.write_text(yaml.safe_dump(tiny_experiment | {"seeds": SEEDS}))
    return source


@pytest.fixture(scope="module")
def several_whole(
    several_seeds: Path, tmp_path_factory: pytest.TempPathFactory, ray_started: None
) -> Path:
    """The run folder of those seeds, none stopped, one after another in this process."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("os.cpu_count", lambda: 1)
        return continue_run(
            create_run(load_experiment(str(several_seeds)), tmp_path_factory.mktemp("whole"))
        ).folder


def facts(folder: Path, name: str) -> pd.DataFrame:
    """Return a table without the columns that depend on the clock."""
    table = pd.read_parquet(folder / f"{name}.parquet")
    return table.drop(columns=[column for column in table if "seconds" in column])


@pytest.mark.parametrize(("sent", "side_by_side"), [(signal.SIGKILL, 2), (signal.SIGINT, 1)])
@pytest.mark.faults
def test_a_run_stopped_after_a_seed_continues_to_the_tables_of_one_that_was_not(
    several_seeds: Path,
    several_whole: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    sent: signal.Signals,
    side_by_side: int,
) -> None:
    """Continued with the other seeds side by side, or one after another."""
    out = tmp_path / "stopped"
    command = [sys.executable, "-m", "marl_moe", "run", str(several_seeds), "--out", str(out)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    folder = out / load_experiment(str(several_seeds)).name
    deadline = time.monotonic() + PATIENCE_S
    while not (folder / "evaluation.parquet").exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    os.kill(process.pid, sent)
    _, complaint = process.communicate(timeout=PATIENCE_S)
    if sent == signal.SIGINT:
        assert process.returncode == INTERRUPTED
        assert f"marl-moe resume {folder}" in complaint
    assert 0 < len(RunFolder.read(folder).jobs_left()) < SEEDS
    kept = facts(folder, "evaluation")

    monkeypatch.setattr("os.cpu_count", lambda: side_by_side)
    result = CliRunner().invoke(app, ["resume", str(folder)])
    assert result.exit_code == 0, result.output
    for name in ("training", "evaluation", "market"):
        pd.testing.assert_frame_equal(facts(folder, name), facts(several_whole, name))
    assert len(kept) < len(facts(folder, "evaluation"))
    assert not RunFolder.read(folder).jobs_left()


@pytest.fixture(scope="module")
def long_seed(tiny_experiment: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One seed of 80 epochs, with a checkpoint after each."""
    algorithm = tiny_experiment["algorithm"] | {
        "stop": {"training_iteration": EPOCHS},
        "checkpointing": {"checkpoint_frequency": 1},
    }
    source = tmp_path_factory.mktemp("long") / "tiny.yaml"
    source.write_text(yaml.safe_dump(tiny_experiment | {"seeds": 1, "algorithm": algorithm}))
    return source


@pytest.fixture(scope="module")
def long_whole(
    long_seed: Path, tmp_path_factory: pytest.TempPathFactory, ray_started: None
) -> Path:
    """The run folder of that seed, trained in one sitting."""
    return continue_run(
        create_run(load_experiment(str(long_seed)), tmp_path_factory.mktemp("whole"))
    ).folder


def started(*arguments: str) -> subprocess.Popen[str]:
    """Start `marl-moe` in a process whose hashes of strings are others than here."""
    command = [sys.executable, "-m", "marl_moe", *arguments]
    environment = os.environ | {"PYTHONHASHSEED": "123"}
    return subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env=environment
    )


def assert_same_run(folder: Path, expected: Path) -> None:
    """Weights byte for byte, and every table but the clock's columns."""
    for name in ("training", "evaluation", "market"):
        pd.testing.assert_frame_equal(facts(folder, name), facts(expected, name), check_exact=True)
    weights = SEED_FOLDER / "policy.safetensors"
    assert (folder / weights).read_bytes() == (expected / weights).read_bytes()


def kill(process: subprocess.Popen[str], folder: Path, after: int, delay: float | None) -> None:
    """Kill a run once it has written so many checkpoints.

    Args:
        process: the run.
        folder: its folder.
        after: checkpoints written before.
        delay: seconds later; None: within the next write.
    """
    path = folder / SEED_FOLDER / CHECKPOINT
    seen = {path.stat().st_mtime_ns} if path.exists() else {0}
    deadline = time.monotonic() + PATIENCE_S
    while process.poll() is None and time.monotonic() < deadline:
        with suppress(FileNotFoundError):
            seen.add(path.stat().st_mtime_ns)
        if len(seen) > after and (delay is not None or any(path.parent.glob("*.partial"))):
            break
        time.sleep(0.0002)
    time.sleep(delay or 0)
    assert process.poll() is None, f"ended by itself: {process.communicate()[1]}"
    process.kill()
    process.communicate()


@pytest.mark.faults
def test_resume_after_kills_within_a_seed_ends_at_the_weights_and_tables_of_an_unbroken_run(
    long_seed: Path,
    long_whole: Path,
    tmp_path: Path,
    read_scalars: Callable[[Path], list[tuple[str, int, float]]],
) -> None:
    """Killed while a checkpoint is written, then twice at a moment that nobody chose."""
    folder = tmp_path / "tiny"
    random = np.random.default_rng()
    kill(started("run", str(long_seed), "--out", str(tmp_path)), folder, after=3, delay=None)
    for _ in range(2):
        kill(
            started("resume", str(folder)),
            folder,
            after=int(random.integers(1, 20)),
            delay=random.uniform(0, 0.03),
        )
    kept = read_checkpoint(folder / SEED_FOLDER)
    assert kept is not None
    assert 5 <= len(kept["rows"]["epoch"]) < EPOCHS

    result = CliRunner().invoke(app, ["resume", str(folder)])
    assert result.exit_code == 0, result.output
    assert_same_run(folder, long_whole)
    training = pd.read_parquet(folder / "training.parquet")
    assert (training["seconds"].diff().dropna() > 0).all()
    told = [
        scalar
        for scalar in read_scalars(folder / SEED_FOLDER / "tensorboard")
        if scalar[0] == "gain"
    ]
    assert [step for _, step, _ in told] == training["agent_steps"].tolist()
    assert [value for _, _, value in told] == pytest.approx(training["gain"].tolist(), rel=1e-6)
    assert not list((folder / SEED_FOLDER).glob("*resume*"))


@pytest.mark.usefixtures("ray_started")
def test_a_run_repeats_bit_for_bit_in_another_process_with_another_hash_seed(
    long_seed: Path, tmp_path: Path
) -> None:
    shorter = "algorithm.stop.training_iteration=10"
    there = started("run", str(long_seed), "--out", str(tmp_path), "--set", shorter)
    spec = load_experiment(str(long_seed), [shorter])
    here = continue_run(create_run(spec, tmp_path / "here")).folder
    assert there.wait(timeout=PATIENCE_S) == 0
    assert_same_run(tmp_path / "tiny", here)


def test_a_finished_run_has_nothing_left_and_resuming_it_changes_no_table(finished: Any) -> None:
    before = {path.name: path.read_bytes() for path in finished.folder.glob("*.parquet")}
    assert not RunFolder.read(finished.folder).jobs_left()
    result = CliRunner().invoke(app, ["resume", str(finished.folder)])
    assert result.exit_code == 0, result.output
    assert before == {path.name: path.read_bytes() for path in finished.folder.glob("*.parquet")}


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
    several_seeds: Path, tmp_path: Path
) -> None:
    out = tmp_path / "nothing"
    result = CliRunner().invoke(app, ["run", str(several_seeds), "--out", str(out), "--dry-run"])
    assert result.exit_code == 0, result.output
    spec = load_experiment(str(several_seeds))
    assert yaml.safe_load(result.stdout) == spec.as_dict()
    assert spec.algorithm is not None
    assert f"{SEEDS} jobs" in result.stdout
    assert f"{SEEDS * spec.algorithm.stop.training_iteration:,} epochs of training" in result.stdout
    assert not out.exists()
