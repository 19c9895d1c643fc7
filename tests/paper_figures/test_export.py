import json
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from paper_figures import CannotDraw
from paper_figures.export import marl_eval

Tables = dict[str, pd.DataFrame]


@pytest.fixture
def tables(make_contention: Callable[..., Tables]) -> Tables:
    made = make_contention(episodes=4)
    made["training"]["env_steps"] = 100 * made["training"]["epoch"] * (1 + made["training"]["seed"])
    made["training"]["share_of_equilibrium"] = made["training"]["gain"] / 3
    return made


def assert_has_the_layout_of_marl_eval(results: dict[str, dict]) -> None:
    """Check what marl-eval's README and its DiagnoseData ask for: the same at every level.

    marl-eval 0.0.4 itself said "Valid format for the environment contention!" of the export of a
    run of 13 policies and 3 seeds, and read it with `data_process_pipeline` and
    `create_matrices_for_rliable`.
    """
    for tasks in results.values():
        algorithms = [set(runs) for runs in tasks.values()]
        assert all(names == algorithms[0] for names in algorithms)
        assert not any("," in name for name in algorithms[0])
        runs = [
            run
            for policies in tasks.values()
            for policy in policies.values()
            for run in policy.values()
        ]
        assert (
            len({frozenset(policy) for policies in tasks.values() for policy in policies.values()})
            == 1
        )
        assert len({frozenset(run) for run in runs}) == 1
        assert (
            len({frozenset(metrics) - {"step_count"} for run in runs for metrics in run.values()})
            == 1
        )
        for run in runs:
            absolute = run["absolute_metrics"]
            steps = [
                run[f"step_{number}"] for number in range(1, len(run))
            ]  # and nothing beside them
            counts = [step["step_count"] for step in steps]
            assert counts == sorted(counts)
            assert all(type(count) is int for count in counts)
            for values in (
                *absolute.values(),
                *(step[metric] for step in steps for metric in absolute),
            ):
                assert isinstance(values, list)
                assert values
                assert all(type(value) is float and np.isfinite(value) for value in values)


def test_a_sweep_has_the_layout_with_its_points_for_tasks_and_seeds_for_runs(
    tables: Tables,
) -> None:
    results = marl_eval(tables, "contention")
    assert_has_the_layout_of_marl_eval(results)
    assert list(results) == ["contention"]
    assert list(results["contention"]) == list(tables["evaluation"]["point"].unique())
    policies = results["contention"]["env.num_users=8"]
    assert list(policies) == list(tables["evaluation"]["policy"].unique())
    assert list(policies["nash"]) == ["seed_0", "seed_1", "seed_2"]
    assert json.loads(json.dumps(results, allow_nan=False)) == results


def test_absolute_metrics_are_the_episodes_of_the_evaluation(tables: Tables) -> None:
    run = marl_eval(tables, "contention")["contention"]["env.num_users=8"]["sac"]["seed_1"]
    rows = tables["evaluation"].query(
        "point == 'env.num_users=8' and policy == 'sac' and seed == 1"
    )
    assert run["absolute_metrics"] == {
        metric: rows[metric].to_list() for metric in ("gain", "utility", "share_of_equilibrium")
    }


def test_steps_of_what_learns_are_the_epochs_of_its_training(tables: Tables) -> None:
    run = marl_eval(tables, "contention")["contention"]["env.num_users=8"]["sac"]["seed_1"]
    epochs = tables["training"].query("point == 'env.num_users=8' and seed == 1")
    steps = [run[f"step_{epoch}"] for epoch in epochs["epoch"]]
    assert [step["step_count"] for step in steps] == list(epochs["env_steps"])
    assert [step["gain"] for step in steps] == [[gain] for gain in epochs["gain"]]


def test_a_policy_that_does_not_learn_stays_at_its_mean_at_every_step_of_the_algorithm_beside_it(
    tables: Tables,
) -> None:
    policies = marl_eval(tables, "contention")["contention"]["env.num_users=8"]
    greedy, learned = policies["greedy"]["seed_1"], policies["sac"]["seed_1"]
    mean = np.mean(greedy["absolute_metrics"]["gain"])
    for name in learned.keys() - {"absolute_metrics"}:
        assert greedy[name]["step_count"] == learned[name]["step_count"]
        assert greedy[name]["gain"] == [pytest.approx(mean)]


def test_the_stochastic_policy_has_the_steps_of_its_training_and_episodes_of_its_own(
    tables: Tables,
) -> None:
    rows = tables["evaluation"]
    sampled = rows[rows["policy"] == "sac"].assign(policy="sac_stochastic", gain=1.0)
    tables["evaluation"] = pd.concat([rows, sampled])
    policies = marl_eval(tables, "contention")["contention"]["env.num_users=8"]
    assert policies["sac_stochastic"]["seed_0"]["absolute_metrics"]["gain"] == [1.0] * 4
    assert policies["sac_stochastic"]["seed_0"]["step_3"] == policies["sac"]["seed_0"]["step_3"]


def test_every_run_has_as_many_steps_as_the_shortest_training_and_its_last_epoch_among_them(
    tables: Tables,
) -> None:
    training = tables["training"]
    short = (training["seed"] == 1) & (training["point"] == "env.num_users=8")
    tables["training"] = training[~short | (training["epoch"] <= 4)].sample(frac=1, random_state=0)
    results = marl_eval(tables, "contention")
    assert_has_the_layout_of_marl_eval(results)
    counts = {
        seed: [run[f"step_{number}"]["step_count"] for number in (1, 2, 3, 4)]
        for seed, run in results["contention"]["env.num_users=8"]["sac"].items()
    }
    assert counts["seed_1"] == [200, 400, 600, 800]
    assert counts["seed_0"] == [100, 900, 1600, 2400]  # epochs 1, 8 2/3, 16 1/3 and 24

    tables["training"] = training[~short | (training["epoch"] <= 1)]
    one_step = marl_eval(tables, "contention")["contention"]["env.num_users=8"]["sac"]["seed_0"]
    assert one_step.keys() == {"step_1", "absolute_metrics"}
    assert one_step["step_1"]["step_count"] == 2400


def test_algorithms_trained_at_points_of_their_own_are_compared_at_one_task(
    make_tables: Callable[..., Tables], with_settings: Callable[[Tables], Tables]
) -> None:
    made = {
        name: make_tables(epochs=3 + index, episodes=2, algorithms=[name])
        for index, name in enumerate(("sac", "ppo"))
    }
    for name, tables in made.items():
        tables["training"] = tables["training"].assign(point=f"algorithm={name}")
        keep = tables["evaluation"]["policy"].isin([name, "random"])
        tables["evaluation"] = tables["evaluation"][keep].assign(
            point=tables["training"]["point"].iloc[0]
        )
        tables["training"]["env_steps"] = 50 * tables["training"]["epoch"]
    both = {
        name: pd.concat([tables[name] for tables in made.values()])
        for name in ("training", "evaluation")
    }
    results = marl_eval(with_settings(both), "algorithms")
    assert_has_the_layout_of_marl_eval(results)
    assert set(results["algorithms"]["algorithms"]) == {"sac", "ppo", "random"}
    assert (
        len(results["algorithms"]["algorithms"]["random"]["seed_0"]["absolute_metrics"]["gain"])
        == 2
    )


def test_an_algorithm_trained_in_two_ways_is_two_policies_with_a_training_each(
    algorithms: Tables,
) -> None:
    training = algorithms["training"]
    training["env_steps"] = training["agent_steps"] // 8
    results = marl_eval(algorithms, "algorithms")
    assert_has_the_layout_of_marl_eval(results)
    policies = results["algorithms"]["algorithms"]
    assert set(policies) == {
        "sac network=pointer",
        "sac network=mlp",
        "ppo network=mlp",
        "nash",
        "greedy",
    }
    for network in ("pointer", "mlp"):
        point = f"algorithm=sac network={network}"
        run = policies[f"sac network={network}"]["seed_1"]
        epochs = training[(training["point"] == point) & (training["seed"] == 1)]
        assert [run[f"step_{epoch}"]["gain"] for epoch in epochs["epoch"]] == [
            [gain] for gain in epochs["gain"]
        ]
        rows = algorithms["evaluation"].query(
            f"point == '{point}' and policy == 'sac' and seed == 1"
        )
        assert run["absolute_metrics"]["gain"] == rows["gain"].to_list()


def test_without_training_there_is_one_step_at_slot_0(tables: Tables) -> None:
    rows = tables["evaluation"].query("policy in ('nash', 'random')")
    results = marl_eval({"evaluation": rows, "training": tables["training"][:0]}, "baselines")
    assert_has_the_layout_of_marl_eval(results)
    run = results["baselines"]["env.num_users=1"]["nash"]["seed_0"]
    assert list(run) == ["step_1", "absolute_metrics"]
    assert run["step_1"]["step_count"] == 0
    assert results == marl_eval({"evaluation": rows}, "baselines")


def test_an_episode_without_a_value_is_left_out_and_a_metric_that_a_run_lacks_everywhere(
    tables: Tables,
) -> None:
    rows = tables["evaluation"]
    rows.loc[(rows["policy"] == "greedy") & (rows["episode"] == 2), "utility"] = np.nan
    rows.loc[(rows["policy"] == "greedy") & (rows["seed"] == 2), "share_of_equilibrium"] = np.nan
    results = marl_eval(tables, "contention")
    assert_has_the_layout_of_marl_eval(results)
    absolute = results["contention"]["env.num_users=1"]["greedy"]["seed_0"]["absolute_metrics"]
    assert {metric: len(values) for metric, values in absolute.items()} == {"gain": 4, "utility": 3}
    tables["training"].loc[0, "utility"] = np.nan
    assert (
        "utility"
        not in marl_eval(tables, "contention")["contention"]["env.num_users=1"]["sac"]["seed_0"][
            "step_1"
        ]
    )


def test_what_is_missing_is_named(tables: Tables) -> None:
    with pytest.raises(CannotDraw, match="no table 'evaluation'"):
        marl_eval({"training": tables["training"]}, "contention")
    rows = tables["evaluation"]
    one = rows[(rows["policy"] != "greedy") | (rows["seed"] != 1)]
    with pytest.raises(
        CannotDraw,
        match=r"no rows of policy 'greedy' with seed 1 at sweep point 'env\.num_users=1'",
    ):
        marl_eval(tables | {"evaluation": one}, "contention")
    with pytest.raises(
        CannotDraw, match=r"no rows of policy 'greedy' at sweep point 'env\.num_users=2'"
    ):
        marl_eval(
            tables | {"evaluation": rows.query("policy != 'greedy' or num_users != 2")},
            "contention",
        )
    untrained = tables["training"].query("seed != 2")
    with pytest.raises(
        CannotDraw, match="table 'training' has no rows of 'sac' with seed 2 at sweep point"
    ):
        marl_eval(tables | {"training": untrained}, "contention")
