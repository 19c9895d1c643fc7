"""Where a page goes, what it refuses, and what becomes of a run whose report fails."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

import marl_moe
from marl_moe.cli import app
from marl_moe.experiment.run.creation import create_run
from marl_moe.experiment.spec.head_comment import head_comment
from marl_moe.experiment.spec.reading import load_experiment
from marl_moe.report import page
from marl_moe.report.page import write_report
from marl_moe.terminal.finish import reported

Yaml = dict[str, Any]


def command(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_it_is_one_file_below_nine_megabytes_that_names_no_network(written: Path) -> None:
    text = written.read_text()
    assert written.stat().st_size < 9e6
    head = text.partition('id="plotly"')[0]
    assert "default-src 'none'" in head
    assert "http:" not in head
    assert "https:" not in head


def test_a_file_that_is_there_is_refused_unless_it_is_the_runs_own(
    run: Path, written: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other.html"
    other.write_text("mine")
    for out in (other, tmp_path / "no" / "folder.html"):
        result = command("report", run, "--out", out)
        assert result.exit_code == 2
        assert f"--out {out}" in result.stderr
    assert other.read_text() == "mine"
    assert command("report", run, "--out", written).exit_code == 0
    result = command("report", run, run.parent)
    assert (result.exit_code, result.stdout) == (2, "")


def test_several_runs_need_a_name_and_are_each_on_the_page(run: Path, tmp_path: Path) -> None:
    again = shutil.copytree(run, tmp_path / "again")
    result = command("report", run, again)
    assert result.exit_code == 2
    assert "--out" in result.stderr
    out = tmp_path / "both.html"
    result = command("report", run, again, "--out", out)
    assert result.stdout == f"report   {out}\n"
    assert "<title>priced, again · marl-moe</title>" in out.read_text()


def test_it_is_written_whole_or_not_at_all(
    run: Path, written: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = written.read_bytes()

    def full(path: Path, text: str) -> None:
        raise OSError(28, "No space left on device", str(path))

    monkeypatch.setattr(page, "write_text", full)
    result = command("report", run)
    assert result.exit_code == 1
    assert "No space left" in result.stderr
    assert written.read_bytes() == before


def test_an_unfinished_run_has_a_page_that_says_so(quick: Path, tmp_path: Path) -> None:
    begun = create_run(load_experiment(str(quick)), tmp_path).path
    text = write_report([begun]).read_text()
    assert "0 of 1 jobs are done, and its numbers are of these" in text
    assert f"to continue: marl-moe resume {begun}." in text


def test_a_run_without_learning_and_a_study_have_a_page(
    quick: Path, tmp_path: Path, tiny_experiment: Yaml
) -> None:
    rules = marl_moe.run(quick, out=tmp_path, progress=False)
    assert "Nothing learns in this run" in rules.report().read_text()
    study = {key: tiny_experiment[key] for key in ("mechanism", "seeds")}
    study["env"] = tiny_experiment["env"] | {"episode_slots": 12}
    study |= {"name": "study", "kind": "market_study", "audit": {"markets": 3, "misreports": 2}}
    text = marl_moe.run(study, out=tmp_path, progress=False).report().read_text()
    assert "A market study compares no policies" in text
    assert "claimed and broken" in text


def test_a_run_ends_with_its_report_unless_told_not_to(
    quick: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("marl_moe.terminal.finish.reported", reported)
    out = tmp_path / "out"
    result = command("run", quick, "--out", out, "--no-report")
    assert (result.exit_code, "report" in result.stdout) == (0, False)
    result = command("resume", out / "tiny")
    assert result.stdout.splitlines()[-1] == f"report   {out / 'tiny/report.html'}"
    assert (out / "tiny/report.html").is_file()


@pytest.mark.parametrize("broken", ["code", "plotly"])
def test_a_report_that_cannot_be_made_is_told_and_the_run_stays(
    quick: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    def fail(*_: object) -> str:
        raise ZeroDivisionError("broken")

    monkeypatch.setattr("marl_moe.terminal.finish.reported", reported)
    if broken == "code":
        monkeypatch.setattr(page, "assembled", fail)
    else:
        monkeypatch.setattr(page, "installed", lambda *_: False)
    result = command("run", quick, "--out", tmp_path)
    assert (tmp_path / "tiny/evaluation.parquet").is_file()
    assert not (tmp_path / "tiny/report.html").exists()
    if broken == "code":
        assert result.exit_code == 1
        assert "report: ZeroDivisionError: broken" in result.stderr
        assert f"marl-moe report {tmp_path / 'tiny'}" in result.stderr
    else:
        assert result.exit_code == 0
        assert "no report: a report needs Plotly: pip install 'marl-moe[train]'" in result.stdout


def test_it_shows_the_run_of_an_older_model(run: Path, tmp_path: Path) -> None:
    old = shutil.copytree(run, tmp_path / "old")
    environment = old / "environment.json"
    environment.write_text(environment.read_text().replace('"model": 2', '"modal": 2'))
    text = write_report([old]).read_text()
    assert "an older model, not recorded" in text


@pytest.mark.parametrize(
    ("text", "question"),
    [
        ("# yaml-language-server: $schema=s\n# Why?\n#\n# More.\nname: a\n", "Why?\n\nMore."),
        ("name: a\n# Later.\n", ""),
        ("\ufeff#Why?\nname: a\n", "Why?"),
        ("", ""),
    ],
)
def test_the_question_is_the_comment_at_the_head(tmp_path: Path, text: str, question: str) -> None:
    path = tmp_path / "a.yaml"
    path.write_text(text)
    assert head_comment(path) == question


def test_a_run_keeps_the_question_of_its_file_also_when_it_is_extended(
    quick: Path, tmp_path: Path, write_experiment: Callable[[str], Path]
) -> None:
    asked = write_experiment(f"# Who wins: <b>&\n\n{quick.read_text()}")
    run = marl_moe.run(asked, out=tmp_path, progress=False)
    assert run.spec.question == "Who wins: <b>&"
    more = run.resume(episodes=4, progress=False)
    assert more.spec.question == run.spec.question
    assert (run.folder / "experiment.yaml").read_text().startswith("# Who wins: <b>&\nname: tiny\n")
    assert "Who wins: \\u003cb\\u003e\\u0026" in more.report().read_text()


def test_a_secret_in_the_question_is_not_written_down(
    quick: Path, tmp_path: Path, write_experiment: Callable[[str], Path]
) -> None:
    asked = write_experiment(f"# What is token: abcd1234efgh worth?\n{quick.read_text()}")
    run = marl_moe.run(asked, out=tmp_path, progress=False)
    assert "# What is token: [redacted] worth?" in (run.folder / "experiment.yaml").read_text()
    assert "abcd1234efgh" not in run.report().read_text()
