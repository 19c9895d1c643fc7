"""The page in Chromium: tabs, sorting, numbers, keys, light and dark, print, and no network."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from marl_moe.report.page import write_report

TABS = ["overview", "training", "market", "player", "comparison"]
HOSTILE = "</script><img src=x onerror=document.title='broken'>\u2028é"


@pytest.fixture(scope="module")
def page(browser: Any, written: Path) -> Any:
    """The report of the run, opened."""
    browser.get(written.as_uri())
    return browser


def find(page: Any, selector: str) -> Any:
    return page.find_element("css selector", selector)


def find_all(page: Any, selector: str) -> list[Any]:
    return page.find_elements("css selector", selector)


def errors(page: Any) -> list[str]:
    return [entry["message"] for entry in page.get_log("browser") if entry["level"] == "SEVERE"]


def choose(page: Any, tab: str) -> None:
    find(page, f"#tab-{tab}").click()
    settle(page)


def settle(page: Any) -> None:
    """Wait until what was asked for is drawn."""
    page.execute_async_script(
        "const done = arguments[0]; requestAnimationFrame(() => setTimeout(done, 20))"
    )


def rows_of(page: Any, table: int = 0, panel: str = "overview") -> list[list[list[str]]]:
    """Return the rows of cells in each group of a table, without the group's heading."""
    script = """
        const table = document.querySelectorAll(`#${arguments[0]} table.data`)[arguments[1]];
        const texts = (row) => [...row.children].map((cell) => cell.firstChild.textContent);
        return [...table.tBodies].map((body) => [...body.rows].slice(1).map(texts));"""
    return page.execute_script(script, panel, table)


def traces(page: Any, panel: str, chart: int = 0) -> list[dict[str, Any]]:
    """Return the lines that Plotly draws in a chart, bands left out."""
    script = """
        const plot = document.querySelectorAll(`#${arguments[0]} .plot`)[arguments[1]];
        return plot.data.filter((trace) => trace.mode !== "none").map(({x, y}) => ({x, y}));"""
    return page.execute_script(script, panel, chart)


def interval(rows: pd.DataFrame, metric: str) -> str:
    """Return mean and 95 % interval over seeds, by scipy."""
    seeds = rows.groupby("seed")[metric].mean()
    margin = stats.t.ppf(0.975, len(seeds) - 1) * stats.sem(seeds)
    low, high = seeds.mean() - margin, seeds.mean() + margin
    return f"{seeds.mean():z.3f} [{low:z.3f}, {high:z.3f}]"


def test_every_tab_opens_without_an_error_and_shows_something(page: Any) -> None:
    for tab in TABS:
        choose(page, tab)
        assert find(page, f"#tab-{tab}").get_attribute("aria-selected") == "true"
        panels = find_all(page, "[role=tabpanel]")
        assert [panel.get_attribute("id") for panel in panels if panel.is_displayed()] == [tab]
        assert len(find(page, f"#{tab}").text) > 100
        assert len(find_all(page, f"#{tab} svg")) > 0
    assert errors(page) == []


def test_numbers_shown_are_those_of_the_table(page: Any, run: Path) -> None:
    choose(page, "overview")
    evaluation = pd.read_parquet(run / "evaluation.parquet")
    headings = [each.text.split(" ")[0] for each in find_all(page, "#overview table.data thead th")]
    at = headings.index("gain")
    for point, rows in zip(evaluation["point"].unique(), rows_of(page), strict=True):
        here = evaluation[evaluation["point"] == point]
        assert {row[0] for row in rows} == set(here["policy"])
        for row in rows:
            assert row[at] == interval(here[here["policy"] == row[0]], "gain")


def test_a_click_sorts_each_point_by_a_column_as_python_does(page: Any, run: Path) -> None:
    choose(page, "overview")
    evaluation = pd.read_parquet(run / "evaluation.parquet")
    buttons = find_all(page, "#overview table.data thead button")
    (button,) = (each for each in buttons if each.text.startswith("gain"))
    for order in ("descending", "ascending"):
        button.click()
        heading = button.find_element("xpath", "..")
        assert heading.get_attribute("aria-sort") == order
        for point, rows in zip(evaluation["point"].unique(), rows_of(page), strict=True):
            here = evaluation[evaluation["point"] == point]
            means = here.groupby(["policy", "seed"])["gain"].mean().groupby("policy").mean()
            shown = [means[row[0]] for row in rows]
            assert shown == sorted(shown, reverse=order == "descending")


def test_a_key_sorts_too(page: Any) -> None:
    choose(page, "overview")
    button = find(page, "#overview table.data thead button")
    button.send_keys("\ue007")  # Enter
    names = [[row[0] for row in rows] for rows in rows_of(page)]
    assert names == [sorted(group) for group in names]


def test_a_curve_of_training_is_the_mean_over_seeds_of_each_epoch(page: Any) -> None:
    choose(page, "training")
    selects = find_all(page, "#training .controls select")
    for select, value in zip(selects, ("gain", "updates", "0"), strict=False):
        page.execute_script(
            "arguments[0].value = arguments[1]; arguments[0].dispatchEvent(new Event('change'))",
            select,
            value,
        )
    drawn = traces(page, "training")
    assert len(drawn) == 2  # sweep points
    for curve in drawn:
        assert curve["x"] == [20, 40, 60, 80]
        assert curve["y"] == [1.25, 2.25, 3.25, 4.25]  # over seeds 0 and 1, epoch + seed / 2


def test_the_price_paid_is_payments_over_points_of_each_clearing(page: Any, run: Path) -> None:
    choose(page, "market")
    market = pd.read_parquet(run / "market.parquet")
    first = market[(market["policy"] == "nash") & (market["point"] == market["point"].iloc[0])]
    books = first.groupby(["seed", "episode", "slot"])[["payment", "points"]].sum()
    prices = books["payment"] / books["points"].where(books["points"] > 0)
    expected = prices.groupby(["seed", "slot"]).mean().groupby("slot").mean()
    (drawn,) = traces(page, "market", 1)
    np.testing.assert_allclose(drawn["y"][:-1], expected, rtol=1e-5)
    assert drawn["y"][-1] == drawn["y"][-2]  # it holds until the episode ends
    assert drawn["x"][-1] == 10


def test_arrows_home_and_end_move_between_tabs(page: Any) -> None:
    choose(page, "overview")
    for key, chosen in (
        ("\ue014", "training"),
        ("\ue010", "comparison"),
        ("\ue014", "overview"),
        ("\ue012", "comparison"),
        ("\ue011", "overview"),
    ):
        page.switch_to.active_element.send_keys(key)
        assert page.switch_to.active_element.get_attribute("id") == f"tab-{chosen}"
        assert find(page, f"#{chosen}").is_displayed()
    assert [tab.get_attribute("tabindex") for tab in find_all(page, "[role=tab]")].count("0") == 1


def test_it_is_dark_where_the_system_is_and_where_the_reader_says_so(page: Any) -> None:
    def background() -> str:
        return str(find(page, "body").value_of_css_property("background-color"))

    def system(scheme: str) -> None:
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        page.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})

    system("light")
    light = background()
    system("dark")
    dark = background()
    assert light != dark
    find(page, "#theme").click()
    assert background() == light
    find(page, "#theme").click()
    system("light")
    assert background() == dark
    find(page, "#theme").click()


def test_numbers_of_a_chart_are_a_table_on_demand(page: Any) -> None:
    choose(page, "training")
    details = find(page, "#training details.numbers")
    assert find_all(page, "#training details.numbers table") == []
    details.find_element("css selector", "summary").click()
    settle(page)
    cells = page.execute_script(
        "return document.querySelectorAll('#training details.numbers td').length"
    )
    assert cells == 4 * 2  # epochs, sweep points
    assert find(page, "#training .plot").get_attribute("role") == "img"
    assert len(find(page, "#training .plot").get_attribute("aria-label")) > 40


def test_all_tabs_are_on_paper(page: Any) -> None:
    choose(page, "overview")
    page.execute_script("dispatchEvent(new Event('beforeprint'))")
    assert all(find(page, f"#{tab}").is_displayed() for tab in TABS)
    page.execute_script("dispatchEvent(new Event('afterprint'))")
    assert [tab for tab in TABS if find(page, f"#{tab}").is_displayed()] == ["overview"]


def test_names_that_are_markup_are_shown_as_they_are(
    browser: Any, run: Path, tmp_path: Path
) -> None:
    copy = shutil.copytree(run, tmp_path / "<b>run")
    for table in ("evaluation", "market", "market_users", "training"):
        path = copy / f"{table}.parquet"
        rows = pd.read_parquet(path)
        for column in ("policy", "algorithm"):
            if column in rows:
                rows[column] = rows[column].replace({"nash": HOSTILE, "sac": HOSTILE})
        rows.to_parquet(path)
    browser.get(write_report([copy]).as_uri())
    for tab in TABS:
        choose(browser, tab)
    assert "broken" not in browser.title
    assert browser.title.startswith("<b>run")
    assert find_all(browser, "main img") == []
    assert HOSTILE.replace("\u2028", "") in find(browser, "body").get_attribute(
        "textContent"
    ).replace("\u2028", "")
    assert errors(browser) == []


def test_nothing_is_requested_but_the_page(browser: Any) -> None:
    requested = set()
    for entry in browser.get_log("performance"):  # of all tests before
        message = json.loads(entry["message"])["message"]
        if message["method"] == "Network.requestWillBeSent":
            requested.add(message["params"]["request"]["url"].partition(":")[0])
    assert "file" in requested
    assert requested <= {"file", "data", "blob"}


def test_an_address_names_its_tab_and_each_tab_keeps_its_own(page: Any) -> None:
    for address, tab in (
        ("market", "market"),
        ("slot=1&user=1", "player"),
        ("training", "training"),
    ):
        page.execute_script("location.hash = arguments[0]", address)
        settle(page)
        assert find(page, f"#{tab}").is_displayed()
    assert page.current_url.endswith("#training")
    choose(page, "player")
    assert "slot=1&user=1" in page.current_url
    choose(page, "overview")
    assert page.current_url.endswith("#overview")
