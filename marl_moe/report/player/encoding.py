"""Arrays as JSON holds them: quantised, compressed (zlib) and in base64."""

import base64
import zlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

LARGEST = 32767  # of the quantised numbers
NOTHING = -32768  # stands for NaN among them


def exact(array: NDArray[Any]) -> dict[str, Any]:
    """Return an array of flags, counts or numbers of single precision.

    Args:
        array: booleans, integers that 16 bits hold, or floating point numbers.

    Raises:
        ValueError: an integer that 16 bits do not hold.
    """
    kind = "float32"
    if array.dtype.kind in "bui":
        kind = "uint8" if array.dtype.itemsize == 1 else "int16"
        if array.size and (array.max() > LARGEST or array.min() < NOTHING):
            raise ValueError(f"{array.min()}..{array.max()} do not fit into 16 bits")
    return _packed(array.astype(kind)) | {"type": kind}


def quantised(array: NDArray[np.floating]) -> dict[str, Any]:
    """Return an array in 16 bits: of the greatest magnitude in it every number is off by 1 / 65534.

    NaN, and what is not finite, is nothing.
    """
    finite = np.isfinite(array)
    step = float(np.max(np.abs(array), where=finite, initial=0.0)) / LARGEST or 1.0
    steps = np.round(np.where(finite, array, 0.0) / step)
    packed = _packed(np.where(finite, steps, NOTHING).astype(np.int16))
    return packed | {"type": "int16", "step": step}


def unpacked(packed: dict[str, Any]) -> NDArray[Any]:
    """Return the array that `exact` or `quantised` packed, as the page reads it."""
    content = zlib.decompress(base64.b64decode(packed["data"]))
    numbers = np.frombuffer(content, np.dtype(packed["type"]).newbyteorder("<"))
    array = numbers.reshape(packed["shape"])
    if "step" not in packed:
        return array
    return np.where(array == NOTHING, np.nan, array * packed["step"])


def _packed(array: NDArray[Any]) -> dict[str, Any]:
    little_endian = array.astype(array.dtype.newbyteorder("<"))
    content = zlib.compress(little_endian.tobytes(), 9)
    return {"shape": list(array.shape), "data": base64.b64encode(content).decode("ascii")}
