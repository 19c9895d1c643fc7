"""The two ways in which edge devices give effort for a price."""

from __future__ import annotations

from typing import Literal, get_args

Effort = Literal["bought", "enforced"]
EFFORTS: tuple[Effort, ...] = get_args(Effort)
