"""Lines stand side by side where their bars overlap, and nowhere else."""

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from paper_figures.marks import DODGE, SPREAD, asides, draw_lines, ends, zero_line

BARS = {  # policy -> (low, high) at 1 and at 2
    "a": ((0.0, 1.0), (0.0, 1.0)),
    "b": ((0.5, 2.0), (5.0, 6.0)),  # over a at 1, over c at 2
    "c": ((8.0, 9.0), (5.5, 7.0)),
    "alone": ((20.0, 21.0), (20.0, 21.0)),
    "exact": ((0.7, 0.7), (0.7, 0.7)),  # no bar
    "one seed": ((np.nan, np.nan), (np.nan, np.nan)),
}


@pytest.fixture
def intervals() -> pd.DataFrame:
    rows = [
        {"x": x, "policy": policy, "mean": (low + high) / 2, "low": low, "high": high}
        for policy, bars in BARS.items()
        for x, (low, high) in enumerate(bars, start=1)
    ]
    return pd.DataFrame(rows)


def test_lines_whose_bars_overlap_are_apart_and_all_others_stay(intervals: pd.DataFrame) -> None:
    shifts = asides(intervals, "x", "policy", list(BARS))
    assert {name: shifts[name] for name in ("alone", "exact", "one seed")} == {
        "alone": 0.0,
        "exact": 0.0,
        "one seed": 0.0,
    }
    # c overlaps b alone, so that it may stand where a does.
    assert (shifts["a"], shifts["b"], shifts["c"]) == (-DODGE / 2, DODGE / 2, -DODGE / 2)


def test_many_stay_within_the_spread() -> None:
    names = [f"p{number}" for number in range(12)]
    rows = pd.DataFrame({"x": 1, "policy": names, "low": 0.0, "high": 1.0})
    shifts = list(asides(rows, "x", "policy", names).values())
    assert len(set(shifts)) == 12
    assert max(shifts) - min(shifts) == pytest.approx(SPREAD)
    assert sum(shifts) == pytest.approx(0)


@pytest.mark.parametrize("scale", ["linear", "log"])
def test_line_and_bars_move_together_by_points_and_their_data_stay(
    intervals: pd.DataFrame, scale: str
) -> None:
    figure = Figure(dpi=72)
    ax = figure.subplots()
    drawn = draw_lines(ax, intervals, "x", "policy", {name: {"color": "black"} for name in BARS})
    ax.set_xscale(scale)
    figure.draw_without_rendering()
    line, bars = drawn["b"]
    assert list(line.get_xdata()) == [1, 2]
    ticks = ax.transData.transform([(1, 0), (2, 0)])[:, 0]
    at = line.get_transform().transform(line.get_xydata())[:, 0]
    np.testing.assert_allclose(at - ticks, DODGE / 2)
    feet = [segment[0] for segment in bars.get_segments()]
    np.testing.assert_allclose(bars.get_transform().transform(feet)[:, 0], at)


def test_bars_reach_as_far_as_asymmetric_intervals() -> None:
    rows = pd.DataFrame({"mean": [1.0, 2.0], "low": [0.5, np.nan], "high": [3.0, np.nan]})
    np.testing.assert_allclose(ends(rows), [[0.5, np.nan], [2.0, np.nan]])


@pytest.mark.parametrize(("values", "lines"), [((-1, 1), 2), ((0, 1), 1), ((-2, -1), 1)])
def test_the_line_at_0_is_there_where_both_signs_are(
    values: tuple[float, float], lines: int
) -> None:
    ax = Figure().subplots()
    ax.plot([0, 1], values)
    zero_line(ax)
    assert len(ax.get_lines()) == lines
