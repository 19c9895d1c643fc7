"""The table of means holds what the figures draw."""

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from paper_figures import CannotDraw
from paper_figures.means import means
from paper_figures.statistics import interval_label, mean_heading

Tables = dict[str, pd.DataFrame]


def test_a_row_is_the_mean_over_seeds_with_students_interval(
    make_contention: Callable[..., Tables],
) -> None:
    tables = make_contention(episodes=4)
    table = means(tables).set_index(["point", "policy", "metric"])
    assert set(table["settings"]) == {f'{{"env.num_users": {n}}}' for n in (1, 2, 4, 8, 16, 32)}
    evaluation = tables["evaluation"]
    for point, policy in (("env.num_users=8", "sac"), ("env.num_users=2", "greedy")):
        rows = evaluation[(evaluation["point"] == point) & (evaluation["policy"] == policy)]
        of_seeds = rows.groupby("seed")["gain"].mean()
        assert len(of_seeds) == 3
        margin = (
            4.302652729911275 * of_seeds.std() / np.sqrt(3)
        )  # Student's t, 2 degrees of freedom
        row = table.loc[(point, policy, "gain")]
        np.testing.assert_allclose(
            row[["mean", "low", "high"]].astype(float),
            of_seeds.mean() + margin * np.array([0, -1, 1]),
        )
        assert row[["num_seeds", "num_episodes"]].tolist() == [3, 12]
        told = [float(mean) for mean in row["of_seeds"].split()]
        np.testing.assert_allclose(told, of_seeds, rtol=1e-5)  # in the order of seeds


def test_a_metric_that_a_policy_never_has_has_no_row(contention: Tables) -> None:
    table = means(contention)
    assert set(table.loc[table["metric"] == "regret", "policy"]) == {"nash"}
    assert not table["mean"].isna().any()


def test_without_results_it_says_so() -> None:
    with pytest.raises(CannotDraw, match="no table 'evaluation'"):
        means({"training": pd.DataFrame()})


@pytest.mark.filterwarnings("error")
def test_an_infinite_mean_has_no_interval_and_the_label_says_so(contention: Tables) -> None:
    evaluation = contention["evaluation"]
    evaluation.loc[evaluation["policy"] == "random", "gain"] = np.inf
    table = means(contention)
    rows = table[(table["policy"] == "random") & (table["metric"] == "gain")]
    assert np.isinf(rows["mean"]).all()
    assert rows[["low", "high"]].isna().all(axis=None)
    assert interval_label(table) == "95% interval, 3 seeds; infinite: no interval"
    assert mean_heading(interval_label(rows)) == "mean; infinite: no interval"
