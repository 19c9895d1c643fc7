"""The occupancy of experts, carried from slot to slot: loads, backlogs and users served."""

from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from envs.arrays import Bool, Float, Int
from envs.state import State, copied, taken

RECENT_WEIGHT = 0.3  # of the last slot in `recent_load`
_STATE = (
    "load",
    "recent_load",
    "own_recent_load",
    "airtime_backlog_s",
    "compute_backlog_s",
    "last_expert",
)


@dataclass(frozen=True, eq=False)
class Occupancy:
    """Loads and backlogs of the experts of N worlds at the start of a slot.

    Attributes:
        load: (N, E) users that each expert served in the last slot.
        recent_load: (N, E) exponential average of `load` over past slots, weight `RECENT_WEIGHT`.
        own_recent_load: (N, U, C) part of it in each user's candidates that is the user itself.
        airtime_backlog_s: (N, E) airtime that each expert has left over, s of the whole band.
        compute_backlog_s: (N, E) computing that each expert has left over, s.
        last_expert: (N, U) the expert that served each user in the last slot, -1: none.
    """

    load: Float
    recent_load: Float
    own_recent_load: Float
    airtime_backlog_s: Float
    compute_backlog_s: Float
    last_expert: Int

    @classmethod
    def idle(cls, shape: tuple[int, int, int], num_experts: int) -> Self:
        """Return the occupancy before the first slot, of pairs (N, U, C): nobody was served."""
        nothing = np.zeros((shape[0], num_experts))
        nobody = np.full(shape[:2], -1)
        return cls(nothing, nothing, np.zeros(shape), nothing, nothing, nobody)

    def after(
        self,
        load: Float,
        last_expert: Int,
        column: Int,
        airtime_s: Float,
        compute_s: Float,
        slot_s: float,
        serving_share: Float | float,
    ) -> "Occupancy":
        """Return the occupancy after a slot.

        Args:
            load: (N, E) users served.
            last_expert: (N, U) the expert that served each user, -1: none.
            column: (N, U) its column among the user's candidates, -1: none.
            airtime_s: (N, E) airtime taken on, s of the whole band.
            compute_s: (N, E) computing taken on, s.
            slot_s: length of the slot, s; what is beyond it stays as backlog.
            serving_share: share of it in which each band serves, (N, E), or one number.
        """
        served = column[..., None] == np.arange(self.own_recent_load.shape[-1])
        return Occupancy(
            load=load,
            recent_load=_smoothed(self.recent_load, load),
            own_recent_load=_smoothed(self.own_recent_load, served),
            airtime_backlog_s=np.maximum(
                self.airtime_backlog_s + airtime_s - slot_s * serving_share, 0.0
            ),
            compute_backlog_s=np.maximum(self.compute_backlog_s + compute_s - slot_s, 0.0),
            last_expert=last_expert,
        )

    def grown(self, count: int, kept: Int | None) -> "Occupancy":
        """Return the occupancy with more experts, which are idle.

        Args:
            count: their number.
            kept: (N, U, C) columns of old candidates and newcomers that are kept; None: all are.
        """
        newcomers = ((0, 0), (0, count))
        own = np.pad(self.own_recent_load, ((0, 0), *newcomers))
        return replace(
            self,
            load=np.pad(self.load, newcomers),
            recent_load=np.pad(self.recent_load, newcomers),
            own_recent_load=own if kept is None else np.take_along_axis(own, kept, axis=-1),
            airtime_backlog_s=np.pad(self.airtime_backlog_s, newcomers),
            compute_backlog_s=np.pad(self.compute_backlog_s, newcomers),
        )

    def get_state(self) -> State:
        """Return copies of all arrays."""
        return taken(self, _STATE)

    @classmethod
    def from_state(cls, state: State) -> Self:
        """Return the occupancy that gave this state."""
        return cls(**copied(state))


def _smoothed(before: Float, now: Float | Bool) -> Float:
    return before + RECENT_WEIGHT * (now - before)
