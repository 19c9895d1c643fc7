"""Options of figures from the experiment, the command line and Python; several runs in one."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from scipy import stats
from typer.testing import CliRunner

from marl_moe.cli import app
from marl_moe.errors import SpecError
from marl_moe.experiment.run.size import describe_run
from marl_moe.experiment.spec.figures import chosen_figures, entries_of
from marl_moe.experiment.spec.reading import parse_experiment
from paper_figures import FIGURES, Asked
from paper_figures.options import KEYS, FigureOptions


def run_of(
    folder: Path, shift: float = 0.0, users: tuple[int, ...] = (2, 4), **experiment: Any
) -> Path:
    """Write a run folder: two seeds of two policies in a sweep over users."""
    rng = np.random.default_rng(0)
    rows = [
        {"seed": seed, "policy": policy, "episode": episode, "gain": rng.normal(2.0) + shift}
        | {"num_users": count, "point": f"env.num_users={count}"}
        | {"settings": f'{{"env.num_users": {count}}}'}
        for count in users
        for seed in range(2)
        for policy in ("crowd", "greedy")
        for episode in range(3)
    ]
    table = pd.DataFrame(rows)
    folder.mkdir(parents=True)
    table.assign(utility=table["gain"] + 39.7).to_parquet(folder / "evaluation.parquet")
    if experiment:
        (folder / "experiment.yaml").write_text(yaml.safe_dump(experiment))
    return folder


def command(*arguments: object) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, ["figures", *map(str, arguments)])
    return result.exit_code, result.stdout.replace("\n", " "), " ".join(result.stderr.split())


def test_the_csv_beside_a_figure_holds_its_means_and_intervals(tmp_path: Path) -> None:
    run = run_of(tmp_path / "run")
    code, _, said = command(run, "--figure", "sensitivity", "--set", "policies=[greedy]")
    assert (code, said) == (0, "")
    folder = run / "figures"
    assert sorted(path.name for path in folder.iterdir()) == [
        f"sensitivity.{ending}" for ending in ("csv", "pdf", "png")
    ]
    drawn = pd.read_csv(folder / "sensitivity.csv").set_index("env.num_users")
    assert set(drawn["policy"]) == {"greedy"}
    rows = pd.read_parquet(run / "evaluation.parquet").query("policy == 'greedy'")
    for users, here in rows.groupby("num_users"):
        seeds = here.groupby("seed")["gain"].mean()
        low, high = stats.t.interval(0.95, 1, seeds.mean(), stats.sem(seeds))
        assert list(drawn.loc[users, ["mean", "low", "high"]]) == pytest.approx(
            [seeds.mean(), low, high], rel=1e-6
        )
    before = {path: path.read_bytes() for path in folder.iterdir()}
    command(run, "--figure", "sensitivity", "--set", "policies=[greedy]")
    assert {path: path.read_bytes() for path in folder.iterdir()} == before


def test_the_command_draws_what_the_experiment_lists_as_it_says_and_all_else(
    tmp_path: Path,
) -> None:
    listed = ["policies", {"sensitivity": {"as": "ours", "labels": {"crowd": "Ours"}}}]
    run = run_of(tmp_path / "run", figures=listed)
    code, *_ = command(run)
    names = {path.stem for path in (run / "figures").iterdir()}
    assert (code, names) == (0, {"policies", "ours", "sensitivity", "reliability"})


def test_options_of_the_command_come_before_those_of_the_experiment() -> None:
    entries = [Asked("sensitivity", FigureOptions(width="column", labels={"sac": "Ours"}))]
    [figure] = chosen_figures(entries, ["sensitivity"], ["labels.crowd=Rule", "width=double"])
    assert figure.options.labels == {"sac": "Ours", "crowd": "Rule"}
    assert figure.options.width == "double"
    assert chosen_figures(entries, ["policies"], []) == [Asked("policies")]
    assert {figure.kind for figure in chosen_figures([], [], [])} == set(FIGURES)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--figure", "sensitivty"], "--figure: unknown 'sensitivty'; did you mean 'sensitivity'"),
        (["--figure", "policies", "--set", "metrc=gain"], "--set: policies: unknown 'metrc'; did"),
        (["--figure", "policies", "--set", "metric"], "--set metric: should read option=value"),
        (["--figure", "policies", "--set", "metric="], "--set metric=: there is no value"),
        (["--figure", "policies", "--set", "as=a/b"], "--set: policies: as: "),
        (["--figure", "policies", "--set", "metric=gian"], "policies: metric: unknown 'gian'"),
        (["--figure", "policies", "--set", "ylim=[0,1]"], "policies: ylim: its y axes are rows"),
        (["--set", "as=mine"], "two figures would be written as 'mine'"),
        (["--compare"], "--compare: needs two runs or more, and --out FOLDER"),
    ],
)
def test_a_mistake_ends_with_2_and_names_figure_and_option(
    tmp_path: Path, arguments: list[str], said: str
) -> None:
    run = run_of(tmp_path / "run")
    code, _, errors = command(run, *arguments)
    assert code == 2
    assert said in errors
    assert not (run / "figures").exists()


def test_an_option_for_all_figures_names_those_that_do_not_take_it(tmp_path: Path) -> None:
    run = run_of(tmp_path / "run")
    code, said, _ = command(run, "--set", "ylim=[0,3]")
    assert code == 0
    assert "not drawn: policies: ylim: its y axes are rows of names" in said
    assert (run / "figures" / "sensitivity.pdf").exists()


def test_runs_are_drawn_together_each_policy_once_a_run(tmp_path: Path) -> None:
    a, b = run_of(tmp_path / "a"), run_of(tmp_path / "b", shift=1.0, users=(4, 2, 8))
    code, said, _ = command(a, b, "--compare", "--out", tmp_path / "both")
    assert code == 0
    assert f"A        {a}" in said
    drawn = pd.read_csv(tmp_path / "both" / "sensitivity.csv")
    assert sorted(drawn["policy"].unique()) == [
        "crowd (A)",
        "crowd (B)",
        "greedy (A)",
        "greedy (B)",
    ]
    assert sorted(drawn["env.num_users"].unique()) == [2, 4]  # that both have
    for run, letter in ((a, "A"), (b, "B")):
        rows = pd.read_parquet(run / "evaluation.parquet").query("policy == 'crowd'")
        expected = rows[rows["num_users"].isin([2, 4])].groupby("num_users")["gain"].mean()
        here = drawn[drawn["policy"] == f"crowd ({letter})"].set_index("env.num_users")["mean"]
        assert dict(here) == pytest.approx(dict(expected), rel=1e-6)
    assert "not drawn: pricing: compare: it shows one policy of one run" in said
    code, *_ = command(
        a, b, "--compare", "--out", tmp_path / "one", "--figure", "sensitivity", "--set",
        "policies=[crowd]",
    )  # fmt: skip
    drawn = pd.read_csv(tmp_path / "one" / "sensitivity.csv")
    assert list(drawn["policy"].unique()) == ["crowd (A)", "crowd (B)"]


def test_runs_without_a_sweep_point_in_common_are_refused(tmp_path: Path) -> None:
    a, b = run_of(tmp_path / "a"), run_of(tmp_path / "b", users=(16,))
    code, _, errors = command(a, b, "--compare", "--out", tmp_path / "both")
    assert code == 2
    assert "the runs have no sweep point in common (A has 2, B has 1)" in errors


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ({"policies": {"metrc": "gain"}}, "figures: policies: unknown 'metrc'; did you mean 'met"),
        ({"policies": {"metric": "gian"}}, "'policies' cannot be drawn of this experiment, leave "
         "it out or mend this: metric: unknown 'gian'; did you mean 'gain'"),
        ({"policies": {"policies": ["sac"]}}, "policies: unknown 'sac'"),
        ({"policies": {"ylim": [0, 1]}}, "ylim: its y axes are rows of names"),
        ({"polices": {"metric": "gain"}}, "figures: unknown 'polices'; did you mean 'policies'"),
        ({"policies": None}, "figures.0.policies: should be a section"),
        ({}, "figures.0: should have at least 1"),
        ({"policies": {}, "contention": {}}, "figures.0: should have at most 1"),
        (3, "figures.0: "),
    ],
)  # fmt: skip
def test_an_experiment_is_refused_before_anything_runs(
    tiny_experiment: dict[str, Any], entry: Any, said: str
) -> None:
    plain = tiny_experiment | {"algorithm": None, "figures": [entry]}
    with pytest.raises(SpecError) as error:
        describe_run(parse_experiment(plain, "tiny"), Path())
    assert said in str(error.value)


def test_entries_survive_the_yaml_of_a_run_folder(
    tiny_experiment: dict[str, Any], tmp_path: Path
) -> None:
    listed = ["policies", {"policies": {"as": "gains", "metric": "gain", "ylim": None}}]
    spec = parse_experiment(tiny_experiment | {"figures": listed}, "tiny")
    file = tmp_path / "experiment.yaml"
    file.write_text(spec.to_yaml())
    assert entries_of(file) == [
        Asked("policies"),
        Asked("policies", FigureOptions(**{"as": "gains", "metric": "gain"})),
    ]


def test_the_help_of_the_command_lists_every_option() -> None:
    help_text = CliRunner().invoke(app, ["figures", "--help"]).stdout
    assert [key for key in KEYS if key not in help_text] == []
