"""The figure of prices over time draws, for each clearing, payments over points delivered."""

from collections.abc import Callable
from itertools import product

import numpy as np
import pandas as pd
import pytest
from matplotlib.patches import Polygon

from paper_figures import CannotDraw
from paper_figures.plots import price_paths

Tables = dict[str, pd.DataFrame]
SLOTS = {"posted_price": [(0, 5), (5, 5), (10, 2)], "fisher": [(slot, 1) for slot in range(12)]}
POINTS = {
    "mechanism=posted_price": "posted_price",
    "mechanism=fisher budget=8": "fisher",
    "mechanism=fisher budget=16": "fisher",
}


@pytest.fixture
def tables(with_settings: Callable[[Tables], Tables]) -> Tables:
    """3 seeds, 2 policies, 2 episodes, 2 experts.

    Expert 1 delivers three times as much for twice the price.
    """
    rng = np.random.default_rng(0)
    rows = []
    for (point, mechanism), seed, policy, episode, expert in product(
        POINTS.items(), range(3), ("nash", "sac"), range(2), range(2)
    ):
        for slot, num_slots in SLOTS[mechanism]:
            points = num_slots * (1 + 2 * expert) * rng.uniform(0.5, 1.5)
            price = (1 + expert) * (2 + 0.1 * slot + 0.05 * seed) * (1 if policy == "sac" else 5)
            row = {
                "seed": seed,
                "point": point,
                "mechanism": mechanism,
                "policy": policy,
                "episode": episode,
            }
            clearing = {"slot": slot, "num_slots": num_slots, "expert": expert}
            rows.append(row | clearing | {"points": points, "payment": price * points})
    return with_settings({"market": pd.DataFrame(rows)})


def by_hand(market: pd.DataFrame, point: str, slot: int) -> list[float]:
    """The price of each seed, computed the long way."""
    here = market[
        (market["point"] == point) & (market["slot"] == slot) & (market["policy"] == "sac")
    ]
    return [sum(of["payment"]) / sum(of["points"]) for _, of in here.groupby("seed")]


def test_a_step_is_what_was_paid_over_what_was_delivered_until_the_next_clearing(
    tables: Tables,
) -> None:
    figure = price_paths.plot(tables)
    posted, fisher = figure.axes
    (line,) = posted.get_lines()
    np.testing.assert_array_equal(line.get_xdata(), [0, 5, 10, 12])
    assert line.get_drawstyle() == "steps-post"
    prices = [
        np.mean(by_hand(tables["market"], "mechanism=posted_price", slot)) for slot in (0, 5, 10)
    ]
    np.testing.assert_allclose(line.get_ydata(), [*prices, prices[-1]])
    small, large = fisher.get_lines()
    for line, point in (
        (small, "mechanism=fisher budget=8"),
        (large, "mechanism=fisher budget=16"),
    ):
        prices = [np.mean(by_hand(tables["market"], point, slot)) for slot in range(12)]
        np.testing.assert_allclose(line.get_ydata(), [*prices, prices[-1]])
        np.testing.assert_array_equal(line.get_xdata(), range(13))
    assert [text.get_text() for text in fisher.get_legend().get_texts()] == [
        "budget 8",
        "budget 16",
    ]
    assert posted.get_legend() is None


def test_bands_are_intervals_over_seeds(tables: Tables) -> None:
    _, prices = price_paths.paths(tables)
    row = prices[(prices["point"] == "mechanism=fisher budget=8") & (prices["slot"] == 7)].iloc[0]
    seeds = by_hand(tables["market"], "mechanism=fisher budget=8", 7)
    margin = (
        4.302652729911275 * np.std(seeds, ddof=1) / np.sqrt(3)
    )  # Student's t, 2 degrees of freedom
    np.testing.assert_allclose(
        row[["low", "high"]].astype(float), [np.mean(seeds) - margin, np.mean(seeds) + margin]
    )
    bands = [patch for ax in price_paths.plot(tables).axes for patch in ax.collections]
    assert len(bands) == 3
    assert not any(isinstance(band, Polygon) for band in bands)


def test_a_slot_without_any_delivery_has_no_price_rather_than_zero(tables: Tables) -> None:
    nothing = tables["market"]["slot"] == 5
    market = tables["market"].assign(
        points=lambda t: t["points"].mask(nothing, 0.0),
        payment=lambda t: t["payment"].mask(nothing, 0.0),
    )
    (line,) = price_paths.plot({"market": market}).axes[0].get_lines()
    assert np.isnan(line.get_ydata()).tolist() == [False, True, False, False]


def test_markets_in_which_nothing_was_delivered_have_no_price_to_draw(tables: Tables) -> None:
    nothing = tables["market"].assign(points=0.0, payment=0.0)
    with pytest.raises(CannotDraw, match="nothing has a price"):
        price_paths.plot({"market": nothing})


def test_a_point_that_sets_no_parameter_has_the_name_of_its_mechanism(
    tables: Tables, with_settings: Callable[[Tables], Tables]
) -> None:
    market = tables["market"].replace({"point": {"mechanism=fisher budget=8": "mechanism=fisher"}})
    figure = price_paths.plot(with_settings({"market": market.drop(columns="settings")}))
    legend = [text.get_text() for text in figure.axes[1].get_legend().get_texts()]
    assert legend == ["Fisher", "budget 16"]


def test_what_is_missing_is_named(
    tables: Tables, with_settings: Callable[[Tables], Tables]
) -> None:
    with pytest.raises(CannotDraw, match="no table 'market'"):
        price_paths.plot({"evaluation": tables["market"]})
    many = pd.concat(
        [
            tables["market"].assign(point=f"mechanism=fisher budget={budget}")
            for budget in range(1, 6)
        ]
    )
    with pytest.raises(
        CannotDraw, match="fisher at 5 sweep points; a panel of this figure shows 4"
    ):
        price_paths.plot(with_settings({"market": many.assign(mechanism="fisher")}))


def test_every_price_is_within_the_axis_that_all_panels_share(tables: Tables) -> None:
    dear = tables["market"]["mechanism"] == "fisher"
    market = tables["market"].assign(payment=lambda t: t["payment"] * np.where(dear, 10, 1))
    figure = price_paths.plot({"market": market})
    for ax in figure.axes:
        low, high = ax.get_ylim()
        assert low == 0
        for line in ax.get_lines():
            assert np.max(line.get_ydata()) <= high
