"""Users and experts of an episode in their places, from which pairs get their large scale."""

import numpy as np
from numpy.typing import NDArray

from envs.arrays import Float
from envs.channel.process import Arrays, ChannelError, ChannelProcess, Shape


class Placement:
    """Draws of a process for an episode, before anybody has candidates.

    Attributes:
        process: the channel process.
        users: what `place_users` drew, (N, U, 1, ...).
        rng: generator of all draws.

    Args:
        process: the channel process.
        num_worlds: N.
        num_users: U.
        num_experts: E.
        rng: generator of all draws.
    """

    def __init__(
        self,
        process: ChannelProcess,
        num_worlds: int,
        num_users: int,
        num_experts: int,
        rng: np.random.Generator,
    ) -> None:
        self.process = process
        self.users = users_placed(process, (num_worlds, num_users), rng)
        self._experts = experts_placed(process, (num_worlds, num_experts), rng)
        self._shape = num_worlds, num_users, num_experts
        self.rng = rng

    def pairs(self) -> Arrays:
        """Draw the large scale of all pairs, (N, U, E, ...)."""
        return pairs_drawn(self.process, self._shape, self.users, self._experts, self.rng)

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
        experts = {name: array[world, 0][None] for name, array in self._experts.items()}
        shape = 1, last - first, num_experts
        pairs = pairs_drawn(self.process, shape, users, experts, self.rng)
        return pairs, mean_db(self.process, users | pairs, shape)


def users_placed(
    process: ChannelProcess, shape: tuple[int, int], rng: np.random.Generator
) -> Arrays:
    """Draw what users have, (N, U, 1, ...)."""
    drawn = checked(process, "place_users", process.place_users(shape, rng), shape)
    return {name: array[:, :, None] for name, array in drawn.items()}


def experts_placed(
    process: ChannelProcess, shape: tuple[int, int], rng: np.random.Generator
) -> Arrays:
    """Draw what experts have, (N, 1, E, ...)."""
    drawn = checked(process, "place_experts", process.place_experts(shape, rng), shape)
    return {name: array[:, None] for name, array in drawn.items()}


def pairs_drawn(
    process: ChannelProcess,
    shape: Shape,
    users: Arrays,
    experts: Arrays,
    rng: np.random.Generator,
) -> Arrays:
    """Draw what pairs have for an episode, (N, U, C, ...)."""
    drawn = process.large_scale(shape, users, experts, rng)
    return checked(process, "large_scale", drawn, shape)


def mean_db(process: ChannelProcess, state: Arrays, shape: Shape) -> Float | None:
    """Return the mean SNR of pairs, (N, U, C) float32 dB; None where the process gives none.

    Raises:
        ChannelError: it is of another shape, or not finite.
    """
    mean = process.mean_db(state)
    if mean is None:
        return None
    if mean.shape != shape or not np.isfinite(mean).all():
        raise fault(process, f"mean_db should be finite and of shape {shape}")
    return mean.astype(np.float32, copy=False)


def checked(process: ChannelProcess, method: str, arrays: Arrays, shape: tuple[int, ...]) -> Arrays:
    """Return the arrays that a method of a process gave, made read-only.

    Raises:
        ChannelError: they are no arrays, or of another shape; the message names the method.
    """
    if not isinstance(arrays, dict):
        raise fault(process, f"{method} should return arrays by name, got {type(arrays).__name__}")
    for name, array in arrays.items():
        if not isinstance(array, np.ndarray) or array.shape[: len(shape)] != shape:
            found = getattr(array, "shape", type(array).__name__)
            raise fault(process, f"{method} gave {name!r} of shape {found}, expected {shape}")
    return {name: locked(array) for name, array in arrays.items()}


def locked(array: NDArray) -> NDArray:
    """Return the array read-only, and contiguous: sums depend on how an array lies in memory."""
    array = np.ascontiguousarray(array)
    array.setflags(write=False)
    return array


def fault(process: ChannelProcess, what: str) -> ChannelError:
    """Return the error of a process."""
    return ChannelError(f"channel process {type(process).__name__}: {what}")
