"""A run from YAML to figures: what lies in its folder, and that it repeats."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

import mechanisms
from marl_moe.errors import SpecError
from marl_moe.experiment.progress import Progress
from marl_moe.experiment.records.columns import SIDES, TABLES
from marl_moe.experiment.run.continuation import run_experiment
from marl_moe.experiment.spec.reading import load_experiment
from marl_moe.experiment.study.evaluation import evaluate
from marl_moe.policies.learned import load_policy

POLICIES = ["sac", "sac_stochastic", "local", "random", "abandon"]


def test_a_run_leaves_the_documented_files_and_no_others(finished: Any) -> None:
    files = {
        str(path.relative_to(finished.folder))
        for path in finished.folder.rglob("*")
        if path.is_file()
    }
    events = {name for name in files if "tensorboard" in name}
    policy = ("policy.json", "policy.safetensors", "networks.safetensors")
    checkpoints = {f"checkpoints/seed_{seed}/{name}" for seed in (0, 1) for name in policy}
    assert files - events == checkpoints | {
        "experiment.yaml",
        "environment.json",
        "training.parquet",
        "evaluation.parquet",
        "market.parquet",
        "market_users.parquet",
        "figures/policies.pdf",
        "figures/policies.csv",
        "figures/policies.png",
    }
    assert len(events) == 2


@pytest.mark.parametrize(
    "table", [name for name in TABLES if name not in ("audit", "regret", "exploitability")]
)  # the first two are of market studies, the last of best responses
def test_every_column_of_a_table_is_documented_in_the_file(finished: Any, table: str) -> None:
    written = pq.read_schema(finished.folder / f"{table}.parquet")
    assert written.names == list(TABLES[table])
    assert all(column.metadata[b"doc"] for column in written)


def test_the_tables_have_a_row_for_each_thing_that_happened(finished: Any) -> None:
    training, scores, market = (
        finished.table(name) for name in ("training", "evaluation", "market")
    )
    # 2 worlds x 10 slots x 2 users an epoch; updates of 16 at ratio 2, once 20 agent steps are
    # there.
    assert training[
        ["seed", "epoch", "env_steps", "agent_steps", "updates"]
    ].to_numpy().tolist() == [
        [0, 1, 20, 40, 5],
        [0, 2, 40, 80, 10],
        [1, 1, 20, 40, 5],
        [1, 2, 40, 80, 10],
    ]
    assert (training.groupby("seed")["seconds"].diff().dropna() > 0).all()
    assert np.isfinite(
        training.drop(
            columns=["point", "settings", "algorithm", "share_of_equilibrium", *SIDES]
        ).to_numpy(float)
    ).all()
    assert [key for key, _ in scores.groupby(["seed", "policy"], sort=False)] == [
        (seed, policy) for seed in (0, 1) for policy in POLICIES
    ]
    assert scores.groupby(["seed", "policy"])["episode"].apply(list).tolist() == [[0, 1, 2]] * 10
    assert len(market) == 2 * 5 * 3 * 2 * 6  # seeds, policies, episodes, clearings, experts
    assert {*training["settings"], *scores["settings"], *market["settings"]} == {"{}"}
    assert set(market["status"]) == {"closed_form"}


def test_the_experiment_written_down_is_the_one_that_ran(finished: Any) -> None:
    assert load_experiment(str(finished.folder / "experiment.yaml")) == load_experiment(
        str(finished.source)
    )
    assert json.loads((finished.folder / "environment.json").read_text())["seeds"] == [0, 1]


def test_the_policy_saved_is_the_one_that_was_evaluated(finished: Any) -> None:
    spec = load_experiment(str(finished.source))
    for seed in (0, 1):
        policy = load_policy(finished.folder / "checkpoints" / f"seed_{seed}", "sac")
        again, _, _ = evaluate(policy, spec.env, mechanisms.make("posted_price"), seed, episodes=3)
        recorded = (
            finished.table("evaluation")
            .query("policy == 'sac' and seed == @seed")
            .reset_index(drop=True)
        )
        pd.testing.assert_frame_equal(again, recorded[list(again)], check_dtype=False)


def test_tensorboard_is_told_what_the_training_table_says(
    finished: Any, read_scalars: Callable[[Path], list[tuple[str, int, float]]]
) -> None:
    training = finished.table("training").query("seed == 1")
    training["return"] = training["gain"] * 10  # slots
    told = read_scalars(finished.folder / "checkpoints" / "seed_1" / "tensorboard")
    for name in (
        "return",
        "gain",
        "critic_loss",
        "actor_loss",
        "temperature",
        "entropy",
        "unit_price",
    ):
        expected = [
            (name, step, pytest.approx(value, rel=1e-6))
            for step, value in training[["agent_steps", name]].values
        ]
        assert [scalar for scalar in told if scalar[0] == name] == expected
    rate = training["updates"] / training["seconds"]
    assert [value for name, _, value in told if name == "updates_per_second"] == pytest.approx(
        rate.tolist(), rel=1e-6
    )


def test_the_printed_table_shows_the_means_of_the_records_best_first(finished: Any) -> None:
    means = (
        finished.table("evaluation")
        .groupby(["policy", "seed"])[["utility", "gain"]]
        .mean()
        .groupby("policy")
        .mean()
    )
    rows = {
        cells[0]: cells[1:]
        for line in finished.printed.splitlines()
        if len(cells := line.replace("│", " ").split()) > 5
    }
    for policy, (utility, gain) in means.iterrows():
        assert rows[policy][0] == f"{utility:.3f}"
        assert rows[policy][3] == f"{gain:.3f}"
    order = [policy for policy in rows if policy in means.index]
    assert set(order) == set(means.index)
    best_first = means["utility"].sort_values(ascending=False)
    assert means.loc[order, "utility"].tolist() == best_first.tolist()  # equal ones in any order
    assert "mean [95% interval, 2 seeds]" in finished.printed
    for path in (finished.folder, finished.folder / "figures" / "policies.pdf"):
        assert str(path) in finished.printed


def test_the_same_seeds_give_the_same_tables_whether_one_after_another_or_side_by_side(
    finished: Any, run_tiny: Callable[[int], Any]
) -> None:
    again = run_tiny(2)  # where `finished` did one after another
    assert again.folder != finished.folder
    for name, table in again.facts().items():
        pd.testing.assert_frame_equal(table, finished.facts()[name], check_exact=True)
    for seed in (0, 1):
        weights = Path("checkpoints") / f"seed_{seed}" / "policy.safetensors"
        assert (again.folder / weights).read_bytes() == (finished.folder / weights).read_bytes()


def test_two_seeds_are_two_experiments(finished: Any) -> None:
    for table in finished.facts().values():
        first, second = (
            table.query("seed == @seed").drop(columns="seed").reset_index(drop=True)
            for seed in (0, 1)
        )
        assert not first.equals(second)


@pytest.mark.parametrize("policies", ["independent", {"a": [1], "b": [0]}])
@pytest.mark.usefixtures("ray_started")
def test_users_with_policies_of_their_own_run_to_the_end(
    finished: Any, tmp_path: Path, policies: Any
) -> None:
    settings = [
        f"algorithm.policies={json.dumps(policies)}",
        "seeds=1",
        "algorithm.stop.training_iteration=1",
    ]
    told: list[Any] = []
    progress = Progress(
        on_epoch=told.append, on_policy=lambda seed, policy: told.append((seed, policy))
    )
    run = run_experiment(load_experiment(str(finished.source), settings), tmp_path, progress)
    modules = json.loads((run.folder / "checkpoints" / "seed_0" / "policy.json").read_text())[
        "module_users"
    ]
    assert modules == ({"user_0": [0], "user_1": [1]} if policies == "independent" else policies)
    assert told[0]["epoch"] == 1
    assert told[1:] == [(0, policy) for policy in POLICIES]


@pytest.mark.usefixtures("one_core")
def test_a_sweep_without_training_compares_the_policies_at_every_point(
    finished: Any, tmp_path: Path
) -> None:
    settings = ["algorithm=null", "seeds=1", "sweep={env: {num_users: [1, 3]}}"]
    run = run_experiment(load_experiment(str(finished.source), settings), tmp_path)
    assert not (run.folder / "training.parquet").exists()
    points = run.results.groupby("point", sort=False)
    assert list(points.groups) == ["env.num_users=1", "env.num_users=3"]
    for name in ("evaluation", "market", "market_users"):
        table = pd.read_parquet(run.folder / f"{name}.parquet")
        settings = table.groupby("point")["settings"].unique().explode().map(json.loads)
        assert settings.to_dict() == {
            f"env.num_users={users}": {"env.num_users": users} for users in (1, 3)
        }
    for users, (_, rows) in zip((1, 3), points, strict=True):
        spec = load_experiment(str(finished.source), [f"env.num_users={users}"])
        expected, _, _ = evaluate(
            _abandon(), spec.env, mechanisms.make("posted_price"), 0, episodes=3
        )
        recorded = rows.query("policy == 'abandon'")[["utility", "requests"]]
        np.testing.assert_allclose(recorded, expected[["utility", "requests"]])


def _abandon() -> Any:
    from marl_moe.experiment.study.evaluation import make_heuristic

    return make_heuristic("abandon", 0)


def test_nothing_is_written_for_a_world_that_cannot_be_built(finished: Any, tmp_path: Path) -> None:
    spec = load_experiment(str(finished.source))
    experts = replace(spec.env.experts, competence=str(tmp_path / "measured.json"))
    broken = spec.model_copy(update={"env": replace(spec.env, experts=experts)})
    with pytest.raises(SpecError, match=r"env.experts.competence: cannot read .*measured.json"):
        run_experiment(broken, tmp_path / "results")
    assert list(tmp_path.iterdir()) == []
