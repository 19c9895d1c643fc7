"""Options of figures: what is given is seen on the axes, and what cannot be is named."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy import stats

from paper_figures import FIGURES, Asked, data, register, render
from paper_figures.figures import unmet
from paper_figures.options import FigureOptions, asked, options_of
from paper_figures.style import policy_style

from .conftest import CONTENTION
from .figures_by_kind import CHANGED, OF_AUDITS, OF_MARKETS, OF_SIDES, OF_SWEEPS, SHIPPED

Tables = dict[str, pd.DataFrame]
SHOWN = ("nash", "sac", "greedy", "random")


@pytest.fixture(scope="module")
def tables(make_contention: Callable[..., Tables]) -> Tables:
    gains = {name: CONTENTION[name] for name in ("optimum", *SHOWN)}
    return make_contention(seeds=3, episodes=2, gains=gains)


def drawn(tables: Tables, name: str, **options: Any) -> Figure:
    rendered = render(tables, [Asked(name, options_of(name, options))])
    assert rendered.refused == rendered.failed == {}
    [figure] = rendered.figures.values()
    return figure


def refused(tables: Tables, name: str, **options: Any) -> str:
    rendered = render(tables, [Asked(name, options_of(name, options))])
    assert rendered.failed == {}
    return rendered.refused[name]


def labels(ax: Axes) -> list[str]:
    return [str(line.get_label()) for line in ax.get_lines() if line.get_label()[0] != "_"]


def legend(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.legends[0].get_texts()]


@pytest.mark.parametrize("name", ["contention", "sensitivity", "reliability", "policies"])
def test_policies_are_shown_alone_in_the_order_and_by_the_labels_given(
    tables: Tables, name: str
) -> None:
    order = ["greedy", "sac", "nash"]
    figure = drawn(tables, name, policies=order, labels={"sac": "Ours"})
    names = ["Greedy", "Ours", policy_style("nash").label]
    first = figure.axes[0]
    if name in ("contention", "sensitivity"):
        assert labels(first) == names
        assert legend(figure)[:3] == names
    else:
        assert [text.get_text() for text in first.get_yticklabels()] == names
    assert set(data(figure)["policy"]) == set(order)


def test_a_policy_that_others_are_measured_by_need_not_be_shown(tables: Tables) -> None:
    share = drawn(tables, "contention", policies=["sac"]).axes[1]
    rows = tables["evaluation"].query("policy == 'sac'")
    expected = rows.groupby("num_users")["share_of_equilibrium"].mean()
    np.testing.assert_allclose(share.get_lines()[1].get_ydata(), expected)
    anarchy, ignorance = drawn(tables, "price_of_anarchy", policies=["sac"]).axes
    assert labels(anarchy) == [policy_style("optimum").label]
    assert labels(ignorance) == ["SAC"]


@pytest.mark.parametrize(
    ("name", "axis"), [("contention", "y"), ("sensitivity", "y"), ("policies", "x")]
)
def test_a_metric_takes_the_place_of_the_figures_own(tables: Tables, name: str, axis: str) -> None:
    figure = drawn(tables, name, metric="jain", policies=["sac"])
    lowest = figure.axes[-1 if name == "policies" else 0]
    shown = data(figure).query("metric == 'jain'")
    assert getattr(lowest, f"get_{axis}label")() == "Jain's index of users' gains"
    by = "point" if name == "policies" else "num_users"
    expected = tables["evaluation"].query("policy == 'sac'").groupby(by)["jain"].mean()
    assert sorted(shown["mean"]) == pytest.approx(sorted(expected))


def test_several_metrics_have_a_row_of_panels_each(tables: Tables) -> None:
    figure = drawn(tables, "sensitivity", metric=["worst_gain", "jain"])
    assert [ax.get_ylabel() for ax in figure.axes] == [
        "Worst user's gain (credits)",
        "Jain's index of users' gains",
    ]


def test_limits_and_scales_are_those_given_of_all_panels_or_by_panel(tables: Tables) -> None:
    both = drawn(tables, "contention", ylim=[-1, 3], xlim=[1, 40]).axes
    assert [ax.get_ylim() for ax in both] == [(-1, 3)] * 2
    assert [ax.get_xlim() for ax in both] == [(1, 40)] * 2
    first, second = drawn(
        tables,
        "contention",
        policies=["nash", "sac"],
        ylim={"a": [None, 5]},
        yscale={"a": "log"},
        xscale="linear",
    ).axes
    assert first.get_ylim()[1] == 5
    assert first.get_yscale() == "log"
    assert second.get_yscale() == "linear"
    assert second.get_ylim() == (-0.1, 1.2)
    for ax in (first, second):
        assert ax.get_xscale() == "linear"
        assert list(ax.get_xticks()) == [1, 2, 4, 8, 16, 32]  # as the figure set them


@pytest.mark.parametrize("name", [name for name in SHIPPED if name != "upgrade"])
def test_any_figure_has_the_width_given(
    make_two_sided: Callable[..., Tables],
    make_pricing: Callable[..., Tables],
    make_audits: Callable[..., Tables],
    make_tables: Callable[..., Tables],
    tables: Tables,
    name: str,
) -> None:
    shown = make_tables(epochs=10, episodes=3)
    if name in OF_SWEEPS:
        shown = tables
    elif name in OF_MARKETS:
        shown = make_pricing(episodes=3)
    elif name in OF_AUDITS:
        shown = make_audits()
    elif name in OF_SIDES:
        shown = make_two_sided()
    shown = CHANGED.get(name, dict)(shown)
    usual = FIGURES[name].style["figure.figsize"][0]
    width, inches = ("double", 7.16) if usual == 3.5 else ("column", 3.5)
    figure = drawn(shown, name, width=width)
    assert figure.get_figwidth() == inches
    assert figure.get_figheight() <= 9.0
    assert all(box.get_window_extent().width <= figure.bbox.width for box in figure.legends)
    assert not data(figure).empty


def test_letters_come_and_go_and_titles_stay(tables: Tables) -> None:
    assert [ax.get_title("left") for ax in drawn(tables, "contention", letters=False).axes] == [
        "",
        "",
    ]
    titles = [ax.get_title("left") for ax in drawn(tables, "policies", letters=True).axes[:4]]
    assert titles == ["(a) env.num_users=1", "(b)", "(c) env.num_users=2", "(d)"]


@pytest.mark.parametrize("place", ["top", "bottom", "left", "right"])
def test_the_legend_stands_on_the_side_given_with_all_its_entries(
    tables: Tables, place: str
) -> None:
    figure = drawn(tables, "contention", policies=SHOWN, legend=place)
    assert legend(figure) == legend(drawn(tables, "contention", policies=SHOWN))
    figure.draw_without_rendering()
    box = figure.legends[0].get_window_extent()
    panels = [ax.get_tightbbox() for ax in figure.axes]
    beside = {
        "top": box.y0 >= max(panel.y1 for panel in panels),
        "bottom": box.y1 <= min(panel.y0 for panel in panels),
        "left": box.x1 <= min(panel.x0 for panel in panels),
        "right": box.x0 >= max(panel.x1 for panel in panels),
    }
    assert beside[place]


def test_the_legend_stands_inside_the_first_panel_or_nowhere(tables: Tables) -> None:
    inside = drawn(tables, "contention", legend="inside")
    assert not inside.legends
    assert len(inside.axes[0].get_legend().get_texts()) == 6
    none = drawn(tables, "contention", legend="none")
    assert not none.legends
    assert none.axes[0].get_legend() is None


def test_intervals_are_those_of_the_kind_given(tables: Tables) -> None:
    rows = tables["evaluation"].query("policy == 'sac' and num_users == 8")
    seeds = rows.groupby("seed")["gain"].mean()
    deviation = seeds.std(ddof=1)
    expected = {
        "t": stats.t.interval(0.95, 2, seeds.mean(), stats.sem(seeds)),
        "sd": (seeds.mean() - deviation, seeds.mean() + deviation),
    }
    words = {
        "t": "95% interval",
        "sd": "± standard deviation",
        "bootstrap": "95% bootstrap interval",
    }
    for kind, said in words.items():
        figure = drawn(tables, "contention", interval=kind)
        [row] = (
            data(figure).query("panel == 'a' and policy == 'sac' and num_users == 8").itertuples()
        )
        assert legend(figure)[-1] == f"{said}, 3 seeds"
        if kind in expected:
            assert (row.low, row.high) == pytest.approx(expected[kind])
        else:  # within the range of the seeds, and narrower than that of t with three
            near = 1e-9  # of the least or greatest of all resamples
            assert seeds.min() - near <= row.low < row.mean < row.high <= seeds.max() + near


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"metrc": "gain"}, "unknown 'metrc'; did you mean 'metric'?"),
        ({"policies": "sac"}, "policies: "),
        ({"policies": []}, "policies: "),
        ({"policies": ["sac", "sac"]}, "policies: has 'sac' twice"),
        ({"xlim": [2, 1]}, "xlim: the lower limit 2 is not below the upper limit 1"),
        ({"xlim": [1, float("nan")]}, "xlim.1: "),
        ({"xlim": [None, None]}, "xlim: should have a number"),
        ({"xlim": [1, 2, 3]}, "xlim: "),
        ({"ylim": {}}, "ylim: "),
        ({"ylim": {"A": [0, 1]}}, "ylim.A"),
        ({"yscale": "logarithmic"}, "yscale: Input should be 'linear' or 'log'"),
        ({"width": "page"}, "width: Input should be 'column' or 'double'"),
        ({"legend": "north"}, "legend: "),
        ({"letters": "yes"}, "letters: "),
        ({"interval": "ci"}, "interval: "),
        ({"labels": {"sac": ""}}, "labels.sac: "),
        ({"labels": {"sac": " "}}, "labels: the label of 'sac' is blank"),
        ({"labels": {"sac": "A", "crowd": "A"}}, "labels: has 'A' twice"),
        ({"labels": {"sac": "Ours", "crowd": "ours "}}, "labels: has 'Ours' twice"),
        ({"ylim": [-1.7e308, 1.7e308]}, "ylim: should lie within -1e+100 and 1e+100"),
        ({"as": "a/b"}, "as: "),
    ],
)
def test_what_can_be_no_option_is_answered_with_figure_and_option(
    options: dict[str, Any], said: str
) -> None:
    with pytest.raises(ValueError, match="sensitivity: ") as error:
        options_of("sensitivity", options)
    assert f"sensitivity: {said}" in str(error.value)


@pytest.mark.parametrize(
    ("name", "options", "said"),
    [
        ("contention", {"metric": "jane"}, "metric: unknown 'jane'; did you mean 'jain'?"),
        ("contention", {"metric": ["gain", "jain"]}, "metric: this figure shows one"),
        ("price_of_anarchy", {"metric": "gain"}, "metric: this figure shows quantities of its own"),
        (
            "contention",
            {"policies": ["greddy"]},
            "policies: unknown 'greddy'; did you mean 'greedy'",
        ),
        ("contention", {"labels": {"greddy": "x"}}, "labels: unknown 'greddy'"),
        (
            "contention",
            {"labels": {"sac": "Greedy"}},
            "labels: 'greedy' and 'sac' would both be called 'Greedy'",
        ),
        (
            "contention",
            {"labels": {"sac": "equilibrium (full information)"}},
            "labels: 'nash' and 'sac' would both be called",
        ),
        ("contention", {"xlim": [5000, 6000]}, "xlim: 5e+03 to 6e+03 shows nothing of panel"),
        ("contention", {"ylim": {"c": [0, 1]}}, "ylim: there is no panel 'c'; panels: a, b"),
        ("contention", {"yscale": "log"}, "yscale: a logarithmic axis shows nothing at or below 0"),
        ("policies", {"ylim": [0, 1]}, "ylim: its y axes are rows of names"),
        (
            "policies",
            {"xlim": {"a": [0, 1]}},
            "xlim: panel 'a' shares its x axis with c, e, g, i, k; give these",
        ),
        ("reliability", {"interval": "sd"}, "interval: its intervals are those of a stratified"),
    ],
)
def test_an_option_that_a_figure_does_not_take_is_refused_by_its_name(
    tables: Tables, name: str, options: dict[str, Any], said: str
) -> None:
    assert refused(tables, name, **options).startswith(said)


def test_a_figure_of_one_policy_takes_one(make_pricing: Callable[..., Tables]) -> None:
    tables = make_pricing(episodes=3)
    shown = drawn(tables, "pricing", policies=["nash"], labels={"nash": "N"})
    assert legend(shown)[-1] == "N; 95% interval, 3 seeds"
    assert set(data(shown)["policy"]) == {"nash"}
    assert "shows one, got 2" in refused(tables, "pricing", policies=["nash", "sac"])


def test_before_a_run_options_are_checked_of_the_tables_as_planned(tables: Tables) -> None:
    planned = {"evaluation": tables["evaluation"].groupby(["point", "policy"]).head(1)}
    for options, said in (
        ({"metric": "jane"}, "metric: unknown 'jane'"),
        ({"policies": ["sack"]}, "policies: unknown 'sack'; did you mean 'sac'"),
        ({"metric": "jain", "policies": ["sac"]}, None),
    ):
        reason = unmet(Asked("contention", FigureOptions(**options)), planned)
        assert (reason is None) if said is None else str(reason).startswith(said)


def test_two_figures_never_have_the_same_files() -> None:
    entries = ["policies", {"policies": {"metric": "gain"}}]
    with pytest.raises(ValueError, match=r"two figures would be written as 'policies'; name one"):
        asked(entries)
    entries[1] = {"policies": {"metric": "gain", "as": "gains"}}
    assert [figure.file for figure in asked(entries)] == ["policies", "gains"]


@pytest.fixture
def mine() -> Iterator[None]:
    """A figure of a user's own that knows no options but `metric`."""

    @register("mine", {})
    def plot(tables: Tables, metric: str = "gain") -> Axes:
        ax = Figure().subplots()
        for policy, rows in tables["evaluation"].groupby("policy", sort=False):
            means = rows.groupby("num_users")[metric].mean()
            ax.plot(means.index, means, label=policy_style(str(policy)).label)
        ax.legend()
        return ax

    yield
    del FIGURES["mine"]


@pytest.mark.usefixtures("mine")
def test_a_figure_of_ones_own_takes_all_options_and_its_lines_are_its_data(tables: Tables) -> None:
    options = {"metric": "jain", "policies": ["greedy", "sac"], "labels": {"sac": "Ours"}}
    figure = drawn(
        tables, "mine", **options, xscale="log", ylim=[0, 1], width="double", legend="right"
    )
    [ax] = figure.axes
    assert (ax.get_xscale(), ax.get_ylim(), figure.get_figwidth()) == ("log", (0, 1), 7.16)
    assert labels(ax) == legend(figure) == ["Greedy", "Ours"]
    lines = data(figure).set_index("line")
    expected = tables["evaluation"].query("policy == 'sac'").groupby("num_users")["jain"].mean()
    np.testing.assert_allclose(lines.loc["Ours", ["x", "y"]], expected.reset_index())


def test_no_entry_of_a_legend_is_without_a_mark(
    make_contention: Callable[..., Tables], make_pricing: Callable[..., Tables]
) -> None:
    gains = {"optimum": [2.0] * 6, "nash": [1.8] * 6, "crowd": [*[1.7] * 5, -1.0]}
    for seeds in (1, 2):
        swept = make_contention(seeds=seeds, episodes=2, gains=gains)
        priced = make_pricing(seeds=seeds, episodes=2)
        for tables, name in (
            (swept, "contention"),
            (swept, "price_of_anarchy"),  # with a gap
            (priced, "pricing"),
            (priced, "price_paths"),
        ):
            for mark in drawn(tables, name).legends[0].legend_handles:
                line = getattr(mark, "get_linestyle", lambda: "-")()
                assert line not in ("None", "") or mark.get_marker() not in ("None", "", None)
