"""What edge devices report to the platform."""

from __future__ import annotations

from typing import NamedTuple

from mechanisms.arrays import BoolArray, FloatArray, IntArray


class ExpertReports(NamedTuple):
    """Everything that edge devices report about themselves; (..., E) each.

    Attributes:
        unit_cost: credits/point, as in `Market`; so are the next four.
        cost_slope: credits/point.
        capacity: subtasks.
        bandwidth_limit: Hz.
        topic: `Market.expert_topic`.
        available: False where the expert serves nobody, which is capacity 0.
    """

    unit_cost: FloatArray
    cost_slope: FloatArray
    capacity: IntArray
    bandwidth_limit: FloatArray
    topic: IntArray
    available: BoolArray
