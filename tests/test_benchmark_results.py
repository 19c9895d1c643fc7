"""Results drawn from benchmarks' rows: slopes, levels, factors and the best settings."""

from dataclasses import asdict, replace
from math import inf, nan
from typing import Any

import pandas as pd
import pytest

pytestmark = pytest.mark.usefixtures("benchmarks_importable")


def test_slopes_are_the_exponents_of_what_grows_as_a_power() -> None:
    from growth import slopes
    from report import frame, single

    sizes = (1, 4, 16, 64)
    costs = {
        ("users", "step"): 0.5,
        ("users", "update"): 0.0,
        ("experts", "step"): 1.0,
        ("experts", "update"): 1.2,
    }
    rows = [
        single("growth", f"{size} {axis}", cost, "ms", 3 * size**exponent)
        for (axis, cost), exponent in costs.items()
        for size in sizes
    ]
    assert slopes(frame(rows)) == pytest.approx(costs)


def curve(*shares: float) -> list[dict[str, float]]:
    return [
        {"seconds": float(second), "share_of_equilibrium": share}
        for second, share in enumerate(shares)
    ]


@pytest.mark.parametrize(
    ("shares", "seconds"),
    [
        ((0.0, 0.4, 0.5, 0.7, 0.6), 2.0),
        ((0.6, 0.6, 0.6, 0.0, 0.6, 0.7, 0.9), 4.0),  # luck at the start
        ((0.6, 0.7, 0.7), 0.0),
        ((0.0, 0.6, 0.6, 0.6, 0.4), None),
        ((0.0, 0.6, 0.7), None),  # too short to tell
    ],
)
def test_a_level_counts_from_where_on_it_holds(
    shares: tuple[float, ...], seconds: float | None
) -> None:
    from time_to_quality import time_to

    row = time_to(curve(*shares), 0.5)
    assert (None if row is None else row["seconds"]) == seconds


def test_factors_multiply_along_each_path_and_a_cap_makes_them_bounds() -> None:
    from quality_report import rows_of
    from time_to_quality import Caps

    runs = {
        ("rllib", "mlp"): (0.0, 0.1),
        ("rllib", "pointer"): (0.0, 0.9),
        ("ours", "mlp"): (0.0, 0.6),
    }
    seconds = {
        ("rllib", "mlp"): 900,
        ("rllib", "pointer"): 30,
        ("ours", "mlp"): 60,
        ("ours", "pointer"): 5,
    }
    table = pd.DataFrame(
        {
            "engine": engine,
            "network": network,
            "seed": 0,
            "seconds": at,
            "env_steps": 1,
            "updates": 1,
        }
        | {"share_of_equilibrium": share}
        for (engine, network), end in seconds.items()
        for start, reached in [runs.get((engine, network), (0.0, 0.9))]
        for at, share in ((0, start), (end, reached), (end + 1, reached), (end + 2, reached))
    )
    measured = rows_of(table, Caps(rllib_s=1000, ours_s=100))
    rows = {(row.variant, row.quantity): row.median for row in measured if row.unit in ("s", "")}
    assert rows["rllib mlp", "to 50% of equilibrium"] == inf
    assert rows["ours pointer", "to 50% of equilibrium"] == 5
    whole = rows["rllib mlp -> ours pointer", "sooner to 50%, at least times"]
    assert whole == pytest.approx(1000 / 5)
    by_network_first = rows["rllib mlp -> rllib pointer", "sooner to 50%, at least times"]
    assert by_network_first * rows[
        "rllib pointer -> ours pointer", "sooner to 50%, times"
    ] == pytest.approx(whole)
    by_engine_first = rows["rllib mlp -> ours mlp", "sooner to 50%, at least times"]
    assert by_engine_first * rows[
        "ours mlp -> ours pointer", "sooner to 50%, times"
    ] == pytest.approx(whole)


def test_the_best_setting_is_soonest_at_the_highest_level_that_any_reaches(setting: Any) -> None:
    from tuning import best

    def table(*outcomes: tuple[float, float, float]) -> pd.DataFrame:
        columns = ("seconds_to_50", "seconds_to_85", "share_at_end")
        settings = [asdict(replace(setting, gamma=number / 10)) for number in range(len(outcomes))]
        return pd.DataFrame(
            one | dict(zip(columns, row, strict=True))
            for one, row in zip(settings, outcomes, strict=True)
        )

    assert best(table((5, 40, 0.9), (9, 30, 0.9), (1, nan, 0.8))).gamma == 0.1
    assert best(table((9, nan, 0.6), (5, nan, 0.7), (nan, nan, 0.4))).gamma == 0.1
    assert best(table((nan, nan, 0.2), (nan, nan, 0.4), (nan, nan, -3))).gamma == 0.1


def test_a_cell_that_reached_nothing_is_given_what_is_best_for_its_network_elsewhere() -> None:
    from time_to_quality import CELLS, Setting
    from tuning import choice

    slow, fast = Setting(1e-3, 0.0, 0.1, 2, 4, 50), Setting(1e-3, 0.5, 0.1, 2, 4, 50)
    outcomes = {
        ("rllib", "mlp", slow): (nan, nan, 0.2),
        ("rllib", "mlp", fast): (nan, nan, -3.0),
        ("ours", "mlp", slow): (nan, nan, 0.3),
        ("ours", "mlp", fast): (60, nan, 0.8),
        ("rllib", "pointer", slow): (8, 9, 0.9),
        ("rllib", "pointer", fast): (20, nan, 0.6),
        ("ours", "pointer", slow): (3, 4, 0.9),
        ("ours", "pointer", fast): (1, 2, 0.9),
    }
    table = pd.DataFrame(
        {
            "engine": engine,
            "network": network,
            "seconds_to_50": half,
            "seconds_to_85": most,
            "share_at_end": end,
        }
        | asdict(setting)
        for (engine, network, setting), (half, most, end) in outcomes.items()
    )
    # RLlib's mlp, its pointer, ours.
    expected = [fast, slow, fast, fast]
    assert [choice(table, cell) for cell in CELLS] == expected


def test_each_cell_has_a_setting_out_of_the_same_list() -> None:
    from time_to_quality import CELLS
    from tuning import RESULT_FILE, SETTINGS, chosen

    tuned = pd.read_csv(RESULT_FILE)
    assert set(tuned.groupby(["engine", "network"])["learning_rate"].count()) >= {len(SETTINGS)}
    assert {chosen(cell) for cell in CELLS} <= set(SETTINGS)
