"""Sections of the page: their data, and how these stand in HTML."""

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

DIGITS = 6  # significant ones of a number that is drawn
# Letters that could end a script, begin markup or end a line: JSON has other words for them.
ESCAPED = {ord(letter): f"\\u{ord(letter):04x}" for letter in "<>&\u2028\u2029"}


@dataclass(frozen=True)
class Section:
    """A tab of the page.

    Attributes:
        id: names its JavaScript file and its data; letters and dashes.
        title: of the tab.
        data: what the file shows, of values that JSON has; a text says in a sentence why there is
            nothing to show.
    """

    id: str
    title: str
    data: Mapping[str, Any] | str

    def script(self) -> str:
        """Return the element that holds the data: no text in it can end it."""
        text = json.dumps(self.data, allow_nan=False, separators=(",", ":"), ensure_ascii=False)
        # Half of a pair, as in the name of a file that is no UTF-8, has no bytes.
        text = text.encode("utf-8", "backslashreplace").decode().translate(ESCAPED)
        return f'<script type="application/json" id="data-{self.id}">{text}</script>'


def number(value: Any) -> float | int | None:
    """Return a number for JSON, with `DIGITS` digits; None for what is not finite."""
    value = float(value)
    if not math.isfinite(value):
        return None
    short = float(f"{value:.{DIGITS}g}")
    return int(short) if short.is_integer() and abs(short) < 1e15 else short


def numbers(values: Iterable[Any]) -> list[float | int | None]:
    """Return numbers for JSON, as `number` does."""
    return [number(value) for value in values]
