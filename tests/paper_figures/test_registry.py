"""A figure of a user's own is registered as the shipped ones are."""

from io import BytesIO

import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image

from paper_figures import FIGURES, register, render, save

Tables = dict[str, pd.DataFrame]


def test_a_figure_of_a_users_own_is_drawn_and_saved_by_its_name(tables: Tables) -> None:
    def plot(tables: Tables) -> Axes:
        ax = Figure().subplots()
        ax.plot(tables["evaluation"]["gain"])
        return ax

    assert register("mine", {"figure.figsize": (2.0, 1.0), "savefig.dpi": 50})(plot) is plot
    try:
        drawn, refused = render(tables, ["mine"])
        assert refused == {}
        file = BytesIO()
        save("mine", drawn["mine"], file, "png")
        assert Image.open(file).size == (100, 50)
        assert register("mine", {})(plot) is plot  # defined again, as in a cell of a notebook
        with pytest.raises(ValueError, match="figure 'mine' exists already"):
            register("mine", {})(lambda tables: None)
    finally:
        del FIGURES["mine"]
