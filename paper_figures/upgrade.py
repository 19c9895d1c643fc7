"""What a policy is worth where more edge devices are than it was trained with: its share of the
equilibrium's gain.
"""

from matplotlib.figure import Figure

from paper_figures import style
from paper_figures.sensitivity import plot_metrics
from paper_figures.tables import Tables

STYLE = style.PRINT | style.DOUBLE_COLUMN | {"figure.figsize": (7.16, 3.0)}


def plot(tables: Tables, figure: Figure | None = None) -> Figure:
    """Draw the share of the equilibrium's gain of every policy, and of every way in which one was
    trained.

    Raises CannotDraw as `sensitivity.plot`, and where the equilibrium was not evaluated.
    """
    return plot_metrics(tables, ["share_of_equilibrium"], figure)
