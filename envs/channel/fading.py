"""The channels of N worlds in motion: the state of a process, and the links of the slot."""

import numpy as np

from envs.arrays import Float, Int
from envs.channel.links import LIMITS_DB, Links
from envs.channel.placement import (
    Placement,
    arrays_of,
    called,
    fault,
    locked,
    mean_db,
    newcomers_placed,
    pairs_drawn,
)
from envs.channel.process import Arrays, Shape
from envs.channel.rates import Rate
from envs.state import State, copied


class FadingChannel:
    """SNR of every pair of user and candidate of N worlds, slot after slot.

    Attributes:
        process: draws the SNR.
        state: arrays of the process by name: of pairs (N, U, C, ...), a column for each candidate
            of a user (`envs.candidates`), of users (N, U, 1, ...). They are read-only.
        links: SNR and spectral efficiency of this slot.
        rng: generator of all draws.

    Args:
        placement: the process, its users in their places, and the generator.
        pairs: of `ChannelProcess.large_scale`, (N, U, C, ...).
        shape: (N, U, C).
        rate: how the spectral efficiency follows from the SNR.
        slot_s: length of a slot, s.

    Raises:
        ChannelError: here and in `advance`, `add_experts`: the process gave no channel.
    """

    links: Links

    def __init__(
        self,
        placement: Placement,
        pairs: Arrays,
        shape: Shape,
        rate: Rate,
        slot_s: float,
    ) -> None:
        self.process, self.rng = placement.process, placement.rng
        self._of_users, self._num_experts = tuple(placement.users), placement.num_experts
        self._rate, self._slot_s, self._shape = rate, slot_s, shape
        self.state = placement.users | self._first_slot(shape, placement.users, pairs)
        self._measure()

    @property
    def mean_db(self) -> Float | None:
        """Mean SNR of each pair, (N, U, C) dB; None where the process gives none."""
        return mean_db(self.process, self.state, self._shape)

    def advance(self) -> None:
        """Go on to the next slot."""
        state = self.state
        arguments = self._shape, state, self._slot_s, self.rng
        changed = arrays_of(self.process, "following", self._shape[:2], *arguments)
        for name, array in changed.items():
            like = state.get(name)
            if like is None:
                raise fault(
                    self.process, f"following gave {name!r}, which the first slot does not have"
                )
            if (array.shape, array.dtype) != (like.shape, like.dtype):
                raise fault(
                    self.process,
                    f"following gave {name!r} as {array.dtype} of shape {array.shape}, "
                    f"the first slot as {like.dtype} of shape {like.shape}",
                )
        self.state = state | changed
        self._measure()

    def add_experts(self, count: int) -> None:
        """Draw the channels to `count` more experts."""
        num_worlds, num_users, num_columns = self._shape
        shape = num_worlds, num_users, count
        users = {name: self.state[name] for name in self._of_users}
        first = self._num_experts
        experts = newcomers_placed(self.process, (num_worlds, count), first, self.rng)
        pairs = pairs_drawn(self.process, shape, users, experts, self.rng)
        newcomers = self._first_slot(shape, users, pairs)
        grown = {
            name: np.concatenate([self.state[name], array], axis=2)
            for name, array in newcomers.items()
        }
        self._num_experts = first + count
        self._shape = num_worlds, num_users, num_columns + count
        self._set(users | grown)

    def keep(self, column: Int) -> None:
        """Keep these columns alone, (N, U, C)."""
        self._shape = column.shape
        self._set(columns_of(self.state, column, self._of_users))

    def get_state(self) -> State:
        """Return a copy of all arrays."""
        return copied(self.state)

    def set_state(self, state: State) -> None:
        """Go on from what `get_state` gave."""
        self._set({name: state[name].copy() for name in self.state})

    def _first_slot(self, shape: Shape, users: Arrays, pairs: Arrays) -> Arrays:
        """Return the large scale of pairs and their first slot."""
        arguments = shape, users | pairs, self.rng
        drawn = arrays_of(self.process, "small_scale", shape, *arguments)
        taken = sorted((drawn.keys() & (users | pairs).keys()) | (users.keys() & pairs.keys()))
        if taken:
            raise fault(self.process, f"two methods give an array of the name {taken[0]!r}")
        return pairs | drawn

    def _set(self, state: Arrays) -> None:
        self.state = {name: locked(array) for name, array in state.items()}
        self._measure()

    def _measure(self) -> None:
        """Set the links of this slot.

        Raises:
            ChannelError: an SNR is not finite, or beyond what can be computed with.
        """
        snr_db = np.asarray(called(self.process, "snr_of", self.state))
        if snr_db.shape != self._shape:
            raise fault(self.process, f"the SNR has shape {snr_db.shape}, expected {self._shape}")
        low, high = LIMITS_DB
        if not (snr_db.min() >= low and snr_db.max() <= high):  # which no NaN is
            wrong = snr_db[~((snr_db >= low) & (snr_db <= high))][0]
            raise fault(
                self.process,
                f"the SNR should be finite, {low:g} to {high:g} dB, got {wrong:g}",
            )
        self.links = Links.at(snr_db.astype(np.float32, copy=False), self._rate)


def columns_of(state: Arrays, column: Int, of_users: tuple[str, ...] = ()) -> Arrays:
    """Return the arrays with these columns of pairs alone, (N, U, C), and those of users."""
    kept = {}
    for name, array in state.items():
        if name not in of_users:
            place = column.reshape(*column.shape, *(1,) * (array.ndim - 3))
            array = np.take_along_axis(array, place, axis=2)
        kept[name] = array
    return kept
