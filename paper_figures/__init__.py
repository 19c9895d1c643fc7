"""Figures for print from the record tables of a run folder.

Nothing here trains, and nothing here knows an env.
"""

from paper_figures.figures import FIGURES, draw
from paper_figures.tables import CannotDraw, load_tables

__all__ = ["FIGURES", "CannotDraw", "draw", "load_tables"]
