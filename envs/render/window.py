"""A window that shows a world as it is played; the only module that imports pyplot."""

import warnings

from matplotlib import pyplot
from matplotlib.backend_bases import FigureManagerBase

from envs.render.renderer import WorldRenderer
from envs.render.style import DPI, HEIGHT_INCHES, WIDTH_INCHES
from envs.slot import Slot


class Window:
    """A matplotlib window with the picture of a world.

    Where matplotlib cannot open one, a warning is given and nothing is shown. A window that was
    closed by hand stays closed.

    Attributes:
        renderer: draws in the window; None where no figure could be made.

    Args:
        slot: the slot about to be played, of which the first world is shown.
        frames_per_second: pictures a second; `refresh` waits for the time of one.
    """

    def __init__(self, slot: Slot, frames_per_second: float) -> None:
        self._seconds = 1 / frames_per_second
        self.renderer: WorldRenderer | None = None
        try:
            figure = pyplot.figure(figsize=(WIDTH_INCHES, HEIGHT_INCHES), dpi=DPI)
        except Exception as error:  # each backend has its own for a machine that cannot run it
            self._opened = False
            _warn(str(error))
            return
        manager = figure.canvas.manager
        self._opened = manager is not None and type(manager).show is not FigureManagerBase.show
        self.renderer = WorldRenderer(slot, figure=figure)
        if manager is None or not self._opened:
            _warn(f"matplotlib's backend {pyplot.get_backend()!r} opens none")
            return
        manager.set_window_title("edge_experts_v0")
        manager.show()

    def refresh(self) -> None:
        """Show the drawing on the screen, and handle events of the window for one frame."""
        if (
            self.renderer is None
            or not self._opened
            or not pyplot.fignum_exists(self.renderer.figure.number)
        ):
            return
        canvas = self.renderer.figure.canvas
        canvas.draw_idle()
        canvas.start_event_loop(self._seconds)

    def close(self) -> None:
        """Close the window and free its figure."""
        if self.renderer is not None:
            pyplot.close(self.renderer.figure)


def _warn(reason: str) -> None:
    warnings.warn(
        f"render_mode='human' shows no window: {reason}. Use render_mode='rgb_array', or choose a "
        "backend with a window (MPLBACKEND=TkAgg or QtAgg) where there is a display.",
        RuntimeWarning,
        stacklevel=4,
    )
