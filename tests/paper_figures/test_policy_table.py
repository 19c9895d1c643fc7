"""The table of policies has the numbers of the records, and marks what seeds cannot tell apart."""

import json
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from marl_moe.experiment.spec.policies import YARDSTICKS as SHARES_OF
from marl_moe.policies.heuristics import Local
from paper_figures import CannotDraw
from paper_figures.headings import HEADINGS, LESS_IS_BETTER, MORE_IS_BETTER
from paper_figures.policy_table import YARDSTICKS, policy_table

Tables = dict[str, pd.DataFrame]


def table_of(
    seeds: Mapping[str, Sequence[float]], metric: str = "gain", settings: str = "{}"
) -> Tables:
    """Return a table of an episode a seed, from the values of each policy."""
    rows = [
        {"seed": seed, "policy": policy, metric: value}
        for policy, values in seeds.items()
        for seed, value in enumerate(values)
    ]
    return {"evaluation": pd.DataFrame(rows).assign(point="", settings=settings, episode=0)}


def marked(tables: Tables, metric: str = "gain") -> set[str]:
    rows = policy_table(tables, {metric: HEADINGS[metric]}).points[""]
    return {policy for policy, (cell,) in rows.items() if cell.is_best}


def test_cells_are_means_over_seeds_with_students_interval(
    make_contention: Callable[..., Tables],
) -> None:
    tables = make_contention(episodes=4)
    metrics = {name: HEADINGS[name] for name in ("gain", "worst_gain")}
    table = policy_table(tables, metrics)
    evaluation = tables["evaluation"]
    for point, rows in evaluation.groupby("point"):
        for policy, of_policy in rows.groupby("policy"):
            if policy == "abandon":  # 0 with every seed, of which scipy makes no interval
                continue
            for metric, cell in zip(metrics, table.points[point][policy], strict=True):
                means = of_policy.groupby("seed")[metric].mean()
                low, high = stats.t.interval(0.95, 2, loc=means.mean(), scale=stats.sem(means))
                np.testing.assert_allclose(cell[:3], (means.mean(), low, high))
    assert table.intervals == "95% interval, 3 seeds"
    assert table.episodes == (4, 4)


def test_a_tie_in_every_column_is_that_of_scipys_paired_test(
    make_contention: Callable[..., Tables],
) -> None:
    tables = make_contention(episodes=4)
    table = policy_table(tables, {"gain": HEADINGS["gain"]})
    for point, rows in tables["evaluation"].groupby("point"):
        of_seeds = rows.groupby(["policy", "seed"])["gain"].mean().unstack("seed")
        of_seeds = of_seeds.drop(index=list(YARDSTICKS), errors="ignore")
        best = of_seeds.loc[of_seeds.mean(axis=1).idxmax()]
        for policy, values in of_seeds.iterrows():
            tied = values.equals(best) or stats.ttest_rel(values, best).pvalue > 0.05
            assert table.points[point][policy][0].is_best == tied, (point, policy)


def test_policies_whose_paired_difference_to_the_best_contains_0_are_marked_too() -> None:
    seeds = {
        "best": [1.0, 2.0, 3.0, 4.0],
        "far_but_unsteady": [3.0, 0.0, 4.0, 1.0],  # a mean 0.5 lower, of differences +2 -2 +1 -3
        "near_and_steady": [0.99, 1.98, 2.99, 3.98],  # 0.015 lower, with every seed
        "same": [1.0, 2.0, 3.0, 4.0],
        "far": [0.0, 0.1, 0.0, 0.1],
    }
    assert marked(table_of(seeds)) == {"best", "same", "far_but_unsteady"}
    apart = np.subtract(seeds["near_and_steady"], seeds["best"])
    assert stats.ttest_1samp(apart, 0).confidence_interval(0.95).high < 0


def test_yardsticks_are_never_marked_and_are_those_of_the_experiments() -> None:
    seeds = {"nash": [9.0, 9.1], "optimum": [9.0, 9.1], "local": [9.0, 9.1], "sac": [1.0, 1.1]}
    assert marked(table_of(seeds)) == {"sac"}
    assert marked(table_of({"nash": [9.0, 9.1]})) == set()
    assert (*SHARES_OF, Local.name) == YARDSTICKS


def test_with_one_seed_only_what_is_equal_ties() -> None:
    seeds = {"sac": [1.0], "crowd": [1.0], "greedy": [0.999999]}
    assert marked(table_of(seeds)) == {"sac", "crowd"}


def test_less_is_better_of_costs_and_nothing_is_of_what_is_neither() -> None:
    seeds = {"slow": [5.0, 5.1], "fast": [1.0, 1.1]}
    assert marked(table_of(seeds, "delay_s"), "delay_s") == {"fast"}
    assert marked(table_of(seeds, "unit_price"), "unit_price") == set()
    assert not MORE_IS_BETTER & LESS_IS_BETTER
    assert HEADINGS.keys() > MORE_IS_BETTER | LESS_IS_BETTER


def test_pairs_are_of_the_seeds_that_both_have_and_a_policy_without_a_value_has_none() -> None:
    tables = table_of({"a": [1.0, 2.0, 3.0], "b": [1.0, 2.0], "c": [np.nan, np.nan, np.nan]})
    assert marked(tables) == {"a", "b"}  # over the seeds of both the difference is 0
    cell = policy_table(tables, {"gain": HEADINGS["gain"]}).points[""]["c"][0]
    assert np.isnan(cell[:3]).all()


@pytest.mark.filterwarnings("error")
def test_an_infinite_mean_is_best_alone() -> None:
    assert marked(table_of({"a": [np.inf, 1.0], "b": [2.0, 3.0]})) == {"a"}


@pytest.mark.parametrize(
    ("key", "values"),
    [
        ("env.num_users", [2, 4, 16]),
        ("env.channel.bandwidth_hz", [1e5, 2.5e5, 1e6]),
        ("env.x", [-1, 0.5, 10]),
    ],
)
def test_points_are_in_the_order_of_their_numbers(key: str, values: list[float]) -> None:
    shuffled = [values[2], values[0], values[1]]
    parts = []
    for value in shuffled:
        rows = table_of({"sac": [1.0, 2.0]}, settings=json.dumps({key: value}))["evaluation"]
        parts.append(rows.assign(point=f"{key}={value}"))
    table = policy_table({"evaluation": pd.concat(parts)}, {"gain": HEADINGS["gain"]})
    assert list(table.points) == [f"{key}={value}" for value in values]


def test_numbers_of_a_named_section_rise_and_names_stay_as_they_came() -> None:
    came = [
        {"mechanism": {"name": "vcg"}, "env.num_users": 4},
        {"mechanism": {"name": "fisher", "budget": 16}, "env.num_users": 4},
        {"mechanism": {"name": "fisher", "budget": 2}, "env.num_users": 4},
        {"mechanism": {"name": "vcg"}, "env.num_users": 2},
        {"env.information": "known"},
    ]
    parts = [
        table_of({"sac": [1.0]}, settings=json.dumps(point))["evaluation"].assign(point=str(place))
        for place, point in enumerate(came)
    ]
    table = policy_table({"evaluation": pd.concat(parts)}, {"gain": HEADINGS["gain"]})
    assert list(table.points) == ["3", "0", "2", "1", "4"]


def test_the_policy_that_is_best_in_the_first_column_comes_first() -> None:
    tables = table_of({"a": [1.0, 1.1], "b": [3.0, 3.1], "c": [2.0, 2.1]}, "delay_s")
    tables["evaluation"]["gain"] = tables["evaluation"]["delay_s"]
    for metrics, order in ((("gain", "delay_s"), "bca"), (("delay_s", "gain"), "acb")):
        table = policy_table(tables, {name: HEADINGS[name] for name in metrics})
        assert list(table.points[""]) == list(order)


def test_what_is_missing_is_named() -> None:
    with pytest.raises(CannotDraw, match="no table 'evaluation'"):
        policy_table({}, {"gain": HEADINGS["gain"]})
    with pytest.raises(CannotDraw, match="no value in column 'utility'"):
        policy_table(table_of({"sac": [np.nan]}, "utility"), {"utility": HEADINGS["utility"]})


def test_of_one_seed_the_best_is_told_by_the_differences_world_by_world() -> None:
    worlds = {
        "best": [1.0, 2.0, 3.0, 4.0, 5.0],
        "far_but_unsteady": [3.0, 0.0, 4.0, 1.0, 6.0],
        "near_and_steady": [0.99, 1.98, 2.99, 3.98, 4.99],
    }
    tables = table_of(worlds)
    tables["evaluation"] = tables["evaluation"].rename(
        columns={"episode": "seed", "seed": "episode"}
    )
    assert set(tables["evaluation"]["seed"]) == {0}
    assert marked(tables) == {"best", "far_but_unsteady"}
