"""A channel process: how the SNR of pairs is drawn, and how it goes on from slot to slot."""

from abc import ABC, abstractmethod
from typing import NamedTuple

import numpy as np

from envs.arrays import Arrays, Bool, Float
from mechanisms.errors import PartError

Shape = tuple[int, int, int]  # worlds, users, candidates
# Arrays (N, 1, E) of experts that the world gives to `large_scale`: band, Hz, and power, W.
GIVEN = ("bandwidth_hz", "tx_power_w")


class ChannelError(PartError):
    """A process gave something that is no channel; the message names the process and the fault."""


class Positions(NamedTuple):
    """Where users and experts are, x, y and height, m."""

    users: Float  # (N, U, 3)
    experts: Float  # (N, E, 3)


class ChannelProcess(ABC):
    """SNR of each user and candidate, from slot to slot.

    A process is a frozen dataclass of its parameters. It keeps nothing else: all that it draws it
    returns as arrays by name, and gets them back, read-only. `envs.channel.fading` holds them, adds
    and removes columns, and saves them. All randomness comes from the generator handed over.

    Arrays of pairs are (N, U, C) or (N, U, C, ...), a column for each candidate of a user. What
    belongs to a user alone is (N, U, 1, ...), what belongs to an expert alone (N, 1, E, ...), or
    (N, U, C, ...) where users have candidate lists, so that both broadcast against pairs. Single
    precision is enough: these are the largest arrays of a world.

    A parameter named like a key of `env.channel` (`snr_db`, `correlation`, `speed_m_s`, ...) is
    given that key's value. All others are keys of `env.channel.parameters`. Band and power are
    those of each expert: `large_scale` is given them among the arrays of experts (`GIVEN`), and no
    parameter or array may have their names.

    The SNR is clipped nowhere. It should lie within `envs.channel.links.LIMITS_DB`, in which single
    precision can hold every rate; a pair that cannot be reached has a low SNR, not minus infinity.
    """

    def check_size(  # noqa: B027  # it may well be left as it is
        self, num_users: int, num_experts: int, num_slots: int
    ) -> None:
        """Check that the process can play worlds of this size; by default it can play any.

        Args:
            num_users: U.
            num_experts: E.
            num_slots: slots of an episode.

        Raises:
            ValueError: it cannot; the message says why.
        """

    def rician_k(self) -> float | None:
        """Return the Rician factor of fading within a slot, linear, 0 for Rayleigh; None: none.

        Where there is fading, `snr_of` is the mean over it, and rates are averaged over it.
        """
        return None

    def place_users(self, shape: tuple[int, int], rng: np.random.Generator) -> Arrays:
        """Draw what a user has for an episode, such as a position: (N, U, ...), none by default."""
        return {}

    def place_experts(self, shape: tuple[int, int], rng: np.random.Generator) -> Arrays:
        """Draw what an expert has, (N, E, ...), none by default; called for newcomers too."""
        return {}

    def place_newcomers(
        self, shape: tuple[int, int], first: int, rng: np.random.Generator
    ) -> Arrays:
        """Draw what experts that are added have; by default as `place_experts` does.

        Args:
            shape: (N, how many are added).
            first: number of the first of them.
            rng: generator of all draws.
        """
        return self.place_experts(shape, rng)

    def large_scale(
        self, shape: Shape, users: Arrays, experts: Arrays, rng: np.random.Generator
    ) -> Arrays:
        """Draw what a pair has for an episode, such as its path loss; nothing by default.

        Pairs are drawn in parts where users have candidate lists, a few users with all experts at a
        time, and newcomers when experts are added.

        Args:
            shape: (N, U, C) of the part.
            users: of `place_users`, (N, U, 1, ...).
            experts: of `place_experts`, (N, 1 or U, C, ...), and what the world gives, `GIVEN`.
            rng: generator of all draws.

        Returns:
            Arrays of pairs, by names other than those of `users` and `experts`.
        """
        return {}

    def mean_db(self, state: Arrays) -> Float | None:
        """Return the mean SNR of each pair, (N, U, C) dB, by which candidate lists are made.

        It follows from `place_users`, `place_experts` and `large_scale`. None, the default, draws
        the lists by lot.
        """
        return None

    @abstractmethod
    def small_scale(self, shape: Shape, state: Arrays, rng: np.random.Generator) -> Arrays:
        """Draw the first slot of pairs, given what they have for the episode.

        Args:
            shape: (N, U, C).
            state: arrays of `place_users`, `place_experts` and `large_scale`.
            rng: generator of all draws.

        Returns:
            Arrays of pairs by other names, `snr_db` among them unless `snr_of` says otherwise.
        """

    def following_experts(self, experts: Arrays, slot_s: float, rng: np.random.Generator) -> Arrays:
        """Draw what experts have in the next slot, before `following`; nothing by default.

        Args:
            experts: of `place_experts`, (N, 1, E, ...).
            slot_s: time from this slot to the next, s.
            rng: generator of all draws.

        Returns:
            The arrays that change, by their names, of the same shapes.
        """
        return {}

    def following(
        self, shape: Shape, state: Arrays, slot_s: float, rng: np.random.Generator
    ) -> Arrays:
        """Draw the next slot; by default anew, as `small_scale` draws the first.

        Args:
            shape: (N, U, C).
            state: all arrays of this slot, those of experts as `following_experts` left them.
            slot_s: time from this slot to the next, s.
            rng: generator of all draws.

        Returns:
            The arrays that change, by their names: also those of users, and of the large scale.
        """
        return self.small_scale(shape, state, rng)

    def snr_of(self, state: Arrays) -> Float:
        """Return the SNR of a slot, (N, U, C) dB; by default the array `snr_db`."""
        return state["snr_db"]

    def covered(self, state: Arrays) -> Bool | None:
        """Return the pairs in coverage, (N, U, C), whatever their SNR; None, the default: all.

        One whose SNR is below `min_snr_db` is out of coverage too.
        """
        return None

    def limits_time(self) -> bool:
        """Return whether `covered_for_s` is ever finite; by default it is not."""
        return False

    def covered_for_s(self, state: Arrays) -> Float | None:
        """Return how long pairs will be in coverage, (N, U, C) s, 0 where they are not.

        Infinite where no end is known. It depends on nothing that is drawn later. None, the
        default: no end is known of any.
        """
        return None

    def propagation_s(self, state: Arrays) -> Float | None:
        """Return the time that a signal takes one way, (N, U, C) s; None, the default: none."""
        return None

    def positions(self, users: Arrays, experts: Arrays) -> Positions | None:
        """Return where users and experts are in a slot; None, the default, where that is nowhere.

        Args:
            users: arrays of users, (N, U, 1, ...).
            experts: arrays of all experts, (N, 1, E, ...).
        """
        return None
