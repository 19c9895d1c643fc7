"""The channels of N worlds in motion: the state of a process, and the links of the slot."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from envs.arrays import Arrays, Float, Int
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
from envs.channel.process import Positions, Shape
from envs.channel.rates import Rate
from envs.state import State, copied


class FadingChannel:
    """SNR of every pair of user and candidate of N worlds, slot after slot.

    Attributes:
        process: draws the SNR.
        state: arrays of the process by name: of pairs (N, U, C, ...), a column for each candidate
            of a user (`envs.candidates`), of users (N, U, 1, ...), and of experts (N, 1, E, ...),
            or (N, U, C, ...) where users have lists. They are read-only.
        experts: arrays of all experts, (N, 1, E, ...).
        links: SNR and spectral efficiency of this slot.
        rng: generator of all draws.

    Args:
        placement: the process, its users and experts in their places, and the generator.
        pairs: of `ChannelProcess.large_scale`, (N, U, C, ...).
        shape: (N, U, C).
        rate: how the spectral efficiency follows from the SNR.
        slot_s: length of a slot, s.
        min_snr_db: pairs of less SNR are out of coverage, dB; None: none is.
        candidates: (N, U, C) the expert of each column; None: column e is expert e.

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
        min_snr_db: float | None = None,
        candidates: Int | None = None,
    ) -> None:
        self.process, self.rng = placement.process, placement.rng
        self.experts = placement.experts
        self._of_users, self._of_experts = tuple(placement.users), tuple(placement.experts)
        self._num_experts = placement.num_experts
        self._rate, self._slot_s, self._shape = rate, slot_s, shape
        self._min_snr_db, self._candidates = min_snr_db, candidates
        ends = placement.users | self._by_column(placement.experts)
        self.state = ends | self._first_slot(shape, ends, pairs)
        self._measure()

    @property
    def mean_db(self) -> Float | None:
        """Mean SNR of each pair, (N, U, C) dB; None where the process gives none."""
        return mean_db(self.process, self.state, self._shape)

    @property
    def positions(self) -> Positions | None:
        """Places of users and experts in this slot; None where the process has none.

        Raises:
            ChannelError: they are not finite numbers of the right shapes.
        """
        users = {name: self.state[name] for name in self._of_users}
        positions = called(self.process, "positions", users, self.experts)
        return None if positions is None else self._checked_places(positions)

    def advance(self) -> None:
        """Go on to the next slot."""
        self._advance_experts()
        state = self.state
        arguments = self._shape, state, self._slot_s, self.rng
        changed = arrays_of(self.process, "following", self._shape[:2], *arguments)
        self._check_alike("following", changed, state)
        for name in changed:
            if name in self._of_experts:
                raise fault(self.process, f"following gave {name!r}, which is of experts")
        self.state = state | changed
        self._measure()

    def add_experts(self, count: int, given: Arrays) -> None:
        """Draw the channels to more experts.

        Args:
            count: their number.
            given: their band and power, (N, 1, count) each (`placement.given_of_experts`).
        """
        num_worlds, num_users, num_columns = self._shape
        shape = num_worlds, num_users, count
        users = {name: self.state[name] for name in self._of_users}
        first = self._num_experts
        experts = newcomers_placed(self.process, (num_worlds, count), first, self.rng)
        pairs = pairs_drawn(self.process, shape, users, experts | given, self.rng)
        newcomers = self._first_slot(shape, users | experts, pairs)
        grown = {
            name: np.concatenate([self.state[name], array], axis=2)
            for name, array in newcomers.items()
        }
        self._num_experts = first + count
        if self._candidates is not None:
            numbers = np.broadcast_to(np.arange(first, first + count), shape)
            self._candidates = np.concatenate([self._candidates, numbers], axis=2)
        self.experts = {
            name: locked(np.concatenate([array, experts[name]], axis=2))
            for name, array in self.experts.items()
        }
        self._shape = num_worlds, num_users, num_columns + count
        self._set(users | self._by_column(self.experts) | grown)

    def follow(self, experts: Arrays) -> None:
        """Let experts be where others found them, (N, 1, E, ...); all else stays as it is."""
        self.experts = experts
        self._set(self.state | self._by_column(experts))

    def keep(self, column: Int) -> None:
        """Keep these columns alone, (N, U, C)."""
        if self._candidates is None:
            self._candidates = column
        else:
            self._candidates = np.take_along_axis(self._candidates, column, axis=2)
        self._shape = column.shape
        ends = (*self._of_users, *self._of_experts)
        kept = columns_of(self.state, column, ends)
        self._set(kept | self._by_column(self.experts))

    def get_state(self) -> State:
        """Return a copy of all arrays, those of experts as (N, 1, E, ...)."""
        return copied(self.state | self.experts)

    def set_state(self, state: State, candidates: Int | None = None) -> None:
        """Go on from what `get_state` gave.

        Args:
            state: the state.
            candidates: (N, U, C) the expert of each column; None: column e is expert e.
        """
        self._candidates = candidates
        arrays = {name: locked(state[name].copy()) for name in self.state}
        self.experts = {name: arrays[name] for name in self._of_experts}
        self._set(arrays | self._by_column(self.experts))

    def _advance_experts(self) -> None:
        """Go on to what experts have in the next slot."""
        arguments = self.experts, self._slot_s, self.rng
        leading = self._shape[0], 1
        changed = arrays_of(self.process, "following_experts", leading, *arguments)
        self._check_alike("following_experts", changed, self.experts)
        self.experts = self.experts | changed
        self.state = self.state | self._by_column(changed)

    def _check_alike(self, method: str, changed: Arrays, before: Arrays) -> None:
        """Check that arrays which changed are like those of the first slot.

        Raises:
            ChannelError: one is not, or is new.
        """
        for name, array in changed.items():
            like = before.get(name)
            if like is None:
                raise fault(
                    self.process, f"{method} gave {name!r}, which the first slot does not have"
                )
            if (array.shape, array.dtype) != (like.shape, like.dtype):
                raise fault(
                    self.process,
                    f"{method} gave {name!r} as {array.dtype} of shape {array.shape}, "
                    f"the first slot as {like.dtype} of shape {like.shape}",
                )

    def _checked_places(self, positions: Any) -> Positions:
        """Return the places that a process gave.

        Raises:
            ChannelError: they are not finite numbers of the right shapes.
        """
        if not isinstance(positions, Positions):
            found = type(positions).__name__
            raise fault(self.process, f"positions should return Positions or None, got {found}")
        numbers = self._shape[1], self._num_experts
        for side, number in zip(Positions._fields, numbers, strict=True):
            places, shape = np.asarray(getattr(positions, side)), (self._shape[0], number, 3)
            if places.shape != shape:
                raise fault(
                    self.process,
                    f"positions gave {side} of shape {places.shape}, expected {shape}",
                )
            if places.dtype.kind not in "fiu" or not np.isfinite(places).all():
                raise fault(self.process, f"positions gave {side} that are not finite numbers")
        return positions

    def _by_column(self, experts: Arrays) -> Arrays:
        """Arrange arrays of experts by column: as they are, or (N, U, C, ...) with lists."""
        if self._candidates is None:
            return experts
        world = np.arange(self._shape[0])[:, None, None]
        return {name: locked(array[world, 0, self._candidates]) for name, array in experts.items()}

    def _first_slot(self, shape: Shape, ends: Arrays, pairs: Arrays) -> Arrays:
        """Return the large scale of pairs and their first slot."""
        drawn = arrays_of(self.process, "small_scale", shape, shape, ends | pairs, self.rng)
        shared = [*self._of_users, *self._of_experts, *pairs, *drawn]
        taken = sorted({name for name in shared if shared.count(name) > 1})
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
        snr_db = snr_db.astype(np.float32, copy=False)
        covered = self._of_pairs("covered", "b")
        links = Links.at(snr_db, self._rate, self._min_snr_db, covered)
        left_s = self._of_pairs("covered_for_s", "f") if self.process.limits_time() else None
        propagation_s = self._of_pairs("propagation_s", "f")
        self.links = links._replace(covered_for_s=left_s, propagation_s=propagation_s)

    def _of_pairs(self, method: str, kind: str) -> NDArray | None:
        """Return what an optional method of the process gives of pairs; None where it gives none.

        Raises:
            ChannelError: it is of another shape or kind, or a time is no number or negative.
        """
        values = called(self.process, method, self.state)
        if values is None:
            return None
        if not isinstance(values, np.ndarray) or values.shape != self._shape:
            found = getattr(values, "shape", type(values).__name__)
            raise fault(self.process, f"{method} gave {found}, expected shape {self._shape}")
        if values.dtype.kind != kind or (kind == "f" and not (values >= 0).all()):
            raise fault(
                self.process,
                f"{method} should give {'booleans' if kind == 'b' else 'seconds of at least 0'}",
            )
        return values


def columns_of(state: Arrays, column: Int, of_ends: tuple[str, ...] = ()) -> Arrays:
    """Return the arrays of pairs with these columns alone, (N, U, C), and those of ends as is."""
    kept = {}
    for name, array in state.items():
        if name not in of_ends:
            place = column.reshape(*column.shape, *(1,) * (array.ndim - 3))
            array = np.take_along_axis(array, place, axis=2)
        kept[name] = array
    return kept
