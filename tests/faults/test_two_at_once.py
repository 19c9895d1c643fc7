"""Two commands at once: runs of one name have a folder each, resumes of one run are one."""

import shutil
import signal
from pathlib import Path

import pytest

from .command import PATIENCE_S, assert_same_run, complaint, marl_moe, partials, started, wait_until

pytestmark = [pytest.mark.faults, pytest.mark.usefixtures("one_core")]


def test_two_runs_of_the_same_name_have_a_folder_each_both_whole(
    source: Path, whole: Path, tmp_path: Path
) -> None:
    runs = [started("run", source, "--out", tmp_path) for _ in range(2)]
    said = [run.communicate(timeout=PATIENCE_S) for run in runs]
    assert [run.returncode for run in runs] == [0, 0], said
    assert sorted(folder.name for folder in tmp_path.iterdir()) == ["tiny", "tiny-2"]
    for folder in tmp_path.iterdir():
        assert_same_run(folder, whole)


def test_a_run_under_way_is_not_resumed_until_it_is_killed(
    source: Path, whole: Path, tmp_path: Path
) -> None:
    """The lock is gone with the process that held it, and the other command has changed nothing."""
    folder = tmp_path / "tiny"
    run = started("run", source, "--out", tmp_path)
    wait_until(lambda: list(folder.rglob("resume.safetensors")), run)
    run.send_signal(signal.SIGSTOP)
    torn = partials(folder)
    line = complaint(marl_moe("resume", folder), 2)
    assert line == f"{folder}: another process works on this run; wait for it, or end it"
    assert partials(folder) == torn
    run.kill()
    run.communicate(timeout=PATIENCE_S)
    assert marl_moe("resume", folder).exit_code == 0
    assert_same_run(folder, whole)


def test_a_copy_of_a_run_under_way_is_a_run_of_its_own(
    source: Path, whole: Path, tmp_path: Path
) -> None:
    run = started("run", source, "--out", tmp_path)
    wait_until(lambda: list((tmp_path / "tiny").rglob("resume.safetensors")), run)
    run.send_signal(signal.SIGSTOP)
    copy = shutil.copytree(tmp_path / "tiny", tmp_path / "copy")
    assert marl_moe("resume", copy).exit_code == 0
    assert_same_run(copy, whole)
    run.kill()
    run.communicate(timeout=PATIENCE_S)
