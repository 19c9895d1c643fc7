"""What agents can lie about: each field that edge devices and users report, and lies worth trying.

A report is a vector of D numbers. The lies tried first are those that theory and experience name:
factors, shifts, steep and flat costs with the same price of full effort, overstated capacity, all
but the best pairs left out. Where a field is of numbers, a search goes on from the best of them.
"""

from __future__ import annotations

from mechanisms.auditing.edge_device_lies import EDGE_DEVICE_LIES
from mechanisms.auditing.lie import Lie
from mechanisms.auditing.user_lies import USER_LIES

__all__ = ["LIES", "Lie"]

LIES: tuple[Lie, ...] = (*EDGE_DEVICE_LIES, *USER_LIES)
