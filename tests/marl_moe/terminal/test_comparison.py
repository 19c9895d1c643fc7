"""Two runs compared by the command: what differs, and policies world by world or by their means."""

import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from .command import FREE, PRICED, STUDY, SWEEP, Make, aged, marl_moe, row_of, told


def test_two_runs_in_the_same_worlds_are_compared_world_by_world(make: Make) -> None:
    free, priced = make("seeds=3", FREE), make("seeds=3", PRICED, "evaluation.policies=[random]")
    result = marl_moe("compare", free, priced)
    assert result.exit_code == 0, result.output
    assert f"A        {free}\nB        {priced}\n" in result.stdout
    assert row_of(result.stdout, "mechanism.name") == ["mechanism.name", "none", "posted_price"]
    assert row_of(result.stdout, "mechanism.price") == ["mechanism.price", "-", "2.5"]
    policies = row_of(result.stdout, "evaluation.policies")
    assert policies[1:] == ['["local", "random", "abandon"]', '["random"]']
    assert "seeds" not in [line.split(" ")[1] for line in result.stdout.splitlines() if "│" in line]
    a, b = (
        pd.read_parquet(run / "evaluation.parquet").query("policy == 'random'")
        for run in (free, priced)
    )
    cells = row_of(result.stdout, "random")
    assert cells[-1] == "3 seeds, 9 worlds"
    for at, metric in ((1, "gain"), (4, "welfare")):
        pairs = a.merge(b, on=["seed", "episode"])
        differences = (pairs[f"{metric}_y"] - pairs[f"{metric}_x"]).groupby(pairs["seed"]).mean()
        low, high = stats.t.interval(0.95, 2, loc=differences.mean(), scale=stats.sem(differences))
        assert cells[at : at + 3] == [
            f"{a[metric].mean():.3f}",
            f"{b[metric].mean():.3f}",
            f"{differences.mean():.3f} [{low:.3f}, {high:.3f}]",
        ]
    assert "│ local " not in result.stdout.partition("B less A")[2]
    assert "unpaired" not in result.stdout


def test_only_seeds_of_both_are_compared_and_one_has_no_interval(make: Make) -> None:
    result = marl_moe("compare", make("seeds=3", FREE), make("seeds=[2]"), "--metrics", "gain,qos")
    cells = row_of(result.stdout, "random")
    assert "B less A: mean; one seed: no interval" in result.stdout
    assert cells[-1] == "1 seed, 3 worlds"
    assert len(cells) == 8
    assert "[" not in "".join(cells)
    assert row_of(result.stdout, "seeds") == ["seeds", "3", "[2]"]


def test_without_shared_seeds_means_are_compared_by_welchs_test_and_it_says_so(make: Make) -> None:
    first, second = make("seeds=3", FREE), make("seeds=[10,11]", FREE)
    result = marl_moe("compare", first, second, "--metrics", "gain")
    a, b = (
        pd.read_parquet(run / "evaluation.parquet")
        .query("policy == 'random'")
        .groupby("seed")["gain"]
        .mean()
        for run in (first, second)
    )
    low, high = stats.ttest_ind(b, a, equal_var=False).confidence_interval(0.95)
    cells = row_of(result.stdout, "random")
    assert cells[3:] == [
        f"{b.mean() - a.mean():.3f} [{low:.3f}, {high:.3f}]",
        "3 and 2 seeds, unpaired",
    ]
    assert "unpaired, not world by world: no seed in common" in result.stdout


@pytest.mark.parametrize(
    ("setting", "why"),
    [
        ("evaluation.episodes=4", "evaluation.episodes is 3 and 4"),
        ("evaluation.env.num_experts=7", "env.num_experts is 6 and 7"),
        ("env.quality.judge_noise=0.5", "env.quality.judge_noise is 0.0 and 0.5"),
    ],
)
def test_seeds_of_other_worlds_are_not_paired(make: Make, setting: str, why: str) -> None:
    result = marl_moe("compare", make(), make(setting))
    assert row_of(result.stdout, "random")[-1] == "2 and 2 seeds, unpaired"
    assert f"unpaired, not world by world: other worlds, {why}" in result.stdout


def test_a_run_of_an_older_model_is_compared_by_its_means(make: Make, tmp_path: Path) -> None:
    result = marl_moe("compare", aged(make(), tmp_path), make())
    assert row_of(result.stdout, "model of the world")[1:] == ["1", "2"]
    assert "other worlds, model is 1 and 2" in result.stdout


def test_points_that_both_sweeps_have_are_compared(make: Make) -> None:
    one, other = make("seeds=1", SWEEP), make("seeds=1", "sweep.env.num_users=[3,4]")
    result = marl_moe("compare", one, other)
    assert row_of(result.stdout, "sweep.env.num_users")[1:] == ["[2, 3]", "[3, 4]"]
    table = result.stdout.partition("B less A")[2]
    assert "env.num_users=3" in table
    assert "env.num_users=2" not in table
    assert row_of(table, "random")[3].startswith("0.000")
    listed = make("seeds=1", "sweep=[{env.num_users: 3}, {env.num_experts: 7}]")
    told_apart = marl_moe("compare", one, listed).stdout
    rows = [line.split("│")[1:4] for line in told_apart.splitlines() if line.startswith("│ sweep")]
    assert [[cell.strip() for cell in row] for row in rows] == [
        ["sweep", "env.num_users=2", "-"],
        ["sweep", "-", "env.num_experts=7"],
    ]


def test_the_same_run_differs_in_nothing(make: Make) -> None:
    result = marl_moe("compare", make(), make())
    assert "no key of the experiments differs" in result.stdout
    assert row_of(result.stdout, "random")[3] == "0.000 [0.000, 0.000]"


def test_where_nothing_is_comparable_it_says_what_each_has(make: Make, begun: Path) -> None:
    swept, plain = make("seeds=1", SWEEP), make()
    said = told(marl_moe("compare", swept, plain))
    assert "no policy was evaluated at a sweep point of both runs" in said
    assert (
        f"{swept}: points env.num_users=2, env.num_users=3; policies local, random, abandon; "
        "seeds 0\n"
    ) in said
    assert f"{plain}: points none, there is no sweep; policies local, random, abandon" in said
    alone = make("evaluation.policies=[greedy]")
    assert f"{alone}: points none, there is no sweep; policies greedy; seeds 0, 1" in told(
        marl_moe("compare", plain, alone)
    )
    for run, why in (
        (make(*STUDY), "a market study compares no policies"),
        (begun, f"0 of 1 jobs are done; to continue: marl-moe resume {begun}"),
    ):
        assert f"{run}: {why}" in told(marl_moe("compare", plain, run))
    assert "unknown 'gian'; did you mean 'gain'" in told(
        marl_moe("compare", plain, plain, "--metrics", "gian")
    )
    assert "--metrics: regret has no value here" in told(
        marl_moe("compare", plain, plain, "--metrics", "regret")
    )


def test_inputs_are_compared_by_what_they_hold_and_named_without_their_paths(
    make: Make, tmp_path: Path
) -> None:
    runs = []
    for name, competence in (("one", 0.5), ("two", 0.6), ("three", 0.5)):
        (tmp_path / name).mkdir()
        table = tmp_path / name / "table.json"
        table.write_text(json.dumps({"competence": np.full((2, 2), competence).tolist()}))
        runs.append(make(f"env.experts.competence={table}"))
    other = marl_moe("compare", runs[0], runs[1])
    assert other.exit_code == 0, other.output
    _, a, b = row_of(other.stdout, "env.experts.competence")
    assert re.fullmatch(r"table\.json \([0-9a-f]{12}\)", a)
    assert a != b
    assert row_of(other.stdout, "random")[-1].endswith("unpaired")
    same = marl_moe("compare", runs[0], runs[2])
    assert "no key of the experiments differs" in same.stdout
    assert row_of(same.stdout, "random")[-1] == "2 seeds, 6 worlds"
