"""A run folder has one worker at a time, where the system can tell."""

import errno
import fcntl
import os
import shutil
from pathlib import Path

import pytest

from marl_moe.errors import UnderWayError
from marl_moe.experiment.run.lock import is_under_way, sole_use


@pytest.fixture
def run(tmp_path: Path) -> Path:
    (tmp_path / "experiment.yaml").write_text("name: x\n")
    return tmp_path


def test_a_second_use_is_refused_until_the_first_ends(run: Path) -> None:
    with (
        sole_use(run, "experiment.yaml"),
        pytest.raises(UnderWayError, match="another process works on this run"),
        sole_use(run, "experiment.yaml"),
    ):
        pytest.fail("two at once")
    with sole_use(run, "experiment.yaml"):
        pass
    assert [path.name for path in run.iterdir()] == ["experiment.yaml"]
    assert (run / "experiment.yaml").read_text() == "name: x\n"


def test_whether_a_run_is_under_way_can_be_asked_and_takes_nothing_from_anybody(run: Path) -> None:
    assert not is_under_way(run, "experiment.yaml")
    with sole_use(run, "experiment.yaml"):
        assert is_under_way(run, "experiment.yaml")
        assert is_under_way(run, "experiment.yaml")
    assert not is_under_way(run, "experiment.yaml")
    assert not is_under_way(run, "gone.yaml")
    with sole_use(run, "experiment.yaml"):
        pass


def test_an_error_on_the_way_ends_the_use_too(run: Path) -> None:
    with pytest.raises(KeyboardInterrupt), sole_use(run, "experiment.yaml"):
        raise KeyboardInterrupt
    with sole_use(run, "experiment.yaml"):
        pass


def test_a_copy_of_a_folder_in_use_is_free(run: Path, tmp_path: Path) -> None:
    with sole_use(run, "experiment.yaml"):
        copy = shutil.copytree(run, tmp_path / "copy")
        with sole_use(copy, "experiment.yaml"):
            pass


@pytest.mark.parametrize("number", [errno.ENOSYS, errno.EOPNOTSUPP, errno.EIO])
def test_a_file_system_without_locks_is_used_without_and_every_other_failure_is_told(
    run: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def refuse(descriptor: int, operation: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", refuse)
    if number == errno.EIO:
        with pytest.raises(OSError, match="Input/output error"), sole_use(run, "experiment.yaml"):
            pytest.fail("went on")
        return
    with sole_use(run, "experiment.yaml"):
        pass


def test_an_experiment_behind_a_link_is_locked_and_one_that_is_not_there_is_not_made(
    run: Path, tmp_path: Path
) -> None:
    link = tmp_path / "linked"
    link.mkdir()
    (link / "experiment.yaml").symlink_to(run / "experiment.yaml")
    with (
        sole_use(link, "experiment.yaml"),
        pytest.raises(UnderWayError),
        sole_use(run, "experiment.yaml"),
    ):
        pass
    with pytest.raises(FileNotFoundError), sole_use(run, "another.yaml"):
        pass
    assert not (run / "another.yaml").exists()
