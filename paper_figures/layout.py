"""Options that hold for any figure, applied to the panels that its function drew."""

from collections.abc import Mapping
from typing import Any, Literal

from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator

from paper_figures.legends import place_legend
from paper_figures.options import WIDTHS, FigureOptions
from paper_figures.tables import CannotDraw

Side = Literal["x", "y"]
_LETTERS = "abcdefghijklmnopqrstuvwxyz"


def lay_out(figure: Figure, options: FigureOptions) -> None:
    """Apply options to a figure that is drawn.

    Args:
        figure: the figure.
        options: what it takes.

    Raises:
        CannotDraw: an option names a panel that there is not, or asks for what cannot be shown; it
            begins with the option.
    """
    panels = panels_of(figure)
    if options.width is not None and figure.get_figwidth() != WIDTHS[options.width]:
        figure.set_figwidth(WIDTHS[options.width])
    for side in ("x", "y"):
        _scale(panels, side, getattr(options, f"{side}scale"))
        _limit(panels, side, getattr(options, f"{side}lim"))
    if options.letters is not None:
        _letter(panels, options.letters)
    if options.legend is not None:
        place_legend(figure, panels, options.legend)


def panels_of(figure: Figure) -> dict[str, Axes]:
    """Return the panels of a figure by their letters; a second y axis is none."""
    found: list[Axes] = []
    places: list[Any] = []
    for ax in figure.axes:
        place = ax.get_subplotspec() or ax
        if ax.get_visible() and place not in places:
            found.append(ax)
            places.append(place)
    return dict(zip(_LETTERS, found, strict=False))


def _of_panels(
    panels: Mapping[str, Axes], side: Side, option: str, given: Any
) -> list[tuple[str, Axes, Any]]:
    """Return the panels that an option is for, each with its value.

    Raises:
        CannotDraw: there is no such panel, or its axis is that of others too.
    """
    if given is None:
        return []
    if not isinstance(given, Mapping):
        return [(letter, ax, given) for letter, ax in panels.items()]
    for letter in given:
        if letter not in panels:
            raise CannotDraw(f"{option}: there is no panel {letter!r}; panels: {', '.join(panels)}")
        shared = getattr(panels[letter], f"get_shared_{side}_axes")()
        others = [
            other
            for other, ax in panels.items()
            if shared.joined(ax, panels[letter]) and given.get(other) != given[letter]
        ]
        if others:
            raise CannotDraw(
                f"{option}: panel {letter!r} shares its {side} axis with {', '.join(others)}; give "
                "these the same"
            )
    return [(letter, panels[letter], value) for letter, value in given.items()]


def _scale(panels: Mapping[str, Axes], side: Side, given: Any) -> None:
    """Set scales; ticks that the figure set stay."""
    option = f"{side}scale"
    for letter, ax, scale in _of_panels(panels, side, option, given):
        if scale == "log":
            least = ax.dataLim.x0 if side == "x" else ax.dataLim.y0
            if least <= 0:
                raise CannotDraw(
                    f"{option}: a logarithmic axis shows nothing at or below 0, and panel "
                    f"{letter!r} reaches to {least:.3g}"
                )
        axis: Axis = ax.xaxis if side == "x" else ax.yaxis
        kept = axis.get_major_locator(), axis.get_major_formatter(), axis.get_minor_locator()
        (ax.set_xscale if side == "x" else ax.set_yscale)(scale)
        if isinstance(kept[0], FixedLocator):
            axis.set_major_locator(kept[0])
            axis.set_major_formatter(kept[1])
            axis.set_minor_locator(kept[2])


def _limit(panels: Mapping[str, Axes], side: Side, given: Any) -> None:
    """Set limits; an end that is None stays, as does the direction of the axis."""
    option = f"{side}lim"
    for letter, ax, (low, high) in _of_panels(panels, side, option, given):
        is_x = side == "x"
        now = sorted(ax.get_xlim() if is_x else ax.get_ylim())
        limits = [now[0] if low is None else low, now[1] if high is None else high]
        if limits[0] >= limits[1]:
            raise CannotDraw(
                f"{option}: {limits[0]:.3g} is not below {limits[1]:.3g} in panel {letter!r}"
            )
        drawn = (ax.dataLim.intervalx if is_x else ax.dataLim.intervaly).tolist()
        if limits[1] < drawn[0] or limits[0] > drawn[1]:
            raise CannotDraw(
                f"{option}: {limits[0]:.3g} to {limits[1]:.3g} shows nothing of panel {letter!r}, "
                f"which has {drawn[0]:.3g} to {drawn[1]:.3g}"
            )
        if (ax.get_xscale() if is_x else ax.get_yscale()) == "log" and limits[0] <= 0:
            raise CannotDraw(
                f"{option}: panel {letter!r} is logarithmic, its limits should be above 0"
            )
        inverted = ax.xaxis_inverted() if is_x else ax.yaxis_inverted()
        (ax.set_xlim if is_x else ax.set_ylim)(*(limits[::-1] if inverted else limits))


def _letter(panels: Mapping[str, Axes], letters: bool) -> None:
    """Write the letters of panels before their titles, or take them away."""
    for letter, ax in panels.items():
        title = ax.get_title(loc="left")
        rest = title.removeprefix(f"({letter})").strip()
        ax.set_title(f"({letter}) {rest}".strip() if letters else rest, loc="left")
