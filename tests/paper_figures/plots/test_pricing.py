"""The figure of mechanisms side by side draws the tables, in the order of the experiment."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes

from paper_figures import CannotDraw
from paper_figures.plots import pricing
from paper_figures.point_labels import point_label

Tables = dict[str, pd.DataFrame]


def drawn(ax: Axes, colour: str) -> np.ndarray:
    """(x, row) of the markers of a colour."""
    lines = [container.lines[0] for container in ax.containers]
    return np.array(
        [(line.get_xdata()[0], line.get_ydata()[0]) for line in lines if line.get_color() == colour]
    )


def test_each_mechanism_has_a_row_with_its_means(pricing_tables: Tables) -> None:
    figure = pricing.plot(pricing_tables)
    price, quality, utility = figure.axes
    labels = [text.get_text() for text in price.get_yticklabels()]
    assert labels == [
        "Free edge devices",
        "Posted price, price 1.0",
        "Posted price, price 2.0",
        "Posted price, price 3.0",
        "Posted price",
        "VCG",
    ]
    of_sac = pricing_tables["evaluation"].query("policy == 'sac'").groupby("point", sort=False)
    np.testing.assert_allclose(drawn(price, "black")[:, 0], [0, 1, 2, 3, 1.8, 2.5], atol=1e-12)
    np.testing.assert_allclose(drawn(quality, "black")[:, 0], of_sac["qos"].mean())
    np.testing.assert_allclose(drawn(utility, "#004488")[:, 0], of_sac["gain"].mean())
    np.testing.assert_allclose(drawn(utility, "#DDAA33")[:, 0], of_sac["edge_utility"].mean() / 4)
    np.testing.assert_allclose(drawn(utility, "#BB5566")[:, 0], [0, 0, 0, 0, 0, -0.3])
    np.testing.assert_allclose(drawn(quality, "black")[:, 1], np.arange(6))


def test_the_legend_names_the_sides_the_policy_and_the_interval(pricing_tables: Tables) -> None:
    named = [text.get_text() for text in pricing.plot(pricing_tables).legends[0].get_texts()]
    assert named == ["Users", "Edge devices", "Platform", "SAC; 95% interval, 3 seeds"]


def test_without_a_learned_policy_the_equilibrium_is_shown(
    make_pricing: Callable[..., Tables],
) -> None:
    tables = make_pricing(policies=("greedy", "nash"))
    named = [text.get_text() for text in pricing.plot(tables).legends[0].get_texts()]
    assert named[-1].startswith("Equilibrium")


def test_what_is_missing_is_named(pricing_tables: Tables) -> None:
    with pytest.raises(CannotDraw, match="no column 'mechanism'"):
        pricing.plot({"evaluation": pricing_tables["evaluation"].drop(columns="mechanism")})
    free = pricing_tables["evaluation"].query("mechanism == 'none'")
    with pytest.raises(CannotDraw, match="free edge devices alone"):
        pricing.plot({"evaluation": free})


@pytest.mark.parametrize(
    ("settings", "label"),
    [
        (
            {"mechanism": {"name": "budgeted_price", "budget": 8.0}},
            "Budgeted price, budget 8.0",
        ),
        ({"mechanism.name": "vcg", "env.num_users": 8}, "VCG, num users 8"),
        ({}, ""),
        (
            {"mechanism": {"name": "fisher", "label": "any text = at all"}},
            "Fisher, any text = at all",
        ),
        ({"algorithm": {"name": "sac", "label": {"network": "mlp"}}}, "algorithm sac, network mlp"),
        ({"env.channel": {"split": "equal", "noise": {"dbm": -90}}}, "split equal, dbm -90"),
        ({"env.experts.unit_cost": [0.0, 1.0]}, "unit cost [0.0, 1.0]"),
    ],
)
def test_a_sweep_point_is_put_in_words(settings: dict[str, Any], label: str) -> None:
    assert point_label(settings) == label
