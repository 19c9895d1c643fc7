"""The line of progress at widths from a phone's up, and its lines without a terminal."""

import io

import pytest
from rich.console import Console
from rich.progress import Progress as ProgressBar

from marl_moe.terminal.progress import FittedLine, shown_progress

RATE = "12,345 agent steps/s  678 updates/s"
POLICY = "two_choices_of_the_least_loaded_[bold]device"


def line(width: int, description: str) -> str:
    console = Console(file=io.StringIO(), width=width, markup=False)
    bar = ProgressBar(FittedLine(console), console=console, auto_refresh=False)
    bar.add_task(description, total=400, completed=39, rate=RATE)
    with console.capture() as capture:
        console.print(bar.get_renderable())
    return capture.get()


@pytest.mark.parametrize("width", [20, 40, 60, 80, 120, 200])
def test_what_is_shown_is_whole_and_what_does_not_fit_is_left_out(width: int) -> None:
    text = line(width, "seed 3  gain -12.34")
    assert max(map(len, text.splitlines())) <= width
    assert "…" not in text
    assert "gain -12.34" in text
    assert ("39/400" in text) == (width >= 40)
    assert ("agent steps/s" in text) == ("updates/s" in text) == (width >= 80)
    assert any(part in text for part in "━╸") == (width >= 40)


def test_a_long_name_takes_more_lines() -> None:
    assert POLICY in "".join(line(30, f"evaluating {POLICY}").split())


def test_without_a_terminal_lines_are_whole_and_names_no_markup() -> None:
    console = Console(file=io.StringIO(), width=20, soft_wrap=True, markup=False)
    with shown_progress(1, console) as progress:
        progress.on_audit(0, "vcg [of\x1b mine] with a long name")
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert text.startswith("seed 0  vcg [of\\x1b mine] with a long name audited  1/1  ")


def test_epochs_that_were_kept_count_among_all() -> None:
    console = Console(file=io.StringIO(), width=200, soft_wrap=True, markup=False)
    row = {"seconds": 1.0, "agent_steps": 1, "updates": 1, "gain": 0.0, "seed": 0}
    with shown_progress(10, console) as progress:
        progress.on_kept(7)
        for _ in range(3):
            progress.on_epoch(row)
    lines = console.file.getvalue().splitlines()  # type: ignore[attr-defined]
    assert [line.split()[3] for line in lines] == ["8/10", "9/10", "10/10"]
    assert lines[-1].endswith("0 s left")
