"""Account of the four steps that a prompt went through, for the terminal."""

from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.text import Text

from marl_moe.terminal.console import shown
from marl_moe.terminal.tables import Column, FittedTable
from marl_moe.text.languages import KNOWN
from marl_moe.text.pipeline import Integrated, Result

SCORES = {"integrated": "as transferred", "all_local": "all local", "dropped": "drop it"}
TRANSFERRED = (
    "gain",
    "payment",
    "delay, s",
    "energy, J",
    "competence",
    "SNR, dB",
    "users",
    "price/point",
    "effort",
)


def account(result: Result, topics: Sequence[str], policy: str, mechanism: str) -> Group:
    """Return decomposition, assessment, transfers, the text and its scores.

    Args:
        result: of the pipeline.
        topics: names by number, (M,).
        policy: name of the policy that chose experts.
        mechanism: name of the mechanism that set the prices.
    """
    parts: list[RenderableType] = [_decomposition(result, topics), ""]
    if any(result.transfers):
        parts += [_transfers(result, topics, policy, mechanism), ""]
    parts += [
        Text("4. Integration", style="bold"),
        Padding(Text(shown(result.integrated.text) or "(nothing)"), (0, 0, 0, 2), expand=False),
        "",
        _scores(result),
    ]
    return Group(*parts)


def _decomposition(result: Result, topics: Sequence[str]) -> FittedTable:
    table = FittedTable(
        "1. Decomposition and 2. assessment",
        [
            Column("", stays=True),
            Column("subtask", folded=True, stays=True),
            Column("topic", folded=True, stays=True),
            *map(Column, ("weight", "compute", "words", "spent")),
            Column("where", stays=True),
        ],
        boxed=False,
    )
    spent = 0.0
    spent_after = {}
    for number in result.order:
        spent += result.request.subtasks[number].compute_need
        spent_after[number] = spent
    for number, (subtask, transfer) in enumerate(
        zip(result.request.subtasks, result.transfers, strict=True)
    ):
        cells = (
            str(number + 1),
            subtask.clause,
            topics[subtask.topic],
            f"{subtask.weight:.3f}",
            f"{subtask.compute_need:.2f}",
            str(subtask.words),
            f"{spent_after[number]:.2f}",
            "transferred" if transfer else "device",
        )
        table.rows.append(cells)
    table.notes.append(
        "The device takes subtasks by weight / compute until the compute spent would pass "
        f"{result.local_compute:.2f} units; that one and all after it are transferred."
    )
    if result.request.left_out:
        left_out = "; ".join(repr(clause) for clause in result.request.left_out)
        table.notes.append(f"Of no known topic, and left out: {left_out}.")
    if result.request.foreign:
        left_out = "; ".join(f"{clause!r} ({code})" for clause, code in result.request.foreign)
        table.notes.append(f"Not in English, and left out: {left_out}; {KNOWN}.")
    return table


def _transfers(result: Result, topics: Sequence[str], policy: str, mechanism: str) -> FittedTable:
    table = FittedTable(
        f"3. Transfer: {policy} chose, {mechanism} set the prices",
        [
            Column("", stays=True),
            Column("edge device", folded=True, stays=True),
            Column("outcome", folded=True, stays=True),
            *map(Column, TRANSFERRED),
        ],
        boxed=False,
    )
    for number, (transfer, failure) in enumerate(
        zip(result.transfers, result.failures, strict=True)
    ):
        if transfer is None:
            continue
        if transfer.expert is None:
            outcome, cells = "abandoned by the policy: 0 credits", ["-"] * len(TRANSFERRED)
            table.rows.append([str(number + 1), "none", outcome, *cells])
            continue
        outcome = "served" if transfer.served else "rejected"
        if transfer.declined:
            outcome = "declined"
        if transfer.late_s > 0:
            outcome = f"served, {transfer.late_s:.1f} s late"
        cells = [
            f"{transfer.gain:.3f}",
            f"{transfer.charge:.3f}",
            f"{transfer.delay_s:.2f}",
            f"{transfer.energy_j:.3f}",
            f"{transfer.competence:.2f}",
            f"{transfer.snr_db:.1f}",
            str(transfer.users),
            f"{transfer.unit_price:.2f}",
            f"{transfer.effort:.2f}",
        ]
        device = f"{transfer.expert} ({topics[transfer.expert % len(topics)]})"
        outcome = f"lost: {failure}" if failure else outcome
        table.rows.append([str(number + 1), device, outcome, *cells])
    table.notes.append(
        "Payment and gain over abandoning in credits; delay, energy and gain are the model's."
    )
    return table


def _scores(result: Result) -> FittedTable:
    names = list(result.integrated.score.components)
    table = FittedTable(
        "Verdict, points of 10",
        [
            Column("text", folded=True, stays=True),
            Column("points", stays=True),
            *(Column(name) for name in names),
        ],
        boxed=False,
    )
    for name, label in SCORES.items():
        integrated: Integrated = getattr(result, name)
        components = (f"{value:.2f}" for value in integrated.score.components.values())
        points = Text(f"{integrated.score.points:.2f}", style="bold")
        table.rows.append([label, points, *components])
    return table
