from collections.abc import Callable

import matplotlib
import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from scipy import stats

from paper_figures import FIGURES, CannotDraw
from paper_figures.plots import reward_curves
from paper_figures.statistics import smooth

Tables = dict[str, pd.DataFrame]


def line(ax: Axes, label: str) -> Line2D:
    return next(line for line in ax.get_lines() if line.get_label() == label)


def legend(ax: Axes) -> list[str]:
    return [text.get_text() for text in ax.get_legend().get_texts()]


def smoothed_by_seed(rows: pd.DataFrame, step: str) -> np.ndarray:
    """(seeds, epochs), at the window of 120 epochs, 3."""
    return np.array(
        [smooth(seed.sort_values(step)["utility"], 3) for _, seed in rows.groupby("seed")]
    )


def test_axes_and_legend_name_what_is_drawn_with_units(tables: Tables) -> None:
    ax = reward_curves.plot(tables)
    assert ax.get_xlabel() == "Epoch"
    assert ax.get_ylabel() == "Utility of a request (credits)"
    curves = ["Upper bound (all local)", "SAC", "Drop", "Random"]
    assert legend(ax) == [*curves, "95% interval, 3 seeds"]


def test_the_learned_curve_is_the_mean_over_seeds_of_the_smoothed_record(tables: Tables) -> None:
    shuffled = tables | {"training": tables["training"].sample(frac=1, random_state=0)}
    drawn = line(reward_curves.plot(shuffled), "SAC")
    np.testing.assert_array_equal(drawn.get_xdata(), np.arange(1, 121))
    np.testing.assert_allclose(
        drawn.get_ydata(), smoothed_by_seed(tables["training"], "epoch").mean(axis=0)
    )


def test_the_band_is_scipys_t_interval_over_seeds(tables: Tables) -> None:
    per_seed = smoothed_by_seed(tables["training"], "epoch")
    low, high = stats.t.interval(0.95, 2, loc=per_seed.mean(axis=0), scale=stats.sem(per_seed))
    band = (
        reward_curves.plot(tables).collections[1].get_paths()[0].vertices
    )  # drawn second, after the upper bound's
    at_epoch_60 = band[band[:, 0] == 60, 1]
    assert (at_epoch_60.min(), at_epoch_60.max()) == pytest.approx((low[59], high[59]))


def test_episode_i_of_a_baseline_stands_for_epoch_i_plus_1(
    make_tables: Callable[..., Tables],
) -> None:
    tables = make_tables(episodes=150)
    rows = tables["evaluation"].query("policy == 'random' and episode < 120")
    drawn = line(reward_curves.plot(tables), "Random")
    np.testing.assert_array_equal(drawn.get_xdata(), np.arange(1, 121))
    np.testing.assert_allclose(drawn.get_ydata(), smoothed_by_seed(rows, "episode").mean(axis=0))


def test_a_baseline_of_few_episodes_is_a_level_line_over_all_epochs(
    make_tables: Callable[..., Tables],
) -> None:
    tables = make_tables(episodes=50)
    mean = tables["evaluation"].query("policy == 'abandon'")["utility"].mean()
    drawn = line(reward_curves.plot(tables), "Drop")
    assert list(drawn.get_xdata()) == [1, 120]
    np.testing.assert_allclose(drawn.get_ydata(), mean)


@pytest.mark.parametrize("episodes", [50, 120])
def test_one_seed_has_no_band(make_tables: Callable[..., Tables], episodes: int) -> None:
    ax = reward_curves.plot(make_tables(seeds=1, episodes=episodes))
    assert all(
        np.isnan(path.vertices).all() for band in ax.collections for path in band.get_paths()
    )
    assert len(legend(ax)) == 5
    assert legend(ax)[-1] == "one seed: no interval"


def test_epochs_without_a_completed_request_do_not_break_the_curve(tables: Tables) -> None:
    tables["training"].loc[tables["training"]["epoch"] == 5, "utility"] = np.nan
    assert np.isfinite(line(reward_curves.plot(tables), "SAC").get_ydata()).all()


def test_each_algorithm_of_a_sweep_over_algorithms_has_its_curve(
    make_tables: Callable[..., Tables], with_settings: Callable[[Tables], Tables]
) -> None:
    tables = make_tables(algorithms=["sac", "ppo"])
    tables["training"]["point"] = "algorithm.name=" + tables["training"]["algorithm"]
    tables = with_settings(tables)
    assert {"SAC", "PPO"} < set(legend(reward_curves.plot(tables)))


def test_it_draws_into_the_axes_given(tables: Tables) -> None:
    ax = Figure().subplots()
    assert reward_curves.plot(tables, ax) is ax


def test_the_legend_hides_no_data(tables: Tables) -> None:
    with matplotlib.rc_context(reward_curves.STYLE):
        ax = reward_curves.plot(tables)
        ax.figure.draw_without_rendering()
    assert ax.get_legend().get_window_extent().y0 >= ax.get_window_extent().y1


def without_rows(table: pd.DataFrame) -> pd.DataFrame:
    return table.iloc[:0]


def without_random(table: pd.DataFrame) -> pd.DataFrame:
    return table[table["policy"] != "random"]


def without_utility(table: pd.DataFrame) -> pd.DataFrame:
    return table.drop(columns="utility")


def without_values(table: pd.DataFrame) -> pd.DataFrame:
    return table.assign(utility=np.nan)


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("training", without_rows, "table 'training' has no rows"),
        ("training", without_utility, "table 'training' has no column 'utility'"),
        ("training", without_values, "table 'training' has no value in column 'utility'"),
        ("evaluation", without_random, "table 'evaluation' has no rows of policy 'random'"),
    ],
)
def test_it_says_what_is_missing(
    tables: Tables, name: str, change: Callable[[pd.DataFrame], pd.DataFrame], message: str
) -> None:
    with pytest.raises(CannotDraw, match=message):
        reward_curves.plot(tables | {name: change(tables[name])})


def test_it_says_which_table_is_missing(tables: Tables) -> None:
    with pytest.raises(CannotDraw, match=r"no table 'training', .*; the tables are: evaluation"):
        reward_curves.plot({"evaluation": tables["evaluation"]})


def test_it_does_not_average_over_sweep_points(make_tables: Callable[..., Tables]) -> None:
    with pytest.raises(CannotDraw, match=r"'sac' at 2 sweep points \(users=1, users=8\)"):
        reward_curves.plot(make_tables(points=["users=1", "users=8"]))


@pytest.mark.parametrize("name", ["reward_curves", "sample_efficiency"])
def test_one_epoch_is_no_curve(make_tables: Callable[..., Tables], name: str) -> None:
    with pytest.raises(CannotDraw, match="epoch 1 of 'sac' alone; this figure needs at least two"):
        FIGURES[name].plot(make_tables(epochs=1, episodes=2))


@pytest.mark.parametrize("table", ["training", "evaluation"])
def test_an_infinite_utility_is_refused_with_its_place(tables: Tables, table: str) -> None:
    tables[table].loc[tables[table].index[3], "utility"] = np.inf
    with pytest.raises(CannotDraw, match=f"table '{table}' has inf in column 'utility' .*seed 0"):
        reward_curves.plot(tables)
