"""The figure of budgets draws welfare and payments of the mechanisms that have several."""

from collections.abc import Callable
from itertools import product

import numpy as np
import pandas as pd
import pytest

from paper_figures import CannotDraw
from paper_figures.plots import budgets

Tables = dict[str, pd.DataFrame]
POINTS = ["mechanism=none", "mechanism=posted_price", "mechanism=contract budget=8"]
POINTS += [
    f"mechanism={name} budget={budget}"
    for name in ("budgeted_price", "fisher")
    for budget in (16, 8, 32)
]


@pytest.fixture
def tables(with_settings: Callable[[Tables], Tables]) -> Tables:
    """4 users; a budget of b buys b / 10 points a slot, 0.9 b is spent, the platform keeps 1."""
    rng = np.random.default_rng(1)
    rows = []
    for point, seed, policy, episode in product(POINTS, range(3), ("sac", "nash"), range(4)):
        mechanism, _, budget = point.removeprefix("mechanism=").partition(" budget=")
        spent = 0.9 * float(budget or 20) + rng.normal(0, 0.1)
        row = {
            "seed": seed,
            "point": point,
            "policy": policy,
            "mechanism": mechanism,
            "episode": episode,
        }
        money = {"charge": (spent + 1.0) / 4, "platform_balance": 1.0, "edge_utility": 0.3 * spent}
        rows.append(
            row | money | {"num_users": 4, "welfare": spent / 10 + (policy == "nash"), "gain": 1.0}
        )
    return with_settings({"evaluation": pd.DataFrame(rows)})


def test_lines_are_the_means_over_seeds_in_the_order_of_the_budgets(tables: Tables) -> None:
    welfare, spent = budgets.plot(tables).axes
    of_sac = tables["evaluation"].query("policy == 'sac'").groupby("point")
    for number, name in enumerate(("budgeted_price", "fisher")):
        points = [f"mechanism={name} budget={budget}" for budget in (8, 16, 32)]
        line = welfare.get_lines()[number]
        np.testing.assert_array_equal(line.get_xdata(), [8, 16, 32])
        np.testing.assert_allclose(line.get_ydata(), of_sac["welfare"].mean()[points])
        paid = 4 * of_sac["charge"].mean()[points] - 1
        np.testing.assert_allclose(spent.get_lines()[number].get_ydata(), paid)
    assert len(welfare.get_lines()) == 2  # contract has one budget, the others none
    np.testing.assert_array_equal(
        spent.get_lines()[2].get_xdata(), spent.get_lines()[2].get_ydata()
    )
    legend = [text.get_text() for text in welfare.figure.legends[0].get_texts()]
    assert legend == [
        "Budgeted price",
        "Fisher",
        "the whole budget",
        "SAC; 95% interval, 3 seeds",
    ]


def test_what_is_missing_is_named(tables: Tables) -> None:
    one = tables["evaluation"][~tables["evaluation"]["point"].str.contains("budget=16|budget=32")]
    with pytest.raises(CannotDraw, match="no mechanism at several budgets"):
        budgets.plot({"evaluation": one})
    with pytest.raises(CannotDraw, match="no column 'platform_balance'"):
        budgets.plot({"evaluation": tables["evaluation"].drop(columns="platform_balance")})


def test_a_budget_that_stands_at_two_points_is_no_mean_of_both(
    with_settings: Callable[[Tables], Tables], tables: Tables
) -> None:
    rows = tables["evaluation"].query("mechanism == 'fisher'").drop(columns="settings")
    parts = [rows.assign(point=rows["point"] + f" env.num_experts={number}") for number in (6, 9)]
    swept = with_settings({"evaluation": pd.concat(parts, ignore_index=True)})
    with pytest.raises(CannotDraw, match=r"differ in 'env\.num_experts' too"):
        budgets.plot(swept)
