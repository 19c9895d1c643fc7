"""Values of a slot for who may look and not touch: the same arrays as views that refuse writes."""

from dataclasses import is_dataclass
from typing import TypeVar

import numpy as np

from envs.candidates import Candidates
from envs.config import WorldConfig

Value = TypeVar("Value")


def read_only(value: Value) -> Value:
    """Return a value whose arrays, and those of its parts, cannot be written.

    No number is copied. Dataclasses, named tuples and `Candidates` are made anew around the views;
    what they cache later is cached in them alone.

    Args:
        value: an array, a `Slot`, a `SlotResult`, or a part of these.
    """
    viewed: object = value
    if isinstance(value, np.ndarray):
        viewed = value.view()
        viewed.setflags(write=False)
    elif isinstance(value, tuple) and hasattr(value, "_fields"):
        viewed = type(value)(*map(read_only, value))
    elif isinstance(value, WorldConfig | type):
        viewed = value  # no array in it
    elif is_dataclass(value) or isinstance(value, Candidates):
        viewed = object.__new__(type(value))
        vars(viewed).update({name: read_only(part) for name, part in vars(value).items()})
    return viewed  # type: ignore[return-value]  # of the type of the value
