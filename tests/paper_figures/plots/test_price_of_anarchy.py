from collections.abc import Callable

import matplotlib
import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from scipy import stats

from paper_figures import CannotDraw
from paper_figures.plots import price_of_anarchy
from paper_figures.plots.price_of_anarchy import ANARCHY, IGNORANCE, summarise
from paper_figures.style import policy_style

Tables = dict[str, pd.DataFrame]
USERS = [1, 2, 4, 8, 16, 32]
COMPARED = [
    (ANARCHY, "optimum", "nash"),
    (IGNORANCE, "nash", "sac"),
    (IGNORANCE, "nash", "better_response"),
]


def by_hand(
    evaluation: pd.DataFrame, numerator: str, denominator: str, num_users: int
) -> list[float]:
    """The ratio of each seed, counted out one seed and policy at a time."""
    ratios = []
    for seed in sorted(evaluation["seed"].unique()):
        rows = evaluation[(evaluation["seed"] == seed) & (evaluation["num_users"] == num_users)]
        above, below = (
            rows.loc[rows["policy"] == policy, "gain"].sum() for policy in (numerator, denominator)
        )
        ratios.append(above / below)  # as many episodes each
    return ratios


def recorded(**gains: list[float]) -> Tables:
    """Two episodes at 2 and at 4 users, in which each policy gains with each seed what is given."""
    rows = [
        {
            "seed": seed,
            "point": f"env.num_users={n}",
            "settings": f'{{"env.num_users": {n}}}',
            "num_users": n,
            "policy": policy,
            "gain": gain + spread,
        }
        for n in (2, 4)
        for policy, of_seeds in gains.items()
        for seed, gain in enumerate(of_seeds)
        for spread in (-0.5, 0.5)
    ]
    return {"evaluation": pd.DataFrame(rows)}


def line(ax: Axes, policy: str) -> Line2D:
    return next(line for line in ax.get_lines() if line.get_label() == policy_style(policy).label)


def legend(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.legends[0].get_texts()]


def test_the_price_of_anarchy_of_two_seeds_is_the_mean_of_their_ratios_not_of_means() -> None:
    summary = summarise(recorded(optimum=[2.5, 2.2], nash=[2.0, 2.2], sac=[1.0, 1.1]))
    row = summary.iloc[0]
    assert row[["price", "numerator", "denominator", "num_users", "num_seeds"]].to_list() == [
        *("Price of anarchy", "optimum", "nash", 2, 2)
    ]
    assert row["mean"] == pytest.approx((1.25 + 1.0) / 2)  # of the means: 4.7 / 4.2
    # Student's t with one degree of freedom is Cauchy's distribution: its 97.5 % quantile is
    # tan(0.475 pi).
    assert row["high"] - row["mean"] == pytest.approx(0.125 * np.tan(0.475 * np.pi))


def test_the_table_has_scipys_interval_over_the_ratios_of_seeds_at_every_number_of_users(
    contention: Tables,
) -> None:
    evaluation = contention["evaluation"]
    summary = summarise({"evaluation": evaluation.sample(frac=1, random_state=0)})
    expected = [(*compared, num_users) for compared in COMPARED for num_users in USERS]
    assert [
        tuple(key) for key in summary[["price", "numerator", "denominator", "num_users"]].to_numpy()
    ] == expected
    for (_, numerator, denominator, num_users), row in zip(
        expected, summary.itertuples(), strict=True
    ):
        ratios = by_hand(evaluation, numerator, denominator, num_users)
        low, high = stats.t.interval(0.95, 2, loc=np.mean(ratios), scale=stats.sem(ratios))
        assert (row.mean, row.low, row.high) == pytest.approx((np.mean(ratios), low, high))
        assert row.num_seeds == 3


def test_each_line_is_the_table_and_has_its_policys_look(contention: Tables) -> None:
    summary = summarise(contention).set_index(["numerator", "denominator", "num_users"])
    anarchy, ignorance = price_of_anarchy.plot(contention).axes
    for ax, numerator, denominator, shown in (
        (anarchy, "optimum", "nash", "optimum"),
        (ignorance, "nash", "sac", "sac"),
        (ignorance, "nash", "better_response", "better_response"),
    ):
        expected = summary.xs((numerator, denominator), level=("numerator", "denominator"))
        drawn = line(ax, shown)
        assert list(drawn.get_xdata()) == USERS
        np.testing.assert_allclose(drawn.get_ydata(), expected["mean"])
        assert (drawn.get_color(), drawn.get_marker()) == (
            policy_style(shown).colour,
            policy_style(shown).marker,
        )
        bars = next(
            b
            for b in ax.collections
            if to_hex(b.get_color()[0]).upper() == policy_style(shown).colour
        )
        ends = [list(segment[:, 1]) for segment in bars.get_segments()]
        np.testing.assert_allclose(ends, expected[["low", "high"]])
    for ax in (anarchy, ignorance):
        assert any(list(mark.get_ydata()) == [1, 1] for mark in ax.get_lines())
        assert ax.xaxis.get_transform().base == 2
        assert list(ax.get_xticks()) == USERS
        assert ax.get_xlim()[0] < 1 < 32 < ax.get_xlim()[1]


def test_axes_say_what_is_divided_by_what_and_the_legend_who_is_compared(
    contention: Tables,
) -> None:
    figure = price_of_anarchy.plot(contention)
    named = [
        "Price of anarchy\n(optimum / equilibrium)",
        "Price of ignorance\n(equilibrium / policy)",
    ]
    assert [ax.get_ylabel() for ax in figure.axes] == named
    assert [ax.get_title("left") for ax in figure.axes] == ["(a)", "(b)"]
    assert figure.axes[1].get_xlabel() == "Number of users"
    assert legend(figure) == [
        "Social optimum",
        "SAC",
        "Better response",
        "95% interval, 3 seeds",
    ]


@pytest.mark.parametrize(
    ("gains", "why"),
    [
        ([-0.5, -0.6, -0.7], "below 0 at every seed"),
        ([0.3, 0.4, -0.01], "below 0 at one seed"),
        ([0.01, 0.5, 0.02], "above 0 at every seed, and yet not surely: the interval holds 0"),
        ([0.0, 0.0, 0.0], "nothing gained"),
    ],
)
def test_a_gain_not_surely_above_0_has_no_ratio_and_leaves_a_gap_that_the_legend_explains(
    contention: Tables, gains: list[float], why: str
) -> None:
    rows = contention["evaluation"]
    for seed, gain in enumerate(gains):
        rows.loc[
            (rows["policy"] == "sac") & (rows["num_users"] == 32) & (rows["seed"] == seed), "gain"
        ] = gain
    summary = summarise(contention).set_index(["denominator", "num_users"])
    assert summary.loc[("sac", 32), ["mean", "low", "high"]].isna().all(), why
    assert summary.drop(("sac", 32)).notna().all(axis=None)
    figure = price_of_anarchy.plot(contention)
    assert list(np.isnan(line(figure.axes[1], "sac").get_ydata())) == [False] * 5 + [True]
    assert legend(figure)[-1] == "gap: a gain not surely above 0"
    assert list(figure.axes[1].get_xticks()) == USERS


@pytest.mark.parametrize("sac", [[-0.1], [2.0, 2.1] * 10 + [-0.1]])
def test_a_seed_that_loses_has_no_ratio_even_where_no_interval_reaches_0(sac: list[float]) -> None:
    low = (
        stats.t.interval(0.95, len(sac) - 1, np.mean(sac), stats.sem(sac))[0]
        if len(sac) > 1
        else np.nan
    )
    assert not low <= 0
    summary = summarise(
        recorded(optimum=[3.0] * len(sac), nash=[2.9] * len(sac), sac=sac)
    ).set_index("denominator")
    assert summary.loc["sac", "mean"].isna().all()
    assert summary.loc["nash", "mean"].to_list() == pytest.approx([3.0 / 2.9] * 2)


def test_an_equilibrium_that_gains_nothing_is_no_denominator_and_no_numerator(
    contention: Tables,
) -> None:
    rows = contention["evaluation"]
    rows.loc[(rows["policy"] == "nash") & (rows["num_users"] == 32), "gain"] = -0.1
    summary = summarise(contention)
    assert summary.loc[summary["num_users"] == 32, "mean"].isna().all()
    rows.loc[rows["policy"] == "nash", "gain"] = -0.1
    with pytest.raises(
        CannotDraw,
        match="no number of users has a price of anarchy: its gains are not all surely abo",
    ):
        price_of_anarchy.plot(contention)


def test_one_seed_has_ratios_and_no_interval(make_contention: Callable[..., Tables]) -> None:
    tables = make_contention(seeds=1)
    summary = summarise(tables)
    assert summary["mean"].notna().all()
    assert summary[["low", "high"]].isna().all(axis=None)
    assert legend(price_of_anarchy.plot(tables))[-1] == "one seed: no interval"


def test_a_seed_that_one_of_two_policies_lacks_is_left_out_of_their_ratio_alone(
    make_contention: Callable[..., Tables],
) -> None:
    rows = make_contention(seeds=4)["evaluation"].query("policy != 'sac' or seed != 3")
    num_seeds = (
        summarise({"evaluation": rows}).groupby("denominator")["num_seeds"].unique().map(list)
    )
    assert num_seeds.to_dict() == {"nash": [4], "sac": [3], "better_response": [4]}


def test_every_learned_policy_has_its_price_of_ignorance(
    make_contention: Callable[..., Tables],
) -> None:
    gains = {"optimum": [3.0] * 6, "nash": [2.9] * 6, "ppo": [2.0] * 6, "sac": [2.5] * 6}
    summary = summarise(make_contention(gains=gains))
    assert list(summary["denominator"].unique()) == ["nash", "sac", "ppo"]


def test_the_legend_hides_no_data_and_a_figure_given_is_drawn_on(contention: Tables) -> None:
    given = Figure()
    assert price_of_anarchy.plot({"evaluation": contention["evaluation"]}, given) is given
    with matplotlib.rc_context(price_of_anarchy.STYLE):
        figure = price_of_anarchy.plot(contention)
        figure.draw_without_rendering()
        top = max(ax.get_window_extent().y1 for ax in figure.axes)
        assert figure.legends[0].get_window_extent().y0 >= top


def test_what_is_missing_is_named(contention: Tables) -> None:
    evaluation = contention["evaluation"]
    with pytest.raises(CannotDraw, match="no rows of policy 'optimum', 'nash'"):
        summarise({"evaluation": evaluation.query("policy not in ('nash', 'optimum')")})
    with pytest.raises(
        CannotDraw,
        match="none of the policies sac, rllib_sac, ppo, dqn, better_response, crowd, mean_field",
    ):
        summarise({"evaluation": evaluation.query("policy in ('nash', 'optimum', 'greedy')")})
    with pytest.raises(CannotDraw, match="num_users 16 alone"):
        summarise({"evaluation": evaluation.query("num_users == 16")})
    with pytest.raises(CannotDraw, match="no column 'gain'"):
        summarise({"evaluation": evaluation.drop(columns="gain")})


def test_the_price_of_anarchy_is_that_of_the_episodes_whose_optimum_is_exact_if_any_are() -> None:
    tables = recorded(optimum=[6.0, 5.9], nash=[4.0, 4.0], sac=[3.0, 3.0])
    rows = tables["evaluation"]
    rows["episode"] = rows.groupby(["num_users", "seed", "policy"]).cumcount()
    exact = (rows["num_users"] == 4) & (rows["episode"] == 1)  # of two, whose gains are +-0.5 apart
    rows["converged"] = np.where(rows["policy"] == "optimum", exact, 1.0)
    summary = summarise(tables).set_index(["price", "num_users"])["mean"]
    assert summary[ANARCHY, 2] == pytest.approx((6 / 4 + 5.9 / 4) / 2)
    assert summary[ANARCHY, 4] == pytest.approx((6.5 / 4.5 + 6.4 / 4.5) / 2)
    assert summary[IGNORANCE, 4] == pytest.approx(4 / 3)
