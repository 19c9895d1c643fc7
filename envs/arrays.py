"""Types of the arrays of this package; every docstring or comment beside them gives the shape."""

import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.floating]
Int = NDArray[np.int64]
Bool = NDArray[np.bool_]
Arrays = dict[str, NDArray]  # by name
