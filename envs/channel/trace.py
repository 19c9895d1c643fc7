"""Channels that were measured or simulated elsewhere: the SNR is read from a file."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from envs import trace_file
from envs.arrays import Arrays, Float
from envs.channel.links import LIMITS_DB
from envs.channel.process import ChannelProcess, Shape
from envs.channel.registry import register
from envs.trace_file import TraceFile

KEY = "env.channel.trace"
AXES = ("episode", "slot", "user", "expert")


@register("trace")
@dataclass(frozen=True)
class Trace(ChannelProcess):
    """SNR of a file, slot by slot, in columns `slot, user, expert, snr_db` and, if any, `episode`.

    Each world plays the first slots of an episode of the file, drawn by lot, for its first users
    and experts. After the last slot of the file the SNR stays what it was in it.

    Attributes:
        trace: path of the file, Parquet or CSV.
    """

    trace: str | None

    def __post_init__(self) -> None:
        if self.trace is None:
            raise ValueError("process: trace needs the key trace, a Parquet or CSV file of SNRs")
        trace_file.check_suffix(self.trace)

    @cached_property
    def snr_db(self) -> NDArray[np.float32]:
        """SNR of the file, (episodes, slots, users, experts) dB; it is read once.

        Raises:
            ValueError: the file holds no trace; the message names file, column and row.
        """
        return read(str(self.trace))

    @cached_property
    def episode_mean_db(self) -> NDArray[np.float32]:
        """Mean SNR over the slots of the file, (episodes, users, experts) dB."""
        return self.snr_db.mean(axis=1, dtype=float).astype(np.float32)

    def check_size(self, num_users: int, num_experts: int, num_slots: int) -> None:
        """Check that the file has as many users, experts and slots; it may have more."""
        needed = num_slots, num_users, num_experts
        for what, has, needs in zip(
            ("slots", "users", "experts"), self.snr_db.shape[1:], needed, strict=True
        ):
            if has < needs:
                raise ValueError(f"{KEY}: {self.trace} has {has} {what}, the world {needs}")

    def place_users(self, shape: tuple[int, int], rng: np.random.Generator) -> Arrays:
        """Draw the episode of the file that each world plays; number users and the slot."""
        num_worlds, num_users = shape
        self.check_size(num_users, 1, 1)
        episode = rng.integers(len(self.snr_db), size=(num_worlds, 1), dtype=np.int32)
        return {
            "episode": np.repeat(episode, num_users, axis=1),
            "slot": np.zeros(shape, np.int32),
            "user": np.tile(np.arange(num_users, dtype=np.int32), (num_worlds, 1)),
        }

    def place_experts(self, shape: tuple[int, int], rng: np.random.Generator) -> Arrays:
        """Number the experts."""
        return self.place_newcomers(shape, 0, rng)

    def place_newcomers(
        self, shape: tuple[int, int], first: int, rng: np.random.Generator
    ) -> Arrays:
        """Number experts that are added."""
        num_worlds, count = shape
        self.check_size(1, first + count, 1)
        return {"expert": np.tile(np.arange(first, first + count, dtype=np.int32), (num_worlds, 1))}

    def mean_db(self, state: Arrays) -> Float:
        """Return the mean over the slots of the file, dB."""
        return self.episode_mean_db[state["episode"], state["user"], state["expert"]]

    def small_scale(self, shape: Shape, state: Arrays, rng: np.random.Generator) -> Arrays:
        """Draw nothing: the SNR is that of the file."""
        return {}

    def following(
        self, shape: Shape, state: Arrays, slot_s: float, rng: np.random.Generator
    ) -> Arrays:
        """Go on to the next slot of the file, or stay in its last."""
        last = np.int32(self.snr_db.shape[1] - 1)
        return {"slot": np.minimum(state["slot"] + np.int32(1), last)}

    def snr_of(self, state: Arrays) -> NDArray[np.float32]:
        """Return the SNR of the slot, (N, U, C) dB."""
        _, slots, users, experts = self.snr_db.shape
        slot = state["episode"].astype(np.int64) * slots + state["slot"]
        row = (slot * users + state["user"]) * experts  # (N, U, 1)
        return self.snr_db.reshape(-1).take(row + state["expert"])


def read(path: str) -> NDArray[np.float32]:
    """Read a trace of SNRs, (episodes, slots, users, experts) float32 dB.

    Raises:
        ValueError: the file cannot be read, or holds no trace: a column is missing, a cell is no
            number or beyond `LIMITS_DB`, an SNR is there twice or not at all. The message names
            file, column and row.
    """
    file = TraceFile.read(KEY, path, (*AXES[1:], "snr_db"))
    low, high = LIMITS_DB
    snr_db = file.numbers("snr_db", low, high, f"a finite SNR, {low:g} to {high:g} dB")
    snr_db = snr_db.astype(np.float32)
    columns = [file.counted(name) for name in AXES]
    shape = [int(column.max()) + 1 for column in columns]
    if not _lie_in_order(columns, shape):
        order = file.sorted_by(AXES)
        snr_db, columns = snr_db[order], [column[order] for column in columns]
        if not _lie_in_order(columns, shape):
            raise file.error(_gap(columns, shape))
    return snr_db.reshape(shape)


def write(path: str | Path, snr_db: ArrayLike) -> None:
    """Write a trace of SNRs that `process: trace` plays again to the bit.

    Args:
        path: ends in `.parquet` or `.csv`, which says how.
        snr_db: (episodes, slots, users, experts) dB, kept in single precision.

    Raises:
        ValueError: another shape, an SNR beyond `LIMITS_DB` or not finite, or another ending.
        OSError: the file cannot be written.
    """
    array = np.asarray(snr_db, np.float32)
    if array.ndim != 4 or not array.size:
        raise ValueError(
            f"snr_db should have the shape (episodes, slots, users, experts), got {array.shape}"
        )
    low, high = LIMITS_DB
    if not (array.min() >= low and array.max() <= high):  # which no NaN is
        raise ValueError(f"snr_db should be finite, {low:g} to {high:g} dB")
    counted = np.indices(array.shape, np.int32).reshape(4, -1)
    trace_file.write(path, dict(zip(AXES, counted, strict=True)) | {"snr_db": array.reshape(-1)})


def _lie_in_order(columns: list[NDArray[np.int64]], shape: list[int]) -> bool:
    """Return whether rows count through all axes, the last fastest, and leave nothing out."""
    rows = len(columns[0])
    if np.prod(shape, dtype=float) != rows:  # floats: of a faulty file it may be any number
        return False
    return all(
        np.array_equal(column, expected)
        for column, expected in zip(columns, np.unravel_index(np.arange(rows), shape), strict=True)
    )


def _gap(columns: list[NDArray[np.int64]], shape: list[int]) -> str:
    """Return words on the first SNR that is not there, of sorted rows without repetition."""
    place = np.arange(len(columns[0]))
    right = np.ones(len(place), bool)
    for column, size in zip(columns[::-1], shape[::-1], strict=True):
        place, expected = np.divmod(place, size)
        right &= column == expected
    right &= place == 0
    row = len(right) if right.all() else int(right.argmin())
    missing = []
    for name, size in zip(AXES[::-1], shape[::-1], strict=True):
        row, at = divmod(row, size)
        missing.append(f"{name} {at}")
    return f"column snr_db: no row has {', '.join(missing[::-1])}"
