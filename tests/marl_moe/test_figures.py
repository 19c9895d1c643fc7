"""Figures of a run are written whole or not at all."""

import os
import shutil
import warnings
from asyncio import CancelledError
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import typer
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from typer.testing import CliRunner

from marl_moe.cli import figures
from marl_moe.figures import draw, folders_apart
from paper_figures import FIGURES, register


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
    written, refused, failed, _ = draw(run_folder)
    folder = run_folder / "figures"
    names = [
        f"{name}.{kind}" for name in ("policies", "reliability") for kind in ("pdf", "png", "csv")
    ]
    assert written == [folder / name for name in names]
    assert sorted(folder.iterdir()) == sorted(written)  # none is partial
    assert "no table 'training'" in refused["reward_curves"]
    assert failed == {}


def test_figures_are_written_elsewhere_on_demand(run_folder: Path, tmp_path: Path) -> None:
    written, *_ = draw(run_folder, ["policies"], tmp_path / "a" / "b")
    assert {path.parent for path in written} == {tmp_path / "a" / "b"}
    assert not (run_folder / "figures").exists()


def test_an_unknown_figure_is_refused_before_anything_is_written(run_folder: Path) -> None:
    with pytest.raises(
        ValueError, match="figure: unknown 'reward_curve'; did you mean 'reward_curves'"
    ):
        draw(run_folder, ["reward_curve"])
    assert not (run_folder / "figures").exists()


def test_a_failed_write_leaves_the_earlier_figure_whole(
    run_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (earlier, *_), *_ = draw(run_folder, ["policies"])
    before = earlier.read_bytes()

    def break_off(path: Path, content: bytes) -> None:
        with path.open("wb") as file:
            file.write(content[:10])
        raise OSError("no space left on device")

    monkeypatch.setattr(Path, "write_bytes", break_off)
    with pytest.raises(OSError, match="no space left"):
        draw(run_folder, ["policies"])
    assert earlier.read_bytes() == before
    assert {path.suffix for path in earlier.parent.iterdir()} == {".pdf", ".png", ".csv"}


@pytest.fixture
def broken() -> Iterator[list[str]]:
    """Three figures of a user's own: one fails, one returns nothing, one cannot be written."""

    def fails(tables: dict[str, pd.DataFrame]) -> object:
        return tables["evaluation"]["nope"]

    def returns_nothing(tables: dict[str, pd.DataFrame]) -> None:
        """Draw nothing."""

    def no_mathematics(tables: dict[str, pd.DataFrame]) -> Axes:
        ax = Figure().subplots()
        ax.set_title(r"$\nosuch{$")
        return ax

    own = [fails, returns_nothing, no_mathematics]
    for plot in own:
        register(plot.__name__, {})(plot)
    yield [plot.__name__ for plot in own]
    for plot in own:
        del FIGURES[plot.__name__]


def test_a_figure_whose_code_fails_is_a_line_and_loses_no_other(
    run_folder: Path, broken: list[str]
) -> None:
    written, refused, failed, _ = draw(run_folder, [*broken, "policies"])
    assert [path.name for path in written] == ["policies.pdf", "policies.png", "policies.csv"]
    assert refused == {}
    assert failed["fails"].startswith("KeyError: 'nope' (test_figures.py, line ")
    assert failed["returns_nothing"].endswith(
        "returned None; it should return a Figure, or the Axes in one"
    )
    assert failed["no_mathematics"].startswith("ValueError: ")


def test_the_command_draws_the_others_first_and_then_fails(
    run_folder: Path, broken: list[str]
) -> None:
    other = run_folder.with_name("other")
    shutil.copytree(run_folder, other)
    app = typer.Typer()
    app.command()(figures)
    result = CliRunner().invoke(app, [str(run_folder), str(other)])
    assert result.exit_code == 1
    assert len(result.stderr.splitlines()) == 2 * len(broken)
    assert "figure 'fails': KeyError: 'nope' (test_figures.py, line " in result.stderr
    for folder in (run_folder, other):
        assert str(folder / "figures" / "policies.pdf") in result.stdout.replace("\n", "")


def test_figures_of_runs_of_one_name_go_to_folders_of_their_own(tmp_path: Path) -> None:
    runs = [tmp_path / "a" / "tiny", tmp_path / "b" / "tiny", tmp_path / "b" / "large"]
    apart = folders_apart([*runs, tmp_path / "b" / ".." / "a" / "tiny"])
    assert list(apart.values()) == [Path("a/tiny"), Path("b/tiny"), Path("large")]
    assert folders_apart([tmp_path]) == {tmp_path: Path(tmp_path.name)}


def test_a_run_folder_whose_path_is_not_utf_8_is_drawn(run_folder: Path) -> None:
    other = Path(os.fsdecode(os.fsencode(run_folder.parent) + b"/r\xff"))
    shutil.copytree(run_folder, other)
    written, *_ = draw(other, ["policies"])
    assert [path.stat().st_size > 0 for path in written] == [True] * 3


def test_letters_that_no_font_has_are_one_line_of_a_figure_and_no_warning(
    run_folder: Path,
) -> None:
    table = pd.read_parquet(run_folder / "evaluation.parquet")
    for old, new in (("sac", "策\u0378"), ("random", "\x1b[31mred\0")):
        table["policy"] = table["policy"].replace(old, new)
    table.to_parquet(run_folder / "evaluation.parquet")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        remarks = draw(run_folder, ["policies", "reliability"]).remarks
    assert remarks == [
        f"figure {name}: the fonts lack '策\u0378'" for name in ("policies", "reliability")
    ]


@pytest.fixture
def raising(request: pytest.FixtureRequest) -> Iterator[str]:
    """A figure of one's own that raises the parameter."""

    @register("raising", {})
    def plot(tables: object) -> Figure:
        raise request.param

    yield "raising"
    del FIGURES["raising"]


@pytest.mark.parametrize("raising", [GeneratorExit("over"), CancelledError("over")], indirect=True)
def test_an_error_that_is_no_exception_loses_no_other_figure(
    run_folder: Path, raising: str
) -> None:
    written, _, failed, _ = draw(run_folder, [raising, "policies"])
    assert len(written) == 3
    assert ": over (test_figures.py, line " in failed[raising]


@pytest.mark.parametrize("raising", [KeyboardInterrupt()], indirect=True)
def test_ctrl_c_while_drawing_ends_with_130_and_how_to_draw_again(
    run_folder: Path, raising: str
) -> None:
    app = typer.Typer()
    app.command()(figures)
    result = CliRunner().invoke(app, [str(run_folder)])
    assert result.exit_code == 130
    text = " ".join(result.stderr.split())
    assert text == f"interrupted; to draw again: marl-moe figures {run_folder}"
