"""The player in a real browser: it steps, a click tells why, numbers are the recording's."""

import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import numpy as np
import pytest

from marl_moe.report.player.encoding import NOTHING, unpacked
from marl_moe.report.section import Section

Arrays = dict[str, np.ndarray]


@pytest.fixture
def shown(browser: Any, page: Path) -> Iterator[Callable[[str], Any]]:
    """Return a function that opens the page at an address; no console error may come of it."""

    def show(address: str = "") -> Any:
        browser.get("about:blank")
        browser.get(f"{page.as_uri()}#{address}")
        waits(lambda: browser.execute_script("return !!document.querySelector('[data-ready]')"))
        return browser

    yield show
    errors = [line for line in browser.get_log("browser") if line["level"] == "SEVERE"]
    assert not errors


def waits(done: Callable[[], bool]) -> None:
    for _ in range(200):
        if done():
            return
        time.sleep(0.02)
    raise AssertionError("it did not come")


def one(browser: Any, selector: str) -> Any:
    return browser.find_element("css selector", selector)


def text(browser: Any, selector: str) -> str:
    return str(one(browser, selector).text)


@pytest.fixture
def played(section: Section) -> Arrays:
    """Return the recording of sac in episode 0, with what no action changes."""
    episode = section.data["episodes"][0]
    arrays = {**episode["kept"], **episode["world"], **episode["played"][0]}
    return {name: unpacked(packed) for name, packed in arrays.items()}


def number(told: str) -> float:
    return float("nan") if told == "–" else float(told.replace("−", "-"))


def moment(arrays: Arrays, outcome: int) -> tuple[int, int]:
    """Return the first slot and user of an outcome."""
    slot, user = np.argwhere(arrays["outcome"] == outcome)[0]
    return int(slot), int(user)


def test_it_steps_by_buttons_keys_and_slider(shown: Any) -> None:
    browser = shown()
    sentence = text(browser, ".player-sentence")
    assert sentence.startswith("Slot 0 of 0 to 9. sac: ")
    one(browser, "[aria-label='On one slot']").click()
    assert text(browser, ".player-position") == "slot 1"
    assert text(browser, ".player-sentence").startswith("Slot 1 of 0 to 9. ")
    one(browser, "[aria-label='Back one slot']").click()
    assert text(browser, ".player-sentence") == sentence
    one(browser, ".player-user").send_keys("\ue014")  # the right arrow
    assert text(browser, ".player-position") == "slot 1"
    one(browser, "input[type=range]").send_keys("\ue010")  # the key End
    assert text(browser, ".player-position") == "slot 9"
    assert "slot=9" in browser.current_url
    one(browser, "[aria-label='First slot']").click()
    assert text(browser, ".player-position") == "slot 0"


def test_it_plays_to_the_end_and_pauses(shown: Any) -> None:
    browser = shown("slot=7")
    browser.execute_script(
        "const list = [...document.querySelectorAll('select')].find((one) => one.value === '2');"
        "list.value = '8'; list.dispatchEvent(new Event('change'));"
    )
    play = one(browser, ".player-play")
    play.click()
    assert play.text == "Pause"
    assert one(browser, ".player-heard").get_attribute("aria-live") == "off"
    waits(lambda: play.text == "Play")
    assert text(browser, ".player-position") == "slot 9"
    assert one(browser, ".player-heard").get_attribute("aria-live") == "polite"


@pytest.mark.parametrize("way", ["click", "enter"])
def test_choosing_a_user_tells_its_decision(shown: Any, played: Arrays, way: str) -> None:
    slot, user = moment(played, 2)  # served
    browser = shown(f"slot={slot}&expert=0&policy=sac")
    marker = one(browser, f".player-maps figure:first-child [data-user='{user}']")
    if way == "click":
        marker.click()
    else:
        marker.send_keys("\ue007")
    told = text(browser, ".player-decision")
    expert, column = played["expert"][slot, user], played["column"][slot, user]
    weight, topic = played["weight"][slot, user], played["topic"][slot, user]
    expected, got = played["expected_gain"][slot, user, column], played["gain"][slot, user]
    found = re.match(
        r"User (\d+) sent its subtask \(weight (.*), topic (\d+)\) to expert (\d+): "
        r"expected (.*) credits, got ([^;]*); ",
        told,
    )
    assert found
    numbers = user, weight, topic, expert, expected, got
    assert [number(part) for part in found.groups()] == pytest.approx(list(numbers), abs=0.0051)
    others = (played["expert"][slot] == expert).sum() - 1
    words = ["nobody else went", "one other went", "two others went", "three others went"]
    assert words[others] in told
    assert f"took {played['delay_s'][slot, user]:.1f} s" in told
    heard = one(browser, ".player-heard").get_attribute("textContent")
    assert heard.startswith(f"Slot {slot} of 0 to 9. sac: ")
    assert heard.endswith(told[: told.index(" The answer")])
    assert f"user={user}" in browser.current_url
    assert marker.get_attribute("aria-pressed") == "true"


def test_every_number_of_the_table_is_the_recordings(shown: Any, played: Arrays) -> None:
    slot, user = moment(played, 2)
    browser = shown(f"slot={slot}&user={user}&policy=sac")
    rows = table(browser)
    assert [row["Expert"] for row in rows].count("abandon") == 1
    assert len(rows) == 7
    for row in rows:
        if row["Expert"] == "abandon":
            assert number(row["Q, credits"]) == pytest.approx(
                played["abandon_q"][slot, user], abs=0.006
            )
            continue
        expert = int(row["Expert"])
        expected = {
            "SNR, dB": (played["snr_db"][slot, user, expert], 0.051),
            "Delay alone, s": (played["delay_alone_s"][slot, user, expert], 0.051),
            "Price, credits a point": (played["unit_price"][slot, expert], 0.006),
            "Charge expected, credits": (played["expected_charge"][slot, user, expert], 0.006),
            "Gain expected, credits": (played["expected_gain"][slot, user, expert], 0.006),
            "Probability": (played["probability"][slot, user, expert], 0.0006),
            "Q, credits": (played["q"][slot, user, expert], 0.006),
            "Served last slot": (played["last_load"][slot, expert], 0),
        }
        for name, (value, within) in expected.items():
            assert number(row[name]) == pytest.approx(value, abs=within, nan_ok=True), name
        closed = played["closed"][slot, user, expert]
        assert bool(row["Not open because"]) == bool(closed)
        assert (row["Chosen"] == "chosen") == (expert == played["expert"][slot, user])


def test_the_page_unpacks_every_array_as_python_does(shown: Any, section: Section) -> None:
    read = shown().execute_async_script(
        "const [done] = arguments;"
        "const data = JSON.parse(document.getElementById('data-player').textContent);"
        "const told = (grids) => Object.fromEntries(Object.entries(grids).map(([name, grid]) =>"
        " [name, Array.from(grid.numbers, (value) => value * (grid.step ?? 1))]));"
        "episodePlayer.Episode.of(data, 1).then(({ kept, world, played }) =>"
        " done([kept, world, ...played].map(told)));"
    )
    episode = section.data["episodes"][1]
    for found, packed in zip(
        read, [episode["kept"], episode["world"], *episode["played"]], strict=True
    ):
        assert found.keys() == packed.keys()
        for name, values in found.items():
            array, step = unpacked(packed[name]), packed[name].get("step")
            nothing = np.nan if step is None else NOTHING * step
            again = np.array([np.nan if value is None else value for value in values], float)
            expected = np.where(np.isnan(array.astype(float)), nothing, array).ravel()
            np.testing.assert_allclose(again, expected, rtol=1e-9, err_msg=name)


SENTENCES = {
    "idle": r"User \d (has no request|runs all|had its request refused).*: nothing to send\.",
    "abandons": r"User \d abandoned its subtask .*: (the best of \d+ open experts|no expert was).*",
    "served": r"User \d sent its subtask .* to expert \d: expected .*, got .*there.*",
    "declined": r"User \d sent .* whose edge device declined it: expected .*, got 0\.00; .*",
}


def test_every_outcome_is_told_in_words(shown: Any, section: Section) -> None:
    browser, told = shown(), set()
    for policy, packed in enumerate(section.data["episodes"][0]["played"]):
        outcomes = unpacked(packed["outcome"])
        for code in np.unique(outcomes):
            slot, user = (int(place) for place in np.argwhere(outcomes == code)[0])
            name = section.data["policies"][policy]["name"]
            browser.execute_script(
                "location.hash = new URLSearchParams(arguments[0])",
                {"slot": slot, "user": user, "policy": name},
            )
            heading = f"User {user}, slot {slot}, {name}"
            waits(lambda: text(browser, ".player-panel h3") == heading)  # noqa: B023
            outcome = section.data["outcomes"][code]
            assert re.match(SENTENCES[outcome], text(browser, ".player-decision")), outcome
            assert bool(browser.find_elements("css selector", ".player-options")) == (
                outcome != "idle"
            )
            told.add(outcome)
    assert {"abandons", "served"} <= told


def table(browser: Any) -> list[dict[str, str]]:
    """Return the rows of the options, by heading."""
    cells = browser.execute_script(
        "return [...document.querySelectorAll('.player-options tr')].map((row) =>"
        " [...row.children].map((cell) => cell.textContent))"
    )
    names = [re.sub(r" [▲▼]$", "", name) for name in cells[0]]
    return [dict(zip(names, row, strict=True)) for row in cells[1:]]


def test_the_table_sorts_both_ways_and_keeps_the_focus(shown: Any, played: Arrays) -> None:
    slot, user = moment(played, 2)
    browser = shown(f"slot={slot}&user={user}&policy=sac")
    for turn, sort in ((-1, "descending"), (1, "ascending")):
        one(browser, "[data-column='SNR, dB']").click()
        values = [number(row["SNR, dB"]) for row in table(browser)]
        assert np.isnan(values[-1])  # abandoning has no SNR
        assert values[:-1] == sorted(values[:-1], key=lambda value: turn * value)
        heading = browser.execute_script("return document.activeElement.parentElement")
        assert heading.get_attribute("aria-sort") == sort


def test_an_address_opens_slot_expert_and_policies(shown: Any, section: Section) -> None:
    browser = shown("episode=1&slot=4&expert=2&policy=nash&beside=sac")
    assert text(browser, ".player-panel h3").startswith("Expert 2 (topic ")
    assert text(browser, ".player-panel h3").endswith(", slot 4, nash")
    assert [
        caption.text for caption in browser.find_elements("css selector", "figcaption strong")
    ] == [
        "sac",
        "nash",
    ]
    place = [policy["name"] for policy in section.data["policies"]].index("nash")
    packed = section.data["episodes"][1]["played"][place]
    paid, costs = (unpacked(packed[name])[:5, 2].sum() for name in ("payment", "edge_cost"))
    told = text(browser, ".player-panel")
    if paid == costs == 0:
        assert "Nothing was paid" in told
    else:
        assert f"paid {paid:.2f}, costs {costs:.2f}, profit {paid - costs:.2f}." in told


def test_one_to_four_maps_are_shown_side_by_side(shown: Any) -> None:
    browser = shown()
    boxes = browser.find_elements("css selector", ".player-policies label:not(.player-all) input")
    assert len(boxes) == 6
    for box in boxes:
        if not box.is_selected():
            box.click()
    assert sum(box.is_selected() for box in boxes) == 4
    assert len(browser.find_elements("css selector", ".player-map")) == 4
    for box in boxes:
        if box.is_selected():
            box.click()
    assert sum(box.is_selected() for box in boxes) == 1


def test_names_are_text_and_never_markup(shown: Any, section: Section) -> None:
    names = [policy["name"] for policy in section.data["policies"]]
    assert "<b>crowd</b>" in names
    browser = shown("slot=1&user=0&policy=%3Cb%3Ecrowd%3C%2Fb%3E")
    assert text(browser, ".player-panel h3") == "User 0, slot 1, <b>crowd</b>"
    assert not browser.find_elements("css selector", ".player b")


def address_of(browser: Any) -> dict[str, str]:
    return dict(parse_qsl(urlsplit(browser.current_url).fragment))


def test_the_address_names_what_is_shown_from_the_first_moment(
    shown: Any, section: Section
) -> None:
    last = section.data["policies"][-1]["name"]
    browser = shown(urlencode({"slot": 2, "user": 1, "policy": last}))
    asked = address_of(browser)
    assert (asked["episode"], asked["slot"]) == ("0", "2")
    assert (asked["user"], asked["policy"]) == ("1", last)
    browser.refresh()
    waits(lambda: browser.execute_script("return !!document.querySelector('[data-ready]')"))
    assert text(browser, ".player-panel h3") == f"User 1, slot 2, {last}"
    assert not text(browser, ".player-missed")


@pytest.mark.parametrize(
    ("address", "missed"),
    [
        ("episode=42&slot=1", "episode 42"),
        ("slot=1e9&user=-1&policy=nobody", "policy nobody, slot 1e9, user -1"),
        ("slot=1&beside=nobody", "policy nobody"),
    ],
)
def test_what_an_address_asks_for_and_the_page_lacks_is_told(
    shown: Any, address: str, missed: str
) -> None:
    browser = shown(address)
    assert text(browser, ".player-missed").startswith(f"The address asks for {missed}, which")
    one(browser, "[aria-label='On one slot']").click()
    assert not text(browser, ".player-missed")
