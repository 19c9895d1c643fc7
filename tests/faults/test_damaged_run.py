"""Damaged files of a run: each is named with what to do, and doing it brings the run back."""

import shutil
from pathlib import Path

import pytest

from .command import TABLES, assert_same_run, complaint, marl_moe

pytestmark = [pytest.mark.faults, pytest.mark.usefixtures("ray_started", "one_core")]


@pytest.fixture
def run(whole: Path, tmp_path: Path) -> Path:
    """Return a copy of the unbroken run."""
    return shutil.copytree(whole, tmp_path / "tiny")


def truncate(path: Path) -> bytes:
    torn = path.read_bytes()[:-100]
    path.write_bytes(torn)
    return torn


@pytest.mark.parametrize("table", TABLES)
def test_a_truncated_table_is_named_left_alone_and_made_again_once_deleted(
    run: Path, whole: Path, table: str
) -> None:
    path = run / f"{table}.parquet"
    torn = truncate(path)
    out = run.parent / "out.csv"
    for command in (
        ("resume", run),
        ("figures", run),
        ("export", run, "--format", "csv", "--out", out),
    ):
        line = complaint(marl_moe(*command), 2)
        assert line.startswith(f"{path}: not a whole ")
        assert "restore it, or delete it and resume the run" in line
    assert path.read_bytes() == torn
    assert not out.exists()
    path.unlink()
    assert marl_moe("resume", run).exit_code == 0
    assert_same_run(run, whole)


def test_a_truncated_table_of_a_market_study_is_named_too(source: Path, tmp_path: Path) -> None:
    settings = [
        "kind=market_study",
        "algorithm=null",
        "env.episode_slots=12",
        "audit={markets: 4, misreports: 2}",
    ]
    arguments = [word for setting in settings for word in ("--set", setting)]
    assert (
        marl_moe("run", source, "--out", tmp_path, "--set", "figures=[]", *arguments).exit_code == 0
    )
    path = tmp_path / "tiny" / "audit.parquet"
    truncate(path)
    assert complaint(marl_moe("resume", tmp_path / "tiny"), 2).startswith(
        f"{path}: not a whole audit table"
    )


@pytest.mark.parametrize("name", ["policy.safetensors", "policy.json"])
def test_a_truncated_policy_is_named(run: Path, name: str) -> None:
    path = run / "checkpoints" / "seed_0" / name
    truncate(path)
    assert str(path) in complaint(marl_moe("evaluate", run, "--policy", "sac"), 2)
