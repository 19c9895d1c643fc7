"""Looks of figures in print: rcParams to merge with `|`, and one look per policy in all figures.

To draw with them on one's own:

    from paper_figures.plots import reward_curves

    with looks(style.PRINT | style.SINGLE_COLUMN):
        ax = reward_curves.plot(tables)
"""

import re
from collections.abc import Collection, Iterable
from typing import Any, NamedTuple
from zlib import crc32

import pandas as pd
from matplotlib.artist import Artist
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from paper_figures.drawing import of_run, options, runs
from paper_figures.headings import HEADINGS
from paper_figures.letters import distinct, shortened, visible
from paper_figures.options import WIDTHS
from paper_figures.statistics import interval_label
from paper_figures.tables import LEARNED

# IEEE: columns of 3.5 in and 7.16 in, text of 8 pt. The STIX fonts match Times and come with
# matplotlib, so a figure is the same on every machine; font type 42 embeds them as TrueType, since
# publishers refuse Type 3.
PRINT: dict[str, Any] = {
    "font.family": ["STIXGeneral", "DejaVu Sans"],  # the latter for letters that the first lacks
    "mathtext.fontset": "stix",
    "font.size": 8,
    "axes.labelsize": 8,
    "axes.titlesize": 8,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
    "legend.fontsize": 8,
    "pdf.fonttype": 42,
    "savefig.dpi": 300,
    "savefig.bbox": None,  # the size in inches is the size asked for
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.grid": True,
    "grid.color": "0.9",
    "grid.linewidth": 0.4,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.major.size": 2.5,
    "ytick.major.size": 2.5,
    "lines.linewidth": 1.2,
    "lines.markersize": 3.5,
    "errorbar.capsize": 1.5,
    "legend.frameon": False,
    "legend.handlelength": 2.4,
    "legend.columnspacing": 1.2,
}
SINGLE_COLUMN: dict[str, Any] = {"figure.figsize": (WIDTHS["column"], 2.5)}
DOUBLE_COLUMN: dict[str, Any] = {"figure.figsize": (WIDTHS["double"], 2.5)}

METRIC_LABELS = {
    "utility": "Utility of a request (credits)",
    "gain": "Gain per slot and user (credits)",
    "share_of_equilibrium": "Share of the equilibrium's gain",
    "worst_gain": "Worst user's gain (credits)",
    "jain": "Jain's index of users' gains",
}


Marker = str | tuple[int, int, int]  # a letter, or (points, form, angle)


class PolicyStyle(NamedTuple):
    """The look of a policy, in matplotlib's terms."""

    label: str
    colour: str
    line_style: str | tuple[int, tuple[float, ...]]
    marker: Marker


_STOCHASTIC = "_stochastic"
_WORD = re.compile(r"[a-z][a-z0-9_]*")  # of the names that code gives

# The four curves of the paper have Tol's "high contrast" colours, made to be told apart in grey;
# most others are his "muted" and "vibrant" ones. SAC, equilibrium, optimum and better response,
# which lie close together under contention, differ in lightness as well. Line style and marker
# repeat the distinction for readers who see no colour.
_POLICIES = {
    "local": PolicyStyle("Upper bound (all local)", "#000000", (0, (5, 1.5)), "s"),
    "sac": PolicyStyle("SAC", "#004488", "-", "o"),
    "abandon": PolicyStyle("Drop", "#BB5566", (0, (5, 1.5, 1, 1.5)), "D"),
    "random": PolicyStyle("Random", "#DDAA33", (0, (1, 1)), "v"),
    "rllib_sac": PolicyStyle("RLlib SAC", "#6699CC", (0, (7, 1)), "p"),
    "ppo": PolicyStyle("PPO", "#117733", (0, (4, 1, 1, 1)), "^"),
    "dqn": PolicyStyle("DQN", "#EE3377", (0, (2, 0.7)), "h"),
    "nash": PolicyStyle("Equilibrium (full information)", "#AA4499", (0, (3, 1, 1, 1)), "*"),
    "optimum": PolicyStyle("Social optimum", "#441100", (0, (8, 1)), "d"),
    "better_response": PolicyStyle("Better response", "#EE7733", (0, (6, 2)), "P"),
    "crowd": PolicyStyle("Crowd", "#CC3311", (0, (6, 1, 1, 1, 3, 1)), "x"),
    "mean_field": PolicyStyle("Mean-field equilibrium", "#332288", (0, (2, 2)), (8, 2, 0)),
    "cooperative": PolicyStyle("Cooperative", "#00AA66", (0, (1, 1, 4, 1)), "|"),
    "selfish": PolicyStyle("Selfish", "#8855FF", (0, (2, 2, 5, 2)), (5, 1, 36)),
    "greedy": PolicyStyle("Greedy", "#882255", (0, (4, 1, 1, 1, 1, 1)), "X"),
    "load_aware": PolicyStyle("Shortest queue", "#33BBEE", (0, (6, 1, 2, 1)), "1"),
    "round_robin": PolicyStyle("Round robin", "#777777", (0, (1, 0.6)), "+"),
    "topic_match": PolicyStyle("Topic match", "#44AA99", (0, (3, 1)), "<"),
    "max_snr": PolicyStyle("Strongest channel", "#999933", (0, (2, 1)), ">"),
    "follow_assignment": PolicyStyle("Mechanism's assignment", "#225522", (0, (9, 1, 1, 1)), "H"),
}
# Looks of policies that are not ours: colours far from all above and from each other (CIE 1976
# L*a*b*), lines and markers that none above has.
_FOREIGN_COLOURS = (
    *("#0000ff", "#ff11ff", "#00cc00", "#5566ff", "#ff0000", "#bb99ff"),
    *("#660099", "#990000", "#ff22bb", "#885511", "#dd9977", "#88bb00"),
)
_FOREIGN_LINES: tuple[tuple[int, tuple[float, ...]], ...] = (
    *((0, (6, 1, 1, 1, 1, 1)), (0, (3, 2)), (0, (10, 2)), (0, (5, 1, 2, 1)), (0, (2, 1, 1, 1))),
    *((0, (8, 1, 1, 1, 1, 1)), (0, (1, 2)), (0, (7, 2, 2, 2)), (0, (4, 3)), (0, (12, 1, 2, 1))),
    *((0, (3, 1, 3, 1, 1, 1)), (0, (5, 3, 1, 3))),
)
_FOREIGN_MARKERS: tuple[Marker, ...] = (
    *("8", (4, 1, 0), (3, 1, 0), "2", (6, 1, 0), (5, 2, 0), (7, 0, 0), "3", (8, 1, 0), "4"),
    *((3, 0, 45), (4, 1, 45)),
)


# Of the second run compared and those behind it; the first looks as if it were alone.
_RUN_LINES: tuple[tuple[int, tuple[float, ...]], ...] = (
    *((0, (4, 1.2)), (0, (1, 0.8)), (0, (6, 1.2, 1, 1.2)), (0, (3, 1, 1, 1, 1, 1))),
    *((0, (2, 2)), (0, (9, 2))),
)


def policy_style(policy: str, among: Iterable[str] = ()) -> PolicyStyle:
    """Return the look of a policy: the same in every figure and process, and never an error.

    Labels that the figure being drawn is asked for come before our own. Where runs are compared a
    policy has its colour in all of them; lines and open markers tell the runs apart.
    `NAME_stochastic` is the policy NAME drawn in dots. A name unknown here gets a look that follows
    from its letters, or the next one where another name of `among` has that. Where two of them
    would have one label, each has its name, and a number behind it where these look alike too.

    Args:
        policy: its name.
        among: all policies of the run, which are told apart.
    """
    names = sorted({*among, policy})  # the same numbers in every figure, whatever its order
    labels = [label_of(name) for name in names]
    shown = [
        label if labels.count(label) == 1 else as_text(shortened(visible(name)))
        for name, label in zip(names, labels, strict=True)
    ]
    label = distinct(shown)[names.index(policy)]
    return _look(policy, among)._replace(label=label)


def label_of(policy: str) -> str:
    """Return the label of a policy alone."""
    if policy in options().labels:
        return as_text(options().labels[policy])
    name, run = of_run(policy)
    if run:
        return f"{label_of(name)} ({run})"
    if policy in _POLICIES:
        return _POLICIES[policy].label
    if policy.endswith(_STOCHASTIC):
        return f"{label_of(policy.removesuffix(_STOCHASTIC))} (stochastic)"
    label = policy.replace("_", " ").capitalize() if _WORD.fullmatch(policy) else visible(policy)
    return as_text(shortened(label))


def _look(policy: str, among: Iterable[str]) -> PolicyStyle:
    """Return the look of a policy, whatever its label is."""
    name, run = of_run(policy)
    if run:
        look = _look(name, {of_run(other)[0] for other in among})
        number = list(runs()).index(run)
        if not number:
            return look
        line = _RUN_LINES[(number - 1) % len(_RUN_LINES)]
        return look._replace(line_style=line)
    if policy in _POLICIES:
        return _POLICIES[policy]
    if policy.endswith(_STOCHASTIC):
        learned = _look(policy.removesuffix(_STOCHASTIC), among)
        return learned._replace(line_style=(0, (1, 1.5)), marker="x")
    number = _foreign_numbers({policy, *among})[policy]
    count = len(_FOREIGN_COLOURS)
    shifted = (number + number // count) % count  # another pairing after all colours are taken
    return PolicyStyle(
        policy,
        _FOREIGN_COLOURS[number % count],
        _FOREIGN_LINES[shifted],
        _FOREIGN_MARKERS[shifted],
    )


def _foreign_numbers(policies: set[str]) -> dict[str, int]:
    """Return a number for each name that is unknown here, no two the same."""
    names = {policy.removesuffix(_STOCHASTIC) for policy in policies} - _POLICIES.keys()
    numbers: dict[str, int] = {}
    for name in sorted(names):
        wanted, count = crc32(name.encode()), len(_FOREIGN_COLOURS)
        rounds = len(numbers) // count * count  # the first twelve have colours of their own
        number = rounds + wanted % count
        while number in numbers.values():
            number = rounds + (number + 1) % count
        numbers[name] = number
    return numbers


def policy_mark(policy: str, among: Iterable[str] = ()) -> dict[str, Any]:
    """Return keywords of `Axes.plot` for the marker of a policy: open in all runs but the first."""
    look, run = policy_style(policy, among), of_run(policy)[1]
    mark: dict[str, Any] = {"color": look.colour, "marker": look.marker}
    return mark | {"markerfacecolor": "white"} if run not in ("", *runs()[:1]) else mark


def curve(
    policy: str,
    depth: float = 0.0,
    among: Iterable[str] = (),
    learned: Collection[str] = LEARNED,
) -> dict[str, Any]:
    """Return keywords of `Axes.plot` for the line of a policy.

    Learned policies are heavier, and over all others.

    Args:
        policy: its name.
        depth: 0 for the topmost of either kind, below 1 for those under it.
        among: all policies of the run.
        learned: those that learn in it.
    """
    look = policy_style(policy, among)
    heavy = policy in learned
    return policy_mark(policy, among) | {
        "label": look.label,
        "linestyle": look.line_style,
        "linewidth": 1.7 if heavy else 0.9,
        "markersize": 5 if heavy else 4,
        "zorder": 3 - depth + heavy,
    }


def as_text(label: str) -> str:
    """Return a label that matplotlib shows as it is, unseen letters by their numbers.

    It takes what is between dollar signs for mathematics, and lists no label that begins with "_".
    """
    shown = visible(label).replace("$", r"\$")
    return f" {shown}" if shown.startswith("_") else shown


def metric_label(metric: str) -> str:
    """Return the label of an axis for a column: "Delay of a subtask (s)"."""
    if metric in METRIC_LABELS:
        return METRIC_LABELS[metric]
    if metric not in HEADINGS:
        return as_text(shortened(metric.replace("_", " ").capitalize()))
    words, unit = (part.replace(" a ", " per ") for part in HEADINGS[metric])
    return f"{words[:1].upper()}{words[1:]}" + (f" ({unit})" if unit else "")


def bar_mark() -> Line2D:
    """Return the mark of an upright interval beside its entry in a legend."""
    return Line2D([], [], color="black", marker="|", markersize=9, linestyle="")


def policy_key(policy: str, intervals: pd.DataFrame, mark: Artist | None = None) -> list[Artist]:
    """Return the legend's entry that names the one policy drawn and what its intervals are over."""
    label = policy_style(policy).label
    return interval_key(intervals, bar_mark() if mark is None else mark, named=label)


def interval_key(
    intervals: pd.DataFrame, mark: Artist, narrow: bool = False, named: str = ""
) -> list[Artist]:
    """Return the legend's entry for the intervals.

    Args:
        intervals: result of `statistics`.
        mark: stands for them beside the entry; where no interval is drawn it is that of a mean.
        narrow: whether each part has a line, as half a column of text has no room for two.
        named: begins the entry.
    """
    label = "; ".join(filter(None, [named, interval_label(intervals)]))
    if narrow:
        label = label.replace("; ", ";\n")
    if intervals["low"].isna().all():
        line = isinstance(mark, Patch)
        look: dict[str, Any] = {"linestyle": "-"} if line else {"marker": "o", "linestyle": ""}
        mark = Line2D([], [], color="black", **look)
    mark.set_label(label)
    return [mark] if label else []
