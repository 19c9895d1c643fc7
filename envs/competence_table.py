"""Measured tables of competence, in JSON files."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from envs.arrays import Int
from mechanisms.registry import nearest

LARGEST_TABLE = 50_000_000  # bytes of a file with a measured table, that of 1,000 topics
MEASURED = "measured"  # names the table that comes with the package
KEY = "env.experts.competence"


@dataclass(frozen=True)
class CompetenceTable:
    """A measured table: kinds of experts by topics.

    Attributes:
        file: that it was read from.
        rows: names of the kinds of experts, (K,); empty where row m is of the experts of topic m.
        competence: (K, M).
    """

    file: str
    rows: tuple[str, ...]
    competence: NDArray[np.float64]

    def of_experts(self, topic: Int, rows: Sequence[str | None]) -> NDArray[np.float64]:
        """Return the competence of each expert, (E, M).

        Args:
            topic: (E,) of each expert.
            rows: the named row of each, None for that of its topic, (E,).

        Raises:
            ValueError: an expert has none of the table's rows; the message names the file.
        """
        return self.competence[
            [self._row(int(own), row) for own, row in zip(topic, rows, strict=True)]
        ]

    def _row(self, topic: int, name: str | None) -> int:
        if name in self.rows:
            return self.rows.index(name)
        if name is not None:
            has = nearest(name, self.rows) if self.rows else 'names none (add a list "rows")'
            raise ValueError(
                f"env.experts.competence_row, or that of a group: no row {name!r} in {self.file}: "
                f"{has}"
            )
        if self.rows and len(self.rows) != self.competence.shape[1]:
            kinds, topics = self.competence.shape
            raise ValueError(
                f"env.experts.competence_row, or that of a group, should name a row of {self.file} "
                f"for every expert, one of {', '.join(self.rows)}: with {kinds} rows for {topics} "
                "topics none is that of a topic"
            )
        return topic


def load_competence(path: str, num_topics: int) -> CompetenceTable:
    """Read a measured table, competence [kind of expert x subtask topic], from a JSON file.

    Its key 'competence' holds the table. Its key 'rows', if any, names the rows; without it row m
    is that of the experts of topic m.

    Args:
        path: a file with a JSON object; `MEASURED` names the table that comes with the package.
        num_topics: M, columns of the table, and rows where they have no names.

    Raises:
        ValueError: the file cannot be read or holds another table; the message names it.
    """
    file: Path | Traversable = (
        files("envs") / "measured_competence.json" if path == MEASURED else Path(path)
    )
    try:
        if (
            isinstance(file, Path)
            and file.exists()
            and (not file.is_file() or file.stat().st_size > LARGEST_TABLE)
        ):
            raise ValueError(f"not a file of at most {LARGEST_TABLE:,} bytes")
        told = json.loads(file.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError) as error:
        raise ValueError(f"{KEY}: cannot read {file}: {error}") from error
    rows = told.get("rows", []) if isinstance(told, dict) else []
    if not _are_names(rows):
        raise ValueError(
            f"{KEY}: 'rows' of {file} should be a list of names, each another, got "
            f"{json.dumps(rows)[:80]}"
        )
    numbers = told.get("competence") if isinstance(told, dict) else None
    shape = len(rows) or num_topics, num_topics
    table = np.array(numbers, dtype=float) if _is_table(numbers, shape) else None
    if table is None or not np.isfinite(table).all():
        of_rows = ' and "rows": [NAME, ...]' if rows else ""
        raise ValueError(
            f'{KEY}: {file} should hold {{"competence": [[...], ...]}}{of_rows}, a table '
            f"of {shape[0]} x {shape[1]} finite numbers{_shape_of(numbers)}"
        )
    return CompetenceTable(str(file), tuple(rows), table)


def _are_names(rows: Any) -> bool:
    return (
        isinstance(rows, list)
        and all(isinstance(name, str) and name for name in rows)
        and len(set(rows)) == len(rows)
    )


def _is_table(rows: Any, shape: tuple[int, int]) -> bool:
    """Return whether JSON's values are a table of numbers of this shape."""
    return (
        isinstance(rows, list)
        and len(rows) == shape[0]
        and all(isinstance(row, list) and len(row) == shape[1] for row in rows)
        and all(isinstance(x, int | float) and not isinstance(x, bool) for row in rows for x in row)
    )


def _shape_of(rows: Any) -> str:
    """Return what a table has instead, for messages; nothing where it is none."""
    if not isinstance(rows, list) or not all(isinstance(row, list) for row in rows):
        return ""
    widths = sorted({len(row) for row in rows})
    return f", and has {len(rows)} rows of {' or '.join(map(str, widths))}" if widths else ""
