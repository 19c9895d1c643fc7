"""Runs that play traces: found beside the experiment, copied, resumed, the same from anywhere."""

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from typer.testing import CliRunner

import marl_moe.api
from envs import request_trace
from envs.channel import trace
from marl_moe.cli import app
from marl_moe.errors import SpecError
from marl_moe.experiment.run.creation import create_run
from marl_moe.experiment.spec.reading import load_experiment
from marl_moe.text.assembly import network_of

SLOTS, USERS, EXPERTS = 5, 2, 3
FILES = ("links.parquet", "asked.csv")


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Write an experiment of two traces and of changed keys into `there/`, beside them."""
    there = tmp_path / "there"
    there.mkdir()
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    trace.write(there / FILES[0], rng.uniform(5, 20, (3, SLOTS, USERS, EXPERTS)))
    shape = 3, SLOTS, USERS
    request_trace.write(
        there / FILES[1],
        weight=rng.uniform(0.1, 0.2, shape) * (rng.random(shape) < 0.8),
        words=rng.uniform(100, 300, shape),
        compute_need=rng.uniform(0.5, 1.5, shape),
        topic=rng.integers(2, size=shape),
        completes=np.ones(shape, bool),
    )

    def write(**changes: Any) -> Path:
        env = {
            "num_users": USERS,
            "num_experts": EXPERTS,
            "episode_slots": SLOTS,
            "channel": {"process": "trace", "trace": FILES[0]},
            "requests": {"num_topics": 2, "trace": FILES[1]},
        }
        evaluation = {"episodes": 4, "policies": ["greedy", "random"]}
        experiment = {"name": "x", "algorithm": None, "evaluation": evaluation, "figures": []}
        experiment |= {"env": env, "seeds": 2}
        (there / "x.yaml").write_text(yaml.safe_dump(experiment | changes, sort_keys=False))
        return Path("there/x.yaml")

    return write


def evaluated(folder: Path) -> pd.DataFrame:
    return pd.read_parquet(folder / "evaluation.parquet")


@pytest.mark.usefixtures("ray_started")
def test_a_run_of_two_seeds_plays_copies_and_is_the_same_when_it_is_resumed_elsewhere(
    write: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Run with its seeds side by side, resumed one after another."""
    source = write()
    with monkeypatch.context() as patch:
        patch.setattr("os.cpu_count", lambda: 2)
        result = CliRunner().invoke(app, ["run", str(source)])
    assert result.exit_code == 0, result.output
    whole = tmp_path / "results" / "x"
    begun = create_run(load_experiment(str(source)), Path("out")).path
    shutil.rmtree("there")
    (tmp_path / "elsewhere").mkdir()
    begun.rename("elsewhere/y")
    monkeypatch.chdir(tmp_path / "elsewhere")
    for run in (whole, Path("y")):
        kept = yaml.safe_load((run / "experiment.yaml").read_text())["env"]
        assert kept["channel"]["trace"] == f"inputs/{FILES[0]}"
        assert kept["requests"]["trace"] == f"inputs/{FILES[1]}"
        subprocess.run(["sha256sum", "--check", "SHA256SUMS"], cwd=run / "inputs", check=True)
    result = CliRunner().invoke(app, ["resume", "y"])
    assert result.exit_code == 0, result.output
    first, second = evaluated(whole), evaluated(Path("y"))
    assert first["seed"].nunique() == 2
    assert first["gain"].any()
    for name in ("seed", "policy", "episode", "gain", "qos"):
        assert first[name].tolist() == second[name].tolist()
    again = marl_moe.api.evaluate(marl_moe.api.load("y"))
    assert again["gain"].tolist() == first["gain"].tolist()


def test_a_copy_that_was_changed_is_refused(write: Callable[..., Path]) -> None:
    folder = create_run(load_experiment(str(write())), Path("out")).path
    copy = folder / "inputs" / FILES[1]
    copy.write_text(copy.read_text().replace("true", "false", 1))
    result = CliRunner().invoke(app, ["resume", str(folder)])
    assert result.exit_code == 2
    assert f"{FILES[1]}: not the file that the run began with" in result.output


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("env.num_users=3", "env.channel.trace: there/links.parquet has 2 users, the world 3"),
        ("env.episode_slots=6", "env.channel.trace: there/links.parquet has 5 slots, the world 6"),
        ("env.channel.trace=none.csv", "env.channel.trace: cannot read none.csv: "),
        ("env.requests.num_topics=1", "env.requests.trace: there/asked.csv: column topic, row "),
        ("env.requests.local_compute=2", "local_compute has no effect with trace"),
        ("env.channel.process=iid", "trace has no effect with process: iid; use process: trace"),
    ],
)
def test_what_does_not_fit_the_traces_is_told_before_anything_is_written(
    write: Callable[..., Path], given: str, said: str
) -> None:
    result = CliRunner().invoke(app, ["run", str(write()), "--set", given])
    assert result.exit_code == 2
    assert said in " ".join(result.output.split())
    assert not Path("results").exists()


def test_traces_can_be_swept(write: Callable[..., Path]) -> None:
    trace.write("there/other.parquet", np.full((1, SLOTS, USERS, EXPERTS), 5.0))
    source = write(sweep={"env.channel.trace": [FILES[0], "other.parquet"]})
    result = CliRunner().invoke(app, ["run", str(source), "--seeds", "1"])
    assert result.exit_code == 0, result.output
    table = evaluated(Path("results/x"))
    assert set(table["point"]) == {
        f"env.channel.trace=inputs/{name}" for name in (FILES[0], "other.parquet")
    }
    by_point = table[table["policy"] == "greedy"].groupby("point")["energy_j"].mean()
    # At 5 dB the energy of a bit is the greatest that there is between 5 and 20 dB.
    assert by_point["env.channel.trace=inputs/other.parquet"] == by_point.max()
    assert by_point.nunique() == 2


def test_no_prompt_takes_the_place_of_a_request_of_a_trace(write: Callable[..., Path]) -> None:
    folder = create_run(load_experiment(str(write())), Path("out")).path
    with pytest.raises(SpecError, match=r"env\.requests\.trace: .* no prompt can take the place"):
        network_of(folder, None, "greedy", num_topics=2)
