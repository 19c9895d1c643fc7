"""The results of a finished run, printed as their kind asks for."""

import pandas as pd

from marl_moe.experiment.spec.experiment import ExperimentSpec
from marl_moe.metrics import named
from marl_moe.terminal.audit import audit_table, conditions
from marl_moe.terminal.console import out, wide
from marl_moe.terminal.summary import lost_line, summary_table


def print_evaluation(spec: ExperimentSpec, evaluation: pd.DataFrame) -> None:
    """Print the policies of a run, with means and 95 % intervals."""
    out.print(summary_table(spec.name, evaluation))
    if spec.metrics:
        headings = {metric.name: f"{metric.name}, {metric.unit}" for metric in named(spec.metrics)}
        wide.print(summary_table(f"{spec.name}, its metrics", evaluation, headings))


def print_audit(spec: ExperimentSpec, audits: pd.DataFrame) -> None:
    """Print the mechanisms of a market study, and the conditions of what they claim."""
    wide.print(audit_table(spec.name, audits))
    out.print(*conditions(audits), sep="\n", markup=False, highlight=False)


PRINTERS = {"evaluation": print_evaluation, "audit": print_audit}  # by name of the table


def print_results(
    spec: ExperimentSpec, table: str, results: pd.DataFrame, training: pd.DataFrame
) -> None:
    """Print the results of a run, and the slots that its training lost, if any.

    Args:
        spec: the experiment.
        table: name of the table of results.
        results: its rows.
        training: rows of `training.parquet`, none where nothing was trained.
    """
    PRINTERS[table](spec, results)
    lost = lost_line(training)
    if lost is not None:
        out.print(f"lost     {lost}", highlight=False)
