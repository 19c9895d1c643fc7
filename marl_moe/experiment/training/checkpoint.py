"""States on disk: nested plain values and arrays in one file, whole or not at all, never a pickle.

The file is in the format of safetensors: the arrays of the state by number, and in the metadata
JSON of what a state is besides:

    {"arrays": [{"dtype": "float32", "shape": [2, 3], "crc32": 7}, ...], "state": TREE}

A TREE is null, a boolean, number or text; `{"dict": [[key, TREE], ...]}`, `{"list": [TREE, ...]}`,
`{"tuple": [TREE, ...]}`; or `{"array": number}` of an array, `{"text": number}` of an array of
text, kept as its code points. The CRC-32 of that JSON stands beside it.
"""

import json
import zlib
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from marl_moe.errors import CheckpointError
from marl_moe.whole_file import remove_partials, whole_file

CHECKPOINT = "resume.safetensors"
DTYPES = {  # of arrays, by their names in NumPy: the names in safetensors
    "bool": "BOOL",
    "int8": "I8",
    "uint8": "U8",
    "int16": "I16",
    "uint16": "U16",
    "int32": "I32",
    "uint32": "U32",
    "int64": "I64",
    "uint64": "U64",
    "float16": "F16",
    "float32": "F32",
    "float64": "F64",
}
ALIGNMENT = 8  # bytes, of the arrays in the file
HIGHEST_CODE_POINT = 0x10FFFF
CONTENTS, CHECKSUM = "contents", "crc32"  # keys of the metadata

Array = NDArray[Any]


def refusal(folder: Path, reason: str) -> CheckpointError:
    """Return the error of a folder's checkpoint that training cannot go on from."""
    return CheckpointError(
        f"{folder / CHECKPOINT}: {reason}; delete it, and resume begins this seed again"
    )


def write_checkpoint(folder: Path, state: dict[str, Any]) -> None:
    """Write a state in place of the one before.

    Args:
        folder: where it goes; made where there is none.
        state: nested dictionaries, lists and tuples of arrays, numbers, strings and None; keys are
            strings or integers.

    Raises:
        TypeError: a value is of another kind.
        OSError: it cannot be written, as on a full disk; the state before is kept.
    """
    arrays: list[Array] = []
    tree = _packed(state, arrays)
    described = [
        {"dtype": array.dtype.name, "shape": array.shape, "crc32": _checksum(array)}
        for array in arrays
    ]
    contents = json.dumps({"arrays": described, "state": tree})
    metadata = {CONTENTS: contents, CHECKSUM: str(zlib.crc32(contents.encode()))}
    folder.mkdir(parents=True, exist_ok=True)
    remove_partials(folder)  # each as large as the replay
    with whole_file(folder / CHECKPOINT) as partial, partial.open("wb") as file:
        _write_safetensors(file, arrays, metadata)


def read_checkpoint(folder: Path) -> dict[str, Any] | None:
    """Read the last state written into a folder, None where there is none.

    Nothing in the file is compressed, so that it takes no more memory than disk.

    Raises:
        CheckpointError: the file was damaged since.
    """
    from safetensors import SafetensorError, safe_open

    path = folder / CHECKPOINT
    if not path.exists():
        return None
    try:
        # Read, not mapped: pages of a mapped file would count as memory beside the arrays.
        with safe_open(path, framework="np", backend="pread") as file:
            contents = _contents(file.metadata() or {})
            arrays = _arrays(file, contents["arrays"])
        state = _unpacked(contents["state"], arrays)
        if not isinstance(state, dict):
            raise ValueError(f"a {type(state).__name__}")
    except (SafetensorError, OSError, ValueError, RecursionError) as error:
        raise refusal(folder, f"no whole checkpoint ({error})") from None
    return state


def remove_checkpoint(folder: Path) -> None:
    """Remove the state of a folder, and what a write that was killed left of another."""
    (folder / CHECKPOINT).unlink(missing_ok=True)
    remove_partials(folder)


def _write_safetensors(file: BinaryIO, arrays: list[Array], metadata: dict[str, str]) -> None:
    """Write arrays, named by their numbers, in the format of safetensors.

    By safetensors itself they would be held in memory twice, or lie in a temporary file of a name
    of its own, which a kill would leave behind.
    """
    header: dict[str, Any] = {"__metadata__": metadata}
    # Those of the widest numbers come first, so that each begins at a multiple of its own width.
    order = sorted(range(len(arrays)), key=lambda number: -arrays[number].itemsize)
    end = 0
    for number in order:
        array = arrays[number]
        header[str(number)] = {
            "dtype": DTYPES[array.dtype.name],
            "shape": array.shape,
            "data_offsets": [end, end + array.nbytes],
        }
        end += array.nbytes
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % ALIGNMENT)
    file.write(len(text).to_bytes(8, "little") + text)
    for number in order:
        file.write(_bytes_of(arrays[number]))


def _bytes_of(array: Array) -> memoryview:
    return array.reshape(-1).view(np.uint8).data


def _checksum(array: Array) -> int:
    return zlib.crc32(_bytes_of(array))


def _packed(value: Any, arrays: list[Array]) -> Any:
    """Return a value as JSON holds it; its arrays are appended to `arrays`."""
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, dict):
        return {"dict": [[_key(key), _packed(part, arrays)] for key, part in value.items()]}
    if type(value) in (list, tuple):  # of what derives from them the kind would be lost
        return {type(value).__name__: [_packed(part, arrays) for part in value]}
    if not isinstance(value, np.ndarray):
        raise TypeError(f"a checkpoint holds no {type(value).__name__}")
    kind = "array"
    if value.dtype.kind == "U":
        kind = "text"
        value = np.ascontiguousarray(value)[..., None].view(np.uint32)
    if value.dtype.name not in DTYPES:
        raise TypeError(f"a checkpoint holds no array of {value.dtype.name}")
    little_endian = value.dtype.newbyteorder("<")
    arrays.append(np.asarray(value, dtype=little_endian, order="C"))
    return {kind: len(arrays) - 1}


def _key(key: Any) -> str | int:
    if not isinstance(key, str | int):
        raise TypeError(f"a checkpoint holds no key of {type(key).__name__}")
    return key


def _contents(metadata: dict[str, str]) -> dict[str, Any]:
    """Return the JSON of the metadata; ValueError where it is not as it was written."""
    text = metadata.get(CONTENTS, "")
    if metadata.get(CHECKSUM) != str(zlib.crc32(text.encode())):
        raise ValueError("no contents, or not those written")
    contents = json.loads(text)
    if not isinstance(contents, dict) or set(contents) != {"arrays", "state"}:
        raise ValueError("no contents of a checkpoint")
    return contents


def _arrays(file: Any, described: Any) -> list[Array]:
    """Return the arrays of a file; ValueError where they are not as they were written."""
    if not isinstance(described, list):
        raise ValueError("no list of arrays")
    if set(file.keys()) != {str(number) for number in range(len(described))}:
        raise ValueError("other arrays than those written")
    arrays = []
    for number, expected in enumerate(described):
        stored = file.get_slice(str(number))
        if stored.get_dtype() not in DTYPES.values():
            raise ValueError(f"array {number} is of {stored.get_dtype()}")
        array = file.get_tensor(str(number))
        found = {
            "dtype": array.dtype.name,
            "shape": list(array.shape),
            "crc32": _checksum(array),
        }
        if found != expected:
            raise ValueError(f"array {number} is not the one written")
        arrays.append(array)
    return arrays


def _unpacked(tree: Any, arrays: list[Array]) -> Any:
    """Return the value that `_packed` was given; ValueError for a tree that it never returns."""
    match tree:
        case None | bool() | int() | float() | str():
            return tree
        case {"dict": list(pairs), **others} if not others:
            return dict(_unpacked_pair(pair, arrays) for pair in pairs)
        case {"list": list(parts), **others} if not others:
            return [_unpacked(part, arrays) for part in parts]
        case {"tuple": list(parts), **others} if not others:
            return tuple(_unpacked(part, arrays) for part in parts)
        case {"array": int(number), **others} if not others and 0 <= number < len(arrays):
            return arrays[number]
        case {"text": int(number), **others} if not others and 0 <= number < len(arrays):
            return _text(arrays[number])
    raise ValueError("no state of a checkpoint")


def _unpacked_pair(pair: Any, arrays: list[Array]) -> tuple[str | int, Any]:
    match pair:
        case [str() | int() as key, part]:
            return key, _unpacked(part, arrays)
    raise ValueError("no state of a checkpoint")


def _text(points: Array) -> Array:
    """Return an array of text, given its code points along the last axis."""
    length = points.shape[-1] if points.ndim else 0
    if points.dtype != np.uint32 or not length or points.max(initial=0) > HIGHEST_CODE_POINT:
        raise ValueError("no text of a checkpoint")
    return points.view(f"<U{length}")[..., 0]
