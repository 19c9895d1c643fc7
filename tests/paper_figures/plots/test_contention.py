from collections.abc import Callable

import matplotlib
import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from scipy import stats

from paper_figures import CannotDraw
from paper_figures.plots import contention, policies
from paper_figures.style import policy_style

Tables = dict[str, pd.DataFrame]
USERS = [1, 2, 4, 8, 16, 32]


@pytest.fixture
def tables(make_contention: Callable[..., Tables]) -> Tables:
    return make_contention()


def line(ax: Axes, policy: str) -> Line2D:
    return next(line for line in ax.get_lines() if line.get_label() == policy_style(policy).label)


def strip_markers(ax: Axes) -> list[tuple[str, int, float]]:
    """Colour, number of users and height of every marker beyond the view.

    Those of one number stand side by side.
    """
    return [
        (
            str(mark.get_color()),
            int(2 ** np.round(np.log2(mark.get_xdata()[0]))),
            float(mark.get_ydata()[0]),
        )
        for mark in ax.get_lines()
        if mark.get_linestyle() == "None"
    ]


def means(tables: Tables, metric: str) -> pd.DataFrame:
    """Rows are numbers of users, columns policies."""
    return tables["evaluation"].groupby(["num_users", "policy"])[metric].mean().unstack()


@pytest.mark.parametrize(("panel", "metric"), [(0, "gain"), (1, "share_of_equilibrium")])
def test_each_panel_draws_the_recorded_mean_of_every_policy_by_rising_users(
    tables: Tables, panel: int, metric: str
) -> None:
    expected = means(tables, metric)
    tables["evaluation"] = tables["evaluation"].sample(
        frac=1, random_state=0
    )  # the order of rows means nothing
    ax = contention.plot(tables).axes[panel]
    for policy in expected.columns:
        drawn = line(ax, policy)
        assert list(drawn.get_xdata()) == USERS
        np.testing.assert_allclose(drawn.get_ydata(), expected[policy], err_msg=policy)


def test_bars_are_scipys_t_interval_over_the_means_of_seeds(tables: Tables) -> None:
    best = policy_style("optimum").colour
    bars = next(
        bars
        for bars in contention.plot(tables).axes[0].collections
        if matplotlib.colors.to_hex(bars.get_color()[0]) == best
    )
    rows = tables["evaluation"].query("policy == 'optimum' and num_users == 16")
    seed_means = rows.groupby("seed")["gain"].mean()
    expected = stats.t.interval(0.95, 2, loc=seed_means.mean(), scale=stats.sem(seed_means))
    np.testing.assert_allclose(
        bars.get_segments()[USERS.index(16)], [(16, end) for end in expected]
    )


def test_users_are_on_a_binary_axis_with_a_tick_at_each_number(tables: Tables) -> None:
    for ax in contention.plot(tables).axes:
        assert ax.xaxis.get_transform().base == 2
        assert list(ax.get_xticks()) == USERS
        assert [text.get_text() for text in ax.get_xticklabels()] == [
            "1",
            "2",
            "4",
            "8",
            "16",
            "32",
        ]
        assert len(ax.get_xticks(minor=True)) == 0
        assert ax.get_xlabel() == "Number of users"


def test_panels_name_their_quantity_and_the_legend_follows_the_gain_at_most_users(
    tables: Tables,
) -> None:
    figure = contention.plot(tables)
    named = ["Gain per slot and user (credits)", "Share of the equilibrium's gain"]
    assert [ax.get_ylabel() for ax in figure.axes] == named
    assert [ax.get_title("left") for ax in figure.axes] == ["(a)", "(b)"]
    order = means(tables, "gain").loc[32].sort_values(ascending=False).index
    legend = [text.get_text() for text in figure.legends[0].get_texts()]
    assert legend == [*(policy_style(policy).label for policy in order), "95% interval, 3 seeds"]


def test_the_equilibrium_is_a_line_at_1(tables: Tables) -> None:
    share = contention.plot(tables).axes[1]
    assert any(
        list(mark.get_xdata()) == [0, 1] and list(mark.get_ydata()) == [1, 1]
        for mark in share.get_lines()
    )
    np.testing.assert_allclose(line(share, "nash").get_ydata(), 1)


def test_every_value_beyond_the_view_has_a_marker_in_a_strip_that_the_axis_names(
    tables: Tables,
) -> None:
    shares = means(tables, "share_of_equilibrium").stack()
    share = contention.plot(tables).axes[1]
    beyond = shares[(shares < -0.1) | (shares > 1.2)]
    expected = {(policy_style(policy).colour, users) for users, policy in beyond.index}
    marked = strip_markers(share)
    assert len(marked) == len(beyond)
    assert {(colour, users) for colour, users, _ in marked} == expected

    names = dict(
        zip(share.get_yticks(), (text.get_text() for text in share.get_yticklabels()), strict=True)
    )
    for colour, users, height in marked:
        above = (colour, users) in {
            (policy_style(policy).colour, n) for n, policy in beyond[beyond > 1].index
        }
        assert names[height] == ("> 1.2" if above else "< −0.1")
        assert share.get_ylim()[0] < height < share.get_ylim()[1]


def test_markers_that_share_a_strip_and_a_number_of_users_do_not_cover_each_other(
    tables: Tables,
) -> None:
    with matplotlib.rc_context(contention.STYLE):
        share = contention.plot(tables).axes[1]
        share.figure.draw_without_rendering()
        marks = [mark for mark in share.get_lines() if mark.get_linestyle() == "None"]
        boxes = [mark.get_window_extent() for mark in marks]
    for index, box in enumerate(boxes):
        assert not any(box.overlaps(other) for other in boxes[index + 1 :])


def test_without_values_beyond_the_view_there_is_no_strip(
    make_contention: Callable[..., Tables],
) -> None:
    tables = make_contention(gains={"nash": [2.0] * 6, "sac": [1.8] * 6})
    share = contention.plot(tables).axes[1]
    assert share.get_ylim() == contention.VIEW
    assert strip_markers(share) == []
    assert [text.get_text() for text in share.get_yticklabels()] == [
        "0",
        "0.2",
        "0.4",
        "0.6",
        "0.8",
        "1",
    ]


def test_panel_a_hides_nothing(tables: Tables) -> None:
    low, high = contention.plot(tables).axes[0].get_ylim()
    gains = means(tables, "gain").to_numpy()
    assert low < gains.min() < gains.max() < high


def test_learned_policies_are_heavier_than_all_others_and_over_them(
    make_contention: Callable[..., Tables],
) -> None:
    gains = {
        name: [2.0 - index / 10] * 6
        for index, name in enumerate(("nash", "greedy", "sac", "ppo", "dqn"))
    }
    names = ("sac", "ppo", "dqn")
    trained = {"training": pd.DataFrame({"algorithm": names})}
    gain = contention.plot(make_contention(gains=gains) | trained).axes[0]
    learned = [line(gain, policy) for policy in names]
    others = [line(gain, policy) for policy in ("nash", "greedy")]
    assert min(x.get_linewidth() for x in learned) > 1.5 * max(x.get_linewidth() for x in others)
    assert min(x.get_zorder() for x in learned) > max(x.get_zorder() for x in others)


def test_a_policy_that_another_run_trained_is_as_light_as_those_that_do_not_learn(
    make_contention: Callable[..., Tables],
) -> None:
    gains = {name: [1.0] * 6 for name in ("nash", "greedy", "sac")}
    compared = {"evaluation": make_contention(gains=gains)["evaluation"]}  # nothing was trained
    gain = contention.plot(compared).axes[0]
    assert len({line(gain, policy).get_linewidth() for policy in gains}) == 1


def test_six_policies_that_are_not_ours_are_told_apart_and_look_as_in_the_other_figures(
    make_contention: Callable[..., Tables],
) -> None:
    foreign = ("SAC, paid", "SAC, free", "two_choices", "SB3 PPO", "mine", "Poisson crowd")
    gains = {name: [2.0 - index / 10] * 6 for index, name in enumerate(("nash", *foreign))}
    tables = make_contention(gains=gains)
    drawn = [each for each in contention.plot(tables).axes[0].get_lines() if len(each.get_xdata())]
    looks = {str(each.get_label()): (each.get_color(), each.get_marker()) for each in drawn}
    assert len(looks) == 7
    assert len({colour for colour, _ in looks.values()}) == 7
    assert len({marker for _, marker in looks.values()}) == 7
    rows = policies.plot(tables).axes[0]
    for index, text in enumerate(rows.get_yticklabels()):
        point = rows.containers[index].lines[0]
        assert looks[text.get_text()] == (point.get_color(), point.get_marker())


def test_a_policy_looks_as_in_the_other_figures(tables: Tables) -> None:
    gain, share = contention.plot(tables).axes
    rows = policies.plot(tables).axes[0]
    for index, text in enumerate(rows.get_yticklabels()):
        point = rows.containers[index].lines[0]
        for ax in (gain, share):
            drawn = next(curve for curve in ax.get_lines() if curve.get_label() == text.get_text())
            assert (drawn.get_color(), drawn.get_marker()) == (
                point.get_color(),
                point.get_marker(),
            )


def test_the_legend_hides_no_data(tables: Tables) -> None:
    with matplotlib.rc_context(contention.STYLE):
        figure = contention.plot(tables)
        figure.draw_without_rendering()
        top = max(ax.get_window_extent().y1 for ax in figure.axes)
        assert figure.legends[0].get_window_extent().y0 >= top


def test_one_seed_has_no_bars_and_says_so(make_contention: Callable[..., Tables]) -> None:
    figure = contention.plot(make_contention(seeds=1))
    for ax in figure.axes:
        assert all(
            np.isnan(path.vertices[:, 1]).all()
            for bars in ax.collections
            for path in bars.get_paths()
        )
        assert np.isfinite(line(ax, "nash").get_ydata()).all()
    assert figure.legends[0].get_texts()[-1].get_text() == "one seed: no interval"


def test_where_the_equilibrium_was_not_evaluated_the_share_has_a_gap_and_the_gain_has_none(
    tables: Tables,
) -> None:
    rows = tables["evaluation"]
    rows.loc[rows["num_users"] == 32, "share_of_equilibrium"] = np.nan
    tables["evaluation"] = rows[(rows["num_users"] != 32) | (rows["policy"] != "nash")]
    gain, share = contention.plot(tables).axes
    assert np.isfinite(line(gain, "sac").get_ydata()).all()
    assert list(np.isnan(line(share, "sac").get_ydata())) == [False] * 5 + [True]
    assert list(share.get_xticks()) == USERS


def test_it_needs_no_training_and_draws_into_the_figure_given(tables: Tables) -> None:
    figure = Figure()
    assert contention.plot({"evaluation": tables["evaluation"]}, figure) is figure


def test_it_refuses_a_single_number_of_users(tables: Tables) -> None:
    tables["evaluation"] = tables["evaluation"].query("num_users == 16")
    with pytest.raises(
        CannotDraw, match=r"has num_users 16 alone; this figure needs at least two numbers of users"
    ):
        contention.plot(tables)


def test_it_refuses_a_sweep_in_which_something_else_varies_too(
    tables: Tables, with_settings: Callable[[Tables], Tables]
) -> None:
    other = (
        tables["evaluation"]
        .query("num_users == 8")
        .assign(point="env.num_users=8 env.num_experts=10")
    )
    tables = with_settings({"evaluation": pd.concat([tables["evaluation"], other])})
    points = r"\(env.num_users=8, env.num_users=8 env.num_experts=10\)"
    message = rf"num_users 8 at 2 sweep points {points}; .*nothing else"
    with pytest.raises(CannotDraw, match=message):
        contention.plot(tables)


def test_it_says_that_the_equilibrium_was_not_evaluated(tables: Tables) -> None:
    rows = tables["evaluation"].query("policy != 'nash'")
    with pytest.raises(CannotDraw, match="table 'evaluation' has no rows of policy 'nash'"):
        contention.plot({"evaluation": rows.assign(share_of_equilibrium=np.nan)})


@pytest.mark.parametrize("column", ["num_users", "gain", "share_of_equilibrium"])
def test_it_says_which_column_is_missing(tables: Tables, column: str) -> None:
    with pytest.raises(CannotDraw, match=f"table 'evaluation' has no column '{column}'"):
        contention.plot({"evaluation": tables["evaluation"].drop(columns=column)})
