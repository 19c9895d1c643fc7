"""Tables that are whole: piped as wide as they are, on a terminal without columns that do not fit.

A number is never cut. Names are folded; where that is not enough columns are left out, the last
first, and a line below names them.
"""

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass, field

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderResult
from rich.table import Table
from rich.text import Text

from marl_moe.terminal.console import PIPED, in_line

NARROWEST = 10  # columns that a name or a clause is folded to


@dataclass(frozen=True)
class Column:
    """A column of a table.

    Attributes:
        heading: its heading.
        folded: whether its cells are names or text, which take more lines where width is short, or
            numbers, which do not.
        stays: whether it is never left out.
    """

    heading: str
    folded: bool = False
    stays: bool = False


@dataclass
class FittedTable:
    """A table, with its title above and its notes below.

    Attributes:
        title: the title.
        columns: from the one that matters most, but for those that stay.
        rows: cells of each row; a `Text` has a style, a string none. A row of one cell is a heading
            of those below it.
        notes: lines below the table.
        boxed: whether it has lines around its cells.
    """

    title: str
    columns: Sequence[Column]
    rows: list[Sequence[str | Text]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    boxed: bool = True

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Draw it in the width there is."""
        kept = self._fitting(options.max_width)
        if self.title:
            yield Text(in_line(self.title), style="italic" if self.boxed else "bold")
        yield self._drawn(kept, options.max_width)
        left_out = [column.heading for at, column in enumerate(self.columns) if at not in kept]
        if left_out:
            names = "; ".join(" ".join(in_line(name).split()) for name in left_out)
            yield Text(f"Left out, too wide for this terminal: {names}.", style="dim italic")
        for note in self.notes:
            yield Text(in_line(note), style="dim italic")

    def _fitting(self, width: int) -> list[int]:
        """Return the numbers of the columns that fit."""
        kept = list(range(len(self.columns)))
        for at in reversed(range(len(self.columns))):
            if self._width(kept) <= width:
                break
            if not self.columns[at].stays:
                kept.remove(at)
        return kept

    def _width(self, kept: Sequence[int]) -> int:
        """Return the least width of a table of some of the columns."""
        least = 0
        for at in kept:
            heading = max(map(cell_len, self.columns[at].heading.split()), default=0)
            cells = self._cell_width(at)
            least += min(cells, NARROWEST) if self.columns[at].folded else max(heading, cells)
        return least + (3 * len(kept) + 1 if self.boxed else len(kept) - 1)

    def _cell_width(self, at: int) -> int:
        lines = [str(row[at]) for row in self.rows if at < len(row)]
        return max((cell_len(in_line(line)) for line in lines), default=0)

    def _drawn(self, kept: Sequence[int], width: int) -> Table:
        fits = self._width(kept) <= width  # else numbers too take more lines, at their spaces
        look = {} if self.boxed else {"box": None, "pad_edge": False}
        table = Table(**look)  # type: ignore[arg-type]
        for at in kept:
            column = self.columns[at]
            heading = in_line(column.heading)
            if width < PIPED and not column.folded:
                longest = max(map(cell_len, heading.split()), default=1)
                widest = max(longest, self._cell_width(at), 1)
                heading = textwrap.fill(heading, widest, break_long_words=False)
            table.add_column(
                heading,
                justify="left" if column.folded else "right",
                no_wrap=fits and not column.folded,
                overflow="fold",
            )
        for number, row in enumerate(self.rows):
            heads = len(row) == 1
            if heads and number:
                table.add_section()
            cells = [_cell(row[at]) if at < len(row) else "" for at in kept]
            table.add_row(*cells, style="bold" if heads else None)
        return table


def _cell(cell: str | Text) -> Text:
    if isinstance(cell, Text):
        return cell
    return Text(in_line(cell))
