"""Files of traces: columns of numbers in Parquet or CSV, read whole, checked, and written.

Rows count from 0, the header of a CSV aside; so do episodes, slots, users, experts and topics.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from envs.arrays import Bool, Int
from mechanisms.registry import nearest

SUFFIXES = (".parquet", ".csv")
MOST_ROWS = 100_000_000  # of a Parquet file, where any number of like rows takes a few bytes
MOST = 2**31 - 1  # of a number that counts episodes, slots, users, experts or topics


def check_suffix(path: str) -> None:
    """Check that the name of a file says how it is written.

    Raises:
        ValueError: it ends otherwise than in `SUFFIXES`.
    """
    if Path(path).suffix not in SUFFIXES:
        raise ValueError(f"trace: {path} should end in {' or '.join(SUFFIXES)}")


@dataclass(frozen=True, eq=False)
class TraceFile:
    """The columns of a file, without empty cells.

    Attributes:
        key: the key that names the file, for messages.
        path: of the file.
        columns: by name, (rows,) numbers or booleans.
    """

    key: str
    path: str
    columns: Mapping[str, NDArray]

    @classmethod
    def read(cls, key: str, path: str, needed: tuple[str, ...]) -> "TraceFile":
        """Read a file of these columns, and of `episode`, which is 0 where it is left out.

        Raises:
            ValueError: the file cannot be read, has no rows, lacks a column or has another, or a
                cell is empty or no number; the message names file, column and row.
        """
        table = _table(key, path)
        known, names = ("episode", *needed), table.column_names
        start = f"{key}: {path}"
        for name in names:
            if name not in known:
                raise ValueError(f"{start}: no column {name!r} is known; {nearest(name, known)}")
            if names.count(name) > 1:
                raise ValueError(f"{start}: there are two columns {name!r}")
        for name in needed:
            if name not in names:
                raise ValueError(f"{start}: the column {name!r} is missing")
        if not table.num_rows:
            raise ValueError(f"{start}: there are no rows")
        columns = {name: _numbers(f"{start}: column {name}", table[name]) for name in names}
        columns.setdefault("episode", np.zeros(table.num_rows, np.int64))
        return cls(key, path, columns)

    def error(self, what: str) -> ValueError:
        """Return the error of a fault of the file."""
        return ValueError(f"{self.key}: {self.path}: {what}")

    def check(self, name: str, right: Bool, should: str) -> None:
        """Check the cells of a column.

        Args:
            name: of the column.
            right: (rows,) cells that are as they should be.
            should: what they should be, for the message.

        Raises:
            ValueError: one is not; the message names the first.
        """
        if not right.all():
            row = int(right.argmin())
            value = self.columns[name][row]
            raise self.error(f"column {name}, row {row}: should be {should}, got {value}")

    def numeric(self, name: str) -> NDArray:
        """Return a column, (rows,).

        Raises:
            ValueError: it holds true and false in place of numbers.
        """
        column = self.columns[name]
        if column.dtype.kind == "b":
            raise self.error(f"column {name}, row 0: should be a number, got {column[0]}")
        return column

    def counted(self, name: str) -> Int:
        """Return a column that counts something from 0, (rows,).

        Raises:
            ValueError: a cell is no whole number, or below 0 or above 2^31 - 1.
        """
        column = self.numeric(name)
        whole = (column >= 0) & (column <= MOST)
        if column.dtype.kind == "f":
            whole &= column == np.floor(column)
        self.check(name, whole, f"a whole number, 0 to {MOST}")
        return column.astype(np.int64)

    def numbers(self, name: str, low: float, high: float, should: str) -> NDArray:
        """Return a column whose cells lie within limits, (rows,).

        Raises:
            ValueError: a cell lies beyond, or is not finite; the message says what it `should` be.
        """
        column = self.numeric(name)
        self.check(name, (column >= low) & (column <= high), should)
        return column

    def flags(self, name: str) -> Bool:
        """Return a column of true and false, or 1 and 0, (rows,).

        Raises:
            ValueError: a cell is neither.
        """
        column = self.columns[name]
        self.check(name, (column == 0) | (column == 1), "true or false")
        return column.astype(bool)

    def sorted_by(self, names: tuple[str, ...]) -> Int:
        """Return the order of rows that sorts them by these columns, (rows,).

        Raises:
            ValueError: a row repeats another in all of them.
        """
        columns = [self.counted(name) for name in names]
        order = np.lexsort(columns[::-1])
        same = np.ones(len(order) - 1, bool)
        for column in columns:
            same &= np.diff(column[order]) == 0
        if same.any():
            repeats = order[1:][same]
            row = int(repeats.min())
            first = int(order[:-1][same][repeats.argmin()])
            what = ", ".join(f"{name} {self.columns[name][row]:g}" for name in names)
            raise self.error(f"row {row} repeats {what} of row {first}")
        return order


def write(path: str | Path, columns: Mapping[str, NDArray]) -> None:
    """Write columns of one length to a file, each number such that it is read the same to the bit.

    Args:
        path: ends in `.parquet` or `.csv`, which says how.
        columns: by name.

    Raises:
        ValueError: the path ends otherwise.
        OSError: the file cannot be written.
    """
    import pyarrow as pa
    from pyarrow import csv, parquet

    check_suffix(str(path))
    table = pa.table(dict(columns))
    if Path(path).suffix == ".csv":
        csv.write_csv(table, path)
    else:
        parquet.write_table(table, path)


def _table(key: str, path: str) -> Any:
    """Return a file as a table of pyarrow, which is imported here: to import it takes a while."""
    import pyarrow as pa
    from pyarrow import csv, parquet

    try:
        if Path(path).exists() and not Path(path).is_file():
            raise ValueError("it is no file")
        if Path(path).suffix == ".csv":
            # One thread: messages then name the row.
            return csv.read_csv(path, csv.ReadOptions(use_threads=False))
        with parquet.ParquetFile(path) as file:
            if file.metadata.num_rows > MOST_ROWS:
                raise ValueError(f"{file.metadata.num_rows:,} rows are more than {MOST_ROWS:,}")
            return file.read()
    except (OSError, ValueError, pa.ArrowException) as error:
        told = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise ValueError(f"{key}: cannot read {path}: {told}") from error


def _numbers(start: str, column: Any) -> NDArray:
    """Return a column of pyarrow's as numbers or booleans."""
    import pyarrow as pa

    kind = column.type
    if column.null_count:
        row = int(column.is_null().to_numpy().argmax())
        raise ValueError(f"{start}, row {row}: is empty")
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        wrong = ((row, text) for row, text in enumerate(column) if not _is_number(text))
        row, text = next(wrong, (0, column[0]))  # all may be numbers that are no column of them
        raise ValueError(f"{start}, row {row}: should be a number, got {text.as_py()[:40]!r}")
    if not (pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind)):
        raise ValueError(f"{start}: should hold numbers, it holds {kind}")
    numbers: NDArray = column.to_numpy()
    return numbers


def _is_number(text: Any) -> bool:
    try:
        float(text.as_py())
    except ValueError:
        return False
    return True
