"""How evenly gains are shared: mean gain, the worst user's, and Jain's index, against what a sweep
varies.
"""

from matplotlib.figure import Figure

from paper_figures import style
from paper_figures.sensitivity import plot_metrics
from paper_figures.tables import Tables

STYLE = style.PRINT | style.DOUBLE_COLUMN | {"figure.figsize": (7.16, 2.6)}


def plot(tables: Tables, figure: Figure | None = None) -> Figure:
    """Draw mean gain, least gain of any user (credits a slot) and Jain's index of every policy, a
    row each.

    Raises CannotDraw as `sensitivity.plot`, and without a user who gains anything.
    """
    return plot_metrics(tables, ["gain", "worst_gain", "jain"], figure)
