"""Choices as lines from the rows of users to those of experts, where nobody has a place."""

import numpy as np
from matplotlib.figure import Figure

from envs.arrays import Float, Int
from envs.render.choices import Choices, group_handles, legend, line_handles, marker_handle
from envs.render.marks import Marks
from envs.render.rows import Rows
from envs.render.scene import Setting
from envs.render.style import FAINT, Tables, heading, network_axes

_ALONG = np.linspace(0, 1, 30)
_ACROSS = _ALONG**2 * (3 - 2 * _ALONG)  # leaves a user and reaches an expert horizontally


class Diagram(Choices):
    """Lines from each user, on the left, to the expert that it chose, on the right.

    Args:
        figure: the figure to draw in.
        rows: places of users and experts.
        marks: shapes of their markers.
        full_gain: credits drawn in the thickest line and deepest green.
    """

    tables = Tables(users_right=0.245, experts_left=0.57)

    def __init__(self, figure: Figure, rows: Rows, marks: Marks, full_gain: float) -> None:
        left, right = self.tables
        axes = network_axes(figure, left, right - left)
        axes.set_zorder(-0.5)  # below the markers
        super().__init__(axes, full_gain)
        self._rows = rows
        heading(axes, 0.5, "who sends a subtask to whom", "", "center")
        hollow = marker_handle("o", "none", FAINT, "idle, or not available")
        legend(figure, [[*line_handles(), hollow], group_handles(marks)])

    def ways(self, setting: Setting, users: Int, experts: Int) -> Float:
        """Return curves from the rows of users to those of experts."""
        start, end = self._rows.user[users], self._rows.expert[experts]
        height = start[:, None] + (end - start)[:, None] * _ACROSS
        return np.stack([np.broadcast_to(_ALONG, height.shape), height], axis=-1)
