"""Tables of policies exported for papers and pages."""

from pathlib import Path

import pandas as pd
import pytest

from .command import FREE, STUDY, SWEEP, Make, marl_moe, row_of, told


@pytest.mark.parametrize("format_", ["latex", "markdown"])
def test_a_table_of_policies_is_exported_with_the_columns_of_the_terminal(
    make: Make, tmp_path: Path, format_: str
) -> None:
    run, file = make("seeds=3", FREE), tmp_path / "table"
    result = marl_moe("export", run, "--format", format_, "--out", file)
    assert (result.exit_code, result.stdout) == (
        0,
        f"exported {file}\n95% interval, 3 seeds\n",
    )
    text = file.read_text()
    printed = marl_moe("show", run).stdout
    gains = pd.read_parquet(run / "evaluation.parquet").groupby(["policy", "seed"])["gain"].mean()
    for policy, of_seeds in gains.groupby("policy"):
        cells = row_of(printed, policy)
        assert f"{of_seeds.mean():.3f}" in cells[2]
        for cell in cells[1:]:
            assert cell.replace("-", "$-$" if format_ == "latex" else "-") in text
    assert "utility a request" in text
    assert "welfare" not in text  # nobody pays
    assert "equilibrium" not in text
    assert "tiny. Mean" in text
    assert text.endswith("\n")
    assert not list(tmp_path.glob(".*"))


def test_metrics_caption_label_and_form_are_chosen(make: Make, tmp_path: Path) -> None:
    file = tmp_path / "table.tex"
    options = ["--metrics", "qos,gain", "--plus-minus", "--caption", "5 % of_all", "--label", "t:a"]
    assert marl_moe("export", make(), "--format", "latex", "--out", file, *options).exit_code == 0
    text = file.read_text()
    assert r"\caption{5 \% of\_all. Mean $\pm$ half of the 95\% interval, 2 seeds; 3 ep" in text
    assert "\\label{t:a}\n" in text
    assert r"policy & quality a slot and user & gain a slot and user \\" in text
    assert r"& (points) & (credits) \\" in text
    one = tmp_path / "one.md"
    result = marl_moe("export", make("seeds=1", SWEEP), "--format", "markdown", "--out", one)
    assert result.stdout.endswith("one seed: no interval\n")
    assert "Mean; one seed: no interval; 3 episodes" in one.read_text()


def test_no_export_takes_the_place_of_a_file(make: Make, tmp_path: Path) -> None:
    file = tmp_path / "there"
    file.write_text("mine")
    for format_ in ("marl-eval", "csv", "latex", "markdown"):
        result = marl_moe("export", make(), "--format", format_, "--out", file)
        assert told(result) == f"--out {file}: exists; remove it, or name another file\n"
    assert file.read_text() == "mine"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--format", "csv", "--metrics", "gain"], "--metrics: is of --format latex or markdown"),
        (["--format", "csv", "--plus-minus"], "--plus-minus: is of --format latex or markdown"),
        (["--caption", "a"], "--caption: is of --format latex or markdown"),
        (["--format", "markdown", "--label", "a"], "--label: is of --format latex"),
        (["--format", "latex", "--label", "a b"], "label 'a b': should be of letters"),
        (["--format", "latex", "--metrics", "gian"], "unknown 'gian'; did you mean 'gain'"),
        (["--format", "latex", "--metrics", "regret"], "--metrics: regret has no value here"),
    ],
)
def test_options_that_cannot_be_are_refused_and_nothing_is_written(
    make: Make, tmp_path: Path, arguments: list[str], said: str
) -> None:
    file = tmp_path / "table"
    assert said in told(marl_moe("export", make(), "--out", file, *arguments))
    assert not list(tmp_path.iterdir())


def test_a_market_study_has_no_table_of_policies(make: Make, tmp_path: Path) -> None:
    for format_ in ("latex", "markdown"):
        result = marl_moe("export", make(*STUDY), "--format", format_, "--out", tmp_path / "a")
        assert "a market study compares no policies; its table is audit.parquet" in told(result)
    assert not list(tmp_path.iterdir())
