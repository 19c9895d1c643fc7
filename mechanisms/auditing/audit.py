"""The audit of a mechanism: incentives, losses, money, welfare and fairness, measured."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

import numpy as np

from mechanisms.arrays import IntArray
from mechanisms.auditing.clearings import Clearings
from mechanisms.auditing.exhaustive import grid_regrets
from mechanisms.auditing.lies import LIES
from mechanisms.auditing.limits import keeps
from mechanisms.auditing.optimum import optimum, share_reached
from mechanisms.auditing.regret import Agents, Regrets, search_regrets
from mechanisms.auditing.report import AuditReport, FieldRegret, Misreport
from mechanisms.auditing.utility import envy, realised_welfare, taking_part, utilities
from mechanisms.base import Mechanism, check_no_voluntary
from mechanisms.budget import budget_of
from mechanisms.claims import check_fields
from mechanisms.errors import MechanismError
from mechanisms.fairness import jain_index
from mechanisms.market import Market

# Credits a slot, of all agents of a grid together: less is what sums round.
_NO_REGRET = 1e-9


def audit(
    mechanism: Mechanism,
    market: Market,
    *,
    rng: np.random.Generator,
    misreports: int = 100,
    agents: int | None = None,
    bandwidth: bool | None = None,
    grid_markets: int = 0,
    fields: Collection[str] | None = None,
) -> AuditReport:
    """Measure a mechanism on markets whose costs and values are taken for the truth.

    All is exact but regret, which is searched in every field that is reported, one by one
    (`auditing.lies.LIES`): lies of a known kind first, then a search (`misreports.most_profitable`)
    from the best of them. Markets with a misreport are cleared many at a time, at most
    `clearings.CHUNK_ENTRIES` entries a field. The same seed gives the same report but for
    `solve_seconds`, and with a larger number of misreports never a smaller regret. Effort is bought
    or enforced as `market.effort` says (`auditing.utility`).

    Args:
        mechanism: that is measured.
        market: true costs and values, with any leading axes.
        rng: draws agents and misreports.
        misreports: number that the search tries for each agent and field of numbers, beyond the
            lies tried first, >= 0.
        agents: searched on each side of each market, drawn at random, >= 1; None searches all.
        bandwidth: True if the optimum that an allocation's welfare is compared with keeps the
            bandwidth rows; None for as the mechanism does, which then has an attribute `bandwidth`.
        grid_markets: of the markets, the first in which the agents also try an exhaustive grid
            (`auditing.exhaustive`), which tells how strong the search is; 0 for none.
        fields: that are searched, or whole sides, as in `Claims.incentive_compatible`; None for
            all. A side none of whose fields is searched has no regret in the report.

    Raises:
        ValueError: misreports, agents or grid_markets below its limit, a field that there is not,
            an empty batch, or a mechanism that sets `voluntary`.
        MarketError: the market lacks what the mechanism needs.
        MechanismError: not one market could be cleared, or a mechanism that allocates gave no
            allocation.
    """
    check_no_voluntary(mechanism, mechanism.name)
    for name, number in (("misreports", misreports), ("grid_markets", grid_markets)):
        if number < 0:
            raise ValueError(f"{name} = {number}: must be >= 0")
    if agents is not None and agents < 1:
        raise ValueError(f"agents = {agents}: must be >= 1, or None for all")
    if fields is not None:
        check_fields("fields", fields)
    if not market.budget.size:
        raise ValueError(f"the batch {market.batch_shape} holds no market to audit")
    given = market.reshaped(market.budget.size)
    if not mechanism.allocates:
        given = replace(given, users=None)
    clearings = Clearings(mechanism)
    decided, cleared = clearings.clear(given)
    if decided is None:
        raise MechanismError(
            f"{mechanism.name}: not one of {given.budget.size} markets could be cleared"
        )
    index = np.flatnonzero(cleared)
    truth, outcome = given.world(index), decided.world(index)

    utility = {side: had for side, had in utilities(mechanism, truth, outcome).items() if had.size}
    envies = envy(mechanism, truth, outcome)
    searched = {side: Agents.drawn(had, agents, rng.spawn(1)[0]) for side, had in utility.items()}
    streams = rng.spawn(len(LIES))
    found: dict[str, Regrets] = {}
    grid: dict[str, Regrets] = {}
    on_grid = Clearings(mechanism)
    unsearched = set()
    for lie, stream in zip(LIES, streams, strict=True):
        if lie.side not in utility or not lie.can_be_told(truth):
            continue
        if not all(keeps(mechanism.name, truth, outcome, limit) for limit in lie.binds):
            continue
        if fields is not None and not {lie.name, lie.side} & set(fields):
            unsearched.add(lie.name)
            continue
        found[lie.name] = search_regrets(
            clearings, truth, lie, searched[lie.side], misreports=misreports, rng=stream
        )
        first = searched[lie.side].in_first(grid_markets)
        if len(first):
            grid[lie.name] = grid_regrets(on_grid, truth, lie, first)
    reached = realised_welfare(mechanism, truth, outcome)
    charges = outcome.balance + outcome.payment.sum(axis=-1)
    budget = budget_of(truth, getattr(mechanism, "budget", None))
    of_sides = {
        side: [found[lie.name] for lie in LIES if lie.side == side and lie.name in found]
        for side in utility
    }
    most = {
        side: np.max([one.gain for one in of_side], axis=0)
        for side, of_side in of_sides.items()
        if of_side
    }
    return AuditReport(
        mechanism=mechanism.name,
        effort=market.effort,
        markets=len(index),
        fields={name: _field(name, one, grid.get(name), index) for name, one in found.items()},
        unsearched=frozenset(unsearched),
        regret_mean={side: float(gain.mean()) for side, gain in most.items()},
        regret_max={side: float(gain.max()) for side, gain in most.items()},
        min_utility={side: float(had.min()) for side, had in utility.items()},
        budget_balance=float(outcome.balance.mean()),
        budget_balance_min=float(outcome.balance.min()),
        budget_excess_max=float((charges - budget).max()),
        payments=float(outcome.payment.sum(axis=-1).mean()),
        welfare=float(reached.mean()),
        welfare_ratio=share_reached(reached, optimum(mechanism, truth, bandwidth)),
        jain={side: float(jain_index(had).mean()) for side, had in utility.items()},
        envy_max={side: float(envies[side].max()) for side in utility},
        participation={
            side: float(taking_part(mechanism, truth, outcome, side).mean()) for side in utility
        },
        solve_seconds=outcome.solve_seconds / len(index),
        misreports={
            side: sum(one.misreports for one in of_side) for side, of_side in of_sides.items()
        },
        agents={side: len(agents) for side, agents in searched.items()},
        clearings=clearings.total,
        failed_clearings=clearings.failed,
    )


def _field(name: str, found: Regrets, grid: Regrets | None, index: IntArray) -> FieldRegret:
    """Return the regret in a field; `index` is the place of each market in the batch."""
    worst = int(found.gain.argmax())
    agents = found.agents
    share = np.nan
    if grid is not None:
        ours = found.gain[: len(grid.gain)].sum()
        share = _ratio_of_grid(float(ours), float(grid.gain.sum()))
    return FieldRegret(
        mean=float(found.gain.mean()),
        max=float(found.gain[worst]),
        misreports=found.misreports,
        grid_share=share,
        worst=Misreport(
            field=name,
            market=int(index[agents.market[worst]]),
            agent=int(agents.agent[worst]),
            report=tuple(found.report[worst].tolist()),
            gain=float(found.gain[worst]),
        ),
    )


def _ratio_of_grid(ours: float, grid: float) -> float:
    """Return the share of a grid's regret that was found; 1 where neither found any."""
    if grid > _NO_REGRET:
        return ours / grid
    return 1.0 if ours <= _NO_REGRET else np.nan
