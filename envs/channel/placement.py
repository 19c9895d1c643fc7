"""Users and experts of an episode in their places, from which pairs get their large scale."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from envs.arrays import Arrays, Float
from envs.channel.process import GIVEN, ChannelError, ChannelProcess, Shape
from envs.channel.registry import CHANNELS
from mechanisms.errors import described


class Placement:
    """Draws of a process for an episode, before anybody has candidates.

    Attributes:
        process: the channel process.
        users: what `place_users` drew, (N, U, 1, ...).
        experts: what `place_experts` drew, (N, 1, E, ...).
        rng: generator of all draws.

    Args:
        process: the channel process.
        num_worlds: N.
        num_users: U.
        given: band and power of experts, (N, 1, E) each (`given_of_experts`).
        rng: generator of all draws.
        experts: what experts have where they are in their places, (N, 1, E, ...); drawn if None.
    """

    def __init__(
        self,
        process: ChannelProcess,
        num_worlds: int,
        num_users: int,
        given: Arrays,
        rng: np.random.Generator,
        experts: Arrays | None = None,
    ) -> None:
        num_experts = given[GIVEN[0]].shape[-1]
        self.process = process
        self.users = users_placed(process, (num_worlds, num_users), rng)
        if experts is None:
            experts = experts_placed(process, (num_worlds, num_experts), rng)
        self.experts = experts
        self._given = given
        self._shape = num_worlds, num_users, num_experts
        self.rng = rng

    @property
    def num_experts(self) -> int:
        """Number of experts, E."""
        return self._shape[2]

    def pairs(self) -> Arrays:
        """Draw the large scale of all pairs, (N, U, E, ...)."""
        experts = self.experts | self._given
        return pairs_drawn(self.process, self._shape, self.users, experts, self.rng)

    def pairs_of(self, first: int, last: int) -> tuple[Arrays, Float | None]:
        """Draw the large scale of some users with all experts, and return the mean SNRs beside it.

        Args:
            first: of the rows, world * U + user.
            last: the row after the last of them.

        Returns:
            Arrays (1, rows, E, ...), and `mean_db`, (1, rows, E).
        """
        _, num_users, num_experts = self._shape
        world, user = np.divmod(np.arange(first, last), num_users)
        users = {name: array[world, user][None] for name, array in self.users.items()}
        experts = {name: array[world, 0][None] for name, array in self.experts.items()}
        given = {name: array[world, 0][None] for name, array in self._given.items()}
        shape = 1, last - first, num_experts
        pairs = pairs_drawn(self.process, shape, users, experts | given, self.rng)
        return pairs, mean_db(self.process, users | experts | pairs, shape)


def given_of_experts(
    bandwidth_hz: float | NDArray, tx_power_w: float | NDArray, shape: tuple[int, int]
) -> Arrays:
    """Return band and power of experts, (N, 1, E) float32 each, which processes are given.

    Args:
        bandwidth_hz: of all, or (N, E), Hz.
        tx_power_w: of all, or (N, E), W.
        shape: (N, E).
    """
    numbers = np.broadcast_to(bandwidth_hz, shape), np.broadcast_to(tx_power_w, shape)
    of_each = (locked(number[:, None].astype(np.float32)) for number in numbers)
    return dict(zip(GIVEN, of_each, strict=True))


def check_size(process: ChannelProcess, num_users: int, num_experts: int, num_slots: int) -> None:
    """Check that a process can play worlds of a size.

    Raises:
        ValueError: it says that it cannot.
        ChannelError: it failed.
    """
    try:
        process.check_size(num_users, num_experts, num_slots)
    except ValueError:
        raise
    except Exception as error:  # of whatever a process of a user's own does
        raise fault(process, f"check_size: {described(error)}") from error


def users_placed(
    process: ChannelProcess, shape: tuple[int, int], rng: np.random.Generator
) -> Arrays:
    """Draw what users have, (N, U, 1, ...)."""
    drawn = arrays_of(process, "place_users", shape, shape, rng)
    return {name: array[:, :, None] for name, array in drawn.items()}


def experts_placed(
    process: ChannelProcess, shape: tuple[int, int], rng: np.random.Generator
) -> Arrays:
    """Draw what experts have, (N, 1, E, ...)."""
    drawn = arrays_of(process, "place_experts", shape, shape, rng)
    return {name: array[:, None] for name, array in drawn.items()}


def newcomers_placed(
    process: ChannelProcess, shape: tuple[int, int], first: int, rng: np.random.Generator
) -> Arrays:
    """Draw what experts have that are added, the first of them number `first`, (N, 1, E, ...)."""
    drawn = arrays_of(process, "place_newcomers", shape, shape, first, rng)
    return {name: array[:, None] for name, array in drawn.items()}


def pairs_drawn(
    process: ChannelProcess,
    shape: Shape,
    users: Arrays,
    experts: Arrays,
    rng: np.random.Generator,
) -> Arrays:
    """Draw what pairs have for an episode, (N, U, C, ...)."""
    return arrays_of(process, "large_scale", shape, shape, users, experts, rng)


def mean_db(process: ChannelProcess, state: Arrays, shape: Shape) -> Float | None:
    """Return the mean SNR of pairs, (N, U, C) float32 dB; None where the process gives none.

    Raises:
        ChannelError: it is of another shape, or not finite.
    """
    mean = called(process, "mean_db", state)
    if mean is None:
        return None
    if mean.shape != shape or not np.isfinite(mean).all():
        raise fault(process, f"mean_db should be finite and of shape {shape}")
    return mean.astype(np.float32, copy=False)


def called(process: ChannelProcess, method: str, *arguments: Any) -> Any:
    """Call a method of a process.

    Raises:
        ChannelError: it failed; the message names the place.
    """
    try:
        return getattr(process, method)(*arguments)
    except ChannelError:  # which says what is wrong by itself
        raise
    except Exception as error:  # of whatever a process of a user's own does
        raise fault(process, f"{method}: {described(error)}") from error


def arrays_of(
    process: ChannelProcess, method: str, leading: tuple[int, ...], *arguments: Any
) -> Arrays:
    """Return the arrays that a method of a process gives, made read-only.

    Args:
        process: the process.
        method: name of the method.
        leading: leading axes of every array.
        arguments: of the method.

    Raises:
        ChannelError: it failed, or gave no arrays, or some of another shape; the message names it.
    """
    arrays, shape = called(process, method, *arguments), leading
    if not isinstance(arrays, dict):
        raise fault(process, f"{method} should return arrays by name, got {type(arrays).__name__}")
    for name, array in arrays.items():
        if not isinstance(array, np.ndarray) or array.shape[: len(shape)] != shape:
            found = getattr(array, "shape", type(array).__name__)
            raise fault(process, f"{method} gave {name!r} of shape {found}, expected {shape}")
        if name in GIVEN:
            raise fault(
                process,
                f"{method} gave {name!r}, which the world gives: large_scale has it of each expert",
            )
    return {name: locked(array) for name, array in arrays.items()}


def locked(array: NDArray) -> NDArray:
    """Return the array read-only, and contiguous: sums depend on how an array lies in memory."""
    array = np.ascontiguousarray(array)
    array.setflags(write=False)
    return array


def fault(process: ChannelProcess, what: str) -> ChannelError:
    """Return the error of a process, called by the name that it is registered under."""
    kind = type(process)
    registered = (name for name, known in CHANNELS.items() if known is kind)
    return ChannelError(f"channel process {next(registered, kind.__name__)}: {what}")
