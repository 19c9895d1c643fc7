"""Requests that were recorded elsewhere: what each user has to transfer in each slot, of a file.

A row says what is pending of a user in a slot; a user without a row is idle. With a weight of 0
nothing is pending either, so that such a row marks the last slot or the last user of a file, or,
with `completes`, a request that completes without a transfer in that slot.
"""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from envs import trace_file
from envs.arrays import Bool, Float, Int
from envs.config import WorldConfig
from envs.pace import Pace
from envs.trace_file import TraceFile

KEY = "env.requests.trace"
COLUMNS = ("slot", "user", "weight", "words", "compute_need", "topic", "completes")
BY_USER, BY_EPISODE = ("episode", "user", "slot"), ("episode", "slot", "user")
_ROUNDING = 1e-6  # of weights that sum to 1


@dataclass(frozen=True, eq=False)
class RequestTrace:
    """The part of a file that a world plays: its slots of U users, and the slot after, if any.

    Attributes:
        config: of the worlds.
        weight: (episodes, slots, U) gating weight, 0 with nothing pending.
        words: words of the answer, so in all: 0 with nothing pending.
        compute_need: units.
        topic: 0..M-1.
        completes: does the user's request complete with this slot?
        request_weight: weight of all that is transferred of the request.
    """

    config: WorldConfig
    weight: Float
    words: Float
    compute_need: Float
    topic: Int
    completes: Bool
    request_weight: Float

    @classmethod
    def of(cls, config: WorldConfig) -> "RequestTrace | None":
        """Read the trace that a configuration names; None where requests are drawn.

        Raises:
            ValueError: the file cannot be read, holds no trace, or fewer users or slots than the
                world; the message names file, column and row.
        """
        path = config.requests.trace
        return None if path is None else cls._of(TraceFile.read(KEY, path, COLUMNS), config)

    @classmethod
    def _of(cls, file: TraceFile, config: WorldConfig) -> "RequestTrace":
        values = _values(file, config)
        total = _request_weight(file, values, config.requests.num_subtasks)
        episode, slot, user = (file.counted(name) for name in BY_EPISODE)
        slots = _num_slots(file, episode, slot, config)
        shape = int(episode.max()) + 1, min(slots, config.episode_slots + 1), config.num_users
        played = (slot < shape[1]) & (user < shape[2])
        place = episode[played], slot[played], user[played]
        arrays = []
        for column in (*values, total):
            table = np.zeros(shape, column.dtype)
            table[place] = column[played]
            arrays.append(table)
        return cls(config, *arrays)

    @cached_property
    def pace(self) -> Pace:
        """What a user transfers a slot on average, over the slots that are played."""
        requests, slots = self.config.requests, slice(self.config.episode_slots)
        arrays = self.weight, self.words, self.compute_need
        weight, words, need = (array[:, slots] for array in arrays)
        work = words * need * (2 / sum(requests.compute_need))
        return Pace(
            weight=requests.num_subtasks * float(weight.mean()),
            subtasks=float((weight > 0).mean()),
            work=float(work.mean()),
        )

    @cached_property
    def topic_popularity(self) -> NDArray[np.float64]:
        """Share of each topic in the pending subtasks, (M,); even shares where there are none."""
        topics, slots = self.config.requests.num_topics, slice(self.config.episode_slots)
        topic = self.topic[:, slots][self.weight[:, slots] > 0]
        count = np.bincount(topic, minlength=topics).astype(float)
        return count / count.sum() if count.any() else np.full(topics, 1 / topics)


def write(
    path: str | Path,
    weight: ArrayLike,
    words: ArrayLike,
    compute_need: ArrayLike,
    topic: ArrayLike,
    completes: ArrayLike,
) -> None:
    """Write a trace of requests that `env.requests.trace` plays again to the bit.

    All arrays are (episodes, slots, users), of any users' pending subtask in a slot.

    Args:
        path: ends in `.parquet` or `.csv`, which says how.
        weight: gating weights, 0 with nothing pending.
        words: words of the answers.
        compute_need: compute needs, units.
        topic: topics, from 0.
        completes: requests that complete with the slot.

    Raises:
        ValueError: arrays of several shapes, or of another, a number that is not finite, or another
            ending of the path.
        OSError: the file cannot be written.
    """
    given = zip(COLUMNS[2:], (weight, words, compute_need, topic, completes), strict=True)
    arrays = {name: np.asarray(array) for name, array in given}
    shape = arrays["weight"].shape
    for name, array in arrays.items():
        if array.shape != shape or len(shape) != 3 or not array.size:
            raise ValueError(
                f"{name} should have the shape (episodes, slots, users), as all have, got "
                f"{array.shape}"
            )
        if not np.isfinite(array).all():
            raise ValueError(f"{name} should be finite")
    pending = arrays["weight"] != 0
    listed = pending | arrays["completes"].astype(bool)
    listed[:, -1, -1] = True  # says how many slots and users there are
    counted = (places.astype(np.int32) for places in listed.nonzero())
    columns: dict[str, NDArray] = dict(zip(BY_EPISODE, counted, strict=True))
    kinds = (np.float64, np.float64, np.float64, np.int32, bool)
    for (name, array), kind in zip(arrays.items(), kinds, strict=True):
        kept = array if name == "completes" else array * pending
        columns[name] = kept[listed].astype(kind)
    trace_file.write(path, columns)


def _values(file: TraceFile, config: WorldConfig) -> tuple[NDArray, ...]:
    """Return weight, words, compute need, topic and completion of rows, (rows,) each, checked."""
    requests = config.requests
    weight = file.numbers("weight", 0, 1, "at least 0 and at most 1").astype(float)
    pending = weight > 0
    columns = []
    for name, most in (("words", requests.words[1]), ("compute_need", requests.compute_need[1])):
        column = file.numeric(name)
        right = np.where(pending, (column > 0) & (column <= most), column == 0)
        should = f"above 0 and at most {most:g} (env.requests.{name}), and 0 with a weight of 0"
        file.check(name, right, should)
        columns.append(column.astype(float))
    topic = file.counted("topic")
    last = requests.num_topics - 1
    file.check("topic", topic <= last, f"a topic, 0 to {last} (env.requests.num_topics)")
    return weight, *columns, topic, file.flags("completes")


def _request_weight(
    file: TraceFile, values: tuple[NDArray, ...], num_subtasks: int
) -> NDArray[np.float64]:
    """Return the weight of the request that each row is of, (rows,).

    A request of a user begins with an episode, or after one that completes, and ends with the row
    that completes it.
    """
    weight, *_, completes = values
    order = file.sorted_by(BY_USER)
    begins = np.ones(len(order), bool)
    begins[1:] = completes[order[:-1]]
    for name in ("episode", "user"):
        begins[1:] |= np.diff(file.counted(name)[order]) != 0
    request = np.empty(len(order), np.int64)  # its number, of each row
    request[order] = begins.cumsum() - 1
    total = np.bincount(request, weight).astype(float)[request]
    count = np.bincount(request, weight > 0)[request]
    file.check(
        "weight",
        total <= 1 + _ROUNDING,
        "such that the weights of its request sum to at most 1",
    )
    if (count > num_subtasks).any():
        row = int((count > num_subtasks).argmax())
        raise file.error(
            f"column completes, row {row}: its request transfers {count[row]:g} subtasks, and has "
            f"{num_subtasks} (env.requests.num_subtasks)"
        )
    return total


def _num_slots(file: TraceFile, episode: Int, slot: Int, config: WorldConfig) -> int:
    """Return the number of slots of an episode.

    Raises:
        ValueError: episodes end with several slots, or one is not there, or slots or users are
            fewer than those of the world.
    """
    numbers, place = np.unique(episode, return_inverse=True)
    missing = numbers != np.arange(len(numbers))
    if missing.any():
        raise file.error(f"column episode: no row has episode {int(missing.argmax())}")
    last = np.zeros(len(numbers), np.int64)
    np.maximum.at(last, place, slot)
    if (last != last[0]).any():
        other = int((last != last[0]).argmax())
        raise file.error(
            f"column slot: episode 0 ends with slot {last[0]}, episode {other} with {last[other]}; "
            "a row of weight 0 in the last slot, which does not complete, makes them one length"
        )
    has = int(last[0]) + 1, int(file.counted("user").max()) + 1
    needs = config.episode_slots, config.num_users
    for name, there, needed in zip(("slot", "user"), has, needs, strict=True):
        if there < needed:
            raise file.error(
                f"column {name}: there are {there} {name}s, the world has {needed}; a row of "
                f"weight 0, which does not complete, makes an idle {name} known"
            )
    return has[0]
