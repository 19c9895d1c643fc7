"""What `show`, `compare` and `export` say alike, of runs without results and of both sides."""

import shutil
from pathlib import Path

import pandas as pd
import pytest

from .command import PRICED, STUDY, Make, marl_moe, row_of, told

FORMATS = ("marl-eval", "csv", "latex", "markdown")


def test_a_run_without_an_evaluation_is_answered_alike(begun: Path, tmp_path: Path) -> None:
    said = told(marl_moe("show", begun))
    assert said.endswith(f" jobs are done; to continue: marl-moe resume {begun}\n")
    assert said.startswith(f"{begun}: 0 of ")
    assert told(marl_moe("compare", begun, begun)) == said
    for format_ in FORMATS:
        file = tmp_path / "table"
        assert told(marl_moe("export", begun, "--format", format_, "--out", file)) == said
        assert not file.exists()


def test_a_market_study_is_answered_alike(make: Make, tmp_path: Path) -> None:
    run = make(*STUDY)
    said = f"{run}: a market study compares no policies; its table is audit.parquet\n"
    assert told(marl_moe("compare", run, run)) == said
    for format_ in FORMATS:
        result = marl_moe("export", run, "--format", format_, "--out", tmp_path / "table")
        assert told(result) == said


@pytest.fixture
def chosen(make: Make, tmp_path: Path) -> Path:
    """A run in whose evaluation edge devices report 1.5 times their costs."""
    run = shutil.copytree(make("seeds=2", PRICED), tmp_path / "chosen")
    table = pd.read_parquet(run / "evaluation.parquet")
    table.assign(report_factor=1.5).to_parquet(run / "evaluation.parquet")
    return run


def test_what_the_other_sides_chose_has_columns_in_export_and_compare(
    make: Make, chosen: Path, tmp_path: Path
) -> None:
    nobody = make("seeds=2", PRICED)
    for run, is_there in ((nobody, False), (chosen, True)):
        for format_ in ("csv", "latex", "markdown"):
            file = tmp_path / f"{run.name}.{format_}"
            assert marl_moe("export", run, "--format", format_, "--out", file).exit_code == 0
            text = file.read_text()
            assert (("report_factor" if format_ == "csv" else "costs reported") in text) == is_there
            assert "margin" not in text.replace(r"\margin", "")
    compared = marl_moe("compare", nobody, chosen).stdout
    assert "costs reported, factor: A" in compared
    assert "1.000" in row_of(compared, "random")
    assert "0.500 [0.500, 0.500]" in row_of(compared, "random")
    assert "costs reported" not in marl_moe("compare", nobody, nobody).stdout


def test_sweep_points_are_in_the_order_of_their_numbers_everywhere(
    make: Make, tmp_path: Path
) -> None:
    run = make("seeds=2", "sweep.env.num_users=[3,2]")
    points = ["env.num_users=2", "env.num_users=3"]
    texts = [marl_moe("show", run).stdout, marl_moe("compare", run, run).stdout]
    for format_ in ("csv", "markdown"):
        file = tmp_path / format_
        marl_moe("export", run, "--format", format_, "--out", file)
        texts.append(file.read_text().replace("\\", ""))
    for text in texts:
        at = [text.rindex(point) for point in points]
        assert at == sorted(at), text
