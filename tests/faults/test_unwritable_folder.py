"""A results folder that cannot be written to: a disk mounted read-only, a file in its place."""

from collections.abc import Callable
from pathlib import Path

import pytest

from .command import assert_same_run, complaint, marl_moe

pytestmark = [pytest.mark.faults, pytest.mark.usefixtures("ray_started", "one_core")]
READ_ONLY = "[Errno 30] Read-only file system: "


def test_a_run_into_a_read_only_folder_is_one_line_and_none_is_begun(
    source: Path, disk: Callable[[str], Path]
) -> None:
    folder = disk("ro")
    assert (
        complaint(marl_moe("run", source, "--out", folder / "out"), 1)
        == f"{READ_ONLY}'{folder / 'out'}'"
    )
    assert (
        complaint(marl_moe("run", source, "--out", folder), 1) == f"{READ_ONLY}'{folder / 'tiny'}'"
    )


def test_a_run_whose_disk_becomes_read_only_is_read_there_and_resumed_once_it_can_be_written(
    source: Path, whole: Path, disk: Callable[[str], Path], tmp_path: Path
) -> None:
    folder = disk("size=2m") / "tiny"
    settings = ["--set", "algorithm.training.critic_lr=1e30"]  # ends it in its first epoch
    assert marl_moe("run", source, "--out", folder.parent, *settings).exit_code == 1
    (folder / "experiment.yaml").write_text((whole / "experiment.yaml").read_text())
    disk("remount,ro")
    line = complaint(marl_moe("resume", folder), 1)
    assert (
        line == f"{READ_ONLY}'{folder / 'experiment.yaml'}'; to continue: marl-moe resume {folder}"
    )
    disk("remount,rw")
    assert marl_moe("resume", folder).exit_code == 0
    disk("remount,ro")
    assert_same_run(folder, whole)
    assert complaint(marl_moe("figures", folder), 1).startswith(READ_ONLY)
    assert marl_moe("figures", folder, "--out", tmp_path / "figures").exit_code == 0
    assert marl_moe("evaluate", folder, "--policy", "sac").exit_code == 0


def test_a_file_in_place_of_the_folder_is_one_line(source: Path, tmp_path: Path) -> None:
    (tmp_path / "out").write_text("")
    assert str(tmp_path / "out") in complaint(marl_moe("run", source, "--out", tmp_path / "out"), 1)
