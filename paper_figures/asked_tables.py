"""Record tables as a figure is asked to show them: its policies alone, in the order asked for."""

from collections.abc import Collection, Iterable
from typing import Any

import pandas as pd

from paper_figures.drawing import in_runs, is_wanted, of_run, rank_of, runs
from paper_figures.options import FigureOptions, folded, unknown
from paper_figures.registry import COMPARE, FigureKind
from paper_figures.style import label_of
from paper_figures.tables import CannotDraw, Tables

_POLICIES = {"training": "algorithm"}  # column of policies, by table; "policy" in the others


def check_options(kind: FigureKind, options: FigureOptions) -> None:
    """Check that a figure takes options, whatever the tables are.

    Raises:
        CannotDraw: it does not; the message begins with the option.
    """
    given = [*options.given, *([COMPARE] if runs() else [])]
    for option in given:
        if option in kind.refuses:
            raise CannotDraw(f"{option}: {kind.refuses[option]}")
    if options.metric is None:
        pass
    elif kind.metric_keyword is None:
        raise CannotDraw("metric: this figure shows quantities of its own")
    elif kind.metric_keyword == "metric" and not isinstance(options.metric, str):
        raise CannotDraw("metric: this figure shows one, and not a list")
    if kind.one_policy and options.policies is not None and len(options.policies) > 1:
        raise CannotDraw(f"policies: this figure shows one, got {len(options.policies)}")


def metric_of(kind: FigureKind, options: FigureOptions) -> dict[str, Any]:
    """Return the keyword by which a figure is told its metric, none where it has its own."""
    keyword = kind.metric_keyword
    if keyword is None or options.metric is None:
        return {}
    return {keyword: options.metric if keyword == "metric" else options.metrics}


def asked_tables(
    tables: Tables, kind: FigureKind, options: FigureOptions
) -> dict[str, pd.DataFrame]:
    """Return tables with the policies that a figure is asked for, in that order.

    Each is a table of its own: what a figure changes in it no other draws.

    Raises:
        CannotDraw: a policy or a metric that was asked for is in no table; the message begins with
            the option.
    """
    names = _policies(tables) if options.policies or options.labels else set()
    for option in ("policies", "labels"):
        for name in getattr(options, option) or ():
            if name not in names and not names.intersection(in_runs([name])):
                raise CannotDraw(f"{option}: {unknown(name, _listed(names))}")
    shown_names = [name for name in sorted(names) if is_wanted(name) or name in kind.references]
    given = set(options.labels) | set(in_runs(options.labels))
    for name in shown_names:
        for other in given.intersection(shown_names):
            if name != other and folded(label_of(name)) == folded(label_of(other)):
                raise CannotDraw(
                    f"labels: {name!r} and {other!r} would both be called {label_of(name)!r}"
                )
    columns = dict.fromkeys(str(column) for table in tables.values() for column in table)
    for metric in options.metrics:
        if metric not in columns:
            numbers = [name for name in columns if name not in ("policy", "settings", "point")]
            raise CannotDraw(f"metric: {unknown(metric, numbers)}")
    if options.policies is None:
        return {name: table.copy(deep=False) for name, table in tables.items()}
    shown = {}
    for name, table in tables.items():
        column = _POLICIES.get(name, "policy")
        shown[name] = _asked(table, column, kind.references) if column in table else table.copy()
    return shown


def _asked(table: pd.DataFrame, column: str, references: Collection[str]) -> pd.DataFrame:
    """Return the rows of the policies asked for, in that order, and those of references."""
    kept = table[column].map(is_wanted) | table[column].isin(references)
    shown = table[kept]
    return shown.sort_values(column, key=lambda names: names.map(rank_of), kind="stable")


def _policies(tables: Tables) -> set[str]:
    """Return the policies of all tables."""
    found: set[str] = set()
    for name, table in tables.items():
        column = _POLICIES.get(name, "policy")
        if column in table:
            found |= set(table[column].unique())
    return found


def _listed(names: Iterable[str]) -> list[str]:
    """Return names of policies, those without their run first where runs are compared."""
    return sorted({name for policy in names for name in (of_run(policy)[0], policy)})
