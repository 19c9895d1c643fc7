"""The results of a finished run, printed as their kind asks for."""

from typing import TYPE_CHECKING

import pandas as pd

from marl_moe.experiment.records.tables import read_table
from marl_moe.experiment.study.remarks import remarks
from marl_moe.metrics import named
from marl_moe.terminal.audit import audit_table, conditions, regret_table
from marl_moe.terminal.console import say, show
from marl_moe.terminal.sides import exploitability_table, sides_table
from marl_moe.terminal.summary import lost_line, summary_table

if TYPE_CHECKING:
    from marl_moe.experiment.run.folder import RunFolder


def print_evaluation(run: "RunFolder", evaluation: pd.DataFrame) -> None:
    """Print the policies of a run, with means and 95 % intervals."""
    spec = run.spec
    show(summary_table(spec.name, evaluation))
    if spec.metrics:
        headings = {metric.name: f"{metric.name}, {metric.unit}" for metric in named(spec.metrics)}
        show(summary_table(f"{spec.name}, its metrics", evaluation, headings))
    if any(
        point.spec.algorithm is not None and point.spec.algorithm.roles.learning
        for point in run.points
    ):
        show(sides_table(spec.name, evaluation))


def print_exploitability(run: "RunFolder") -> None:
    """Print what agents have left to gain, where that was measured."""
    exploitability = read_table(run.path, "exploitability")
    if len(exploitability):
        show(exploitability_table(run.spec.name, exploitability))


def print_audit(run: "RunFolder", audits: pd.DataFrame) -> None:
    """Print the mechanisms of a market study, regret by field, and conditions of claims."""
    show(audit_table(run.spec.name, audits))
    regret = read_table(run.path, "regret")
    if len(regret):
        show(regret_table(regret, set(audits.loc[audits["condition"] != "", "point"])))
    say(*conditions(audits))


PRINTERS = {"evaluation": print_evaluation, "audit": print_audit}  # by name of the table


def print_results(run: "RunFolder", table: str, results: pd.DataFrame) -> None:
    """Print the results of a run, the slots that its training lost, and remarks on both.

    Args:
        run: the run.
        table: name of the table of results.
        results: its rows, or of policies that were played again.
    """
    PRINTERS[table](run, results)
    print_exploitability(run)
    training, none = read_table(run.path, "training", run.spec.metrics), results.iloc[:0]
    lost = lost_line(training)
    if lost is not None:
        say(f"lost     {lost}")
    tables = dict.fromkeys(PRINTERS, none) | {table: results}
    specs = [point.spec for point in run.points]
    for remark in remarks(specs, tables["evaluation"], training, tables["audit"]):
        say(f"remark   {remark}")
