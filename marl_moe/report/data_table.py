"""Tables of the page: of what is printed, cell for cell, with numbers to sort by."""

import re
from collections.abc import Sequence
from math import isfinite
from typing import Any

from rich.text import Text

from marl_moe.terminal.tables import FittedTable

NUMBER = re.compile(r"-?\d[\d,]*\.?\d*(?:e[-+]?\d+)?")

Cell = dict[str, Any]  # text; value to sort by, if it is a number; best; note


def cell(text: str, value: float | None = None, **marks: Any) -> Cell:
    """Return a cell.

    Args:
        text: what it shows.
        value: what it is sorted by; None for a text.
        **marks: what else is told of it, left out where it is false.
    """
    made: Cell = {"text": text}
    if value is not None:
        made["value"] = float(value) if isfinite(value) else None
    return made | {name: mark for name, mark in marks.items() if mark}


def table(
    title: str, columns: Sequence[tuple[str, bool]], rows: Sequence[Any], notes: Sequence[str] = ()
) -> dict[str, Any]:
    """Return a table for the page.

    Args:
        title: its caption.
        columns: the heading of each, and whether it holds numbers.
        rows: lists of cells; a text is the heading of the rows below it.
        notes: lines below it.
    """
    return {
        "title": title,
        "columns": [{"heading": heading, "numeric": numeric} for heading, numeric in columns],
        "rows": rows,
        "notes": list(notes),
    }


def printed_table(printed: FittedTable) -> dict[str, Any]:
    """Return a table that the terminal shows, for the page: the same cells, whole.

    A cell of a column of numbers is sorted by the first number that it shows.
    """
    columns = [(column.heading, not column.folded) for column in printed.columns]
    rows: list[Any] = []
    for row in printed.rows:
        texts = [part.plain if isinstance(part, Text) else part for part in row]
        if len(texts) == 1:
            rows.append(texts[0])
            continue
        pairs = zip(texts, columns, strict=True)
        rows.append(
            [cell(text, first_number(text) if numeric else None) for text, (_, numeric) in pairs]
        )
    return table(printed.title, columns, rows, printed.notes)


def first_number(text: str) -> float | None:
    """Return the first number of a text, None where it has none.

    >>> first_number("✓ -0.250 / 1,024.5"), first_number("-")
    (-0.25, None)
    """
    found = NUMBER.search(text)
    return float(found.group().replace(",", "")) if found else None
