"""Tables at widths from a phone's to a pipe's: no digit and no letter of a name is lost."""

import json
import re

import numpy as np
import pandas as pd
import pytest
from rich.console import Console

from marl_moe.experiment.records.columns import EVALUATION
from marl_moe.terminal.console import PIPED
from marl_moe.terminal.summary import summary_table
from marl_moe.terminal.tables import Column, FittedTable

POLICIES = ("two_choices_of_the_least_loaded_edge_device_within_reach", "abandon")
POINTS = tuple(f"env.channel.bandwidth_hz={hz} env.channel.split=equal" for hz in (250, 500, 1000))


def drawn(table: FittedTable, width: int) -> str:
    console = Console(width=width, markup=False, legacy_windows=False)
    with console.capture() as capture:
        console.print(table, crop=False)
    return capture.get()


def text_of(column: str) -> str:
    """Return what stands in a column's cells, without the lines that it was folded to."""
    return re.sub(r"\s", "", column)


@pytest.fixture(scope="module")
def table() -> FittedTable:
    frames = [
        pd.DataFrame({"point": point, "policy": policy, "seed": [0, 1, 2], "episode": 0}).assign(
            settings=json.dumps({"env": point})
        )
        for point in POINTS
        for policy in POLICIES
    ]
    rows = pd.concat(frames, ignore_index=True)
    rng = np.random.default_rng(0)
    nothing = {name: 0.0 for name in EVALUATION if name not in rows}
    rows = rows.assign(**nothing)
    for name in ("utility", "gain", "welfare", "charge", "share_of_equilibrium"):
        rows[name] = rng.normal(-100, 50, len(rows))
    return summary_table("study", rows)


@pytest.mark.parametrize("width", [24, 40, 80, 120, 200, PIPED])
def test_names_and_the_first_number_are_whole_at_any_width(table: FittedTable, width: int) -> None:
    text = drawn(table, width)
    assert "…" not in text
    assert max(map(len, text.splitlines())) <= width
    lines = [line.split("│")[1:-1] for line in text.splitlines() if line.startswith("│")]
    first, second = (text_of("".join(line[at] for line in lines)) for at in (0, 1))
    for row in table.rows:
        assert text_of(str(row[0])) in first
        if len(row) > 1:
            assert text_of(str(row[1])) in second


def test_what_is_left_out_on_a_terminal_is_named_below_and_a_pipe_has_all(
    table: FittedTable,
) -> None:
    narrow, piped = drawn(table, 60), drawn(table, PIPED)
    assert "Left out, too wide for this terminal: " in narrow
    below = " ".join(narrow.partition("Left out")[2].split())
    assert "welfare a slot and user, credits" in below
    assert "of equilibrium" in below
    assert "Left out" not in piped
    assert all(column.heading in piped for column in table.columns)
    assert all(str(cell) in piped for row in table.rows for cell in row)


def test_columns_that_stay_are_shown_before_those_that_come_first() -> None:
    table = FittedTable(
        "search",
        [Column("rank", stays=True), Column("learning_rate"), Column("gain", stays=True)],
        [["1", "0.000123456789", "1.234 [1.000, 1.468]"]],
    )
    text = drawn(table, 36)
    assert "1.234 [1.000, 1.468]" in text
    assert "0.000123456789" not in text
    assert "terminal: learning_rate." in " ".join(text.split())


def test_markup_and_control_characters_in_cells_are_shown() -> None:
    table = FittedTable("a [b]\x1b[2J", [Column("[red]x", folded=True)], [["[/nope]\r\n:fire:"]])
    text = drawn(table, PIPED)
    for shown in (r"a [b]\x1b[2J", "[red]x", r"[/nope]\r\n:fire:"):
        assert shown in text
