"""Where Ray keeps its sockets and its token, whatever HOME and TMPDIR are."""

import os
from pathlib import Path

import pytest
from typer.testing import CliRunner

from marl_moe.cli import app
from marl_moe.experiment.training import local_ray
from marl_moe.experiment.training.local_ray import LONGEST, set_token, temporary_folder

VARIABLES = ("RAY_TMPDIR", "TMPDIR", "HOME", *local_ray.OF_TOKENS)


@pytest.fixture(autouse=True)
def _no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)


def folder_of(length: int, parent: Path = Path("/tmp")) -> str:
    return f"{parent}/{'x' * (length - len(f'{parent}/'))}"


def test_a_folder_that_is_short_and_writable_is_rays_own(monkeypatch: pytest.MonkeyPatch) -> None:
    assert temporary_folder() is None
    monkeypatch.setenv("TMPDIR", "/var/tmp")
    assert temporary_folder() is None


@pytest.mark.parametrize("parent", [folder_of(44), "/proc", "/no/such/folder"])
def test_instead_of_one_that_cannot_be_used_a_short_one_is_taken(
    parent: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", parent)
    folder = temporary_folder()
    assert folder is not None
    assert folder.name == f"ray_{os.getuid()}"
    assert len(str(folder)) <= LONGEST
    assert not folder.exists() or folder.is_dir()


@pytest.mark.parametrize("parent", [folder_of(44), "/proc"])
def test_one_that_the_user_named_is_refused_with_the_variable_before_anything_is_written(
    parent: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("RAY_TMPDIR", parent)
    monkeypatch.setattr("ray.is_initialized", lambda: False)
    for dry in ((), ("--dry-run",)):
        command = ["run", "quickstart", "--size", "smoke", "--out", str(tmp_path / "out"), *dry]
        result = CliRunner().invoke(app, command)
        assert result.exit_code == 1
        (line,) = result.stderr.splitlines()
        assert line.startswith(f"Ray cannot keep its sockets in {parent}: ")
        assert "set RAY_TMPDIR to a writable folder of at most " in line
        assert not (tmp_path / "out").exists()


def test_a_folder_that_is_just_short_enough_holds_the_longest_socket() -> None:
    name = "/session_2026-11-29_07-22-02_347991_4194304/sockets/plasma_store"
    assert len(folder_of(LONGEST)) + len(name) == local_ray.LONGEST_SOCKET


def test_a_token_needs_no_home_and_that_of_the_user_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    set_token()
    assert len(os.environ["RAY_AUTH_TOKEN"]) == 64
    monkeypatch.setenv("RAY_AUTH_TOKEN", "mine")
    set_token()
    assert os.environ["RAY_AUTH_TOKEN"] == "mine"
    monkeypatch.delenv("RAY_AUTH_TOKEN")
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    set_token()
    assert "RAY_AUTH_TOKEN" not in os.environ


def test_what_ray_says_when_it_does_not_start_is_told_before_a_folder_is_made(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def refuse(**_: object) -> None:
        raise RuntimeError("the GCS did not answer\nand more advice")

    monkeypatch.setattr("ray.is_initialized", lambda: False)
    monkeypatch.setattr("ray.init", refuse)
    command = ["run", "quickstart", "--size", "smoke", "--out", str(tmp_path / "out")]
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 1
    assert result.stderr == "Ray does not start on this machine: the GCS did not answer\n"
    assert not (tmp_path / "out").exists()
