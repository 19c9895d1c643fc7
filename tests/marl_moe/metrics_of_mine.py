"""Metrics that tests register; as those of a script they are sent to other processes."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from marl_moe.metrics import register


def register_metrics() -> None:
    """Register them."""

    @register("late", unit="share", doc="served past the deadline")
    def late(slot: Any, result: Any) -> NDArray[Any]:
        past = result.delay_s > slot.conditions.users.deadline_s
        return np.where(result.transferred, past, np.nan)

    @register("qos_again", unit="points", doc="points recovered")
    def qos_again(slot: Any, result: Any) -> NDArray[Any]:
        return result.qos

    @register("utilisation", unit="share", doc="experts that serve somebody")
    def utilisation(slot: Any, result: Any) -> NDArray[Any]:
        return result.load > 0

    @register("backlog", unit="s", doc="longest backlog of airtime at the start of a slot")
    def backlog(slot: Any, result: Any) -> NDArray[Any]:
        return slot.conditions.occupancy.airtime_backlog_s.max(axis=-1)

    @register("of_one_world", unit="points", doc="a value a user, without an axis of worlds")
    def of_one_world(slot: Any, result: Any) -> NDArray[Any]:
        return result.qos[0]

    @register("fails_later", unit="s", doc="infinite from the fourth slot on")
    def fails_later(slot: Any, result: Any) -> NDArray[Any]:
        return np.full(slot.num_worlds, np.inf if slot.index >= 3 else 0.0)
