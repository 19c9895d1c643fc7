"""Strength of the audit's search: regret that it finds, and regret found by an exhaustive grid.

    python tests/mechanisms/exhaustive_grid.py [--write] [mechanism ...]

Prints a table; with --write it replaces exhaustive_grid.json, which `test_auditing_strength` holds
the search against. It takes a few minutes, nearly all of them for the grid.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

import mechanisms
from mechanisms import Effort, Market, Side
from mechanisms.auditing.clearings import Clearings
from mechanisms.auditing.exhaustive import grid_regrets
from mechanisms.auditing.lies import LIES, Lie
from mechanisms.auditing.regret import Agents, search_regrets
from mechanisms.auditing.utility import utilities
from mechanisms.concatenation import concatenated
from mechanisms.effort import EFFORTS
from mechanisms.testing import draw_market

STORED = Path(__file__).with_name("exhaustive_grid.json")
MISREPORTS = 50  # those of the published study
AGENTS = 2  # a side of each market
MARKETS = 40
SLOW = {"fisher": 4, "shadow_price": 10}  # markets, where clearing one takes milliseconds
BEFORE = 24  # misreports drawn at random, nothing known beforehand


@dataclass(frozen=True, eq=False)
class Study:
    """A mechanism on random markets, and the agents that lie."""

    clearings: Clearings
    truth: Market
    agents: dict[Side, Agents]

    @property
    def lies(self) -> list[Lie]:
        """The fields that are reported here."""
        return [lie for lie in LIES if lie.side in self.agents and lie.can_be_told(self.truth)]

    def found(self, lie: Lie, misreports: int = MISREPORTS) -> float:
        """Return the regret that the audit's search finds, sum over the agents, credits/slot."""
        rng = np.random.default_rng(1)
        agents = self.agents[lie.side]
        found = search_regrets(
            self.clearings, self.truth, lie, agents, misreports=misreports, rng=rng
        )
        return float(found.gain.sum())

    def of_grid(self, lie: Lie) -> float:
        """Return the regret that the exhaustive grid finds, credits/slot."""
        found = grid_regrets(self.clearings, self.truth, lie, self.agents[lie.side])
        return float(found.gain.sum())

    def of_random(self, lie: Lie) -> float:
        """Return the regret that random misreports find, credits/slot; NaN where none are drawn."""
        anybody = np.zeros(self.truth.budget.size, dtype=np.int64)
        if lie.report is None or not lie.report.space(self.truth, anybody).searched:
            return np.nan
        found = search_regrets(
            self.clearings,
            self.truth,
            lie,
            self.agents[lie.side],
            misreports=BEFORE,
            rng=np.random.default_rng(1),
            instead=lambda lie, space: replace(space, first=space.first[:, :0]),
        )
        return float(found.gain.sum())


def study(name: str, effort: Effort) -> Study:
    """Return a registered mechanism on its random markets, 8 users and 6 experts each."""
    mechanism = mechanisms.make(name)
    seeds = range(MARKETS // 4)
    drawn = [draw_market(seed, users=8, experts=6, effort=effort) for seed in seeds]
    truth = concatenated(drawn).world(slice(SLOW.get(name)))
    if not mechanism.allocates:
        truth = replace(truth, users=None)
    rng = np.random.default_rng(0)
    had = utilities(mechanism, truth, mechanism.clear(truth))
    agents = {side: Agents.drawn(utility, AGENTS, rng) for side, utility in had.items()}
    return Study(Clearings(mechanism), truth, agents)


def checksum(truth: Market) -> float:
    """Return a number that another draw of the markets would not have."""
    return float(sum(array.sum() for array in truth.arrays().values()))


def measured(names: list[str]) -> Iterator[dict[str, Any]]:
    """Yield the rows of the table."""
    for name in names:
        for effort in EFFORTS:
            one = study(name, effort)
            for lie in one.lies:
                start = perf_counter()
                found = one.found(lie)
                seconds = perf_counter() - start
                yield {
                    "mechanism": name,
                    "effort": effort,
                    "field": lie.name,
                    "agents": len(one.agents[lie.side]),
                    "before": one.of_random(lie),
                    "found": found,
                    "seconds": seconds,
                    "grid": one.of_grid(lie),
                    "checksum": checksum(one.truth),
                }


def share(found: float, grid: float) -> str:
    """Return the share of the grid's regret in words."""
    return f"{found / grid:.3f}" if grid > 1e-9 and np.isfinite(found) else "-"


def main(arguments: list[str]) -> None:
    """Print the table, and store it if asked to."""
    names = [name for name in arguments if name != "--write"] or list(mechanisms.names())
    stored: dict[str, Any] = {}
    if names != list(mechanisms.names()) and STORED.exists():
        stored = json.loads(STORED.read_text())
    print("Mean regret of an agent, credits/slot, and its share of the exhaustive grid's.")
    print(f"{'mechanism':19s}{'effort':10s}{'field':31s}agents     grid    found   share  before s")
    for row in measured(names):
        agents, grid = row["agents"], row["grid"]
        print(
            f"{row['mechanism']:19s}{row['effort']:10s}{row['field']:31s}{agents:6d}"
            f"{grid / agents:9.4f}{row['found'] / agents:9.4f}{share(row['found'], grid):>8s}"
            f"{share(row['before'], grid):>8s} {row['seconds']:.1f}",
            flush=True,
        )
        of_name = stored.setdefault(row["mechanism"], {})
        entry = of_name.setdefault(row["effort"], {"checksum": 0.0, "grid": {}})
        entry["checksum"] = row["checksum"]
        entry["grid"][row["field"]] = grid
    if "--write" in arguments:
        STORED.write_text(json.dumps(stored, indent=2, sort_keys=True) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
