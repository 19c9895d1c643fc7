"""The results of a finished run, printed as their kind asks for."""

import pandas as pd

from marl_moe.terminal.audit import audit_table, conditions
from marl_moe.terminal.console import out, wide
from marl_moe.terminal.summary import lost_line, summary_table


def print_evaluation(title: str, evaluation: pd.DataFrame) -> None:
    """Print the policies of a run, with means and 95 % intervals."""
    out.print(summary_table(title, evaluation))


def print_audit(title: str, audits: pd.DataFrame) -> None:
    """Print the mechanisms of a market study, and the conditions of what they claim."""
    wide.print(audit_table(title, audits))
    out.print(*conditions(audits), sep="\n", markup=False, highlight=False)


PRINTERS = {"evaluation": print_evaluation, "audit": print_audit}  # by name of the table


def print_results(title: str, table: str, results: pd.DataFrame, training: pd.DataFrame) -> None:
    """Print the results of a run, and the slots that its training lost, if any.

    Args:
        title: name of the experiment.
        table: name of the table of results.
        results: its rows.
        training: rows of `training.parquet`, none where nothing was trained.
    """
    PRINTERS[table](title, results)
    lost = lost_line(training)
    if lost is not None:
        out.print(f"lost     {lost}", highlight=False)
