"""Tables of a run folder, written whole or not at all, and read as they are documented."""

from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from marl_moe.errors import RecordError
from marl_moe.experiment.records.columns import TABLES
from marl_moe.whole_file import whole_file


def schema(table: str) -> pa.Schema:
    """Return the Arrow schema of a table; each field carries its documentation as metadata."""
    return pa.schema(
        [pa.field(name, kind, metadata={"doc": doc}) for name, (kind, doc) in TABLES[table].items()]
    )


def write_table(folder: Path, table: str, frame: pd.DataFrame) -> Path:
    """Write `frame` as `<table>.parquet`.

    Raises:
        ValueError: its columns are not the documented ones.
    """
    missing = set(TABLES[table]) ^ set(frame.columns)
    if missing:
        raise ValueError(
            f"{table}.parquet: columns differ from the documented ones: {sorted(missing)}"
        )
    arrow = pa.Table.from_pandas(
        frame[list(TABLES[table])], schema=schema(table), preserve_index=False
    )
    path = folder / f"{table}.parquet"
    # Into a file of ours: on a full disk Arrow would not close one of its own.
    with whole_file(path) as partial, partial.open("wb") as file:
        pq.write_table(arrow, file, compression="zstd")
    return path


def read_table(folder: Path, table: str) -> pd.DataFrame:
    """Read `<table>.parquet`; no rows where it was not written yet.

    Raises:
        RecordError: it is no whole table of these columns.
    """
    path = folder / f"{table}.parquet"
    if not path.exists():
        return schema(table).empty_table().to_pandas()
    try:
        missing = set(TABLES[table]) - set(pq.read_schema(path).names)
        if missing:  # Arrow would fill them with nulls
            raise ValueError(f"it lacks {', '.join(sorted(missing))}")
        frame = pq.read_table(path, schema=schema(table)).to_pandas()
    except (
        pa.ArrowException,
        OSError,
        ValueError,
        TypeError,
        LookupError,
        OverflowError,
        MemoryError,
    ) as error:
        reason = str(error).partition("\n")[0]
        raise RecordError(
            f"{path}: not a whole {table} table of this version: {reason}; restore it, or delete "
            "it and resume the run, which then does its jobs again"
        ) from None
    return frame
