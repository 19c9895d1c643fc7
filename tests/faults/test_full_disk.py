"""A disk that is full, for real: a file system in memory of so many bytes."""

from collections.abc import Callable
from pathlib import Path

import pytest

from .command import assert_same_run, complaint, marl_moe, partials

pytestmark = [pytest.mark.faults, pytest.mark.usefixtures("ray_started", "one_core")]
Disk = Callable[[str], Path]


PAGE = 4096  # bytes, of which a file on such a disk takes whole ones


@pytest.fixture(autouse=True)
def _room_unchecked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a run begin on a disk that is known to be too small for its checkpoints."""
    monkeypatch.setattr("marl_moe.experiment.run.creation.check_room", lambda *_: 0)


def enlarged_until_all_fits(
    source: Path, disk: Disk, kilobytes: int, step: int
) -> tuple[Path, list[str]]:
    """Run an experiment on a disk, enlarge it by `step` KB whenever it is full, and resume.

    Returns:
        The run folder, and the names of the files that did not fit, in their order.
    """
    folder = disk(f"size={kilobytes}k") / "out" / "tiny"
    full: list[str] = []
    for size in range(kilobytes + step, kilobytes + 60 * step, step):
        result = (
            marl_moe("resume", folder) if full else marl_moe("run", source, "--out", folder.parent)
        )
        if result.exit_code == 0:
            break
        line = complaint(result, 1)
        assert line.startswith("[Errno 28] No space left on device: ")
        path = Path(line.split("'")[1])
        assert path.is_relative_to(folder)
        assert partials(folder) == []
        assert line.endswith(
            (
                f"; to continue: marl-moe resume {folder}",
                f"; to draw again: marl-moe figures {folder}",
            )
        )
        full.append(path.name)
        disk(f"remount,size={size}k")
    return folder, list(dict.fromkeys(full))


def test_a_run_that_cannot_be_begun_leaves_nothing(source: Path, disk: Disk) -> None:
    folder = disk("size=4k") / "tiny"
    (folder.parent / "takes_all").write_bytes(bytes(PAGE))
    line = complaint(marl_moe("run", source, "--out", folder.parent), 1)
    assert line == f"[Errno 28] No space left on device: '{folder / 'environment.json'}'"
    assert not folder.exists()


def test_a_run_on_a_disk_that_is_full_at_one_checkpoint_after_another_keeps_the_last(
    source: Path, whole: Path, disk: Disk
) -> None:
    folder, full = enlarged_until_all_fits(source, disk, 112, 24)
    assert full == ["resume.safetensors"]
    assert_same_run(folder, whole)


def test_a_disk_that_is_full_under_seeds_side_by_side_is_one_line_too(
    source: Path, disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file of no bytes, by which jobs see that they see the folder, still fits."""
    monkeypatch.setattr("os.cpu_count", lambda: 2)
    folder = disk("size=16k") / "tiny"
    line = complaint(marl_moe("run", source, "--out", folder.parent, "--seeds", "2"), 1)
    assert line.startswith(f"[Errno 28] No space left on device: '{folder}")
    assert line.endswith(f"to continue: marl-moe resume {folder}")


def test_a_run_on_a_disk_full_at_one_file_after_another_ends_at_the_unbroken_tables(
    source: Path, disk: Disk, tmp_path: Path
) -> None:
    settings = [
        "--set",
        "algorithm.checkpointing={}",
        "--set",
        "algorithm.stop.training_iteration=2",
    ]
    assert marl_moe("run", source, "--out", tmp_path, *settings).exit_code == 0
    begun_with = [tmp_path / "tiny" / name for name in ("environment.json", "experiment.yaml")]
    pages = sum(-(-file.stat().st_size // PAGE) for file in begun_with)  # and no more to begin with
    kilobytes = pages * PAGE // 1024
    folder, full = enlarged_until_all_fits(begun_with[1], disk, kilobytes, 8)
    assert set(full) >= {
        "networks.safetensors",
        "training.parquet",
        "market.parquet",
        "evaluation.parquet",
        "policies.png",
    }
    assert any(name.startswith("events.out.tfevents.") for name in full)
    assert_same_run(folder, tmp_path / "tiny")
