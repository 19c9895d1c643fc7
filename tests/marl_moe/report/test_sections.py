"""What the page is given: the same cells as the terminal prints, and texts that end nothing."""

import json
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from marl_moe.cli import app
from marl_moe.report import comparison, market, overview, training
from marl_moe.report.data_table import first_number
from marl_moe.report.reported import Reported, read_runs
from marl_moe.report.section import Section, number

HOSTILE = "</script><!--<script>&amp;\u2028\u2029\ud800 é"


class Scripts(HTMLParser):
    """Texts of the script elements of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.texts: list[str] = []
        self.tags: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def printed(*arguments: str | Path) -> str:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code == 0, result.output
    return result.stdout


def cells_printed(text: str) -> list[list[str]]:
    lines = [line for line in text.splitlines() if line.startswith("│")]
    return [[cell.strip() for cell in line.strip("│").split("│")] for line in lines]


def cells_of(table: dict[str, Any]) -> list[list[str]]:
    return [[cell["text"] for cell in row] for row in table["rows"] if isinstance(row, list)]


@pytest.fixture(scope="module")
def reported(run: Path) -> Reported:
    """The run, read."""
    (read,) = read_runs([run])
    return read


def test_no_text_ends_the_element_that_holds_the_data() -> None:
    script = Section("a", "A", {HOSTILE: [HOSTILE]}).script()
    scripts = Scripts(script)
    assert scripts.tags == ["script"]
    (text,) = scripts.texts
    assert not set(text) & set("<>&\u2028\u2029")
    text.encode()
    assert json.loads(text) == {HOSTILE: [HOSTILE]}


@pytest.mark.parametrize(
    ("value", "short"),
    [(np.nan, None), (np.inf, None), (1 / 3, 0.333333), (2.0, 2), (1234567.8, 1234570), (-0.0, 0)],
)
def test_numbers_have_six_digits_and_json_has_no_nan(value: float, short: float | None) -> None:
    assert number(value) == short


@pytest.mark.parametrize(
    ("text", "value"),
    [("✗ -0.25 / 3", -0.25), ("1,024 of 2", 1024), ("-", None), ("–", None), ("5e-04", 5e-4)],
)
def test_a_cell_is_sorted_by_its_first_number(text: str, value: float | None) -> None:
    assert first_number(text) == value


def test_the_results_are_the_cells_that_show_prints(reported: Reported, run: Path) -> None:
    (data,) = overview.section([reported]).data["runs"]  # type: ignore[index]
    shown = cells_of(data["results"]["table"])
    assert len(shown) == 2 * 4  # points, policies
    assert sorted(shown) == sorted(
        row for row in cells_printed(printed("show", run)) if row[1:] and row[1]
    )


def test_the_best_is_the_one_that_latex_has_in_bold(
    reported: Reported, run: Path, tmp_path: Path
) -> None:
    printed("export", run, "--format", "markdown", "--out", tmp_path / "table.md")
    bold = re.findall(r"\*\*([^*]+)\*\*", (tmp_path / "table.md").read_text())
    (data,) = overview.section([reported]).data["runs"]  # type: ignore[index]
    rows = data["results"]["table"]["rows"]
    best = [
        cell["text"] for row in rows if isinstance(row, list) for cell in row if cell.get("best")
    ]
    assert best
    assert sorted(best) == sorted(bold)


def test_two_points_are_compared_as_two_runs_of_them_are(
    reported: Reported, run: Path, tmp_path: Path, tiny_experiment: dict[str, Any]
) -> None:
    again = shutil.copytree(run, tmp_path / "again")
    runs = comparison.section(read_runs([run, again])).data
    assert not isinstance(runs, str)
    (pair,) = runs["pairs"]
    assert cells_of(pair["table"]) == [
        row
        for row in cells_printed(
            printed("compare", run, again, "--metrics", "gain,welfare,utility,share_of_equilibrium")
        )
        if row[1]
    ]
    points = comparison.section([reported]).data
    assert not isinstance(points, str)
    (pair,) = points["pairs"]
    assert cells_of(pair["differences"]) == [["mechanism.price", "2.0", "3.0"]]
    evaluation = reported.tables["evaluation"]
    means = [
        rows.groupby(["policy", "seed"])["gain"].mean().groupby("policy").mean()
        for _, rows in evaluation.groupby("point")
    ]
    for row in pair["drawn"][0]["rows"]:
        assert row["values"][0] == pytest.approx((means[1] - means[0])[row["name"]], rel=1e-4)


def test_supply_is_effort_times_demand_and_payments_are_what_devices_receive(
    reported: Reported,
) -> None:
    (data,) = market.section([reported]).data["runs"]  # type: ignore[index]
    books = data["books"][0]
    rows = reported.tables["market"]
    rows = rows[(rows["point"] == books["point"]) & (rows["policy"] == books["policy"])]
    sums = rows.assign(
        supply=rows["demand"] * rows["effort"], paid=rows["payment"] / rows["num_slots"]
    )
    sums = (
        sums.groupby(["seed", "episode", "slot"])[["supply", "paid"]].sum().groupby("slot").mean()
    )
    np.testing.assert_allclose(books["values"]["supply"][0], sums["supply"], rtol=1e-5)
    np.testing.assert_allclose(books["values"]["payments"][0], sums["paid"], rtol=1e-5)
    charged = books["values"]["charges"][0]
    np.testing.assert_allclose(charged, books["values"]["payments"][0], atol=1e-5)


def test_long_curves_are_thinned_evenly_with_both_ends() -> None:
    assert training.thinned(10, 20).tolist() == list(range(10))
    kept = training.thinned(2000, 250)
    assert (kept[0], kept[-1], len(kept)) == (0, 1999, 250)
    assert set(np.diff(kept)) <= {8, 9}


def test_many_long_curves_stay_below_a_bound(
    reported: Reported, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(training, "MOST_NUMBERS", 5_000)
    rows = reported.tables["training"]
    rows = rows[rows["point"] == rows["point"].iloc[0]].dropna(axis=1, how="all")
    rows = rows[
        [
            "seed",
            "point",
            "settings",
            "algorithm",
            "epoch",
            "env_steps",
            "updates",
            "seconds",
            "gain",
        ]
    ]
    epochs = pd.concat([rows[rows["epoch"] == 1].assign(epoch=epoch) for epoch in range(1, 401)])
    many = pd.concat(
        [epochs.assign(point=f"p={at}", settings=f'{{"p": {at}}}') for at in range(12)]
    )
    long = Reported("long", reported.run, {}, {"training": many}, 0)
    data = training.section([long]).data
    numbers = re.findall(r"-?\d[\d.e-]*", json.dumps(data["runs"][0]["curves"]))  # type: ignore[index]
    clocks = 12 * 46 * len(training.CLOCKS)  # 46: 5,000 over 12 curves, 3 numbers, 3 widths
    assert clocks < len(numbers) <= 5_000 + clocks + 12 * 20  # digits of colours, dashes and names
    assert "400 epochs thinned" in json.dumps(data)
