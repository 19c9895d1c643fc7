"""A bar that shows how far a run is."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as ProgressBar

from marl_moe.experiment.progress import Progress, Row


@contextmanager
def shown_progress(total: int, console: Console) -> Iterator[Progress]:
    """Show a bar over `total` epochs (of a market study, audits) with rates and time left.

    Without a terminal, print a line every tenth of the way.
    """
    bar = ProgressBar(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[rate]}"),
        console=console,
        disable=not console.is_terminal,
        transient=True,
    )
    task = bar.add_task("starting", total=total, rate="")
    began = time.perf_counter()
    done = 0

    def on_kept(epochs: int) -> None:
        nonlocal total
        total -= epochs
        bar.update(task, total=total)

    def advance(description: str, told: str, rate: str = "") -> None:
        nonlocal done
        done += 1
        bar.update(task, completed=done, description=description, rate=rate)
        if not console.is_terminal and done * 10 // total > (done - 1) * 10 // total:
            left = (time.perf_counter() - began) * (total - done) / done
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
        bar.update(task, description=f"seed {seed}  evaluating {escape(policy)}")

    def on_audit(seed: int, mechanism: str) -> None:
        advance(
            f"seed {seed}  {mechanism}", f"seed {seed}  {mechanism} audited  {done + 1}/{total}"
        )

    with bar:
        yield Progress(on_kept, on_epoch, on_policy, on_audit)
