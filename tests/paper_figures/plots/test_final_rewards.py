from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from paper_figures import CannotDraw
from paper_figures.plots import final_rewards

Tables = dict[str, pd.DataFrame]


def value(tables: Tables, policy: str, quantity: str) -> pd.Series:
    summary = final_rewards.summarise(tables).set_index(["policy", "quantity"])
    return summary.loc[(policy, quantity)]


def points_drawn(ax: Axes, fill: str) -> list[float]:
    """Utilities of the filled ("full", ours) or open ("none", the paper's) points."""
    points = [
        line
        for line in ax.get_lines()
        if line.get_marker() in "oD" and line.get_fillstyle() == fill
    ]
    return [float(line.get_xdata()[0]) for line in points]


def test_mean_and_final_of_the_learned_policy_are_training_and_deterministic_evaluation(
    tables: Tables,
) -> None:
    assert value(tables, "sac", "mean")["mean"] == pytest.approx(
        tables["training"]["utility"].mean()
    )
    evaluated = tables["evaluation"].query("policy == 'sac'")["utility"]
    assert value(tables, "sac", "final")["mean"] == pytest.approx(evaluated.mean())


def test_mean_and_final_of_a_baseline_are_all_episodes_and_the_last_tenth(tables: Tables) -> None:
    rows = tables["evaluation"].query("policy == 'random'")
    assert value(tables, "random", "mean")["mean"] == pytest.approx(rows["utility"].mean())
    last = rows.query("episode >= 108")["utility"]  # 12 of 120
    assert value(tables, "random", "final")["mean"] == pytest.approx(last.mean())


def test_final_is_the_last_episode_where_a_tenth_is_less_than_one(
    make_tables: Callable[..., Tables],
) -> None:
    assert (
        value(make_tables(episodes=4), "random", "final")["num_episodes"] == 3
    )  # one of each seed


def test_ours_and_the_papers_numbers_are_drawn_side_by_side(tables: Tables) -> None:
    ax = final_rewards.plot(tables)
    np.testing.assert_allclose(points_drawn(ax, "full"), final_rewards.summarise(tables)["mean"])
    assert points_drawn(ax, "none") == [43.6, 43.4, 41.1, 42.6, 39.8, 39.5, 39.6, 40.5]


def test_policies_stand_in_the_papers_order_and_others_follow(tables: Tables) -> None:
    labels = [text.get_text() for text in final_rewards.plot(tables).get_yticklabels()]
    assert labels == [
        "Upper bound (all local)",
        "SAC",
        "Drop",
        "Random",
        "Greedy",
    ]


def test_points_of_one_quantity_stand_in_the_row_of_their_policy(tables: Tables) -> None:
    rows = [
        line.get_ydata()[0]
        for line in final_rewards.plot(tables).get_lines()
        if line.get_marker() in "oD"
    ]
    assert {round(float(height)) for height in rows} == set(range(5))


def test_axes_and_legend_name_what_is_drawn_with_units(tables: Tables) -> None:
    ax = final_rewards.plot(tables)
    assert ax.get_xlabel() == "Utility of a request (credits)"
    legend = [text.get_text() for text in ax.get_legend().get_texts()]
    assert legend == ["Mean", "Final", "95% interval, 3 seeds", "Mean, paper", "Final, paper"]


def test_one_seed_has_no_interval_and_says_so(make_tables: Callable[..., Tables]) -> None:
    tables = make_tables(seeds=1)
    summary = final_rewards.summarise(tables)
    assert summary["mean"].notna().all()
    assert summary[["low", "high"]].isna().all(axis=None)
    legend = [text.get_text() for text in final_rewards.plot(tables).get_legend().get_texts()]
    assert legend == ["Mean", "Final", "one seed: no interval", "Mean, paper", "Final, paper"]


def test_another_algorithm_than_the_papers_is_drawn_without_the_papers_numbers(
    make_tables: Callable[..., Tables],
) -> None:
    tables = make_tables(algorithms=["ppo"])
    tables["evaluation"] = tables["evaluation"].query("not policy.str.startswith('sac')")
    ax = final_rewards.plot(tables)
    assert [text.get_text() for text in ax.get_yticklabels()][:2] == [
        "Upper bound (all local)",
        "PPO",
    ]
    assert points_drawn(ax, "none") == [43.6, 43.4, 39.8, 39.5, 39.6, 40.5]


def test_it_draws_into_the_axes_given(tables: Tables) -> None:
    ax = Figure().subplots()
    assert final_rewards.plot(tables, ax) is ax


@pytest.mark.parametrize("change", [{"num_users": 2}, {"mechanism": "posted_price"}])
def test_the_papers_numbers_stand_beside_no_other_world(
    tables: Tables, change: dict[str, object]
) -> None:
    tables["evaluation"] = tables["evaluation"].assign(**change)
    with pytest.raises(CannotDraw, match="are of one user and free edge devices"):
        final_rewards.plot(tables)


def test_it_says_that_the_learned_policy_was_not_evaluated(tables: Tables) -> None:
    tables["evaluation"] = tables["evaluation"].query("policy != 'sac'")
    with pytest.raises(CannotDraw, match="table 'evaluation' has no rows of policy 'sac'"):
        final_rewards.plot(tables)
