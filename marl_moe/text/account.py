"""Account of the four steps that a prompt went through, for the terminal."""

from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.markup import escape
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from marl_moe.text.languages import KNOWN
from marl_moe.text.pipeline import Integrated, Result

SCORES = {"integrated": "as transferred", "all_local": "all local", "dropped": "drop it"}


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
        Padding(Text(result.integrated.text or "(nothing)"), (0, 0, 0, 2)),
        "",
        _scores(result),
    ]
    return Group(*parts)


def _decomposition(result: Result, topics: Sequence[str]) -> RenderableType:
    table = _table("1. Decomposition and 2. assessment")
    for name in ("", "subtask"):
        table.add_column(name)
    table.add_column("topic", no_wrap=True)
    for name in ("weight", "compute", "words", "spent"):
        table.add_column(name, justify="right")
    table.add_column("where", no_wrap=True)
    spent = 0.0
    spent_after = {}
    for number in result.order:
        spent += result.request.subtasks[number].compute_need
        spent_after[number] = spent
    for number, (subtask, transfer) in enumerate(
        zip(result.request.subtasks, result.transfers, strict=True)
    ):
        table.add_row(
            str(number + 1),
            escape(subtask.clause),
            topics[subtask.topic],
            f"{subtask.weight:.3f}",
            f"{subtask.compute_need:.2f}",
            str(subtask.words),
            f"{spent_after[number]:.2f}",
            "transferred" if transfer else "device",
        )
    table.caption = (
        "The device takes subtasks by weight / compute until the compute spent would pass "
        f"{result.local_compute:.2f} units; that one and all after it are transferred."
    )
    if result.request.left_out:
        left_out = "; ".join(repr(clause) for clause in result.request.left_out)
        table.caption += f" Of no known topic, and left out: {escape(left_out)}."
    if result.request.foreign:
        left_out = "; ".join(f"{clause!r} ({code})" for clause, code in result.request.foreign)
        table.caption += f" Not in English, and left out: {escape(left_out)}; {escape(KNOWN)}."
    return table


def _transfers(
    result: Result, topics: Sequence[str], policy: str, mechanism: str
) -> RenderableType:
    table = _table(f"3. Transfer: {escape(policy)} chose, {mechanism} set the prices")
    for name in ("", "edge device"):
        table.add_column(name, no_wrap=True)
    for name in (
        "SNR, dB",
        "users",
        "competence",
        "delay, s",
        "energy, J",
        "price/point",
        "effort",
        "payment",
        "gain",
    ):
        table.add_column(name, justify="right")
    table.add_column("outcome")
    for number, (transfer, failure) in enumerate(
        zip(result.transfers, result.failures, strict=True)
    ):
        if transfer is None:
            continue
        if transfer.expert is None:
            table.add_row(str(number + 1), "none", *["-"] * 9, "abandoned by the policy: 0 credits")
            continue
        outcome = "rejected" if not transfer.served else "served"
        if transfer.late_s > 0:
            outcome = f"served, {transfer.late_s:.1f} s late"
        table.add_row(
            str(number + 1),
            f"{transfer.expert} ({topics[transfer.expert % len(topics)]})",
            f"{transfer.snr_db:.1f}",
            str(transfer.users),
            f"{transfer.competence:.2f}",
            f"{transfer.delay_s:.2f}",
            f"{transfer.energy_j:.3f}",
            f"{transfer.unit_price:.2f}",
            f"{transfer.effort:.2f}",
            f"{transfer.charge:.3f}",
            f"{transfer.gain:.3f}",
            escape(f"lost: {failure}" if failure else outcome),
        )
    table.caption = (
        "Payment and gain over abandoning in credits; delay, energy and gain are the model's."
    )
    return table


def _scores(result: Result) -> RenderableType:
    table = _table("Verdict, points of 10")
    table.add_column("text", no_wrap=True)
    for name in ("points", *result.integrated.score.components):
        table.add_column(name, justify="right")
    for name, label in SCORES.items():
        integrated: Integrated = getattr(result, name)
        components = (f"{value:.2f}" for value in integrated.score.components.values())
        table.add_row(label, f"[bold]{integrated.score.points:.2f}[/bold]", *components)
    return table


def _table(title: str) -> Table:
    return Table(
        title=title,
        title_justify="left",
        title_style="bold",
        caption_justify="left",
        box=None,
        pad_edge=False,
    )
