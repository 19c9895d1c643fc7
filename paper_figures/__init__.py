"""Figures for print from the record tables of a run folder.

Nothing here trains, nothing here knows an env, and nothing here writes a run's files.
"""

from paper_figures.defaults import looks
from paper_figures.drawing import drawn
from paper_figures.figures import data, render, save
from paper_figures.options import Asked, FigureOptions
from paper_figures.registry import FIGURES, register
from paper_figures.tables import CannotDraw, load_tables

__all__ = [
    "FIGURES",
    "Asked",
    "CannotDraw",
    "FigureOptions",
    "data",
    "drawn",
    "load_tables",
    "looks",
    "register",
    "render",
    "save",
]
