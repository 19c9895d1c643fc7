"""Runs shown again and listed."""

import re
import shutil
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml
from scipy import stats

from marl_moe.experiment.run.lock import sole_use

from .command import STUDY, SWEEP, Make, aged, files_of, marl_moe, row_of, told

Yaml = dict[str, Any]


@pytest.fixture(scope="module")
def trained(
    tiny_experiment: Yaml, tmp_path_factory: pytest.TempPathFactory, ray_started: None
) -> tuple[Path, str]:
    """Return the folder of a run that trained, and what the command printed."""
    folder = tmp_path_factory.mktemp("trained")
    (folder / "tiny.yaml").write_text(yaml.safe_dump(tiny_experiment | {"figures": []}))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("os.cpu_count", lambda: 1)
        result = marl_moe("run", folder / "tiny.yaml", "--out", folder)
    assert result.exit_code == 0, result.output
    return folder / "tiny", result.stdout


def test_show_prints_what_the_run_ended_with_and_writes_nothing(
    trained: tuple[Path, str], make: Make
) -> None:
    swept, study = make("seeds=1", SWEEP), make(*STUDY)
    ended = [(path, (path.parent / "printed").read_text()) for path in (swept, study)]
    for folder, printed in (trained, *ended):
        before = files_of(folder)
        result = marl_moe("show", folder)
        assert result.exit_code == 0, result.output
        assert len(result.stdout.splitlines()) > 5
        assert printed.partition("records  ")[0].endswith(result.stdout)
        assert files_of(folder) == before


def test_show_reads_a_run_of_an_older_model(make: Make, tmp_path: Path) -> None:
    run = make()
    assert marl_moe("show", aged(run, tmp_path)).stdout == marl_moe("show", run).stdout


def test_show_of_a_run_that_is_not_done_says_how_to_continue(begun: Path) -> None:
    line = told(marl_moe("show", begun))
    assert line == f"{begun}: 0 of 1 jobs are done; to continue: marl-moe resume {begun}\n"
    assert f"{begun.parent}: no run folder" in told(marl_moe("show", begun.parent))


def test_runs_are_listed_with_what_they_came_to_and_what_is_none_is_named(
    trained: tuple[Path, str], make: Make, begun: Path, tmp_path: Path
) -> None:
    out = begun.parent
    shutil.copytree(trained[0], out / "trained")
    shutil.copytree(make(), out / "rules")
    shutil.copytree(make(*STUDY), out / "study")
    damaged = shutil.copytree(make(), out / "damaged")
    (damaged / "evaluation.parquet").write_bytes(b"PAR1 and no more")
    (out / "no_run").mkdir()
    (out / "empty").mkdir()
    (out / "empty" / "experiment.yaml").write_text("")
    (out / "a_file").write_text("")
    result = marl_moe("runs", out)
    assert result.exit_code == 0, result.output
    evaluation = pd.read_parquet(out / "trained" / "evaluation.parquet")
    gains = evaluation[evaluation["policy"].str.startswith("sac")]
    means = gains.groupby(["policy", "seed"])["gain"].mean().unstack("seed")
    best = means.loc[means.mean(axis=1).idxmax()]
    low, high = stats.t.interval(0.95, 1, loc=best.mean(), scale=stats.sem(best))
    _, when, *cells = row_of(result.stdout, "trained")
    size = sum(len(content) for content in files_of(out / "trained").values())
    assert cells == [
        "finished",
        f"{size / 1000:.1f} kB" if size < 1e6 else f"{size / 1e6:.1f} MB",
        best.name,
        f"{best.mean():.3f} [{low:.3f}, {high:.3f}]",
        "",
    ]
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d", when)
    assert row_of(result.stdout, "rules")[2::2] == ["finished", "", ""]
    assert row_of(result.stdout, "study")[2::2] == ["finished", "", ""]
    assert row_of(result.stdout, "begun")[2::2] == ["interrupted at 0 of 1 jobs", "", ""]
    ends = [line for line in result.stdout.splitlines() if line.startswith("not read ")]
    assert len(ends) == 3
    assert f"not read {out / 'no_run'}: no run folder, there is no experiment.yaml" in ends[2]
    assert f"{damaged / 'evaluation.parquet'}: not a whole evaluation table" in ends[0]
    assert "empty" in ends[1]
    assert "a_file" not in result.stdout


def test_a_run_under_way_shows_its_jobs_and_is_left_alone(begun: Path) -> None:
    before = files_of(begun)
    with sole_use(begun, "experiment.yaml"):
        assert row_of(marl_moe("runs", begun.parent).stdout, "begun")[2] == "0 of 1 jobs"
    assert row_of(marl_moe("runs", begun.parent).stdout, "begun")[2].startswith("interrupted")
    assert files_of(begun) == before


def test_a_folder_without_runs_says_so_and_one_that_is_a_run_what_to_do(
    begun: Path, tmp_path: Path
) -> None:
    (tmp_path / "none").mkdir()
    result = marl_moe("runs", tmp_path / "none")
    assert (result.exit_code, result.stdout) == (0, f"{tmp_path / 'none'}: no runs\n")
    assert "there is no such folder" in told(marl_moe("runs", tmp_path / "nowhere"))
    assert f"marl-moe show {begun}" in told(marl_moe("runs", begun))
