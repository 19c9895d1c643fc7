from collections.abc import Callable

import matplotlib
import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from paper_figures import CannotDraw
from paper_figures.plots import policies

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


def many_policies(tables: Tables, number: int) -> Tables:
    """The evaluation with policies without a name of their own, `number` in all."""
    rows = tables["evaluation"]
    sac = rows[rows["policy"] == "sac"]
    more = [sac.assign(policy=f"policy_{i}") for i in range(number - rows["policy"].nunique())]
    return {"evaluation": pd.concat([rows, *more])}


def test_six_sweep_points_of_14_policies_fit_a_page_with_lines_further_apart_than_the_text_is_high(
    make_contention: Callable[..., Tables],
) -> None:
    with matplotlib.rc_context(policies.STYLE):
        figure = policies.plot(many_policies(make_contention(), 14))
        figure.draw_without_rendering()
        width, height = figure.get_size_inches()
        rows = [text.get_window_extent().y0 for text in figure.axes[0].get_yticklabels()]
    assert (width, height) == (pytest.approx(7.16), pytest.approx(8.42))
    assert min(np.abs(np.diff(rows))) / figure.dpi * 72 > 9


def test_sweep_points_two_in_a_row_keep_their_order_and_share_the_scale_of_each_quantity(
    make_contention: Callable[..., Tables],
) -> None:
    tables = make_contention()
    axes = policies.plot(tables).axes
    assert [ax.get_title("left") for ax in axes[::2]] == [
        f"env.num_users={users}" for users in (1, 2, 4, 8, 16, 32)
    ]
    means = tables["evaluation"].groupby(["num_users", "policy"])["gain"].mean().unstack()
    for ax, (_, expected) in zip(axes[1::2], means.iterrows(), strict=True):
        np.testing.assert_allclose(sorted(values(ax)), sorted(expected))
    for first in (0, 1):
        assert len({ax.get_xlim() for ax in axes[first::2]}) == 1
        low, high = axes[first].get_xlim()
        assert all(low < value < high for ax in axes[first::2] for value in values(ax))


def test_an_odd_number_of_sweep_points_leaves_no_empty_panel_and_no_axis_without_a_name(
    make_contention: Callable[..., Tables],
) -> None:
    tables = make_contention()
    axes = policies.plot({"evaluation": tables["evaluation"].query("num_users < 32")}).axes
    assert len(axes) == 10
    assert [bool(ax.get_xlabel()) for ax in axes] == [False] * 6 + [True] * 4
    assert all(ax.xaxis.get_tick_params()["labelbottom"] for ax in axes[6:])


def test_it_refuses_what_no_page_can_hold(make_contention: Callable[..., Tables]) -> None:
    message = r"20 policies at 6 sweep points, which take 11.3 in of height; a page has 9 in"
    with pytest.raises(CannotDraw, match=message):
        policies.plot(many_policies(make_contention(), 20))


def test_a_policy_of_infinite_gain_keeps_its_row_and_says_so(tables: Tables) -> None:
    tables["evaluation"].loc[lambda rows: rows["policy"] == "random", "gain"] = np.inf
    figure = policies.plot(tables)
    utility, gain = figure.axes
    assert [text.get_text() for text in gain.texts] == ["no finite value"]
    assert not utility.texts
    legend = [text.get_text() for text in figure.legends[0].get_texts()]
    assert legend == ["95% interval, 3 seeds; infinite: no interval"]


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (np.inf, "table 'evaluation' has no finite value in column 'gain'"),
        ("x", "table 'evaluation' has 'x' in column 'gain'; it should hold numbers"),
    ],
)
def test_values_that_have_no_place_on_an_axis_are_refused(
    tables: Tables, value: object, message: str
) -> None:
    with pytest.raises(CannotDraw, match=message):
        policies.plot({"evaluation": tables["evaluation"].assign(gain=value)})


def test_long_names_of_policies_and_points_stay_on_the_page(tables: Tables) -> None:
    evaluation = tables["evaluation"].replace({"policy": {"random": "x" * 300}})
    with matplotlib.rc_context(policies.STYLE):
        figure = policies.plot({"evaluation": evaluation.assign(point="y" * 300)})
        figure.draw_without_rendering()
        page = figure.bbox
        for ax in figure.axes:
            for text in [*ax.get_yticklabels(), ax.title, ax._left_title]:
                box = text.get_window_extent()
                assert page.x0 <= box.x0 <= box.x1 <= page.x1, text
