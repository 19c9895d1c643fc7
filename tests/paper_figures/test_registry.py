"""A figure of a user's own is registered as the shipped ones are."""

from collections.abc import Iterator
from io import BytesIO

import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image

from paper_figures import FIGURES, CannotDraw, register, render, save
from paper_figures.figures import unmet

Tables = dict[str, pd.DataFrame]


def test_a_figure_of_a_users_own_is_drawn_and_saved_by_its_name(tables: Tables) -> None:
    def plot(tables: Tables) -> Axes:
        ax = Figure().subplots()
        ax.plot(tables["evaluation"]["gain"])
        return ax

    assert register("mine", {"figure.figsize": (2.0, 1.0), "savefig.dpi": 50})(plot) is plot
    try:
        drawn, refused, failed = render(tables, ["mine"])
        assert refused == failed == {}
        file = BytesIO()
        save("mine", drawn["mine"], file, "png")
        assert Image.open(file).size == (100, 50)
        assert register("mine", {})(plot) is plot  # defined again, as in a cell of a notebook
        with pytest.raises(ValueError, match="figure 'mine' exists already"):
            register("mine", {})(lambda tables: None)
    finally:
        del FIGURES["mine"]


@pytest.fixture
def registered() -> Iterator[None]:
    """Let nothing that a test registers outlive it."""
    before = dict(FIGURES)
    yield
    FIGURES.clear()
    FIGURES.update(before)


def broken(tables: Tables) -> Axes:
    return tables["evaluation"]["nope"]


def leaves(tables: Tables) -> Axes:
    raise SystemExit("bye")


def nothing(tables: Tables) -> None:
    tables["evaluation"]["gain"] = 0.0  # which no other figure sees


@pytest.mark.usefixtures("registered")
def test_figures_that_fail_keep_no_other_from_being_drawn(tables: Tables) -> None:
    for plot in (broken, leaves, nothing):
        register(plot.__name__, {})(plot)
    before = tables["evaluation"].copy()
    drawn, refused, failed = render(tables, ["broken", "leaves", "nothing", "policies"])
    assert (list(drawn), refused) == (["policies"], {})
    assert [type(error) for error in failed.values()] == [KeyError, SystemExit, TypeError]
    assert str(failed["nothing"]) == (
        "nothing returned None; it should return a Figure, or the Axes in one"
    )
    pd.testing.assert_frame_equal(tables["evaluation"], before)


@pytest.mark.usefixtures("registered")
def test_what_a_figure_needs_is_asked_before_it_is_drawn(tables: Tables) -> None:
    def needs(tables: Tables) -> None:
        if "market" not in tables:
            raise CannotDraw("there is no table 'market'")

    register("of_markets", {}, needs)(nothing)
    assert render(tables, ["of_markets"]).refused == {"of_markets": "there is no table 'market'"}
    assert unmet("of_markets", tables) == "there is no table 'market'"
    assert unmet("of_markets", {"market": tables["evaluation"]}) is None


@pytest.mark.parametrize("name", ["a/b", "../b", "", ".hidden", "a:b", "a\nb"])
def test_a_name_that_no_file_can_have_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="a figure's name should be of letters"):
        register(name, {})
