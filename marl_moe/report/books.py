"""The books of a market over an episode: curves of what is traded, and a map of prices."""

from typing import Any

import numpy as np
import pandas as pd

from marl_moe.report.section import number, numbers
from paper_figures.statistics import interval_label, learning_curve

CURVES = {  # name: heading with its unit
    "price": "unit price paid, credits a point",
    "demand": "demand told, points a slot",
    "supply": "supply at these prices, points a slot",
    "delivered": "delivered, points a slot",
    "payments": "payments to edge devices, credits a slot",
    "charges": "charges to users, credits a slot",
    "budget": "budget, credits a slot",
    "edge_utility": "edge devices, credits a slot",
    "user_utility": "users, credits a slot",
    "platform": "platform, credits a slot",
    "participation": "share of edge devices that participate",
}
CLEARING = ["seed", "episode", "slot"]


def books(market: pd.DataFrame, users: pd.DataFrame, budget: float | None) -> pd.DataFrame:
    """Return a row for each clearing: the columns `CURVES`, NaN for what is not known, num_slots.

    Supply is the demand of each expert times the effort that its price buys (docs/model.md). The
    price paid is payments over points delivered, NaN where nothing was delivered.

    Args:
        market: rows of `market.parquet` of a policy at a sweep point.
        users: rows of `market_users.parquet` of the same, or none.
        budget: credits a slot that charges are to keep to; None without one.
    """
    sides = market.assign(supply=market["demand"] * market["effort"])
    by = sides.groupby(CLEARING)
    sums = by[["demand", "supply", "points", "payment", "edge_utility"]].sum()
    slots = by["num_slots"].first()
    found = pd.DataFrame(
        {
            "price": sums["payment"] / sums["points"].where(sums["points"] > 0),
            "demand": sums["demand"],
            "supply": sums["supply"],
            "delivered": sums["points"] / slots,
            "payments": sums["payment"] / slots,
            "edge_utility": sums["edge_utility"] / slots,
            "platform": by["platform_balance"].first() / slots,
            "participation": by["participates"].mean(),
            "budget": np.nan if budget is None else budget,
            "num_slots": slots,
        }
    )
    if len(users):
        of_users = users.groupby(CLEARING)[["charge", "utility"]].sum().reindex(found.index)
        found["charges"] = of_users["charge"] / slots
        found["user_utility"] = of_users["utility"] / slots
    return found.reset_index()


def book_curves(found: pd.DataFrame) -> dict[str, Any]:
    """Return the curves of `books` for the page: slots, means, and intervals where known."""
    slots = sorted(found["slot"].unique())
    values, label = {}, ""
    for name in CURVES:
        if name not in found or found[name].isna().all():
            continue
        curve = learning_curve(found, name, "slot", window=1).reindex(slots)
        label = label or interval_label(curve[curve["mean"].notna()])
        drawn = [numbers(curve["mean"])]
        if curve["low"].notna().any() and name != "budget":
            drawn += [numbers(curve["low"]), numbers(curve["high"])]
        values[name] = drawn
    until = (found["slot"] + found["num_slots"]).max()
    return {"slots": numbers(slots), "until": int(until), "values": values, "interval": label}


def expert_prices(market: pd.DataFrame) -> dict[str, Any]:
    """Return the price of each expert at each clearing of the first recorded episode.

    Experts are others in each episode, so that a mean over episodes would be of no expert.
    """
    seed = market["seed"].min()
    of_seed = market[market["seed"] == seed]
    episode = of_seed["episode"].min()
    rows = of_seed[of_seed["episode"] == episode]
    prices = rows.pivot_table(index="expert", columns="slot", values="unit_price", aggfunc="first")
    return {
        "seed": int(seed),
        "episode": int(episode),
        "slots": numbers(prices.columns),
        "experts": numbers(prices.index),
        "values": [[number(price) for price in row] for row in prices.to_numpy()],
    }
