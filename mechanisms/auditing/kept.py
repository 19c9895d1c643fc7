"""Claims held against markets: an error where one is contradicted."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from mechanisms.auditing.audit import audit
from mechanisms.auditing.violations import violations
from mechanisms.base import Mechanism
from mechanisms.claims import Claims
from mechanisms.market import Market


def check_claims(
    mechanism: Mechanism,
    markets: Iterable[Market],
    *,
    misreports: int = 30,
    agents: int | None = 2,
    tolerance: float = 1e-6,
) -> None:
    """Check that a mechanism keeps in each batch of markets what it claims.

    Only fields that are claimed to be best told truly are searched. Where effort is bought or
    enforced and nothing is claimed of it, nothing is checked.

    Args:
        mechanism: to be checked.
        markets: batches that meet `Claims.condition`; their costs and values are the truth.
        misreports: number that the search tries for each agent and field, beyond the known ones; 0
            leaves out incentives, which take most of the time.
        agents: that lie, on each side of each market; None for all.
        tolerance: credits/slot, and share of the optimal welfare, that counts as rounding.

    Raises:
        AssertionError: a claim is contradicted; the message lists all that are, with the numbers.
    """
    found: dict[str, None] = {}
    for market in markets:
        claims = mechanism.claims.under(market.effort)
        if not misreports:
            claims = replace(claims, incentive_compatible=frozenset(), where_enforced=None)
        if claims == Claims(strategic=claims.strategic):
            continue
        report = audit(
            mechanism,
            market,
            rng=np.random.default_rng(0),
            misreports=misreports,
            agents=agents,
            fields=claims.incentive_compatible,
        )
        for says in violations(report, claims, tolerance):
            found[f"{says}, where effort is {market.effort}"] = None
    if found:
        raise AssertionError("; ".join(found))
