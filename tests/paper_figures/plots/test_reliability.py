from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import ArrayLike
from scipy import stats

from paper_figures import CannotDraw
from paper_figures.plots import contention, reliability
from paper_figures.stratified_bootstrap import (
    interquartile_means,
    performance_profiles,
    probability_of_improvement,
)
from paper_figures.style import policy_style

Tables = dict[str, pd.DataFrame]


@pytest.fixture
def swept(make_contention: Callable[..., Tables]) -> Tables:
    return make_contention(seeds=5, episodes=8)


def computed(
    tables: Tables, thresholds: ArrayLike = (0.0,)
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Means, probabilities and profiles of the share, with the generator of the figure."""
    scores, rng = (
        (tables["evaluation"], "share_of_equilibrium"),
        np.random.default_rng(reliability.SEED),
    )
    means = interquartile_means(*scores, rng).sort_values("mean", ascending=False)
    return (
        means,
        probability_of_improvement(*scores, "sac", rng),
        performance_profiles(*scores, thresholds, rng),
    )


def rows(ax: Axes) -> dict[int, tuple[str, float, float, float]]:
    """Row from the top -> colour, value, and ends of its bar."""
    drawn = {}
    for container in ax.containers:
        point, _, (bar,) = container.lines
        ((low, _), (high, _)) = bar.get_segments()[0]
        drawn[int(point.get_ydata()[0])] = (
            point.get_color(),
            float(point.get_xdata()[0]),
            low,
            high,
        )
    return drawn


def labels(ax: Axes) -> list[str]:
    return [text.get_text() for text in ax.get_yticklabels()]


def curve(ax: Axes, policy: str) -> Line2D:
    return next(line for line in ax.get_lines() if line.get_label() == policy_style(policy).label)


def test_panel_a_draws_the_interquartile_mean_of_the_share_and_its_interval_best_first(
    swept: Tables,
) -> None:
    evaluation = swept["evaluation"]
    expected, _, _ = computed(swept)
    ax = reliability.plot(swept).axes[0]
    assert labels(ax) == [policy_style(policy).label for policy in expected["policy"]]
    drawn = rows(ax)
    for row, (policy, mean, low, high) in enumerate(
        expected[["policy", "mean", "low", "high"]].to_numpy()
    ):
        shares = evaluation.loc[evaluation["policy"] == policy, "share_of_equilibrium"]
        assert mean == pytest.approx(stats.trim_mean(shares, 0.25))
        assert drawn[row][0] == policy_style(policy).colour
        assert drawn[row][1:] == pytest.approx((mean, low, high))
    assert ax.get_xlabel() == "Share of the equilibrium's gain,\ninterquartile mean"
    assert ax.get_ylim()[0] > ax.get_ylim()[1]


def test_panel_b_draws_how_probable_it_is_that_the_learned_policy_does_better_than_each_other(
    swept: Tables,
) -> None:
    _, expected, _ = computed(swept)
    names, ax, _ = reliability.plot(swept).axes
    order = {text: row for row, text in enumerate(labels(names))}
    drawn = rows(ax)
    assert len(drawn) == len(expected)
    assert order["SAC"] not in drawn
    for policy, probability, low, high in expected[
        ["policy", "probability", "low", "high"]
    ].to_numpy():
        colour, *values = drawn[order[policy_style(policy).label]]
        assert colour == policy_style(policy).colour
        assert values == pytest.approx([probability, low, high])
        assert 0 <= low <= probability <= high <= 1
    assert ax.get_xlabel() == "Probability that\nSAC is better"
    assert any(list(line.get_xdata()) == [0.5, 0.5] for line in ax.get_lines())


def test_panel_c_draws_1_less_the_distribution_function_of_every_policy_and_its_band(
    swept: Tables,
) -> None:
    evaluation = swept["evaluation"]
    ax = reliability.plot(swept).axes[2]
    bands = {
        to_hex(band.get_facecolor()[0]).upper(): band.get_paths()[0].vertices
        for band in ax.collections
    }
    _, _, profiles = computed(swept, curve(ax, "sac").get_xdata())
    for policy, profile in profiles.groupby("policy"):
        line, band = curve(ax, str(policy)), bands[policy_style(str(policy)).colour.upper()]
        cdf = stats.ecdf(evaluation.loc[evaluation["policy"] == policy, "share_of_equilibrium"]).cdf
        np.testing.assert_allclose(line.get_ydata(), 1 - cdf.evaluate(line.get_xdata()), atol=1e-12)
        # A polygon: along one edge, and back along the other.
        corners = np.concatenate(
            [profile[["threshold", edge]].to_numpy() for edge in ("low", "high")]
        )
        assert {tuple(corner) for corner in corners.round(9)} == {
            tuple(corner) for corner in band.round(9)
        }
    assert ax.get_xlabel() == "Share of the equilibrium's gain"
    assert ax.get_ylabel() == "Share of episodes above"


def test_the_profiles_reach_over_the_view_and_no_farther_than_the_data(
    swept: Tables, tables: Tables
) -> None:
    shares = swept["evaluation"]["share_of_equilibrium"]
    low, high = reliability.VIEW
    assert shares.min() < low < high < shares.max()
    assert reliability.plot(swept).axes[2].get_xlim() == (low, high)
    gain = tables["evaluation"]["gain"]
    assert reliability.plot(tables).axes[2].get_xlim() == (gain.min(), gain.max())


def test_where_a_share_is_unknown_the_gain_is_shown(swept: Tables) -> None:
    swept["evaluation"].loc[0, "share_of_equilibrium"] = np.nan
    left, _, right = reliability.plot(swept).axes
    assert left.get_xlabel() == "Gain per slot and user (credits),\ninterquartile mean"
    assert right.get_xlabel() == "Gain per slot and user (credits)"


def test_a_policy_has_its_colour_marker_and_line_in_every_panel_and_as_in_contention(
    swept: Tables,
) -> None:
    names, _, profiles = reliability.plot(swept).axes
    elsewhere = contention.plot(swept).axes[0].get_lines()
    for row, label in enumerate(labels(names)):
        point = next(c.lines[0] for c in names.containers if c.lines[0].get_ydata()[0] == row)
        line = next(line for line in profiles.get_lines() if line.get_label() == label)
        other = next(line for line in elsewhere if line.get_label() == label)
        assert point.get_color() == line.get_color() == other.get_color()
        assert point.get_marker() == line.get_marker() == other.get_marker()
        assert line.get_linestyle() == other.get_linestyle()


def test_algorithms_trained_at_points_of_their_own_meet_at_the_task_they_share(
    make_tables: Callable[..., Tables], with_settings: Callable[[Tables], Tables]
) -> None:
    sac, ppo = make_tables(episodes=10), make_tables(episodes=10, algorithms=["ppo"])
    ppo["evaluation"] = ppo["evaluation"].query("policy in ('ppo', 'random')")
    sac["evaluation"]["point"] = "algorithm.name=sac env.num_users=4"
    ppo["evaluation"]["point"] = "algorithm.name=ppo env.num_users=4"
    sac["evaluation"] = sac["evaluation"].query("policy in ('sac', 'random')")
    both = pd.concat([sac["evaluation"], ppo["evaluation"]])
    figure = reliability.plot(with_settings({"evaluation": both}))
    assert set(labels(figure.axes[0])) == {"SAC", "PPO", "Random"}
    # Random was evaluated twice in the same worlds, and counts once.
    once = sac["evaluation"].query("policy == 'random'")["gain"]
    drawn = rows(figure.axes[0])[labels(figure.axes[0]).index("Random")]
    assert drawn[1] == pytest.approx(stats.trim_mean(once, 0.25))


def test_an_algorithm_trained_in_two_ways_is_two_policies_and_none_is_lost(
    algorithms: Tables,
) -> None:
    evaluation = algorithms["evaluation"]
    evaluation.loc[evaluation["point"] == "algorithm=sac network=mlp", "share_of_equilibrium"] += (
        1  # marks keep to it
    )
    names, _, profiles = reliability.plot({"evaluation": evaluation}).axes
    assert set(labels(names)) == {
        "SAC, pointer",
        "SAC, MLP",
        "PPO, MLP",
        "Greedy",
        "Equilibrium (full information)",
    }
    drawn = rows(names)
    assert labels(names).index("SAC, MLP") < labels(names).index("SAC, pointer")
    evaluation = evaluation.query("policy == 'sac'")
    for label, network in (("SAC, pointer", "pointer"), ("SAC, MLP", "mlp")):
        shares = evaluation.loc[
            evaluation["point"] == f"algorithm=sac network={network}", "share_of_equilibrium"
        ]
        row = labels(names).index(label)
        assert drawn[row][1] == pytest.approx(stats.trim_mean(shares, 0.25))
        mark = next(c.lines[0] for c in names.containers if c.lines[0].get_ydata()[0] == row)
        assert (mark.get_markerfacecolor() == "white") == (network == "mlp")
        line = next(line for line in profiles.get_lines() if line.get_label() == label)
        assert line.get_markerfacecolor() == mark.get_markerfacecolor()
    assert (
        "SAC, pointer is better"
        in reliability.plot({"evaluation": algorithms["evaluation"]}).axes[1].get_xlabel()
    )


@pytest.mark.parametrize(
    ("seeds", "said"),
    [
        (5, "95% interval, 5 seeds"),
        (2, "95% interval, 2 seeds; at least 5 are recommended"),
        (1, "one seed: no interval; at least 5 are recommended"),
    ],
)
def test_the_legend_says_how_many_seeds_there_are_and_when_these_are_few(
    make_tables: Callable[..., Tables], seeds: int, said: str
) -> None:
    (legend,) = reliability.plot(make_tables(seeds=seeds, episodes=10)).legends
    assert [text.get_text() for text in legend.get_texts()] == [said]


def test_what_is_missing_is_named(swept: Tables, tables: Tables) -> None:
    with pytest.raises(CannotDraw, match="no column 'episode'"):
        reliability.plot({"evaluation": tables["evaluation"].drop(columns="episode")})
    with pytest.raises(CannotDraw, match="policy 'sac' alone; this figure compares at least two"):
        reliability.plot({"evaluation": tables["evaluation"].query("policy == 'sac'")})
    evaluation = swept["evaluation"].query("policy not in ('sac', 'nash') or num_users != 8")
    with pytest.raises(
        CannotDraw, match=r"no rows of policy 'nash', 'sac' at sweep point 'env\.num_users=8'"
    ):
        reliability.plot({"evaluation": evaluation})


def test_it_needs_no_training_and_draws_into_the_figure_given(tables: Tables) -> None:
    figure = Figure()
    assert reliability.plot({"evaluation": tables["evaluation"]}, figure) is figure


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (np.inf, "has no finite value in column 'gain'"),
        ("x", "has 'x' in column 'gain'; it should hold numbers"),
    ],
)
def test_values_that_are_no_finite_numbers_are_refused(
    swept: Tables, value: object, message: str
) -> None:
    evaluation = swept["evaluation"].assign(gain=value, share_of_equilibrium=np.inf)
    with pytest.raises(CannotDraw, match=message):
        reliability.plot({"evaluation": evaluation})


def test_one_infinite_value_is_refused_with_its_place(swept: Tables) -> None:
    evaluation = swept["evaluation"].drop(columns="share_of_equilibrium").reset_index(drop=True)
    evaluation.loc[0, "gain"] = -np.inf
    with pytest.raises(CannotDraw, match=r"-inf in column 'gain' \(policy .*, seed 0, episode 0\)"):
        reliability.plot({"evaluation": evaluation})


def test_equal_values_whose_mean_is_rounded_are_drawn(swept: Tables) -> None:
    evaluation = swept["evaluation"].query("episode < 3 and num_users == 1")
    evaluation = evaluation.assign(share_of_equilibrium=1.1)  # the interval ends 2e-16 beside it
    assert reliability.plot({"evaluation": evaluation}).axes
