"""Columns that every table has: the seed, and the point of the sweep."""

import pyarrow as pa

Columns = dict[str, tuple[pa.DataType, str]]  # of a table: the type and the documentation of each

POINT: Columns = {
    "seed": (pa.int64(), "seed of the training run"),
    "point": (pa.string(), "label of the sweep point, empty without a sweep"),
    "settings": (
        pa.string(),
        "what the sweep point sets, JSON: an object of values by their dotted keys, in the order "
        "of the sweep; {} without a sweep",
    ),
}
