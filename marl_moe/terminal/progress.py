"""A line that shows how far something is."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.cells import cell_len
from rich.console import Console, RenderableType
from rich.progress import Progress as ProgressBar
from rich.progress import ProgressColumn, Task
from rich.progress_bar import ProgressBar as Bar
from rich.table import Table
from rich.text import Text

from marl_moe.experiment.progress import Progress, Row
from marl_moe.terminal.console import in_line

WIDEST_BAR, SHORTEST_BAR = 40, 10  # columns


class FittedLine(ProgressColumn):
    """What is done, how much of it, the time left, rates and a bar, as far as they fit in a line.

    Nothing is cut: what does not fit is left out, the bar first, then rates and the time.

    Args:
        console: where it is shown.
    """

    def __init__(self, console: Console) -> None:
        super().__init__()
        self._console = console

    def render(self, task: Task) -> RenderableType:
        """Draw the line of now."""
        width, total = self._console.width - 2, int(task.total or 0)
        seconds = task.time_remaining
        pieces = (
            task.description,
            f"{task.completed:.0f}/{total}" if total else "",
            f"{seconds:,.0f} s left" if total and seconds is not None else "",
            task.fields["rate"],
        )
        kept: list[str] = []
        used = 0  # columns, with one between pieces
        for piece in filter(None, pieces):
            if kept and used + 1 + cell_len(piece) > width:
                break
            kept.append(piece)
            used += 1 + cell_len(piece)
        line = Table.grid(padding=(0, 1, 0, 0))
        line.add_column(overflow="fold")
        cells: list[RenderableType] = [Text(piece) for piece in kept]
        if total and width - used > SHORTEST_BAR:
            cells.insert(1, Bar(total, task.completed, width=min(width - used - 1, WIDEST_BAR)))
        for _ in cells[1:]:
            line.add_column(no_wrap=True)
        line.add_row(*cells)
        return line


@contextmanager
def shown_step(what: str, console: Console) -> Iterator[Callable[[str], None]]:
    """Show what of a task is done now, where there is a terminal; the caller tells each step."""
    with console.status(what) as status:
        yield lambda step: status.update(Text(f"{what}: {in_line(step)}"))


@contextmanager
def shown_progress(total: int, console: Console) -> Iterator[Progress]:
    """Show a line over `total` epochs (of a market study, audits) with rates and time left.

    Without a terminal, print a line every tenth of the way.
    """
    bar = ProgressBar(
        FittedLine(console),
        console=console,
        disable=not console.is_terminal,
        transient=True,
    )
    task = bar.add_task("starting", total=total, rate="")
    began = time.perf_counter()
    done = kept = 0  # of all, and of these before this command

    def on_kept(epochs: int) -> None:
        nonlocal done, kept
        done, kept = done + epochs, kept + epochs
        bar.update(task, completed=done)

    def advance(description: str, told: str, rate: str = "") -> None:
        nonlocal done
        done += 1
        bar.update(task, completed=done, description=description, rate=rate)
        if not console.is_terminal and done * 10 // total > (done - 1) * 10 // total:
            left = (time.perf_counter() - began) * (total - done) / (done - kept)
            console.print(f"{told}  {left:,.0f} s left")

    def on_epoch(row: Row) -> None:
        seconds = row["seconds"]
        rate = (
            f"{row['agent_steps'] / seconds:,.0f} agent steps/s  "
            f"{row['updates'] / seconds:,.0f} updates/s"
        )
        gain = f"gain {row['gain']:.2f}"
        seed = f"seed {row['seed']}"
        advance(f"{seed}  {gain}", f"{seed}  epoch {done + 1}/{total}  {gain}  {rate}", rate)

    def on_policy(seed: int, policy: str) -> None:
        bar.update(task, description=f"seed {seed}  evaluating {in_line(policy)}")

    def on_audit(seed: int, mechanism: str) -> None:
        name = in_line(mechanism)
        advance(f"seed {seed}  {name}", f"seed {seed}  {name} audited  {done + 1}/{total}")

    with bar:
        yield Progress(on_kept, on_epoch, on_policy, on_audit)
