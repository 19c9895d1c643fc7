from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from paper_figures import CannotDraw, policies

Tables = dict[str, pd.DataFrame]


def labels(ax: Axes) -> list[str]:
    return [text.get_text() for text in ax.get_yticklabels()]


def values(ax: Axes) -> list[float]:
    return [container.lines[0].get_xdata()[0] for container in ax.containers]


def test_each_panel_draws_the_mean_of_every_policy_best_utility_first(tables: Tables) -> None:
    means = tables["evaluation"].groupby("policy")[["utility", "gain"]].mean()
    means = means.sort_values("utility", ascending=False)
    utility, gain = policies.plot(tables).axes
    np.testing.assert_allclose(values(utility), means["utility"])
    np.testing.assert_allclose(values(gain), means["gain"])
    assert labels(utility)[0] == "Upper bound (all local)"
    assert labels(utility)[-1] == "Random"
    assert "SAC (stochastic)" in labels(utility)


def test_panels_name_their_quantity_and_the_legend_the_interval(tables: Tables) -> None:
    figure = policies.plot(tables)
    named = ["Utility of a request (credits)", "Gain per slot and user (credits)"]
    assert [ax.get_xlabel() for ax in figure.axes] == named
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["95% interval, 3 seeds"]


def test_each_sweep_point_has_its_row_of_panels(make_tables: Callable[..., Tables]) -> None:
    tables = make_tables(points=["users=1", "users=8"])
    tables["evaluation"].loc[lambda rows: rows["point"] == "users=8", ["utility", "gain"]] -= 1
    axes = policies.plot(tables).axes
    assert len(axes) == 4
    assert [axes[0].get_title("left"), axes[2].get_title("left")] == ["users=1", "users=8"]
    bound = tables["evaluation"].query("policy == 'local'").groupby("point")["utility"].mean()
    assert [values(axes[0])[0], values(axes[2])[0]] == pytest.approx(list(bound))
    assert labels(axes[0]) == labels(axes[2])


def test_a_policy_that_completed_nothing_keeps_its_row_and_says_so(tables: Tables) -> None:
    tables["evaluation"].loc[lambda rows: rows["policy"] == "random", "utility"] = np.nan
    utility, gain = policies.plot(tables).axes
    assert [text.get_text() for text in utility.texts] == ["no value"]
    assert not gain.texts
    assert labels(utility)[-1] == "Random"


def test_it_needs_no_training(tables: Tables) -> None:
    assert policies.plot({"evaluation": tables["evaluation"]}).axes


def test_it_draws_into_the_figure_given(tables: Tables) -> None:
    figure = Figure()
    assert policies.plot(tables, figure) is figure


def test_it_says_which_column_is_missing(tables: Tables) -> None:
    with pytest.raises(CannotDraw, match="table 'evaluation' has no column 'gain'"):
        policies.plot({"evaluation": tables["evaluation"].drop(columns="gain")})
