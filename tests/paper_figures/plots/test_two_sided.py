"""The figure of both sides of the market draws means of the learned policy at every point."""

from collections.abc import Callable

import matplotlib
import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.container import ErrorbarContainer
from matplotlib.figure import Figure
from scipy import stats

from paper_figures import FIGURES, CannotDraw, render
from paper_figures.plots import two_sided

from ..two_sided_tables import ARRANGEMENTS, MECHANISMS, points

Tables = dict[str, pd.DataFrame]
Make = Callable[..., Tables]
PER_USER = {"edge_utility": 4, "platform_balance": 4}  # by the users of a world


@pytest.fixture
def tables(make_two_sided: Make) -> Tables:
    """2 mechanisms, 5 arrangements, 3 seeds."""
    return make_two_sided()


def bars(ax: Axes) -> list[ErrorbarContainer]:
    return [each for each in ax.containers if isinstance(each, ErrorbarContainer)]


def drawn(ax: Axes) -> np.ndarray:
    """(x, y) of each point."""
    lines = [each.lines[0] for each in bars(ax)]
    return np.array([(line.get_xdata()[0], line.get_ydata()[0]) for line in lines])


@pytest.mark.parametrize(
    ("panel", "title", "column"),
    [
        (0, "(a) Welfare", "welfare"),
        (1, "(b) Users' gain", "gain"),
        (2, "(c) Edge devices' utility", "edge_utility"),
        (3, "(d) Platform's balance", "platform_balance"),
        (4, "(e) Unit price paid", "unit_price"),
        (5, "(f) Costs reported", "report_factor"),
    ],
)
def test_each_panel_has_the_mean_of_sac_at_each_mechanism_and_arrangement(
    tables: Tables, panel: int, title: str, column: str
) -> None:
    ax = two_sided.plot(tables).axes[panel]
    assert ax.get_title("left") == title
    of_sac = tables["evaluation"].query("policy == 'sac'")
    expected = of_sac.groupby("point", sort=False)[column].mean() / PER_USER.get(column, 1)
    np.testing.assert_allclose(drawn(ax)[:, 1], expected)
    np.testing.assert_array_equal(np.round(drawn(ax)[:, 0]), np.repeat([0, 1], 5))


def test_arrangements_of_a_mechanism_stand_in_their_order_and_have_the_same_look_everywhere(
    tables: Tables,
) -> None:
    for ax in two_sided.plot(tables).axes:
        marks = [each.lines[0] for each in bars(ax)]
        places = np.array([mark.get_xdata()[0] for mark in marks])
        assert (np.diff(places) > 0.1).all()
        looks = [(mark.get_color(), mark.get_marker()) for mark in marks]
        assert looks[:5] == looks[5:]
        assert len({colour for colour, _ in looks}) == len({marker for _, marker in looks}) == 5


def test_bars_are_scipys_t_interval_over_the_means_of_seeds(tables: Tables) -> None:
    rows = tables["evaluation"].query("policy == 'sac' and point == 'point 3'")
    seeds = rows.groupby("seed")["welfare"].mean()
    expected = stats.t.interval(0.95, 2, loc=seeds.mean(), scale=stats.sem(seeds))
    segments = bars(two_sided.plot(tables).axes[0])[3].lines[2][0].get_segments()
    np.testing.assert_allclose(segments[0][:, 1], expected)


def test_the_legend_names_who_learns_the_policy_and_the_interval(tables: Tables) -> None:
    legend = two_sided.plot(tables).legends[0]
    names = [text.get_text() for text in legend.get_texts()]
    assert names == [*ARRANGEMENTS, "SAC; 95% interval, 3 seeds"]
    markers = [handle.get_marker() for handle in legend.legend_handles]
    assert markers[:-1] == ["o", "s", "D", "^", "v"]


def test_axes_name_units_and_mechanisms_and_the_order_is_that_of_the_experiment(
    tables: Tables,
) -> None:
    figure = two_sided.plot(tables)
    units = ["Credits per slot and user"] * 4 + ["Credits per point", "Factor on true costs"]
    assert [ax.get_ylabel() for ax in figure.axes] == units
    for ax in figure.axes[3:]:
        assert [text.get_text() for text in ax.get_xticklabels()] == ["Posted price", "Contract"]
        np.testing.assert_array_equal(ax.get_xticks(), [0, 1])


def test_lines_of_reference_stand_where_a_sign_or_the_truth_matters(tables: Tables) -> None:
    def levels(ax: Axes) -> list[float]:
        flat = [line for line in ax.get_lines() if list(line.get_xdata()) == [0, 1]]
        return [line.get_ydata()[0] for line in flat if len(set(line.get_ydata())) == 1]

    assert list(map(levels, two_sided.plot(tables).axes)) == [[], [], [0], [0], [], [1]]
    losing = tables["evaluation"].assign(gain=tables["evaluation"]["gain"] - 2.4)
    assert levels(two_sided.plot({"evaluation": losing}).axes[1]) == [0]


def test_axes_of_prices_and_factors_end_at_0_and_those_of_gains_do_not(tables: Tables) -> None:
    """Of two seeds that are far apart, an interval reaches below."""
    evaluation = tables["evaluation"].query("seed < 2")
    apart = np.where(evaluation["seed"] == 0, 0.1, 1.0)
    columns = ("gain", "unit_price", "report_factor")
    spread = {column: evaluation[column] * apart for column in columns}
    axes = two_sided.plot({"evaluation": evaluation.assign(**spread)}).axes
    lows = [ax.get_ylim()[0] / ax.get_ylim()[1] for ax in axes]
    assert lows[1] < -0.5
    assert lows[4] == lows[5] == pytest.approx(-0.03)


def test_one_seed_has_no_bars_and_says_so(make_two_sided: Make) -> None:
    figure = two_sided.plot(make_two_sided(seeds=1))
    for ax in figure.axes:
        paths = [path for each in bars(ax) for path in each.lines[2][0].get_paths()]
        assert all(np.isnan(path.vertices[:, 1]).all() for path in paths)
        assert np.isfinite(drawn(ax)).all()
    assert figure.legends[0].get_texts()[-1].get_text() == "SAC; one seed: no interval"


def test_a_point_at_which_nothing_was_delivered_has_no_price_and_all_else(tables: Tables) -> None:
    evaluation = tables["evaluation"]
    evaluation.loc[evaluation["point"] == "point 2", "unit_price"] = np.nan
    figure = two_sided.plot({"evaluation": evaluation})
    assert np.isnan(drawn(figure.axes[4])[:, 1]).tolist() == [False] * 2 + [True] + [False] * 7
    assert np.isfinite(drawn(figure.axes[0])).all()


def test_a_sweep_over_mechanisms_in_which_all_learn_has_no_entry_for_who_does(
    make_two_sided: Make,
) -> None:
    """The roles are those of the experiment, which no point says."""
    figure = two_sided.plot(make_two_sided(swept=list(MECHANISMS.values())[:3]))
    assert [text.get_text() for text in figure.legends[0].get_texts()] == [
        "SAC; 95% interval, 3 seeds"
    ]
    np.testing.assert_allclose(drawn(figure.axes[0])[:, 0], [0, 1, 2])


def test_a_sweep_over_who_learns_alone_has_one_mechanism(make_two_sided: Make) -> None:
    figure = two_sided.plot(make_two_sided(swept=list(ARRANGEMENTS.values())))
    assert [text.get_text() for text in figure.axes[-1].get_xticklabels()] == ["Posted price"]
    assert len(drawn(figure.axes[0])) == 5


def test_five_mechanisms_are_named_on_the_page_and_no_marker_covers_another(
    make_two_sided: Make,
) -> None:
    with matplotlib.rc_context(FIGURES["two_sided"].style):
        figure = render(make_two_sided(swept=points(5, 5)), ["two_sided"]).figures["two_sided"]
        figure.draw_without_rendering()
        for ax in figure.axes:
            places = ax.transData.transform(drawn(ax))[:, 0]
            points_apart = np.diff(places) * 72 / figure.dpi
            assert points_apart.min() > 3.2  # the size of a marker
        for ax in figure.axes[3:]:
            labels = [text for text in ax.get_xticklabels() if text.get_text()]
            assert [text.get_text() for text in labels] == list(MECHANISMS)
            boxes = [text.get_window_extent() for text in labels]
            assert all(box.x0 >= 0 and box.y0 >= 0 for box in boxes)
            # Turned lines of text are so far from each other, and so high.
            turn = np.sin(np.radians(labels[0].get_rotation()))
            pitch = np.diff(ax.transData.transform([(0, 0), (1, 0)])[:, 0])[0]
            assert pitch * turn > 8 * figure.dpi / 72


def test_it_draws_into_the_figure_given_and_needs_the_evaluation_alone(tables: Tables) -> None:
    figure = Figure()
    assert two_sided.plot({"evaluation": tables["evaluation"]}, figure) is figure


def test_what_is_missing_is_named(tables: Tables, make_two_sided: Make) -> None:
    evaluation = tables["evaluation"]
    truthful = {"algorithm.roles.edge_devices": "truthful"}
    idle = make_two_sided(swept=[each | truthful for each in MECHANISMS.values()])
    with pytest.raises(CannotDraw, match="no table 'evaluation'"):
        two_sided.plot({"training": tables["training"]})
    with pytest.raises(CannotDraw, match="no column 'report_factor'"):
        two_sided.plot({"evaluation": evaluation.drop(columns="report_factor")})
    with pytest.raises(CannotDraw, match="free edge devices alone"):
        two_sided.plot({"evaluation": evaluation.assign(mechanism="none")})
    with pytest.raises(CannotDraw, match="one sweep point; this figure needs a sweep"):
        two_sided.plot(make_two_sided(swept=points(1, 1)))
    with pytest.raises(CannotDraw, match="no sweep point at which edge devices or the platform"):
        two_sided.plot(idle)


def test_a_sweep_over_mechanisms_without_anybody_who_chose_is_refused(
    make_two_sided: Make,
) -> None:
    tables = make_two_sided(swept=list(MECHANISMS.values())[:2])
    evaluation = tables["evaluation"].assign(report_factor=1.0, value_factor=1.0, margin=0.0)
    with pytest.raises(CannotDraw, match="neither an edge device nor a platform that chose"):
        two_sided.plot({"evaluation": evaluation})
