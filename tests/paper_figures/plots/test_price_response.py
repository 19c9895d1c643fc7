"""The figure of supply against the price draws the tables, and marks the price that was chosen."""

import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes

from paper_figures import CannotDraw
from paper_figures.plots import price_response

Tables = dict[str, pd.DataFrame]
POSTED = (
    "mechanism=posted_price price=1.0",
    "mechanism=posted_price price=2.0",
    "mechanism=posted_price price=3.0",
)


@pytest.fixture
def tables(pricing_tables: Tables) -> Tables:
    """Posted prices alone, as the experiment has them."""
    return {
        name: table[table["mechanism"] == "posted_price"] for name, table in pricing_tables.items()
    }


def lines(ax: Axes) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Label -> (x, y) of what the legend names."""
    handles, labels = ax.get_legend_handles_labels()
    found = {}
    for handle, label in zip(handles, labels, strict=True):
        line = handle if hasattr(handle, "get_xdata") else handle.lines[0]
        found[label] = (np.asarray(line.get_xdata(), float), np.asarray(line.get_ydata(), float))
    return found


def test_every_quantity_is_drawn_against_the_prices_posted(tables: Tables) -> None:
    supply, money, shares = price_response.plot(tables).axes
    means = (
        tables["evaluation"]
        .query("policy == 'sac'")
        .groupby("point")
        .mean(numeric_only=True)
        .loc[list(POSTED)]
    )
    edge, platform = means["edge_utility"] / 4, means["platform_balance"] / 4
    expected = {
        "Payments": means["charge"],
        "Users' utility": means["gain"],
        "Edge devices' utility": edge,
        "Both": means["gain"] + edge + platform,
    }
    assert lines(money).keys() == expected.keys()
    for label, (prices, values) in lines(money).items():
        np.testing.assert_allclose(prices, [1, 2, 3])
        np.testing.assert_allclose(values, expected[label])
    np.testing.assert_allclose(lines(supply)["Quality delivered"][1], means["qos"])
    np.testing.assert_allclose(lines(shares)["Participation"][1], [0, 1, 1])


def test_the_price_that_was_chosen_is_marked_in_both_panels(tables: Tables) -> None:
    supply, money, _ = price_response.plot(tables).axes
    for ax in (supply, money):
        assert [text.get_text() for text in ax.texts] == ["chosen: 1.80"]
        vertical = [
            line.get_xdata()[0] for line in ax.get_lines() if list(line.get_ydata()) == [0, 1]
        ]
        assert vertical == pytest.approx([1.8])


def test_one_price_is_no_response(tables: Tables) -> None:
    kept = [POSTED[0], "mechanism=posted_price"]
    one = {name: table[table["point"].isin(kept)] for name, table in tables.items()}
    with pytest.raises(CannotDraw, match=r"posted_price at 1 prices .* needs at least two"):
        price_response.plot(one)


def test_the_price_that_a_solver_chose_is_marked_too(tables: Tables) -> None:
    market = tables["market"].replace({"status": {"closed_form": "optimal"}})
    supply = price_response.plot(tables | {"market": market}).axes[0]
    assert [text.get_text() for text in supply.texts] == ["chosen: 1.80"]


def test_prices_between_which_something_else_changes_are_refused(tables: Tables) -> None:
    changed = {
        name: table.assign(
            settings=table["settings"].str.replace('"price": 2.0}', '"price": 2.0}, "env.x": 1')
        )
        for name, table in tables.items()
    }
    with pytest.raises(CannotDraw, match=r"differ in 'env\.x' too"):
        price_response.plot(changed)
