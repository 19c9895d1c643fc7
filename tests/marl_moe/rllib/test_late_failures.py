"""Parts whose code fails only after a while: a line that names part, file and line, and an end."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner, Result

from marl_moe.cli import app

PARTS = """
import numpy as np
import envs.channel
import marl_moe
import mechanisms
from envs.channel.iid import Iid
from mechanisms.posted_price import PostedPrice

LIMIT = {"clearings": %(clearings)s, "fades": %(fades)s, "acts": %(acts)s}


@mechanisms.register("late")
class Late(PostedPrice):
    calls = 0

    def clear(self, market):
        Late.calls += 1
        if Late.calls > LIMIT["clearings"]:
            {}["nothing"]
        return super().clear(market)


@envs.channel.register("fading_out")
class FadingOut(Iid):
    calls = 0

    def small_scale(self, shape, state, rng):
        FadingOut.calls += 1
        if FadingOut.calls > LIMIT["fades"]:
            {}["no channel"]
        return super().small_scale(shape, state, rng)


@marl_moe.policies.register("tired")
class Tired:
    name = "tired"
    calls = 0

    def act(self, slot):
        Tired.calls += 1
        if Tired.calls > LIMIT["acts"]:
            {}["no action"]
        return np.full((slot.num_worlds, slot.num_users), slot.num_candidates)
"""
NEVER = 10**9


def marl_moe(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture
def write(tiny_experiment: dict[str, Any], tmp_path: Path) -> Callable[..., Path]:
    """Return a function that writes an experiment whose parts fail after so many calls."""

    def experiment(runners: int = 0, algorithm: str = "sac", **limits: int) -> Path:
        calls = {"clearings": NEVER, "fades": NEVER, "acts": NEVER} | limits
        (tmp_path / "late_parts.py").write_text(PARTS % calls)
        sac = tiny_experiment["algorithm"]
        trained = sac | {"env_runners": sac["env_runners"] | {"num_env_runners": runners}}
        if algorithm != "sac":
            trained = {"name": algorithm, "stop": {"training_iteration": 2}}
            trained["env_runners"] = {"num_env_runners": runners}
        changes = {
            "seeds": 1,
            "imports": ["late_parts.py"],
            "mechanism": {"name": "late"},
            "algorithm": trained,
            "evaluation": {"episodes": 1, "policies": ["tired"]},
            "figures": [],
        }
        env = tiny_experiment["env"] | {"channel": {"process": "fading_out"}}
        path = tmp_path / "late.yaml"
        path.write_text(yaml.safe_dump(tiny_experiment | changes | {"env": env}))
        return path

    return experiment


def line_of(text: str) -> int:
    return next(i for i, line in enumerate(PARTS.splitlines(), 1) if text in line)


@pytest.mark.usefixtures("one_core", "ray_started")
@pytest.mark.parametrize(("algorithm", "runners"), [("sac", 0), ("sac", 1), ("ppo", 1)])
def test_a_mechanism_that_fails_late_ends_training_in_one_line(
    write: Callable[..., Path], tmp_path: Path, algorithm: str, runners: int
) -> None:
    done = marl_moe("run", write(runners, algorithm, clearings=8), "--out", tmp_path / "run")
    assert done.exit_code == 1, done.output
    told = " ".join(done.stderr.split())
    assert f"mechanism late: KeyError: 'nothing' (late_parts.py, line {line_of('nothing')})" in told
    assert "marl-moe resume" not in told  # it would fail again
    assert "Traceback" not in done.output


@pytest.mark.usefixtures("one_core", "ray_started")
@pytest.mark.parametrize("runners", [0, pytest.param(1, marks=pytest.mark.nightly)])
def test_a_channel_that_fails_late_ends_training_in_one_line(
    write: Callable[..., Path], tmp_path: Path, runners: int
) -> None:
    done = marl_moe("run", write(runners, fades=12), "--out", tmp_path / "run")
    assert done.exit_code == 1, done.output
    told = " ".join(done.stderr.split())
    where = f"(late_parts.py, line {line_of('no channel')})"
    assert f"channel process fading_out: following: KeyError: 'no channel' {where}" in told
    assert "marl-moe resume" not in told


@pytest.mark.usefixtures("one_core", "ray_started")
def test_a_policy_that_fails_late_ends_a_run_and_an_evaluation_in_one_line(
    write: Callable[..., Path], tmp_path: Path
) -> None:
    run = tmp_path / "run"
    done = marl_moe("run", write(acts=5), "--out", run)
    assert done.exit_code == 1, done.output
    told = " ".join(done.stderr.split())
    where = f"(late_parts.py, line {line_of('no action')})"
    assert f"policy 'tired': KeyError: 'no action' {where}" in told
    (folder,) = run.iterdir()
    again = marl_moe("evaluate", folder, "--policy", "tired", "--episodes", "1")
    assert again.exit_code == 1, again.output
    assert f"policy 'tired': KeyError: 'no action' {where}" in " ".join(again.stderr.split())
