"""States on disk: what is read is what was written, whole or not at all, and never a pickle."""

import os
import pickle
from collections import namedtuple
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from marl_moe.errors import CheckpointError
from marl_moe.experiment.training.checkpoint import (
    CHECKPOINT,
    read_checkpoint,
    remove_checkpoint,
    write_checkpoint,
)

STATE = {
    "generator": {"state": np.random.default_rng(1).bit_generator.state},  # integers of 128 bits
    "optimizer": {0: {"step": 3.0, "betas": (0.9, 0.999)}, 1: {}},
    "numbers": [np.float64(0.1), np.int64(-7), float("-inf"), True, None, "π", []],
    "arrays": [
        np.arange(6, dtype=np.float32).reshape(2, 3)[:, ::2],
        np.array(2.5),
        np.zeros((0, 4), np.int64),
        np.array([True, False]),
        np.array([2**64 - 1], np.uint64),
        np.array(["", "tiny"]),
        np.array([np.nan, -0.0, 5e-324]),
    ],
}


def assert_identical(read: Any, written: Any) -> None:
    if isinstance(written, np.ndarray):
        assert (read.dtype, read.shape, read.tobytes()) == (
            written.dtype,
            written.shape,
            written.tobytes(),
        )
    elif isinstance(written, dict):
        assert list(read) == list(written)
        for key in written:
            assert_identical(read[key], written[key])
    elif isinstance(written, list | tuple):
        assert (type(read), len(read)) == (type(written), len(written))
        for one, other in zip(read, written, strict=True):
            assert_identical(one, other)
    else:
        assert read == written


def test_a_state_is_read_as_it_was_written(tmp_path: Path) -> None:
    assert read_checkpoint(tmp_path) is None
    for state in ({"of": "before"}, STATE):
        write_checkpoint(tmp_path, state)
        assert_identical(read_checkpoint(tmp_path), state)
    assert [path.name for path in tmp_path.iterdir()] == [CHECKPOINT]


Pair = namedtuple("Pair", ["one", "other"])  # whose kind JSON cannot tell
REFUSED = {
    "set": {1, 2},
    "objects": np.array([object()]),
    "bytes": b"bytes",
    "tuple key": {(1, 2): 3},
    "named tuple": Pair(1, 2),
}


@pytest.mark.parametrize("value", REFUSED.values(), ids=REFUSED)
def test_what_would_need_a_pickle_is_refused_and_the_last_state_stays(
    tmp_path: Path, value: Any
) -> None:
    write_checkpoint(tmp_path, {"epoch": 1})
    with pytest.raises(TypeError, match="a checkpoint holds no"):
        write_checkpoint(tmp_path, {"epoch": 2, "value": value})
    assert read_checkpoint(tmp_path) == {"epoch": 1}


def test_a_write_that_does_not_end_leaves_the_state_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(file: int) -> None:
        raise OSError("no space left")

    write_checkpoint(tmp_path, {"epoch": 1})
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="no space left"):
        write_checkpoint(tmp_path, {"epoch": 2})
    monkeypatch.undo()
    assert read_checkpoint(tmp_path) == {"epoch": 1}
    assert [path.name for path in tmp_path.iterdir()] == [CHECKPOINT]
    torn = tmp_path / f".{CHECKPOINT}.999.partial"
    torn.touch()  # as if a process that was killed had left it
    write_checkpoint(tmp_path, {"epoch": 3})
    assert [path.name for path in tmp_path.iterdir()] == [CHECKPOINT]
    torn.touch()
    remove_checkpoint(tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("damage", ["torn", "one bit", "empty", "another file"])
def test_a_damaged_file_is_named_with_what_to_do(tmp_path: Path, damage: str) -> None:
    write_checkpoint(tmp_path, {"replay": np.arange(1000.0)})
    path = tmp_path / CHECKPOINT
    whole = path.read_bytes()
    flipped = bytearray(whole)
    flipped[len(whole) // 2] ^= 1
    path.write_bytes(
        {
            "torn": whole[:-100],
            "one bit": bytes(flipped),
            "empty": b"",
            "another file": b"PAR1" * 50,
        }[damage]
    )
    with pytest.raises(
        CheckpointError,
        match=r"resume\.safetensors: no whole checkpoint .*; delete it, and resume begins",
    ):
        read_checkpoint(tmp_path)


class Trap:
    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (self.path,)

    def __init__(self, path: Path) -> None:
        self.path = str(path)


def test_a_pickle_put_in_its_place_is_not_read(tmp_path: Path) -> None:
    sprung = tmp_path / "sprung"
    with (tmp_path / CHECKPOINT).open("wb") as file:
        np.savez(file, np.array([Trap(sprung)]), np.frombuffer(b'{"array": 0}', np.uint8))
    with pytest.raises(CheckpointError, match="no whole checkpoint"):
        read_checkpoint(tmp_path)
    (tmp_path / CHECKPOINT).write_bytes(pickle.dumps(Trap(sprung)))
    with pytest.raises(CheckpointError, match="no whole checkpoint"):
        read_checkpoint(tmp_path)
    assert not sprung.exists()
