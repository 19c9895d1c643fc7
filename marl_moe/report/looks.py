"""Looks of curves on the page: those of the figures, on light paper and on dark.

Dashes and markers repeat what colours say, for readers who see none and for print in grey.
"""

from collections.abc import Iterable
from typing import Any

from paper_figures.style import Marker, policy_style

PAPER = {"light": "#ffffff", "dark": "#161b22"}  # as in page.css
CONTRAST = 3.0  # of graphics to what is behind them: WCAG 2.2, success criterion 1.4.11
STEP = 0.05  # by which a colour nears black or white until it has that

WIDTH = 2  # px of a line; matplotlib's dashes are in widths of theirs
DASHES = {"-": "solid", "--": "dash", ":": "dot", "-.": "dashdot"}
SYMBOLS: dict[Marker, str] = {  # of matplotlib, as Plotly calls them
    "o": "circle",
    "s": "square",
    "D": "diamond",
    "d": "diamond-tall",
    "v": "triangle-down",
    "^": "triangle-up",
    "<": "triangle-left",
    ">": "triangle-right",
    "p": "pentagon",
    "h": "hexagon",
    "H": "hexagon2",
    "8": "octagon",
    "*": "star",
    "P": "cross",
    "X": "x",
    "x": "x-thin-open",
    "+": "cross-thin-open",
    "1": "y-down-open",
    "2": "y-up-open",
    "3": "y-left-open",
    "4": "y-right-open",
    "|": "line-ns-open",
    (5, 1, 36): "star-open",
    (8, 2, 0): "asterisk-open",
    (4, 1, 0): "star-diamond",
    (3, 1, 0): "star-triangle-up",
    (6, 1, 0): "hexagram",
    (5, 2, 0): "hash-open",
    (7, 0, 0): "circle-cross-open",
    (8, 1, 0): "star-square",
    (3, 0, 45): "triangle-ne",
    (4, 1, 45): "diamond-cross-open",
}
# Curves that are of no policy: Tol's "bright" colours, without the one of least contrast.
CURVES = (
    ("#4477aa", "solid", "circle"),
    ("#ee6677", "9px,3px", "square"),
    ("#228833", "2px,2px", "diamond"),
    ("#aa3377", "9px,3px,2px,3px", "triangle-up"),
    ("#66ccee", "5px,2px", "x"),
    ("#997700", "12px,3px,2px,3px,2px,3px", "star"),
    ("#555555", "4px,4px", "pentagon"),
    ("#004488", "14px,4px", "triangle-down"),
)

Look = dict[str, Any]  # light, dark: colours; dash; symbol


def policy_look(policy: str, among: Iterable[str]) -> Look:
    """Return the look of a policy.

    Args:
        policy: its name.
        among: all policies of the run, which are told apart.
    """
    style = policy_style(policy, among)
    return _look(style.colour, _dash(style.line_style), SYMBOLS[style.marker])


def curve_look(place: int) -> Look:
    """Return the look of the curve of that place among others, all different in the first eight."""
    colour, dash, symbol = CURVES[place % len(CURVES)]
    return _look(colour, dash, symbol)


def _look(colour: str, dash: str, symbol: str) -> Look:
    shades = {theme: shade(colour, paper) for theme, paper in PAPER.items()}
    return {**shades, "dash": dash, "symbol": symbol}


def _dash(line_style: str | tuple[int, tuple[float, ...]]) -> str:
    if isinstance(line_style, str):
        return DASHES[line_style]
    return ",".join(f"{WIDTH * length:g}px" for length in line_style[1])


def shade(colour: str, paper: str) -> str:
    """Return a colour as near to another as gives it enough contrast to what it is drawn on.

    Args:
        colour: such as "#004488".
        paper: what it is drawn on.
    """
    red, green, blue = _channels(colour)
    end = 0.0 if luminance(paper) > 0.5 else 1.0
    share = 0.0
    while True:
        mixed = [channel + (end - channel) * share for channel in (red, green, blue)]
        shaded = "#" + "".join(f"{round(255 * channel):02x}" for channel in mixed)
        if contrast(shaded, paper) >= CONTRAST or share >= 1:
            return shaded
        share = min(1.0, share + STEP)


def contrast(first: str, second: str) -> float:
    """Return the contrast ratio of two colours, 1 to 21 (WCAG 2.2, "contrast ratio")."""
    lighter, darker = sorted((luminance(first), luminance(second)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def luminance(colour: str) -> float:
    """Return the relative luminance of an sRGB colour, 0..1 (WCAG 2.2, "relative luminance")."""
    linear = [
        channel / 12.92 if channel <= 0.04045 else ((channel + 0.055) / 1.055) ** 2.4
        for channel in _channels(colour)
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def _channels(colour: str) -> tuple[float, float, float]:
    red, green, blue = (int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5))
    return red, green, blue
