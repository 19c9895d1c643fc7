"""Strength of the audit's search, against an exhaustive grid of misreports."""

import json
from typing import Any

import pytest

import mechanisms
from mechanisms import Effort
from mechanisms.effort import EFFORTS
from tests.mechanisms.exhaustive_grid import STORED, checksum, study

GRID: dict[str, Any] = json.loads(STORED.read_text())
LEAST_SHARE = 0.98
RERUN = "these are not the markets of the grid: python tests/mechanisms/exhaustive_grid.py --write"


# The two that solve a program for each market, minutes in all: one regime each here, both nightly.
SLOW = {("fisher", "enforced"), ("shadow_price", "bought")}


def studies() -> list[Any]:
    """Names of mechanisms, each with the regimes of effort."""
    return [
        pytest.param(name, effort, marks=[pytest.mark.nightly] if (name, effort) in SLOW else [])
        for name in mechanisms.names()
        for effort in EFFORTS
    ]


@pytest.mark.parametrize(("name", "effort"), studies())
def test_the_search_finds_the_regret_of_an_exhaustive_grid(name: str, effort: Effort) -> None:
    one, stored = study(name, effort), GRID[name][effort]
    assert checksum(one.truth) == pytest.approx(stored["checksum"], rel=1e-12), RERUN
    assert {lie.name for lie in one.lies} == set(stored["grid"]), RERUN
    found = {lie.name: one.found(lie) for lie in one.lies}
    weak = {
        field: (found[field], regret)
        for field, regret in stored["grid"].items()
        if found[field] < LEAST_SHARE * regret - 1e-9
    }
    assert weak == {}


def test_the_grid_is_of_mechanisms_that_there_are() -> None:
    assert set(GRID) == set(mechanisms.names()), RERUN
