"""Tables for the terminal: measured competence, and a gate before and after an upgrade."""

from typing import Any

from marl_moe.terminal.tables import Column, FittedTable
from marl_moe.text.gate_report import UpgradeReport


def competence_table(measured: dict[str, Any]) -> FittedTable:
    """Return competence [expert topic x subtask topic] with its 95 % intervals.

    Args:
        measured: the table that `calibrate` wrote.
    """
    topics = measured["topics"]
    table = FittedTable(
        f"Competence of {measured['backend']}, judge {measured['judge']}, "
        f"{measured['n'][0][0]} subtasks a cell: mean [95 % interval]",
        [Column("expert", folded=True, stays=True), *(Column(topic) for topic in topics)],
    )
    for expert, topic in enumerate(topics):
        mean, low, high = (measured[name][expert] for name in ("competence", "low", "high"))
        cells = (f"{a:.2f} [{b:.2f}, {c:.2f}]" for a, b, c in zip(mean, low, high, strict=True))
        table.rows.append([topic, *cells])
    return table


def upgrade_table(report: UpgradeReport, new_topic: str) -> FittedTable:
    """Return the routing of held-out subtasks by topic, before and after a topic was added."""
    before, after = report.old_before, report.old_after
    headings = ("subtasks", "F1 before", "F1 after", "accuracy before", "accuracy after")
    table = FittedTable(
        f"Gate before and after {new_topic} was added, held-out subtasks",
        [Column("topic", folded=True, stays=True), *map(Column, headings)],
    )
    for topic, name in enumerate(before.topics):
        subtasks = str(before.confusion[topic].sum())
        scores = before.f1[topic], after.f1[topic], before.recall[topic], after.recall[topic]
        table.rows.append([name, subtasks, *(f"{score:.3f}" for score in scores)])
    f1 = before.f1.mean(), after.f1[: len(before.topics)].mean()
    means = (f"{mean:.3f}" for mean in (*f1, before.accuracy, after.accuracy))
    table.rows += [
        ["all"],
        ["old topics", str(before.confusion.sum()), *means],
        [new_topic, str(report.new_subtasks), "", "", f"{0:.3f}", f"{report.new_after:.3f}"],
    ]
    table.notes.append(
        f"Forgotten: {report.forgotten:.1f} points of accuracy on the old topics. Before, "
        f"{report.unknown_before:.0%} of the subtasks of {new_topic} were taken for no known "
        "topic, the others for an old one."
    )
    return table
