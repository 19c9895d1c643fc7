"""The tables printed at the end of a market study: properties claimed beside those measured."""

from collections.abc import Collection

import pandas as pd
from rich.text import Text

from marl_moe.terminal.tables import Column, FittedTable

HOLDS, BROKEN, UNCLAIMED = "✓", "✗", "–"
COLOURS = {HOLDS: "green", BROKEN: "red"}
HEADINGS = (
    "regret of edge devices mean / max",
    "regret of users mean / max",
    "least utility edge device / user",
    "balance mean / least",
    "above budget at most",
    "payments",
    "welfare of optimum",
    "cost factor reported",
    "welfare as played",
    "budget kept as played",
    "Jain edge / user",
    "envy edge / user",
    "taking part edge / user",
    "ms a clearing",
)
TOLERANCE = 1e-6  # credits: what solvers leave


def audit_table(title: str, audits: pd.DataFrame) -> FittedTable:
    """Return a row for each mechanism, in the order of the experiment.

    Over several seeds a row shows the worst of each measurement. A cell of
    another property than regret, of which `regret_table` tells more, says first whether it is
    claimed, ✓, and found to be broken, ✗, then what was measured. Claims that ask
    something of a market bear a star: markets sampled from a world need not grant it.
    """
    agents = audits[["agents_edge_devices", "agents_users"]].max().max()
    table = FittedTable(
        f"{title}: {_span(audits['markets'])} markets, {audits['seed'].nunique()} seed(s), up to "
        f"{agents:,.0f} agents a side searched; credits per slot",
        [
            Column("mechanism", folded=True, stays=True),
            *(Column(heading, stays=at == 0) for at, heading in enumerate(HEADINGS)),
        ],
        notes=[
            "✓ claimed, ✗ claimed and broken, – not claimed; * under a condition, told below. "
            "Regret is a lower bound: that of the best lie found in any field, fields one by one "
            "below. As played: what comes of the factors on their costs that edge devices end up "
            "reporting; in brackets the share of play at the largest factor there is."
        ],
    )
    for _, rows in audits.groupby("point", sort=False):
        table.rows.append(_cells(rows))
    return table


def conditions(audits: pd.DataFrame) -> list[str]:
    """Return a line for each condition of a mechanism's claims, and one for each broken claim."""
    lines = []
    for _, row in audits.drop_duplicates("point").iterrows():
        if row["condition"]:
            lines.append(f"* {row['mechanism']}: {row['condition']}")
    for _, row in audits.iterrows():
        if row["violations"]:
            outside = ", whose condition these markets need not grant" if row["condition"] else ""
            lines.append(f"✗ {row['mechanism']}{outside}: {row['violations']}")
    return lines


def _cells(rows: pd.DataFrame) -> list[str | Text]:
    row = rows.iloc[0]
    star = "*" if row["condition"] else ""
    worst, least = rows.max(numeric_only=True), rows.min(numeric_only=True)

    def judged(claimed: bool, broken: bool) -> str:
        return (BROKEN if broken else HOLDS) + star if claimed else UNCLAIMED

    def incentive(side: str) -> str:
        mean, most = worst[f"regret_mean_{side}"], worst[f"regret_max_{side}"]
        return "" if pd.isna(most) else f"{_number(mean)} / {_number(most)}"

    def played(name: str, form: str) -> str:
        value = rows[name].mean()
        return "" if pd.isna(value) else form.format(value)

    def rational(side: str) -> str:
        utility = least[f"min_utility_{side}"]
        if pd.isna(utility):
            return ""
        claimed = side in row["claims_individually_rational"]
        return f"{judged(claimed, utility < -TOLERANCE)} {_number(utility)}"

    def both(name: str, digits: int = 2) -> str:
        values = (rows[f"{name}_{side}"].mean() for side in ("edge_devices", "users"))
        return " / ".join("" if pd.isna(value) else f"{value:.{digits}f}" for value in values)

    balance, excess, ratio = (
        least["budget_balance_min"],
        worst["budget_excess_max"],
        rows["welfare_ratio"].mean(),
    )
    cells = (
        incentive("edge_devices"),
        incentive("users"),
        " / ".join(filter(None, (rational("edge_devices"), rational("users")))),
        f"{judged(row['claims_budget_balanced'], balance < -TOLERANCE)} "
        f"{_number(rows['budget_balance'].mean())} / {_number(balance)}",
        f"{judged(row['claims_within_budget'], excess > TOLERANCE)} {_number(max(excess, 0.0))}",
        f"{rows['payments'].mean():.2f}",
        f"{judged(row['claims_efficient'], abs(ratio - 1) > TOLERANCE)} {ratio:.4f}",
        played("report_factor", "{:.2f}") + played("report_most", " [{:.0%}]"),
        played("played_welfare_ratio", "{:.4f}"),
        played("played_budget_kept", "{:.0%}"),
        both("jain"),
        both("envy_max"),
        both("participation"),
        f"{1000 * rows['solve_seconds'].mean():.3f}",
    )
    return [point_name(row), *map(_coloured, cells)]


def regret_table(regret: pd.DataFrame, conditional: Collection[str]) -> FittedTable:
    """Return a row for each field in which the truth is claimed to be best, or a lie pays.

    All other fields are counted in a note.

    Args:
        regret: rows of `regret.parquet`.
        conditional: points whose claims ask something of a market.
    """
    table = FittedTable(
        "Regret in each field, all else being told truly; credits per slot",
        [
            Column("field", folded=True, stays=True),
            Column("mean", stays=True),
            Column("max", stays=True),
            Column("misreports tried"),
            Column("found of a grid's"),
        ],
        notes=[
            "found of a grid's: regret found over that of 720 pairs of unit cost and slope, or of "
            "120 factors of another field, by the agents of the first markets."
        ],
    )
    silent = 0
    for point, rows in regret.groupby("point", sort=False):
        table.rows.append([point_name(rows.iloc[0])])
        for _, each in rows.groupby(["side", "field"], sort=False):
            row, most = each.iloc[0], each["regret_max"].max()
            if not row["claimed"] and most <= TOLERANCE:
                silent += 1
                continue
            mark = (BROKEN if most > TOLERANCE else HOLDS) if row["claimed"] else UNCLAIMED
            star = "*" if row["claimed"] and point in conditional else ""
            share = each["grid_share"].mean()
            table.rows.append(
                [
                    _coloured(f"{mark}{star} {row['side'].replace('_', ' ')}: {row['field']}"),
                    _number(each["regret_mean"].max()),
                    _number(most),
                    _span(each["misreports"]),
                    "" if pd.isna(share) else f"{share:.3f}",
                ]
            )
    if silent:
        table.notes.append(f"{silent} fields more, of which nothing is claimed and no lie pays.")
    return table


def point_name(row: pd.Series) -> str:
    """Return what a point is called: without how it was audited, and with the regime of effort."""
    unsaid = ("audit.", "env.market.effort=")
    words = [word for word in row["point"].split(" ") if not word.startswith(unsaid)]
    name = " ".join(words).removeprefix("mechanism=") or row["mechanism"]
    return f"{name}, {row['effort']}" if row["effort"] else str(name)


def _span(values: pd.Series) -> str:
    low, high = values.min(), values.max()
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"


def _coloured(cell: str) -> Text:
    text = Text(cell)
    for mark, colour in COLOURS.items():
        text.highlight_words([mark], colour)
    return text


def _number(value: float) -> str:
    """Return a number with three decimals, but never a zero that is none."""
    if abs(value) <= TOLERANCE:
        return "0"
    return f"{value:.3f}" if abs(value) >= 5e-4 else f"{value:.0e}"
