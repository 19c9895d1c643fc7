"""Audits on the page: what mechanisms claim beside what was measured."""

from typing import Any

import pandas as pd

from marl_moe.report.data_table import printed_table
from marl_moe.report.reported import Reported
from marl_moe.report.section import number
from marl_moe.terminal.audit import audit_table, conditions, point_name, regret_table

SIDES = {"edge_devices": "edge devices", "users": "users"}


def claims(run: Reported) -> dict[str, Any]:
    """Return the tables that the terminal shows of a market study, and regret to draw."""
    audits, regret = run.tables["audit"], run.tables["regret"]
    tables = [printed_table(audit_table(run.run.spec.name, audits))]
    if len(regret):
        conditional = set(audits.loc[audits["condition"] != "", "point"])
        tables.append(printed_table(regret_table(regret, conditional)))
    return {"tables": tables, "conditions": conditions(audits), "regret": _regret(audits)}


def _regret(audits: pd.DataFrame) -> dict[str, Any]:
    """Return the greatest regret of each side found under each mechanism, over all seeds."""
    rows = [each for _, each in audits.groupby("point", sort=False)]
    return {
        "names": [point_name(each.iloc[0]) for each in rows],
        "sides": {
            heading: [
                {
                    "value": number(each[f"regret_max_{side}"].max()),
                    "claimed": _claims(each.iloc[0], side),
                }
                for each in rows
            ]
            for side, heading in SIDES.items()
        },
    }


def _claims(row: pd.Series, side: str) -> bool:
    return side in str(row["claims_incentive_compatible"])
