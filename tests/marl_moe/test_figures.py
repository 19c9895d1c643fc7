"""Figures of a run are written whole or not at all."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from marl_moe.figures import draw


@pytest.fixture
def run_folder(tmp_path: Path) -> Path:
    """A run without a sweep: two seeds of two policies."""
    rng = np.random.default_rng(0)
    rows = [
        {"seed": seed, "policy": policy, "episode": episode, "utility": rng.normal(40.0)}
        for seed in range(2)
        for policy in ("sac", "random")
        for episode in range(3)
    ]
    table = pd.DataFrame(rows).assign(point="", settings="{}")
    folder = tmp_path / "run"
    folder.mkdir()
    table.assign(gain=table["utility"] - 39.7).to_parquet(folder / "evaluation.parquet")
    return folder


def test_figures_are_written_as_pdf_and_png_into_the_run_folder(run_folder: Path) -> None:
    written, refused = draw(run_folder)
    folder = run_folder / "figures"
    names = ["policies.pdf", "policies.png", "reliability.pdf", "reliability.png"]
    assert written == [folder / name for name in names]
    assert sorted(folder.iterdir()) == written  # none is partial
    assert "no table 'training'" in refused["reward_curves"]


def test_figures_are_written_elsewhere_on_demand(run_folder: Path, tmp_path: Path) -> None:
    written, _ = draw(run_folder, ["policies"], tmp_path / "a" / "b")
    assert {path.parent for path in written} == {tmp_path / "a" / "b"}
    assert not (run_folder / "figures").exists()


def test_an_unknown_figure_is_refused_before_anything_is_written(run_folder: Path) -> None:
    with pytest.raises(ValueError, match="no figure 'reward_curve'; did you mean 'reward_curves'"):
        draw(run_folder, ["reward_curve"])
    assert not (run_folder / "figures").exists()


def test_a_failed_write_leaves_the_earlier_figure_whole(
    run_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (earlier, _), _ = draw(run_folder, ["policies"])
    before = earlier.read_bytes()

    def break_off(figure: Figure, path: Path, **_: object) -> None:
        Path(path).write_bytes(b"half a fig")
        raise OSError("no space left on device")

    monkeypatch.setattr(Figure, "savefig", break_off)
    with pytest.raises(OSError, match="no space left"):
        draw(run_folder, ["policies"])
    assert earlier.read_bytes() == before
    assert {path.name for path in earlier.parent.iterdir()} == {"policies.pdf", "policies.png"}
