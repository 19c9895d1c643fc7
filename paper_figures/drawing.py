"""The figure that is being drawn: options that reach below its function, and what it draws.

Labels, order and kind of interval are looked up here by `style` and `statistics`, as rcParams are,
so that no plot function passes them on. What a function hands to `drawn` becomes the CSV beside the
figure. Where a function is called by itself nothing is asked for, and nothing kept.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from paper_figures.options import PLAIN, FigureOptions


@dataclass(frozen=True)
class Drawing:
    """A figure that is being drawn.

    Attributes:
        options: what was asked for.
        runs: letters of the runs that are compared, which end the names of policies; of one run
            none.
        frames: what was drawn so far.
    """

    options: FigureOptions = PLAIN
    runs: Sequence[str] = ()
    frames: list[pd.DataFrame] = field(default_factory=list)

    def data(self) -> pd.DataFrame:
        """Return what was drawn as one table, without a column where nothing has it."""
        shown = [frame for frame in self.frames if not frame.empty]
        return pd.concat(shown, ignore_index=True) if shown else pd.DataFrame()


_CURRENT: ContextVar[Drawing | None] = ContextVar("drawing", default=None)


@contextmanager
def drawing(options: FigureOptions = PLAIN, runs: Sequence[str] = ()) -> Iterator[Drawing]:
    """Draw with options, and keep what is drawn."""
    begun = Drawing(options, runs)
    token = _CURRENT.set(begun)
    try:
        yield begun
    finally:
        _CURRENT.reset(token)


def options() -> FigureOptions:
    """Return the options of the figure that is being drawn."""
    current = _CURRENT.get()
    return PLAIN if current is None else current.options


def drawn(frame: pd.DataFrame, **columns: Any) -> pd.DataFrame:
    """Keep what a figure draws, for the CSV beside it, and return it.

    Args:
        frame: a row for each mark, or each point of a line.
        columns: further columns, which stand before its own: `panel="a", metric="gain"`.
    """
    current = _CURRENT.get()
    if current is not None:
        rest = {name: frame[name] for name in frame if name not in columns}
        kept = pd.DataFrame(columns | rest, index=frame.index)
        for name in kept:
            if kept[name].dtype == object:
                kept[name] = kept[name].map(_plain)
        current.frames.append(kept)
    return frame


def in_order(policies: Iterable[str]) -> list[str]:
    """Return policies in the order that was asked for, as they come where none was."""
    return sorted(policies, key=rank_of)


def wanted(policies: Iterable[str]) -> list[str]:
    """Return those of some policies that the figure shows."""
    return [name for name in policies if is_wanted(name)]


def is_wanted(policy: str) -> bool:
    """Return whether the figure shows a policy."""
    asked = options().policies
    return asked is None or rank_of(policy) < len(asked)


def rank_of(policy: str) -> int:
    """Return where a policy stands among those asked for; where none are, all at 0.

    A name alone stands for the policy in every run that is compared.
    """
    asked = options().policies or ()
    for name in (policy, of_run(policy)[0]):
        if name in asked:
            return asked.index(name)
    return len(asked)


def runs() -> Sequence[str]:
    """Return the letters of the runs that are compared, none where it is one."""
    current = _CURRENT.get()
    return () if current is None else current.runs


def of_run(policy: str) -> tuple[str, str]:
    """Return the name of a policy and the letter of its run, "" where it is the only one."""
    for run in runs():
        suffix = f" ({run})"
        if policy.endswith(suffix):
            return policy.removesuffix(suffix), run
    return policy, ""


def in_runs(policies: Iterable[str]) -> list[str]:
    """Return the names that policies have in the tables: one for each run that is compared."""
    suffixes = [f" ({run})" for run in runs()] or [""]
    return [f"{name}{suffix}" for name in policies for suffix in suffixes]


def _plain(value: Any) -> Any:
    """Return a value as a table has it: of a policy trained in several ways its text."""
    return getattr(value, "text", value)
