"""Claims of a mechanism that the report of an audit contradicts."""

from __future__ import annotations

import numpy as np

from mechanisms.auditing.report import AuditReport
from mechanisms.claims import Claims


def violations(report: AuditReport, claims: Claims, tolerance: float = 1e-6) -> list[str]:
    """Return each claimed property that the report contradicts, in words with the number.

    The list is empty where none is. A claim on a side that was not measured counts as contradicted:
    nothing supports it; so does one on a field that was not searched, unless these markets have
    nothing of it to report. Where effort was bought or enforced as the claims do not cover
    (`claims.regimes`), nothing was claimed and nothing is contradicted. Whether the markets met
    `claims.condition` is for the caller to see to.

    Args:
        report: from `audit`.
        claims: of the mechanism.
        tolerance: credits/slot, and share of the optimal welfare, up to which a difference is
            rounding.
    """
    claims = claims.under(report.effort)
    found: list[tuple[bool, str]] = []
    for claimed in sorted(claims.incentive_compatible):
        side = claimed.partition(".")[0]
        measured = [
            (name, field)
            for name, field in report.fields.items()
            if claimed in (name, name.partition(".")[0])
        ]
        for name in sorted(report.unsearched):
            if claimed in (name, name.partition(".")[0]):
                says = f"claims incentive compatibility of {claimed}, and {name} was not searched"
                found.append((False, says))
        if side not in report.agents:
            says = f"claims incentive compatibility of {claimed}, and {_absent(side)}"
            found.append((False, says))
            continue
        if not measured:
            continue  # in these markets nobody has it to report
        name, most = max(
            ((name, field.max) for name, field in measured),
            key=lambda one: one[1],
            default=(claimed, np.nan),
        )
        says = (
            f"claims incentive compatibility of {claimed}, and one gains {most:.6g} credits/slot "
            f"by a misreport of {name}"
        )
        found.append((most <= tolerance, says))
    for side in sorted(claims.individually_rational):
        least = report.min_utility.get(side, np.nan)
        found_of_side = f"one has utility {least:.6g} credits/slot"
        if side not in report.min_utility:
            found_of_side = _absent(side)
        says = f"claims individual rationality of {side}, and {found_of_side}"
        found.append((least >= -tolerance, says))
    if claims.budget_balanced:
        least = report.budget_balance_min
        says = (
            f"claims budget balance, and in one market the platform keeps {least:.6g} credits/slot"
        )
        found.append((least >= -tolerance, says))
    if claims.within_budget:
        excess = report.budget_excess_max
        says = (
            "claims to keep the budget, and in one market charges exceed it by "
            f"{excess:.6g} credits/slot"
        )
        found.append((excess <= tolerance, says))
    if claims.efficient:
        ratio = report.welfare_ratio
        says = f"claims efficiency, and its welfare is {ratio:.6g} of the optimum"
        found.append((abs(ratio - 1) <= tolerance, says))
    return [f"{report.mechanism} {says}" for holds, says in found if not holds]


def _absent(side: str) -> str:
    return f"no {side.replace('_', ' ')} were measured in these markets"
