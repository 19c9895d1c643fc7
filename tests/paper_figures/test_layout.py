"""Every figure as it is laid out: texts, legends, colours and intervals."""

from collections.abc import Callable
from functools import partial

import matplotlib
import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.text import Text

from paper_figures import FIGURES, looks, render
from paper_figures.style import policy_style

from .figures_by_kind import CHANGED, OF_AUDITS, OF_MARKETS, OF_SIDES, OF_SWEEPS, SHIPPED, Tables


@pytest.mark.parametrize("name", ["reward_curves", "final_rewards", "price_of_anarchy"])
def test_the_legend_fits_a_column_where_some_intervals_are_missing(
    tables: Tables, contention: Tables, name: str
) -> None:
    """Seed 0 alone has the last epochs, the policy `random`, and 8 users."""
    training, evaluation = tables["training"], tables["evaluation"]
    training = training[(training["seed"] == 0) | (training["epoch"] <= 100)]
    evaluation = evaluation[(evaluation["seed"] == 0) | (evaluation["policy"] != "random")]
    shown = {"training": training, "evaluation": evaluation}
    if name == "price_of_anarchy":
        rows = contention["evaluation"]
        shown = {"evaluation": rows[(rows["seed"] == 0) | (rows["num_users"] != 8)]}
    with looks(FIGURES[name].style):
        figure = render(shown, [name]).figures[name]
        figure.draw_without_rendering()
        legends = [*figure.legends, *(ax.get_legend() for ax in figure.axes if ax.get_legend())]
        boxes = [legend.get_window_extent() for legend in legends]
    texts = [text.get_text() for legend in legends for text in legend.get_texts()]
    assert "95% interval, 3 seeds;\none seed: no interval" in texts
    assert all(0 <= box.x0 <= box.x1 <= figure.bbox.x1 for box in boxes)


def colours_by_policy(ax: Axes) -> dict[str, str]:
    """Label -> colour, of labelled curves and of the rows of a dot plot."""
    curves = {str(line.get_label()): to_hex(line.get_color()) for line in ax.get_lines()}
    rows = {
        text.get_text(): to_hex(
            next(
                c.lines[0] for c in ax.containers if round(c.lines[0].get_ydata()[0]) == i
            ).get_color()
        )
        for i, text in enumerate(ax.get_yticklabels())
        if ax.containers
    }
    return curves | rows


def test_a_policy_has_the_same_colour_in_every_figure(tables: Tables, contention: Tables) -> None:
    for name in SHIPPED:
        if name in OF_MARKETS | OF_AUDITS | OF_SIDES | {"price_of_anarchy", "sample_efficiency"}:
            continue  # of some policies alone
        shown = CHANGED.get(name, dict)(contention if name in OF_SWEEPS else tables)
        colours = colours_by_policy(FIGURES[name].plot(shown).get_figure(root=True).axes[0])
        for policy in ("local", "sac", "abandon", "random"):
            look = policy_style(policy)
            assert colours[look.label] == look.colour.lower(), (name, policy)


@pytest.mark.parametrize(
    ("name", "sweep"), [(name, name in OF_SWEEPS) for name in SHIPPED] + [("policies", True)]
)
def test_no_text_overlaps_another_or_leaves_the_page(
    make_tables: Callable[..., Tables],
    contention: Tables,
    pricing_tables: Tables,
    make_audits: Callable[..., Tables],
    make_two_sided: Callable[..., Tables],
    with_settings: Callable[[Tables], Tables],
    name: str,
    sweep: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tables = contention if sweep else make_tables(seeds=1, algorithms=["sac", "ppo"], episodes=30)
    if name in OF_MARKETS:
        tables = pricing_tables
    elif name in OF_AUDITS:
        tables = make_audits()
    elif name in OF_SIDES:
        tables = make_two_sided()
    elif not sweep:
        tables["training"]["point"] = "algorithm=" + tables["training"]["algorithm"]
        tables = with_settings(tables)
    tables = CHANGED.get(name, dict)(tables)
    with matplotlib.rc_context(FIGURES[name].style):
        figure = FIGURES[name].plot(tables).get_figure(root=True)
        figure.draw_without_rendering()  # lays the figure out
        drawn: list[Text] = []  # ticks outside the axes exist, but are not drawn
        monkeypatch.setattr(Text, "draw", lambda text, _: drawn.append(text))
        figure.draw_without_rendering()
        texts = [text for text in dict.fromkeys(drawn) if text.get_visible() and text.get_text()]
        boxes = [text.get_window_extent() for text in texts]
    assert len(texts) > 10
    page = figure.bbox.padded(1)
    for index, box in enumerate(boxes):
        assert page.x0 <= box.x0 <= box.x1 <= page.x1, texts[index]
        assert page.y0 <= box.y0 <= box.y1 <= page.y1, texts[index]
        assert not any(box.overlaps(other) for other in boxes[index + 1 :]), texts[index]


def widest_interval(figure: Figure) -> float:
    """The greatest extent of any bar or band in units of data; 0 where none is drawn."""
    shapes = [
        path.vertices
        for ax in figure.axes
        for drawn in ax.collections
        for path in drawn.get_paths()
    ]
    return max(
        (np.nan_to_num(np.ptp(shape, axis=0)).max() for shape in shapes if len(shape) == 2),
        default=0.0,
    ) + max((np.nan_to_num(np.ptp(shape[:, 1])) for shape in shapes if len(shape) > 2), default=0.0)


@pytest.mark.parametrize("name", SHIPPED)
def test_one_seed_is_drawn_without_an_interval_and_the_legend_says_so(
    make_tables: Callable[..., Tables],
    make_contention: Callable[..., Tables],
    make_pricing: Callable[..., Tables],
    make_audits: Callable[..., Tables],
    make_two_sided: Callable[..., Tables],
    name: str,
) -> None:
    make: Callable[..., Tables] = partial(make_tables, episodes=8)
    if name in OF_SWEEPS:
        make = partial(make_contention, episodes=8)
    elif name in OF_MARKETS:
        make = partial(make_pricing, episodes=8)
    elif name in OF_AUDITS:
        make = make_audits
    elif name in OF_SIDES:
        make = make_two_sided
    texts: dict[int, list[str]] = {}
    for seeds in (1, 2):
        tables = make(seeds=seeds)
        figure = FIGURES[name].plot(CHANGED.get(name, dict)(tables)).get_figure(root=True)
        legends = [*figure.legends, *(ax.get_legend() for ax in figure.axes if ax.get_legend())]
        texts[seeds] = [text.get_text() for legend in legends for text in legend.get_texts()]
        assert (widest_interval(figure) > 0) == (seeds > 1)
    assert [sum("one seed: no interval" in text for text in texts[seeds]) for seeds in (1, 2)] == [
        1,
        0,
    ]
    assert [sum("95% interval, 2 seeds" in text for text in texts[seeds]) for seeds in (1, 2)] == [
        0,
        1,
    ]
