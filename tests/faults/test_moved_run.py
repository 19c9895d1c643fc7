"""A run folder moved to another place, done or half done: every command says the same there."""

import shutil
from pathlib import Path

import pytest

from marl_moe.experiment.progress import Progress
from marl_moe.experiment.run.continuation import continue_run
from marl_moe.experiment.run.creation import create_run
from marl_moe.experiment.run.folder import RunFolder
from marl_moe.experiment.spec.reading import load_experiment

from .command import assert_same_run, marl_moe

pytestmark = [pytest.mark.faults, pytest.mark.usefixtures("ray_started", "one_core")]


def test_a_run_moved_half_way_is_resumed_there_to_the_same_tables(
    source: Path, whole: Path, tmp_path: Path
) -> None:
    def stop(row: dict) -> None:
        if row["epoch"] == 3:
            raise KeyboardInterrupt

    begun = create_run(load_experiment(str(source)), tmp_path / "here").path
    with pytest.raises(KeyboardInterrupt):
        continue_run(RunFolder.read(begun), Progress(on_epoch=stop))
    moved = Path(shutil.move(begun, tmp_path / "there"))
    kept: list[int] = []
    continue_run(RunFolder.read(moved), Progress(on_kept=kept.append))
    assert kept == [2]
    assert_same_run(moved, whole)
    assert not begun.exists()


def test_a_moved_run_is_evaluated_drawn_and_exported_as_before(whole: Path, tmp_path: Path) -> None:
    def said(run: Path, out: Path) -> list[bytes]:
        evaluated = marl_moe("evaluate", run, "--policy", "sac")
        assert evaluated.exit_code == 0, evaluated.output
        assert marl_moe("figures", run, "--out", out).exit_code == 0
        assert marl_moe("export", run, "--format", "csv", "--out", out / "means.csv").exit_code == 0
        written = [
            (out / name).read_bytes() for name in ("policies.pdf", "policies.png", "means.csv")
        ]
        return [evaluated.stdout.encode(), *written]

    here = shutil.copytree(whole, tmp_path / "tiny")
    before = said(here, tmp_path / "before")
    (tmp_path / "elsewhere").mkdir()
    there = Path(shutil.move(here, tmp_path / "elsewhere" / "another name"))
    assert said(there, tmp_path / "after") == before
