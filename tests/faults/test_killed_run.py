"""SIGKILL of the run while it writes: the file is torn, and what it had written is whole."""

import os
import signal
from pathlib import Path

import pandas as pd
import pytest

from .command import PATIENCE_S, assert_same_run, marl_moe, partials, started, wait_until

pytestmark = pytest.mark.faults


def killed_while_writing(folder: Path, name: str, *command: str | Path) -> None:
    """Start a command and kill it while the file of that name is half written.

    It is stopped at each look, so that what is seen is so when it is killed.
    """
    process = started(*command)

    def halfway() -> bool:
        process.send_signal(signal.SIGSTOP)
        if any(name in path.name for path in partials(folder)):
            return True
        process.send_signal(signal.SIGCONT)
        return False

    wait_until(halfway, process, every_s=0.0005)
    process.kill()
    process.communicate(timeout=PATIENCE_S)
    assert any(name in path.name for path in partials(folder))


@pytest.mark.usefixtures("one_core")
def test_a_run_killed_while_it_writes_one_file_and_another_ends_at_the_tables_of_one_that_was_not(
    source: Path, whole: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "tiny"
    killed_while_writing(folder, "resume.safetensors", "run", source, "--out", tmp_path)
    for name in ("networks.safetensors", "market.parquet", "evaluation.parquet"):
        killed_while_writing(folder, name, "resume", folder)
    assert marl_moe("resume", folder).exit_code == 0
    assert_same_run(folder, whole)


def test_a_run_killed_with_seeds_side_by_side_leaves_nothing_of_them_once_it_is_resumed(
    source: Path, tmp_path: Path
) -> None:
    """A file in the folder tells jobs side by side, which need two cores, that they see it."""
    if (os.cpu_count() or 1) == 1:
        pytest.skip("one core: seeds run one after another")
    folder = tmp_path / "tiny"
    run = started("run", source, "--out", tmp_path, "--seeds", "2")
    wait_until(lambda: list(folder.rglob("resume.safetensors")), run)
    run.kill()
    run.communicate(timeout=PATIENCE_S)
    assert list(folder.glob(".shared.*"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("os.cpu_count", lambda: 1)
        assert marl_moe("resume", folder).exit_code == 0
    assert list(folder.glob(".*")) == []
    assert sorted(pd.read_parquet(folder / "evaluation.parquet")["seed"].unique()) == [0, 1]


def test_a_run_killed_before_its_folder_is_whole_leaves_one_that_is_named(tmp_path: Path) -> None:
    """This is as by a kill between the folder and the experiment in it."""
    (tmp_path / "tiny").mkdir()
    result = marl_moe("resume", tmp_path / "tiny")
    assert result.exit_code == 2
    assert f"{tmp_path / 'tiny'}: no run folder" in result.stderr
