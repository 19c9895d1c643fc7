"""Figures of a sweep draw what was recorded."""

import json
from collections.abc import Callable

import matplotlib
import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from paper_figures import FIGURES, CannotDraw
from paper_figures.marks import ASIDE, SPREAD
from paper_figures.plots import sensitivity
from paper_figures.statistics import mean_interval
from paper_figures.style import policy_style

Tables = dict[str, pd.DataFrame]
SPLITS, BANDS = ("equal", "min_delay"), ("500", "250", "8000")
POINTS = [
    f"env.channel.split={split} env.channel.bandwidth_hz={hz}" for split in SPLITS for hz in BANDS
]


@pytest.fixture
def swept(make_tables: Callable[..., Tables]) -> Tables:
    return make_tables(seeds=2, epochs=2, episodes=5, points=POINTS)


def curves(ax: Axes) -> list[Line2D]:
    """The lines of policies, without that at 0."""
    return [line for line in ax.get_lines() if not str(line.get_label()).startswith("_")]


def lines(ax: Axes) -> dict[str, np.ndarray]:
    return {str(line.get_label()): line.get_xydata() for line in curves(ax)}


def test_every_mean_is_drawn_at_its_value_in_the_panel_of_its_setting(swept: Tables) -> None:
    figure = sensitivity.plot(swept)
    assert [ax.get_title(loc="left") for ax in figure.axes] == [
        "Band shared: equally",
        "Band shared: for the least delay",
    ]
    means = mean_interval(swept["evaluation"], "gain", by=("point", "policy")).set_index(
        ["point", "policy"]
    )["mean"]
    for ax, split in zip(figure.axes, SPLITS, strict=True):
        drawn = lines(ax)
        assert set(drawn) == {
            policy_style(policy).label for policy in swept["evaluation"]["policy"].unique()
        }
        for policy in swept["evaluation"]["policy"].unique():
            expected = [
                (hz, means[f"env.channel.split={split} env.channel.bandwidth_hz={hz}", policy])
                for hz in (250, 500, 8000)
            ]
            np.testing.assert_allclose(drawn[policy_style(policy).label], expected)
        assert ax.get_xlabel() == "Band of an edge device (Hz)"
        assert ax.get_xscale() == "log"
    assert figure.axes[0].get_ylabel() == "Gain per slot and user (credits)"
    labels = [text.get_text() for text in figure.legends[0].get_texts()]
    assert labels[-1] == "95% interval, 2 seeds"


def test_values_that_are_no_numbers_stand_side_by_side_without_a_line(
    make_tables: Callable[..., Tables],
) -> None:
    figure = sensitivity.plot(
        make_tables(points=["env.information=known", "env.information=type"], episodes=3)
    )
    [ax] = figure.axes
    assert [tick.get_text() for tick in ax.get_xticklabels()] == ["known", "type"]
    assert {line.get_linestyle() for line in curves(ax)} == {"None"}


START = ("scratch", "zero_shot")
TRAINED = [f"algorithm=sac start={start} env.num_experts={n}" for start in START for n in (45, 300)]


@pytest.fixture
def upgraded(make_tables: Callable[..., Tables]) -> Tables:
    """SAC trained in two ways, evaluated in two worlds.

    A policy that does not learn was evaluated in a world for both, which gives the same again; here
    other numbers, to see that they do not count.
    """
    tables = make_tables(seeds=2, epochs=2, episodes=5, points=TRAINED)
    rows = tables["evaluation"]
    learned = rows["policy"].isin(["sac", "sac_stochastic"])
    world = rows["point"].str.rpartition("=")[2].astype(float)
    rows.loc[~learned, "gain"] = world / 100 + 0.1 * rows["seed"]
    rows.loc[~learned & rows["point"].str.contains("zero_shot"), "gain"] = 99.0
    rows["share_of_equilibrium"] = rows["gain"] / 4
    for text in rows["settings"].unique():  # as the section sets it, behind its label
        settings = json.loads(text)
        if settings["algorithm"]["label"] == {"start": "zero_shot"}:
            settings["algorithm"]["pretraining"] = {"env": {"num_experts": 30}}
            rows.loc[rows["settings"] == text, "settings"] = json.dumps(settings)
    return tables


@pytest.mark.parametrize(
    ("name", "metric"), [("sensitivity", "gain"), ("upgrade", "share_of_equilibrium")]
)
def test_ways_of_training_are_lines_beside_policies_drawn_once(
    upgraded: Tables, name: str, metric: str
) -> None:
    figure = FIGURES[name].plot(upgraded)
    [ax] = figure.axes
    assert ax.get_xlabel() == "Number of edge devices"
    drawn = lines(ax)
    evaluation = upgraded["evaluation"]
    assert list(drawn)[:2] == ["SAC, scratch", "SAC, zero-shot"]
    others = sorted(
        policy_style(policy).label for policy in ("local", "abandon", "random", "greedy")
    )
    assert sorted(list(drawn)[2:]) == others
    for start in START:
        by_hand = [
            (
                n,
                evaluation.query(
                    f"policy == 'sac' and point == 'algorithm=sac start={start} "
                    f"env.num_experts={n}'"
                )[metric].mean(),
            )
            for n in (45, 300)
        ]
        np.testing.assert_allclose(drawn[f"SAC, {start.replace('_', '-')}"], by_hand)
    once = [(45, 0.5), (300, 3.05)]
    np.testing.assert_allclose(
        drawn["Greedy"], once if metric == "gain" else [(n, gain / 4) for n, gain in once]
    )
    assert figure.legends[0].get_texts()[-1].get_text() == "95% interval, 2 seeds"


@pytest.mark.parametrize("others_overlap", [True, False])
def test_ways_of_training_stand_beside_each_other_and_their_intervals_with_them(
    upgraded: Tables, others_overlap: bool
) -> None:
    """The four other policies gain the same in `upgraded`, and their bars reach those of SAC."""
    rows = upgraded["evaluation"]
    if not others_overlap:
        rows = rows[rows["policy"].isin(["sac", "greedy"])]
        rows.loc[rows["policy"] == "greedy", "gain"] += 1000.0
    with matplotlib.rc_context(sensitivity.STYLE):
        figure = sensitivity.plot(upgraded | {"evaluation": rows})
        figure.draw_without_rendering()
    [ax] = figure.axes
    ticks = ax.transData.transform([(number, 0) for number in (45, 300)])[:, 0] * 72 / figure.dpi
    places = {}
    for line, bars in zip(curves(ax), ax.collections, strict=True):
        at = line.get_transform().transform(line.get_xydata())[:, 0] * 72 / figure.dpi
        of_bars = bars.get_transform().transform([segment[0] for segment in bars.get_segments()])[
            :, 0
        ]
        np.testing.assert_allclose(of_bars * 72 / figure.dpi, at)
        places[line.get_label()] = at - ticks
    step = SPREAD / 5 if others_overlap else ASIDE
    np.testing.assert_allclose(places["SAC, zero-shot"] - places["SAC, scratch"], step)
    found = np.sort([at[0] for at in places.values()])
    if others_overlap:
        np.testing.assert_allclose(found, step * (np.arange(6) - 2.5), atol=1e-9)
    else:
        np.testing.assert_allclose(found, [-ASIDE / 2, 0, ASIDE / 2], atol=1e-9)


def test_a_way_of_training_that_a_world_lacks_has_no_mark_there(upgraded: Tables) -> None:
    gone = upgraded["evaluation"]["point"] == TRAINED[3]
    [ax] = sensitivity.plot({"evaluation": upgraded["evaluation"][~gone]}).axes
    assert [len(lines(ax)[name]) for name in ("SAC, scratch", "SAC, zero-shot", "Greedy")] == [
        2,
        1,
        2,
    ]


def test_where_the_algorithm_alone_varies_it_is_the_axis(
    make_tables: Callable[..., Tables],
) -> None:
    points = [f"algorithm.training.gamma={gamma}" for gamma in (0.9, 0.3)]
    [ax] = sensitivity.plot(make_tables(points=points, episodes=3)).axes
    assert ax.get_xlabel() == "Gamma"
    assert list(lines(ax)["SAC"][:, 0]) == [0.3, 0.9]


def test_fairness_has_a_row_for_each_metric(make_tables: Callable[..., Tables]) -> None:
    tables = make_tables(points=["env.num_users=2", "env.num_users=4"], episodes=3)
    tables["evaluation"] = tables["evaluation"].assign(worst_gain=-1.0, jain=0.5, num_users=2)
    figure = FIGURES["fairness"].plot(tables)
    assert [ax.get_ylabel() for ax in figure.axes] == [
        "Gain per slot and user (credits)",
        "Worst user's gain (credits)",
        "Jain's index of users' gains",
    ]
    assert all((data[:, 1] == 0.5).all() for data in lines(figure.axes[2]).values())
    with pytest.raises(CannotDraw, match="no column 'worst_gain'"):
        FIGURES["fairness"].plot(make_tables(points=["env.num_users=2", "env.num_users=4"]))


def test_words_for_a_value_are_those_of_its_own_key(
    make_tables: Callable[..., Tables],
) -> None:
    points = [
        f"env.experts.words_per_second={words} env.num_users={users}"
        for words in ("null", 30)
        for users in (2, 4, 8)
    ]
    titles = [ax.get_title(loc="left") for ax in sensitivity.plot(make_tables(points=points)).axes]
    assert titles == ["Words per second: None", "Words per second: 30"]
    [ax] = sensitivity.plot(make_tables(points=["env.x.correlation=1", "env.x.correlation=2"])).axes
    assert ax.get_xlabel() == "Correlation"  # of what, only the channel's own key says


def test_upgrade_and_fairness_refuse_runs_that_are_of_neither(swept: Tables) -> None:
    swept["evaluation"] = swept["evaluation"].assign(
        share_of_equilibrium=1.0, worst_gain=1.0, jain=1.0
    )
    with pytest.raises(CannotDraw, match=r"the sweep sets none of algorithm\.pretraining"):
        FIGURES["upgrade"].plot(swept)
    with pytest.raises(CannotDraw, match="num_users 1 alone"):
        FIGURES["fairness"].plot(swept)


def test_a_table_without_a_sweep_or_with_too_wide_a_one_is_refused(
    make_tables: Callable[..., Tables],
) -> None:
    with pytest.raises(CannotDraw, match="needs a sweep"):
        sensitivity.plot(make_tables(epochs=2, episodes=2))
    wide = [f"env.a={a} env.b={b}" for a in range(5) for b in range(6)]
    with pytest.raises(CannotDraw, match=r"5 settings beside env\.b; this figure shows 4"):
        sensitivity.plot(make_tables(seeds=1, epochs=2, episodes=2, points=wide))


def test_a_figure_given_is_drawn_on(swept: Tables) -> None:
    figure = Figure()
    assert sensitivity.plot(swept, figure) is figure
