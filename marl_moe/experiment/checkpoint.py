"""A state on disk: nested plain values and arrays in one file, written whole or not at all, read
without pickle.

The file is NumPy's `.npz`, a zip of arrays each with its checksum: the arrays of the state, and
JSON that says where each belongs.
"""

import json
import tokenize
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from marl_moe.whole_file import RecordError, remove_partials, whole_file

CHECKPOINT = "resume.npz"
# What NumPy, zipfile and json raise over bytes that nobody meant to be read by them.
DAMAGED = (
    *(
        zipfile.BadZipFile,
        zlib.error,
        OSError,
        EOFError,
        NotImplementedError,
        RuntimeError,
        MemoryError,
    ),
    *(
        ValueError,
        TypeError,
        LookupError,
        AttributeError,
        OverflowError,
        SyntaxError,
        RecursionError,
    ),
    tokenize.TokenError,
)


class CheckpointError(RecordError):
    """A checkpoint that training cannot go on from; the message names the file and says what to do."""

    @classmethod
    def of(cls, folder: Path, reason: str) -> "CheckpointError":
        """The error of that folder's checkpoint."""
        return cls(f"{folder / CHECKPOINT}: {reason}; delete it, and resume begins this seed again")


def write_checkpoint(folder: Path, state: dict[str, Any]) -> None:
    """Write a state in place of the one before.

    state: nested dictionaries, lists and tuples of arrays, numbers, strings and None; keys are
    strings or integers.

    Raises TypeError for a value of another kind.
    """
    arrays: list[NDArray[Any]] = []
    tree = json.dumps(_packed(state, arrays)).encode()
    folder.mkdir(parents=True, exist_ok=True)
    remove_partials(folder)  # each as large as the replay
    with whole_file(folder / CHECKPOINT) as partial, partial.open("wb") as file:
        np.savez(file, *arrays, np.frombuffer(tree, np.uint8))


def read_checkpoint(folder: Path) -> dict[str, Any] | None:
    """The last state written into a folder, or None. Raises CheckpointError where the file was
    damaged since.

    Nothing in it is compressed, so that it takes no more memory than disk.
    """
    path = folder / CHECKPOINT
    if not path.exists():
        return None
    try:
        with zipfile.ZipFile(path) as archive:
            if any(entry.compress_type != zipfile.ZIP_STORED for entry in archive.infolist()):
                raise ValueError("compressed")
        with np.load(path, allow_pickle=False) as archive:
            *arrays, tree = (archive[name] for name in archive.files)
        state: Any = _unpacked(json.loads(tree.tobytes()), arrays)
        if not isinstance(state, dict):
            raise ValueError(f"a {type(state).__name__}")
    except DAMAGED as error:
        raise CheckpointError.of(folder, f"no whole checkpoint ({error})") from None
    return state


def remove_checkpoint(folder: Path) -> None:
    """Remove the state of a folder, and what a write that was killed left of another."""
    (folder / CHECKPOINT).unlink(missing_ok=True)
    remove_partials(folder)


def _packed(value: Any, arrays: list[NDArray[Any]]) -> Any:
    """A value as JSON holds it; its arrays are appended to `arrays`."""
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, dict):
        return {"dict": [[_key(key), _packed(part, arrays)] for key, part in value.items()]}
    if isinstance(value, list | tuple):
        return {type(value).__name__: [_packed(part, arrays) for part in value]}
    if isinstance(value, np.ndarray) and not value.dtype.hasobject:
        arrays.append(value)
        return {"array": len(arrays) - 1}
    raise TypeError(f"a checkpoint holds no {type(value).__name__}")


def _key(key: Any) -> str | int:
    if not isinstance(key, str | int):
        raise TypeError(f"a checkpoint holds no key of {type(key).__name__}")
    return key


def _unpacked(value: Any, arrays: list[NDArray[Any]]) -> Any:
    """The value that `_packed` was given."""
    if not isinstance(value, dict):
        return value
    ((kind, content),) = value.items()
    if kind == "array":
        return arrays[content]
    if kind == "dict":
        return {key: _unpacked(part, arrays) for key, part in content}
    parts = [_unpacked(part, arrays) for part in content]
    return tuple(parts) if kind == "tuple" else parts
