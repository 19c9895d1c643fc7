"""The figure of reports draws the training record of what edge devices and the platform choose."""

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from scipy import stats

from paper_figures import CannotDraw, render
from paper_figures.plots import reports

from ..two_sided_tables import ARRANGEMENTS, MECHANISMS, points

Tables = dict[str, pd.DataFrame]
Make = Callable[..., Tables]
COLUMNS = ("report_factor", "unit_price", "margin", "value_factor")


@pytest.fixture
def tables(make_two_sided: Make) -> Tables:
    """2 mechanisms, 5 arrangements, 3 seeds, 12 epochs, which are not smoothed."""
    return make_two_sided()


def panels(figure: Figure) -> np.ndarray:
    """Axes by row and column."""
    return np.array(figure.axes).reshape(-1, 2)


def curves(ax: Axes) -> list[Line2D]:
    return [line for line in ax.get_lines() if len(line.get_xdata()) > 2]


def bands(ax: Axes) -> list[np.ndarray]:
    return [band.get_paths()[0].vertices for band in ax.collections]


@pytest.mark.parametrize("mechanism", [0, 1])
@pytest.mark.parametrize(
    ("row", "learning"),
    [(0, [1, 2, 3, 4]), (1, [0, 1, 2, 3, 4]), (2, [2, 3, 4]), (3, [2, 3, 4])],
)
def test_each_arrangement_that_chooses_has_the_mean_of_its_record(
    tables: Tables, mechanism: int, row: int, learning: list[int]
) -> None:
    """A row each of the factor reported, unit price, margin and factor of worth."""
    drawn = curves(panels(reports.plot(tables))[row, mechanism])
    means = tables["training"].groupby(["point", "epoch"])[COLUMNS[row]].mean()
    assert len(drawn) == len(learning)
    for line, arrangement in zip(drawn, learning, strict=True):
        np.testing.assert_array_equal(line.get_xdata(), np.arange(1, 13))
        np.testing.assert_allclose(line.get_ydata(), means[f"point {5 * mechanism + arrangement}"])


def test_bands_are_scipys_t_interval_over_seeds(tables: Tables) -> None:
    record = tables["training"].query("point == 'point 2' and epoch == 7")["margin"]
    expected = stats.t.interval(0.95, 2, loc=record.mean(), scale=stats.sem(record))
    band = bands(panels(reports.plot(tables))[2, 0])[0]
    at_epoch_7 = band[band[:, 0] == 7, 1]
    assert (at_epoch_7.min(), at_epoch_7.max()) == pytest.approx(expected)


def test_a_mechanism_is_a_column_and_a_quantity_a_row(tables: Tables) -> None:
    axes = panels(reports.plot(tables))
    assert [ax.get_title("left") for ax in axes[0]] == ["Posted price", "Contract"]
    assert [ax.get_ylabel() for ax in axes[:, 0]] == [
        "Costs reported\n(factor on true costs)",
        "Mean unit price\n(credits per point)",
        "Margin\n(share of charge)",
        "Worth of a point\n(factor chosen)",
    ]
    assert [ax.get_xlabel() for ax in axes[-1]] == ["Epoch", "Epoch"]
    for of_row in axes:
        assert of_row[0].get_ylim() == of_row[1].get_ylim()


def test_grey_lines_are_what_stands_where_nobody_chooses(tables: Tables) -> None:
    for of_row, level in zip(panels(reports.plot(tables)), (1, None, 0, 1), strict=True):
        for ax in of_row:
            flat = [line for line in ax.get_lines() if list(line.get_xdata()) == [0, 1]]
            assert [list(line.get_ydata()) for line in flat] == [[level] * 2] * (level is not None)


def test_axes_end_at_0_below_which_nothing_can_be(make_two_sided: Make) -> None:
    training = make_two_sided(seeds=2)["training"]
    training["margin"] *= np.where(training["seed"] == 0, 0.1, 1.0)
    low, high = panels(reports.plot({"training": training}))[2, 0].get_ylim()
    assert low == pytest.approx(-0.03 * high)


def test_the_legend_names_who_learns_and_the_interval(tables: Tables, make_two_sided: Make) -> None:
    legend = reports.plot(tables).legends[0]
    names = [text.get_text() for text in legend.get_texts()]
    assert names == [*ARRANGEMENTS, "95% interval, 3 seeds"]
    markers = [line.get_marker() for line in legend.legend_handles[:-1]]
    assert markers == ["o", "s", "D", "^", "v"]
    one = reports.plot(make_two_sided(seeds=1)).legends[0].get_texts()
    assert [text.get_text() for text in one] == [*ARRANGEMENTS, "one seed: no interval"]


def test_lines_look_as_the_legend_says_and_their_markers_stand_apart(make_two_sided: Make) -> None:
    figure = reports.plot(make_two_sided(epochs=30))
    looks = [
        (handle.get_color(), handle.get_marker())
        for handle in figure.legends[0].legend_handles[:-1]
    ]
    drawn = curves(panels(figure)[1, 0])
    assert [(line.get_color(), line.get_marker()) for line in drawn] == looks
    starts = [line.get_markevery()[0] for line in curves(panels(figure)[2, 0])]
    assert len(set(starts)) == len(starts)


def test_a_curve_is_smoothed_as_other_records_of_training(make_two_sided: Make) -> None:
    """Over 2.5 % of 120 epochs: three."""
    tables = make_two_sided(epochs=120, swept=points(1, 3))
    line = curves(reports.plot(tables).axes[0])[0]
    record = tables["training"].query("point == 'point 1'").groupby("epoch")["report_factor"].mean()
    np.testing.assert_allclose(line.get_ydata()[1:-1], record.rolling(3).mean().to_numpy()[2:])


def test_what_nobody_chooses_has_no_row(make_two_sided: Make) -> None:
    figure = reports.plot(make_two_sided(swept=points(2, 2)))
    assert len(figure.axes) == 4
    assert [ax.get_ylabel().partition("\n")[0] for ax in panels(figure)[:, 0]] == [
        "Costs reported",
        "Mean unit price",
    ]
    assert len(curves(figure.axes[0])) == 1


def test_a_run_without_a_sweep_has_a_line_and_the_name_of_its_mechanism(
    make_two_sided: Make,
) -> None:
    figure = reports.plot(make_two_sided(swept=[{}], mechanism="vcg"))
    assert [len(curves(ax)) for ax in figure.axes] == [1, 1, 1, 1]
    assert figure.axes[0].get_title("left") == "VCG"
    names = [text.get_text() for text in figure.legends[0].get_texts()]
    assert names == ["95% interval, 3 seeds"]


def test_five_mechanisms_by_five_arrangements_fit_the_page(make_two_sided: Make) -> None:
    figure = render(make_two_sided(swept=points(5, 5)), ["reports"]).figures["reports"]
    assert len(figure.axes) == 20
    width, height = figure.get_size_inches()
    assert width == 7.16
    assert height < 9
    assert [ax.get_title("left") for ax in figure.axes[:5]] == list(MECHANISMS)


def test_it_draws_into_the_figure_given_and_needs_the_training_alone(tables: Tables) -> None:
    figure = Figure()
    assert reports.plot({"training": tables["training"]}, figure) is figure


def test_what_is_missing_is_named(tables: Tables, make_two_sided: Make) -> None:
    training = tables["training"]
    with pytest.raises(CannotDraw, match="no table 'training', which what learns leaves"):
        reports.plot({"evaluation": tables["evaluation"]})
    with pytest.raises(CannotDraw, match="no column 'margin'"):
        reports.plot({"training": training.drop(columns="margin")})
    with pytest.raises(CannotDraw, match="epoch 1 of 'sac' alone"):
        reports.plot({"training": training.query("epoch == 1")})
    with pytest.raises(CannotDraw, match="no sweep point at which edge devices or the platform"):
        reports.plot(make_two_sided(swept=[{"algorithm.roles.edge_devices": "truthful"}]))
    silent = make_two_sided(swept=points(2, 1))
    with pytest.raises(CannotDraw, match="no value in column 'report_factor', 'margin'"):
        reports.plot(silent)
    training.loc[training.index[-1], "unit_price"] = np.inf
    with pytest.raises(CannotDraw, match="inf in column 'unit_price'"):
        reports.plot({"training": training})
