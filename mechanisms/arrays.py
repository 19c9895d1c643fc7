"""Types of the arrays that mechanisms read and return."""

from __future__ import annotations

from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]
Precision = TypeVar("Precision", bound=np.floating[Any])  # single or double
