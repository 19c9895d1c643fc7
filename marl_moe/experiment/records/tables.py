"""Tables of a run folder, written whole or not at all, and read as they are documented."""

from collections.abc import Iterable, Sequence
from io import BytesIO
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from marl_moe.errors import RecordError
from marl_moe.experiment.records.columns import (
    LATER,
    LOGGED,
    TABLES,
    logged_columns,
    metric_columns,
)
from marl_moe.experiment.records.point_columns import Columns
from marl_moe.whole_file import whole_file


def schema(table: str, further: Columns | None = None) -> pa.Schema:
    """Return the Arrow schema of a table; each field carries its documentation as metadata.

    Args:
        table: name of the table.
        further: columns behind the documented ones, as of metrics.
    """
    columns = TABLES[table] | (further or {})
    return pa.schema(
        [pa.field(name, kind, metadata={"doc": doc}) for name, (kind, doc) in columns.items()]
    )


def further_columns(table: str, metrics: Sequence[str], names: Iterable[str]) -> Columns:
    """Return the columns of a table beside the documented ones.

    Args:
        table: name of the table.
        metrics: metrics of the experiment.
        names: all columns of the rows. Those of "training" that are neither documented nor metrics
            were logged by callbacks.
    """
    of_metrics = metric_columns(table, metrics)
    if table != "training":
        return of_metrics
    return of_metrics | logged_columns(set(names) - set(TABLES[table]) - set(of_metrics))


def write_table(
    folder: Path, table: str, frame: pd.DataFrame, further: Columns | None = None
) -> Path:
    """Write `frame` as `<table>.parquet`.

    Args:
        folder: where it goes.
        table: name of the table.
        frame: its rows.
        further: columns beside the documented ones, see `further_columns`.

    Raises:
        ValueError: its columns are not these.
    """
    described = schema(table, further)
    missing = set(described.names) ^ set(frame.columns)
    if missing:
        raise ValueError(
            f"{table}.parquet: columns differ from the documented ones: {sorted(missing)}"
        )
    arrow = pa.Table.from_pandas(frame[described.names], schema=described, preserve_index=False)
    path = folder / f"{table}.parquet"
    # Into a file of ours: on a full disk Arrow would not close one of its own.
    with whole_file(path) as partial, partial.open("wb") as file:
        pq.write_table(arrow, file, compression="zstd")
    return path


def read_table(folder: Path, table: str, metrics: Sequence[str] = ()) -> pd.DataFrame:
    """Read `<table>.parquet`; no rows where it was not written yet.

    Columns that older runs lack are NaN in theirs.

    Args:
        folder: where it is.
        table: name of the table.
        metrics: metrics of the experiment. Columns that callbacks logged are told by the file.

    Raises:
        RecordError: it is no whole table of these columns, or cannot be read.
    """
    path = folder / f"{table}.parquet"
    if not path.exists():
        return schema(table, metric_columns(table, metrics)).empty_table().to_pandas()
    try:  # by us: Arrow opens no file whose path is not UTF-8
        content = BytesIO(path.read_bytes())
    except OSError as error:
        raise RecordError(f"{path}: cannot be read: {error.strerror}") from None
    try:
        found = pq.read_schema(content)
        expected = schema(table, metric_columns(table, metrics) | _logged(table, found))
        missing = set(expected.names) - set(found.names)
        if missing - set(LATER.get(table, ())):  # Arrow fills them with nulls
            raise ValueError(f"it lacks {', '.join(sorted(missing))}")
        foreign = set(found.names) - set(expected.names)
        if foreign:  # Arrow would leave them out
            raise ValueError(f"it has {', '.join(sorted(foreign))}")
        frame = pq.read_table(content, schema=expected).to_pandas()
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


def _logged(table: str, found: pa.Schema) -> Columns:
    """Return the columns of a file that callbacks logged, as their documentation there says."""
    if table != "training":
        return {}
    return logged_columns(
        field.name for field in found if (field.metadata or {}).get(b"doc") == LOGGED.encode()
    )
