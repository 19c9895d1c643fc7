"""What the command makes of a run that is done: figures, exports, policies played again."""

import json
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner, Result

from marl_moe.cli import app


def marl_moe(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_figures_are_drawn_anew_from_a_run_and_what_cannot_be_is_told(
    quick: Path, tmp_path: Path
) -> None:
    marl_moe("run", quick, "--out", tmp_path, "--set", "figures=[]")
    assert not (tmp_path / "tiny" / "figures").exists()
    result = marl_moe("figures", tmp_path / "tiny", "--out", tmp_path / "drawn")
    assert result.exit_code == 0
    assert {"policies.pdf", "policies.png"} <= {
        path.name for path in (tmp_path / "drawn").iterdir()
    }
    assert f"figure   {tmp_path / 'drawn' / 'policies.pdf'}" in result.stdout
    assert "not drawn: reward_curves: " in result.stdout


def test_figures_of_no_run_are_one_line_and_exit_code_2(tmp_path: Path) -> None:
    result = marl_moe("figures", tmp_path / "nowhere")
    assert (result.exit_code, result.stdout) == (2, "")
    assert len(result.stderr.splitlines()) == 1
    assert str(tmp_path / "nowhere") in result.stderr


def test_results_are_exported_for_marl_eval(quick: Path, tmp_path: Path) -> None:
    marl_moe("run", quick, "--out", tmp_path, "--set", "figures=[]")
    result = marl_moe(
        "export", tmp_path / "tiny", "--format", "marl-eval", "--out", tmp_path / "tiny.json"
    )
    assert (result.exit_code, result.stdout) == (0, f"exported {tmp_path / 'tiny.json'}\n")
    evaluation = pd.read_parquet(tmp_path / "tiny" / "evaluation.parquet").query(
        "policy == 'random'"
    )
    run = json.loads((tmp_path / "tiny.json").read_text())["tiny"]["tiny"]["random"]["seed_0"]
    assert run["absolute_metrics"]["gain"] == evaluation["gain"].to_list()


def test_results_are_exported_as_a_table_of_means(quick: Path, tmp_path: Path) -> None:
    assert marl_moe("run", quick, "--out", tmp_path).exit_code == 0
    result = marl_moe(
        "export", tmp_path / "tiny", "--format", "csv", "--out", tmp_path / "tiny.csv"
    )
    told = f"exported {tmp_path / 'tiny.csv'}\none seed: no interval\n"
    assert (result.exit_code, result.stdout) == (0, told)
    table = pd.read_csv(tmp_path / "tiny.csv").set_index(["policy", "metric"])
    gains = (
        pd.read_parquet(tmp_path / "tiny" / "evaluation.parquet").groupby("policy")["gain"].mean()
    )
    assert table.xs("gain", level="metric")["mean"].to_dict() == pytest.approx(
        gains.to_dict(), rel=1e-5
    )


def test_an_export_that_cannot_be_is_one_line_exit_code_2_and_no_file(
    quick: Path, tmp_path: Path
) -> None:
    marl_moe("run", quick, "--out", tmp_path, "--set", "figures=[]")
    file = tmp_path / "tiny.json"
    for run, out, named in (
        ("tiny", tmp_path / "nowhere" / "a.json", "nowhere"),
        ("absent", file, "absent"),
    ):
        result = marl_moe("export", tmp_path / run, "--out", out)
        assert (result.exit_code, result.stdout) == (2, "")
        assert len(result.stderr.splitlines()) == 1
        assert str(tmp_path / named) in result.stderr
    (tmp_path / "tiny" / "evaluation.parquet").unlink()
    result = marl_moe("export", tmp_path / "tiny", "--out", file)
    assert result.exit_code == 2
    assert "0 of 1 jobs are done; to continue: marl-moe resume" in result.stderr
    assert not file.exists()


SHORT = ["--set", "env.episode_slots=2", "--set", "env.requests.num_transferred=4"]


def test_a_run_in_which_no_request_completes_is_shown_recorded_and_exported(
    quick: Path, tmp_path: Path
) -> None:
    result = marl_moe(
        "run",
        quick,
        *SHORT,
        "--set",
        "evaluation.policies=[random]",
        "--out",
        tmp_path,
        "--set",
        "figures=[policies]",
    )
    assert result.exit_code == 0, result.output
    assert "remark   utility: no request was completed" in result.stdout
    assert "not drawn: policies: " in result.stdout
    exported = marl_moe("export", tmp_path / "tiny", "--format", "csv", "--out", tmp_path / "a.csv")
    assert exported.exit_code == 0
    assert "utility" not in set(pd.read_csv(tmp_path / "a.csv")["metric"])


def test_policies_played_again_are_kept_in_a_new_file_or_filmed_each(
    quick: Path, tmp_path: Path
) -> None:
    assert marl_moe("run", quick, "--set", "figures=[]", "--out", tmp_path).exit_code == 0
    run = tmp_path / "tiny"
    recorded = pd.read_parquet(run / "evaluation.parquet")
    for name, read in (("rows.csv", pd.read_csv), ("rows.parquet", pd.read_parquet)):
        file = tmp_path / name
        result = marl_moe("evaluate", run, "--policy", "random", "--out", file)
        assert result.stdout.endswith(f"rows     {file}\n")
        rows = read(file)
        wanted = recorded.query("policy == 'random'")
        assert list(rows) == list(recorded)
        assert rows["gain"].tolist() == pytest.approx(wanted["gain"].tolist(), rel=1e-12)
        before = file.read_bytes()
        again = marl_moe("evaluate", run, "--policy", "local", "--out", file)
        assert (again.exit_code, again.stdout) == (2, "")
        assert "exists" in again.stderr
        assert file.read_bytes() == before
    film = ["--video", tmp_path / "film.gif"]
    result = marl_moe("evaluate", run, "--policy", "random", "--policy", "local", *film)
    assert sorted(file.name for file in tmp_path.glob("*.gif")) == [
        "film_local.gif",
        "film_random.gif",
    ]
    for option in (["--episodes", "2"], ["--out", tmp_path / "b.csv"]):
        refused = marl_moe("evaluate", run, *film, *option)
        assert refused.exit_code == 2
        assert option[0] in refused.stderr


@pytest.mark.parametrize("name", ["rows.txt", "nowhere/rows.csv"])
def test_rows_that_could_not_be_written_are_refused_before_they_are_played(
    tmp_path: Path, name: str
) -> None:
    result = marl_moe("evaluate", tmp_path / "no_run", "--out", tmp_path / name)
    assert result.exit_code == 2
    assert f"--out {tmp_path / name}: " in result.stderr
