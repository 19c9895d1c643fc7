from collections.abc import Callable

import matplotlib
import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from scipy import stats

from paper_figures import CannotDraw
from paper_figures.plots import sample_efficiency
from paper_figures.plots.sample_efficiency import summarise
from paper_figures.statistics import smooth
from paper_figures.style import policy_style

Tables = dict[str, pd.DataFrame]
SHARE = "share_of_equilibrium"
LABELS = {
    "algorithm=sac network=pointer": "SAC, pointer",
    "algorithm=sac network=mlp": "SAC, MLP",
    "algorithm=ppo network=mlp": "PPO, MLP",
}


def line(ax: Axes, label: str) -> Line2D:
    return next(line for line in ax.get_lines() if line.get_label() == label)


def legend(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.legends[0].get_texts()]


def seeds(training: pd.DataFrame, point: str, metric: str = SHARE) -> list[pd.DataFrame]:
    """Each seed's epochs by hand, smoothed at the window of 60 epochs, 1, or of 120, 3."""
    window = {60: 1, 120: 3}[int(training["epoch"].max())]
    rows = training[training["point"] == point].sort_values("epoch")
    return [
        seed.assign(**{metric: smooth(seed[metric], window)}) for _, seed in rows.groupby("seed")
    ]


def steps(points: dict[int, list[float]]) -> Tables:
    """Trainings of SAC alone with these shares; an epoch is a second and 100 agent steps."""
    rows = [
        {
            "seed": seed,
            "point": "",
            "settings": "{}",
            "algorithm": "sac",
            "epoch": epoch,
            "agent_steps": 100 * epoch,
            SHARE: share,
        }
        for seed, shares in points.items()
        for epoch, share in enumerate(shares, start=1)
    ]
    training = pd.DataFrame(rows).assign(
        gain=0.0, seconds=lambda table: table["epoch"].astype(float)
    )
    evaluation = training[["seed", "point", "settings", SHARE]].assign(
        policy="sac", episode=training["epoch"]
    )
    return {"training": training, "evaluation": evaluation}


@pytest.mark.parametrize("epochs", [60, 120])
def test_over_agent_steps_each_curve_is_the_mean_over_seeds_of_the_smoothed_record(
    make_algorithms: Callable[..., Tables], epochs: int
) -> None:
    tables = make_algorithms(epochs=epochs)
    shuffled = tables | {"training": tables["training"].sample(frac=1, random_state=0)}
    ax = sample_efficiency.plot(shuffled).axes[0]
    for point, label in LABELS.items():
        by_seed = seeds(tables["training"], point)
        drawn = line(ax, label)
        np.testing.assert_array_equal(drawn.get_xdata(), by_seed[0]["agent_steps"])
        np.testing.assert_allclose(
            drawn.get_ydata(), np.mean([seed[SHARE] for seed in by_seed], axis=0)
        )


def test_over_seconds_seeds_are_interpolated_within_the_range_that_all_cover(
    algorithms: Tables,
) -> None:
    ax = sample_efficiency.plot(algorithms).axes[1]
    by_seed = seeds(algorithms["training"], "algorithm=ppo network=mlp")
    drawn = line(ax, "PPO, MLP")
    at = drawn.get_xdata()
    # 1.3 s an epoch and 10 % more for each further seed: the slowest begins last, the fastest ends
    # first.
    assert (at[0], at[-1]) == pytest.approx((1.2 * 1.3, 60 * 1.3))
    assert (np.diff(at) > 0).all()
    values = [np.interp(at, seed["seconds"], seed[SHARE]) for seed in by_seed]
    np.testing.assert_allclose(drawn.get_ydata(), np.mean(values, axis=0))


def test_the_band_is_scipys_t_interval_over_seeds_in_the_policys_colour(algorithms: Tables) -> None:
    ax = sample_efficiency.plot(algorithms).axes[0]
    for band, (point, policy) in zip(
        ax.collections, zip(LABELS, ("sac", "sac", "ppo"), strict=True), strict=True
    ):
        by_seed = seeds(algorithms["training"], point)
        at_epoch_30 = [seed[SHARE].iloc[29] for seed in by_seed]
        expected = stats.t.interval(0.95, 2, loc=np.mean(at_epoch_30), scale=stats.sem(at_epoch_30))
        edge = band.get_paths()[0].vertices
        edge = edge[edge[:, 0] == by_seed[0]["agent_steps"].iloc[29], 1]
        assert (edge.min(), edge.max()) == pytest.approx(expected)
        assert tuple(band.get_facecolor()[0]) == to_rgba(policy_style(policy).colour, 0.2)


def test_axes_are_logarithmic_and_say_that_an_epoch_explores(algorithms: Tables) -> None:
    figure = sample_efficiency.plot(algorithms)
    assert [ax.get_xlabel() for ax in figure.axes] == ["Agent steps", "Wall clock of training (s)"]
    assert {ax.get_xscale() for ax in figure.axes} == {"log"}
    assert (
        figure.axes[0].get_ylabel()
        == "Share of the equilibrium's gain,\nmean of an epoch while exploring"
    )
    assert legend(figure) == [*LABELS.values(), "95% interval, 3 seeds"]
    for ax in figure.axes:
        assert any(list(mark.get_ydata()) == [1, 1] for mark in ax.get_lines())


def test_two_networks_of_an_algorithm_share_its_colour_and_differ_in_line_and_marker(
    algorithms: Tables,
) -> None:
    for ax in sample_efficiency.plot(algorithms).axes:
        pointer, mlp, ppo = (line(ax, label) for label in LABELS.values())
        assert pointer.get_color() == mlp.get_color() == policy_style("sac").colour
        assert ppo.get_color() == policy_style("ppo").colour
        assert pointer.get_linestyle() != mlp.get_linestyle()
        assert (
            pointer.get_markerfacecolor() != mlp.get_markerfacecolor() == ppo.get_markerfacecolor()
        )


def test_where_a_share_is_unknown_the_gain_is_shown(algorithms: Tables) -> None:
    training = algorithms["training"]
    training.loc[0, SHARE] = np.nan
    figure = sample_efficiency.plot({"training": training})
    assert (
        figure.axes[0].get_ylabel()
        == "Gain per slot and user (credits),\nmean of an epoch while exploring"
    )
    by_seed = seeds(training, "algorithm=sac network=mlp", "gain")
    drawn = line(figure.axes[0], "SAC, MLP").get_ydata()
    np.testing.assert_allclose(drawn, np.mean([seed["gain"] for seed in by_seed], axis=0))


def test_a_level_is_reached_in_the_first_epoch_that_has_it_and_all_seeds_count() -> None:
    tables = steps({0: [0.1, 0.5, 0.2, 0.9], 1: [0.6, 0.6, 0.6, 0.6], 2: [0.0, 0.1, 0.2, 0.3]})
    row = summarise(tables, levels=(0.5, 0.85)).iloc[0]
    assert (row["agent_steps_to_0.5"], row["seconds_to_0.5"], row["num_reached_0.5"]) == (200, 2, 2)
    assert np.isnan(
        [row["agent_steps_to_0.85"], row["seconds_to_0.85"]]
    ).all()  # one of three: the median never does
    assert row["num_reached_0.85"] == 1
    assert np.isnan(summarise(tables, levels=(0.95,)).loc[0, "seconds_to_0.95"])


def test_a_level_is_reached_by_the_smoothed_training_and_not_by_an_outlier() -> None:
    shares = [0.0] * 60 + [0.9] + [0.0] * 19 + [0.9] * 40  # 120 epochs: a window of 3
    row = summarise(steps({0: shares, 1: shares}), levels=(0.85,)).iloc[0]
    assert row["seconds_to_0.85"] == 82


def test_the_final_share_is_that_of_the_evaluation_with_scipys_interval(algorithms: Tables) -> None:
    summary = summarise(algorithms).set_index("point")
    assert list(summary.index) == list(LABELS)
    for point, row in summary.iterrows():
        evaluation = algorithms["evaluation"]
        rows = evaluation[
            (evaluation["point"] == point) & (evaluation["policy"] == row["algorithm"])
        ]
        means = rows.groupby("seed")[SHARE].mean()
        low, high = stats.t.interval(0.95, 2, loc=means.mean(), scale=stats.sem(means))
        assert (row["final"], row["low"], row["high"]) == pytest.approx((means.mean(), low, high))
        assert row["num_seeds"] == 3


def test_an_experiment_of_one_algorithm_has_one_curve(algorithms: Tables) -> None:
    training = algorithms["training"].query("algorithm == 'ppo'").assign(point="", settings="{}")
    assert legend(sample_efficiency.plot({"training": training})) == [
        "PPO",
        "95% interval, 3 seeds",
    ]


def test_the_legend_hides_no_data_and_a_figure_given_is_drawn_on(algorithms: Tables) -> None:
    given = Figure()
    assert sample_efficiency.plot(algorithms, given) is given
    with matplotlib.rc_context(sample_efficiency.STYLE):
        figure = sample_efficiency.plot(algorithms)
        figure.draw_without_rendering()
        top = max(ax.get_window_extent().y1 for ax in figure.axes)
        assert figure.legends[0].get_window_extent().y0 >= top


def test_what_is_missing_is_named(
    algorithms: Tables, with_settings: Callable[[Tables], Tables]
) -> None:
    training = algorithms["training"]
    with pytest.raises(CannotDraw, match="no table 'training'"):
        sample_efficiency.plot({"evaluation": algorithms["evaluation"]})
    with pytest.raises(CannotDraw, match="no column 'seconds'"):
        sample_efficiency.plot({"training": training.drop(columns="seconds")})
    with pytest.raises(CannotDraw, match="no column 'share_of_equilibrium'"):
        summarise(algorithms | {"training": training.drop(columns=SHARE)})
    with pytest.raises(CannotDraw, match="no rows of policy 'ppo'"):
        summarise(algorithms | {"evaluation": algorithms["evaluation"].query("policy != 'ppo'")})
    worlds = pd.concat(
        [training.assign(point=training["point"] + f" env.num_users={n}") for n in (4, 8)]
    )
    with pytest.raises(
        CannotDraw,
        match=r"2 sweep points besides the algorithm \(env.num_users=4, env.num_users=8\)",
    ):
        sample_efficiency.plot(with_settings({"training": worlds}))


def test_seeds_that_have_no_time_in_common_are_refused(algorithms: Tables) -> None:
    training = algorithms["training"]
    training.loc[training["seed"] == 1, "seconds"] += 1e6
    with pytest.raises(CannotDraw, match="no seconds that all seeds of 'SAC, pointer' passed"):
        sample_efficiency.plot({"training": training})
