"""The figure of manipulation draws what mechanisms promise beside what is played under them."""

import json
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Annotation

from paper_figures import FIGURES, CannotDraw, looks, render
from paper_figures.plots import manipulation
from paper_figures.plots.manipulation import PLAYED, PROMISED, summarise

Tables = dict[str, pd.DataFrame]
Make = Callable[..., Tables]
BOUGHT = "env.market.effort=bought mechanism="


@pytest.fixture
def tables(make_audits: Make) -> Tables:
    return make_audits()


def marks(ax: Axes, name: str) -> np.ndarray:
    """(x, place) of the marks of a form: open and filled ones are both "o"."""
    filled, form = {"open": (False, "o"), "filled": (True, "o"), "cross": (True, "X")}[name]
    lines = [container.lines[0] for container in ax.containers]
    return np.array(
        [
            (line.get_xdata()[0], line.get_ydata()[0])
            for line in lines
            if line.get_marker() == form and (line.get_markerfacecolor() != "white") == filled
        ]
    )


def rows(ax: Axes) -> dict[float, str]:
    """Place -> label, downwards."""
    texts = [text.get_text() for text in ax.get_yticklabels()]
    return dict(sorted(zip(ax.get_yticks(), texts, strict=True)))


def beside(ax: Axes, column: int) -> dict[float, str]:
    """Place -> text in a column right of the axes, without its heading."""
    notes = [text for text in ax.texts if isinstance(text, Annotation)]
    ends = sorted({note.xyann[0] for note in notes})
    texts = [note for note in notes if note.xyann[0] == ends[column]]
    return {note.xy[1]: note.get_text() for note in texts if note.xycoords[1] == "data"}


def legend(ax: Axes) -> list[str]:
    return [text.get_text() for text in ax.get_legend().get_texts()]


def test_rows_stand_below_their_regime_by_falling_played_welfare(tables: Tables) -> None:
    ax = manipulation.plot(tables)
    assert list(rows(ax).values()) == [
        "Effort bought",
        *("Free edge devices", "Posted price", "Budgeted price", "Fisher"),
        "Effort enforced",
        *("Contract", "Budgeted price"),
    ]
    bottom, top = ax.get_ylim()
    assert top < min(rows(ax)) < max(rows(ax)) < bottom
    bold = [text.get_text() for text in ax.get_yticklabels() if text.get_fontweight() == "bold"]
    assert bold == ["Effort bought", "Effort enforced"]


def test_open_marks_are_promised_filled_ones_played_and_a_line_joins_them(tables: Tables) -> None:
    ax = manipulation.plot(tables)
    places = [place for place, label in rows(ax).items() if not label.startswith("Effort")]
    promised = [0.95, 0.75, 0.5, 0.2, 0.8, 0.5]
    played = [0.95, 0.9, 0.7, 0.15, 0.75, 0.45]
    np.testing.assert_allclose(marks(ax, "open"), np.transpose([promised, places]))
    drawn = sorted([*marks(ax, "filled"), *marks(ax, "cross")], key=lambda mark: mark[1])
    np.testing.assert_allclose(drawn, np.transpose([played, places]))
    joins = [line for line in ax.get_lines() if line.get_color() == "0.6"]
    np.testing.assert_allclose([line.get_xdata() for line in joins], np.c_[promised, played])
    np.testing.assert_allclose([line.get_ydata() for line in joins], np.c_[places, places])


def test_intervals_are_students_t_over_seeds(tables: Tables) -> None:
    """With 2 degrees of freedom the 97.5 % quantile is 0.95 sqrt(2 / (1 - 0.95^2))."""
    quantile = 0.95 * np.sqrt(2 / (1 - 0.95**2))
    margins = {PROMISED: quantile * 0.01 / np.sqrt(3), PLAYED: quantile * 0.02 / np.sqrt(3)}
    summary = summarise(tables)
    for row in summary.itertuples():
        assert row.high - row.mean == pytest.approx(margins[row.quantity])
        assert row.mean - row.low == pytest.approx(margins[row.quantity])
    ax = manipulation.plot(tables)
    bars = [container.lines[2][0].get_segments()[0][:, 0] for container in ax.containers]
    of_point = summary.groupby(["effort", "settings"], sort=False)
    expected = [
        rows.set_index("quantity").loc[[PROMISED, PLAYED], ["low", "high"]] for _, rows in of_point
    ]
    np.testing.assert_allclose(bars, np.concatenate(expected))
    assert "95% interval, 3 seeds" in legend(ax)


def test_one_seed_is_drawn_without_an_interval(make_audits: Make) -> None:
    ax = manipulation.plot(make_audits(seeds=1))
    assert summarise(make_audits(seeds=1))["low"].isna().all()
    assert "one seed: no interval" in legend(ax)


def test_the_mean_factor_on_costs_stands_at_the_right_of_each_row(tables: Tables) -> None:
    ax = manipulation.plot(tables)
    named = [rows(ax)[place] for place in beside(ax, 0)]
    assert list(zip(named, beside(ax, 0).values(), strict=True)) == [
        ("Free edge devices", "×1.00"),
        ("Posted price", "×3.10"),
        ("Budgeted price", "×1.55"),
        ("Fisher", "×1.10"),
        ("Contract", "×1.00"),
        ("Budgeted price", "×1.20"),
    ]


def test_a_cross_marks_who_breaks_a_budget_that_it_claims_to_keep(tables: Tables) -> None:
    """The posted price exceeds it as well, but claims nothing."""
    ax = manipulation.plot(tables)
    np.testing.assert_allclose(marks(ax, "cross"), [(0.7, 3)])
    assert rows(ax)[3] == "Budgeted price"
    assert [(rows(ax)[place], text) for place, text in beside(ax, 1).items()] == [
        ("Budgeted price", "100%"),
        ("Fisher", "0%"),
        ("Budgeted price", "0%"),
    ]
    assert legend(ax)[:3] == ["Promised, truthful", "Played", "Played, over budget"]


@pytest.mark.parametrize(
    ("kept", "text"),
    [(1.0, "0%"), (0.9999, "< 1%"), (0.75, "25%"), (0.0001, "> 99%"), (0.0, "100%")],
)
def test_shares_are_not_rounded_to_none_or_all(make_audits: Make, kept: float, text: str) -> None:
    fisher = {f"{BOUGHT}fisher": (0.2, 0.1, 1.0, True, kept)}
    ax = manipulation.plot(make_audits(audited=fisher))
    assert list(beside(ax, 1).values()) == [text]
    assert len(marks(ax, "cross")) == (kept < 1)


def test_where_no_mechanism_claims_to_keep_a_budget_none_is_written_of(tables: Tables) -> None:
    claiming = tables["audit"]["claims_within_budget"]
    ax = manipulation.plot({"audit": tables["audit"][~claiming]})
    assert [text.get_text() for text in ax.texts if "\n" in text.get_text()] == ["Costs\nreported"]
    assert "Played, over budget" not in legend(ax)


def test_a_mechanism_at_several_parameters_has_a_row_for_each(make_audits: Make) -> None:
    several = {
        f"{BOUGHT}fisher budget={budget}": (0.2, played, 1.0, True, 1.0)
        for budget, played in ((8, 0.1), (16, 0.2))
    }
    ax = manipulation.plot(make_audits(audited=several))
    assert list(rows(ax).values()) == ["Effort bought", "Fisher, budget 16", "Fisher, budget 8"]


def test_a_run_without_a_sweep_has_the_name_of_its_mechanism(tables: Tables) -> None:
    audit = tables["audit"].query("mechanism == 'fisher'").assign(settings="{}")
    assert list(rows(manipulation.plot({"audit": audit})).values()) == ["Effort bought", "Fisher"]


def test_rows_in_which_no_equilibrium_was_asked_for_are_left_out(tables: Tables) -> None:
    audit = tables["audit"]
    without = audit["mechanism"] == "budgeted_price"
    unasked = ["promised_welfare_ratio", "played_welfare_ratio"]
    unasked += ["played_budget_kept", "report_factor", "exploitability_share"]
    audit.loc[without, unasked] = np.nan
    shown = list(rows(manipulation.plot({"audit": audit})).values())
    kept = ["Free edge devices", "Posted price", "Fisher"]
    assert shown == ["Effort bought", *kept, "Effort enforced", "Contract"]


def test_what_is_missing_is_named(tables: Tables) -> None:
    audit = tables["audit"]
    with pytest.raises(CannotDraw, match="no table 'audit'; the tables are: evaluation"):
        manipulation.plot({"evaluation": audit})
    with pytest.raises(CannotDraw, match="'audit' has no column 'report_factor'"):
        manipulation.plot({"audit": audit.drop(columns="report_factor")})
    with pytest.raises(CannotDraw, match="no value in column 'promised_welfare_ratio'"):
        manipulation.plot({"audit": audit.assign(promised_welfare_ratio=np.nan)})
    audit.loc[0, "played_welfare_ratio"] = np.inf
    with pytest.raises(CannotDraw, match="inf in column 'played_welfare_ratio'"):
        manipulation.plot({"audit": audit})


def test_it_is_drawn_into_the_axes_given(tables: Tables) -> None:
    ax = Figure().subplots()
    assert manipulation.plot(tables, ax) is ax


def test_twenty_rows_fit_a_column_and_no_text_overlaps_another(make_audits: Make) -> None:
    many = {
        f"env.market.effort={effort} mechanism=budgeted_price budget={8.0 * n}": (
            *(0.5, 0.03 * n, 1.5, True, n / 10),
        )
        for effort in ("bought", "enforced")
        for n in range(10)
    }
    figure = render(make_audits(audited=many), ["manipulation"]).figures["manipulation"]
    [ax] = figure.axes
    with looks(FIGURES["manipulation"].style):
        figure.draw_without_rendering()
        texts = [*ax.texts, *ax.get_yticklabels(), *ax.get_legend().get_texts(), ax.xaxis.label]
        boxes = [text.get_window_extent() for text in texts]
    assert figure.get_size_inches()[0] == 3.5
    assert figure.get_size_inches()[1] < 5
    assert ax.get_window_extent().width > 0.3 * figure.bbox.width
    page = figure.bbox.padded(1)
    for index, box in enumerate(boxes):
        assert page.x0 <= box.x0 <= box.x1 <= page.x1, texts[index]
        assert page.y0 <= box.y0 <= box.y1 <= page.y1, texts[index]
        assert not any(box.overlaps(other) for other in boxes[index + 1 :]), texts[index]


def test_a_factor_of_play_that_is_no_equilibrium_has_a_star(
    make_audits: Callable[..., Tables],
) -> None:
    tables = make_audits()
    audit = tables["audit"].copy()
    first = audit["point"] == audit["point"].iloc[0]
    audit.loc[first, "exploitability_share"] = 0.3
    ax = manipulation.plot({"audit": audit})
    starred = [text.get_text() for text in ax.texts if text.get_text().endswith("*")]
    assert starred == [f"×{audit.loc[first, 'report_factor'].mean():.2f}*"]
    assert "over 10% left to gain" in ax.get_xlabel()
    assert "left to gain" not in manipulation.plot(tables).get_xlabel()


def test_how_a_study_was_done_tells_no_mechanism_from_another(
    make_audits: Callable[..., Tables],
) -> None:
    tables = make_audits()
    audit = tables["audit"].copy()
    before = [label.get_text() for label in manipulation.plot(tables).get_yticklabels()]
    settings = [json.loads(text) | {"audit.play.rounds": 1200} for text in audit["settings"]]
    audit["settings"] = [json.dumps(one) for one in settings]
    after = [label.get_text() for label in manipulation.plot({"audit": audit}).get_yticklabels()]
    assert after == before
