"""An experiment with code of one's own: in every process, in its run folder, on every command."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml
from typer.testing import CliRunner, Result

from marl_moe.cli import app
from marl_moe.experiment.run.folder import RunFolder

FLAT = """
import numpy as np
import mechanisms
from flat_price import PRICE
from mechanisms.supply import outcome_at_prices

@mechanisms.register("own_flat")
class Flat:
    name, allocates, claims = "own_flat", False, mechanisms.Claims()

    def clear(self, market):
        price = np.full(market.demand.shape, PRICE)
        return outcome_at_prices(market, price, status="posted", solve_seconds=0.0)
"""
CALLBACK = """
import os
from pathlib import Path
from ray.rllib.callbacks.callbacks import RLlibCallback

class Tracker(RLlibCallback):
    def on_train_result(self, *, algorithm, metrics_logger=None, result, **kwargs):
        with open(os.environ["TRACKED"], "a") as file:
            file.write("epoch ")
"""


def marl_moe(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture
def own(tiny_experiment: dict[str, Any], tmp_path: Path) -> Path:
    """Return the YAML of an experiment whose mechanism lies in a file beside it."""
    (tmp_path / "own_mechanism.py").write_text(FLAT)
    (tmp_path / "flat_price.py").write_text("PRICE = 2.25\n")
    experiment = tiny_experiment | {
        "imports": ["own_mechanism.py"],
        "mechanism": {"name": "own_flat"},
    }
    (tmp_path / "own.yaml").write_text(yaml.safe_dump(experiment))
    return tmp_path / "own.yaml"


def prices(folder: Path) -> set[float]:
    return set(pd.read_parquet(folder / "market.parquet")["unit_price"])


REMOTE = "algorithm.env_runners.num_env_runners=1"


@pytest.mark.usefixtures("ray_started")
@pytest.mark.parametrize(("seeds", "setting"), [(2, "algorithm=null"), (1, REMOTE)])
def test_every_process_of_a_run_knows_a_part_of_ones_own(
    own: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, seeds: int, setting: str
) -> None:
    """Two seeds side by side, or a remote env runner."""
    monkeypatch.setattr("os.cpu_count", lambda: seeds)
    settings = ["--set", setting, "--set", f"seeds={seeds}"]
    assert marl_moe("run", own, "--out", tmp_path / "out", *settings).exit_code == 0
    folder = tmp_path / "out/tiny"
    assert prices(folder) == {2.25}
    market = pd.read_parquet(folder / "market.parquet")
    assert sorted(market["seed"].unique()) == list(range(seeds))
    if setting == REMOTE:
        training = pd.read_parquet(folder / "training.parquet")
        assert set(training["unit_price"]) == {2.25}  # told by the env runner
    copies = sorted(path.name for path in (folder / "imports").iterdir())
    assert copies == ["flat_price.py", "own_mechanism.py"]
    assert yaml.safe_load((folder / "experiment.yaml").read_text())["imports"] == [
        "own_mechanism.py"
    ]


@pytest.mark.usefixtures("one_core", "shared_embedding")
def test_a_run_uses_its_own_copies_and_refuses_those_that_were_changed(
    own: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = {"algorithm": None, "seeds": 1, "figures": []}
    own.write_text(yaml.safe_dump(yaml.safe_load(own.read_text()) | small))
    assert marl_moe("run", own, "--out", tmp_path / "out").exit_code == 0
    folder = tmp_path / "out/tiny"
    for file in tmp_path.glob("*.py"):
        file.unlink()
    (folder / "evaluation.parquet").unlink()
    exported = tmp_path / "out.csv"
    export = ("export", folder, "--format", "csv", "--out", exported)
    commands: list[tuple[str | Path, ...]] = [
        ("resume", folder),
        ("evaluate", folder, "--policy", "random", "--episodes", "1"),
        ("figures", folder),
        export,
        ("generate", "A storm at sea.", "--run", folder),
    ]
    for command in commands:
        done = marl_moe(*command)
        assert done.exit_code == 0, done.output
    assert prices(folder) == {2.25}
    (folder / "imports/flat_price.py").write_text("PRICE = 1.0\n")
    for command in commands:
        refused = marl_moe(*command)
        assert refused.exit_code == 2
        assert "imports/flat_price.py has changed since it was copied" in refused.stderr
    (folder / "imports/flat_price.py").write_text("PRICE = 2.25\n")
    assert marl_moe(*commands[1]).exit_code == 0
    for number, command in enumerate(commands):
        monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / f"of_somebody_else_{number}"))
        refused = marl_moe(*command)
        assert refused.exit_code == 2
        assert "comes from elsewhere" in refused.stderr
        exported.unlink(missing_ok=True)  # else it would not be written over
        assert marl_moe(*command, "--trust").exit_code == 0
        exported.unlink(missing_ok=True)
        assert marl_moe(*export).exit_code == 0  # from then on it is one's own


def test_what_was_not_imported_is_told_before_anything_is_trained(
    own: Path, tmp_path: Path
) -> None:
    experiment = yaml.safe_load(own.read_text())
    own.write_text(yaml.safe_dump(experiment | {"imports": []}))
    refused = marl_moe("run", own, "--out", tmp_path / "out")
    assert refused.exit_code == 2
    assert len(refused.stderr.splitlines()) == 1
    assert "own_mechanism.py beside it names 'own_flat', and is not imported" in refused.stderr
    assert "add imports: [own_mechanism.py]" in refused.stderr
    assert not (tmp_path / "out").exists()
    command = ["run", own, "--import", tmp_path / "own_mechanism.py", "--dry-run"]
    assert marl_moe(*command).exit_code == 0
    experiment["sweep"] = {"imports": [["own_mechanism.py"], []]}
    own.write_text(yaml.safe_dump(experiment))
    assert "imports: should stand at the top" in marl_moe("run", own).stderr


@pytest.mark.usefixtures("ray_started")
def test_callbacks_lie_beside_the_experiment_and_are_kept_with_its_run(
    tiny_experiment: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tracked = tmp_path / "tracked"
    monkeypatch.setenv("TRACKED", str(tracked))
    monkeypatch.setattr("os.cpu_count", lambda: 1)
    (tmp_path / "own_callbacks.py").write_text(CALLBACK)
    callbacks = {"callbacks_class": "own_callbacks.Tracker"}
    algorithm = tiny_experiment["algorithm"] | {"callbacks": callbacks}
    source = tmp_path / "own.yaml"
    source.write_text(yaml.safe_dump(tiny_experiment | {"algorithm": algorithm}))
    assert marl_moe("run", source, "--out", tmp_path / "out").exit_code == 0
    assert tracked.read_text() == "epoch " * 4  # of two seeds
    folder = tmp_path / "out/tiny"
    assert (folder / "imports/own_callbacks.py").read_text() == CALLBACK
    (tmp_path / "own_callbacks.py").unlink()
    for path in (folder / "evaluation.parquet", folder / "checkpoints/seed_1/resume.safetensors"):
        path.unlink(missing_ok=True)
    assert marl_moe("resume", folder).exit_code == 0


def facts(folder: Path, name: str) -> pd.DataFrame:
    """Return a table without the columns that depend on the clock."""
    table = pd.read_parquet(folder / f"{name}.parquet")
    return table.drop(columns=[column for column in table if "seconds" in column])


@pytest.mark.faults
def test_a_killed_run_goes_on_with_its_own_code_to_the_same_tables(
    own: Path, tmp_path: Path
) -> None:
    experiment = yaml.safe_load(own.read_text())
    experiment["algorithm"]["stop"] = {"training_iteration": 40}
    experiment["algorithm"]["checkpointing"] = {"checkpoint_frequency": 1}
    own.write_text(yaml.safe_dump(experiment))
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    command = [sys.executable, "-m", "marl_moe"]
    subprocess.run([*command, "run", str(own), "--out", str(whole)], check=True)
    process = subprocess.Popen([*command, "run", str(own), "--out", str(killed)])
    checkpoint = killed / "tiny/checkpoints/seed_0/resume.safetensors"
    deadline = time.monotonic() + 300
    while not checkpoint.exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert RunFolder.read(killed / "tiny").jobs_left()
    (tmp_path / "own_mechanism.py").unlink()
    subprocess.run([*command, "resume", str(killed / "tiny")], check=True)
    for name in ("training", "evaluation", "market"):
        pd.testing.assert_frame_equal(facts(whole / "tiny", name), facts(killed / "tiny", name))


METRIC = """
import mechanisms
from marl_moe.metrics import register

@register("own_load", unit="users", doc="users that each expert serves")
def own_load(slot, result):
    return result.load
"""


@pytest.mark.usefixtures("ray_started", "one_core")
def test_a_search_knows_code_of_ones_own_in_both_of_its_runs(
    own: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "own_metric.py").write_text(METRIC)
    experiment = yaml.safe_load(own.read_text()) | {
        "imports": ["own_mechanism.py", "own_metric.py"],
        "algorithm": None,
        "metrics": ["own_load"],
        "search": {
            "env.num_users": {"choice": [1, 2]},
            "trials": 2,
            "seeds": [100, 101],
            "policy": "random",
            "metric": "own_load",
        },
    }
    own.write_text(yaml.safe_dump(experiment))
    done = marl_moe("run", own, "--out", tmp_path / "out")
    assert done.exit_code == 0, done.output
    folder = tmp_path / "out/tiny"
    tried = pd.read_parquet(folder / "search/evaluation.parquet").query("policy == 'random'")
    means = tried.groupby("num_users")["own_load"].mean()
    chosen = yaml.safe_load((folder / "chosen.yaml").read_text())
    assert chosen["env"]["num_users"] == means.idxmax()
    for file in tmp_path.glob("*.py"):
        file.unlink()
    for table in ("chosen.yaml", "evaluation.parquet", "search/evaluation.parquet"):
        (folder / table).unlink()
    done = marl_moe("resume", folder)
    assert done.exit_code == 0, done.output
    again = pd.read_parquet(folder / "search/evaluation.parquet").query("policy == 'random'")
    pd.testing.assert_frame_equal(again, tried)
    shutil.move(folder, tmp_path / "moved")
    assert marl_moe("evaluate", tmp_path / "moved", "--episodes", "1").exit_code == 0
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "of_somebody_else"))
    assert "--trust" in marl_moe("resume", tmp_path / "moved").stderr
