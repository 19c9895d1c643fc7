"""Policies of a finished run, played again and filmed by the command."""

from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from typer.testing import CliRunner

from marl_moe.cli import app
from marl_moe.experiment.spec.reading import load_experiment


def test_evaluate_plays_the_saved_policies_in_the_worlds_of_the_run(finished: Any) -> None:
    result = CliRunner().invoke(
        app, ["evaluate", str(finished.folder), "--policy", "sac", "--policy", "nash"]
    )
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


def test_a_video_of_the_learned_policy_has_a_frame_a_slot(finished: Any, tmp_path: Path) -> None:
    video = tmp_path / "sac.gif"
    result = CliRunner().invoke(app, ["evaluate", str(finished.folder), "--video", str(video)])
    assert result.exit_code == 0, result.output
    slots = load_experiment(str(finished.folder / "experiment.yaml")).env.episode_slots
    with Image.open(video) as film:
        assert film.n_frames == slots


def test_a_video_of_an_unknown_kind_is_one_clear_line(finished: Any, tmp_path: Path) -> None:
    result = CliRunner().invoke(
        app, ["evaluate", str(finished.folder), "--video", str(tmp_path / "sac.avi")]
    )
    assert result.exit_code == 2
    assert ".avi" in result.stderr
    assert not list(tmp_path.iterdir())
