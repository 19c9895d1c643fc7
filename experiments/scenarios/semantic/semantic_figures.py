"""Figures: the measured table, and what a run of semantic.yaml makes of it."""

from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from semantic_table import Float, Table, read_table

from marl_moe.experiment.spec.files import shipped_experiments
from paper_figures import register, style
from paper_figures.settings import read
from paper_figures.statistics import mean_interval
from paper_figures.tables import CannotDraw, Tables, leading_policy, require

KNOWLEDGE = "env.experts.shared_knowledge"
CODECS = "env.expert_groups.meaning.codec", "env.expert_groups.text.codec"
SHOWN_BITS = 64  # that the study sends, and that the panels over knowledge show
EQUAL_AT_DB = (5, 6, 7, 8, 9)  # SNRs at which some words are lost and some are not
DEVIATES = 1.96  # normal, of a 95 % interval
COLOURS = ("#882255", "#DDAA33", "#44AA99", "#004488", "#6699CC")
WORDS: dict[str, Any] = {"color": "black", "linestyle": (0, (4, 1.5)), "label": "words"}


class Population(NamedTuple):
    """A kind of points of the sweep."""

    name: str
    look: dict[str, Any]


TEXT = Population("all send text", {"color": "black", "linestyle": (0, (4, 1.5)), "marker": "s"})
BOTH = Population("half text, half meaning", {"color": "#004488", "marker": "o"})
MEANING = Population(
    "all send meaning", {"color": "#DDAA33", "linestyle": (0, (6, 1, 1, 1)), "marker": "D"}
)


def needed(tables: Tables) -> pd.DataFrame:
    """Return "evaluation" with the columns population and shared.

    Raises:
        CannotDraw: it is not of this study.
    """
    columns = ("seed", "policy", "settings", "gain", "by_meaning", "band_use")
    evaluation = require(tables, "evaluation", columns)
    points = {text: read(text) for text in evaluation["settings"].unique()}
    kinds = {text: _population(point).name for text, point in points.items()}
    shared = {text: point.get(KNOWLEDGE, 1.0) for text, point in points.items()}
    if not any(KNOWLEDGE in point for point in points.values()):
        raise CannotDraw(f"the sweep sets no {KNOWLEDGE}; this figure is of semantic.yaml")
    settings = evaluation["settings"]
    return evaluation.assign(population=settings.map(kinds), shared=settings.map(shared))


def _population(point: dict[str, Any]) -> Population:
    of_meaning, of_text = (point.get(key) for key in CODECS)
    if of_meaning is not None:
        return TEXT
    return BOTH if of_text is None else MEANING


@register("semantic", style.PRINT | style.DOUBLE_COLUMN | {"figure.figsize": (7.16, 2.7)}, needed)
def plot(tables: Tables, figure: Figure | None = None) -> Figure:
    """Draw gain and band used against shared knowledge, and who is chosen where both kinds are.

    Raises:
        CannotDraw: as by `needed`.
    """
    rows = needed(tables)
    figure = Figure(layout="constrained") if figure is None else figure
    gain, band, chosen = figure.subplots(1, 3)
    policy = leading_policy(rows["policy"].unique())
    own = rows[rows["policy"] == policy]
    lines = {}
    for ax, metric in ((gain, "gain"), (band, "band_use")):
        for population in (TEXT, BOTH, MEANING):
            lines[metric, population.name] = _curve(ax, own, population, metric)
    _mark_crossing(gain, lines["gain", TEXT.name], lines["gain", MEANING.name])
    gain.set_ylabel("Gain per slot and user (credits)")
    band.set_ylabel("Band used (share of the slot)")
    band.set_ylim(bottom=0)
    both = rows[(rows["population"] == BOTH.name) & (rows["policy"] != "abandon")]
    policies = [name for name in both["policy"].unique() if not name.endswith("_stochastic")]
    for name in policies:
        look = style.policy_style(name, policies)
        drawn = _by_knowledge(both[both["policy"] == name], "by_meaning")
        _error_bars(chosen, drawn, color=look.colour, linestyle=look.line_style, label=look.label)
    chosen.axhline(0.5, color="0.4", linewidth=0.6)
    chosen.set_ylim(0, 1)
    chosen.set_ylabel("Served by meaning (share), half text")
    chosen.legend(loc="upper left", fontsize=7)
    for ax in (gain, band, chosen):
        ax.set_xlabel("Knowledge that is shared")
        ax.set_xlim(-0.05, 1.05)
    handles = [
        *gain.get_legend_handles_labels()[0],
        *style.policy_key(policy, lines["gain", BOTH.name]),
    ]
    figure.legend(handles=handles, loc="outside upper center", ncols=3)
    return figure


def _by_knowledge(rows: pd.DataFrame, metric: str) -> pd.DataFrame:
    return mean_interval(rows, metric, by=("shared",)).sort_values("shared")


def _curve(ax: Axes, rows: pd.DataFrame, population: Population, metric: str) -> pd.DataFrame:
    """Draw a metric of a population; one line across where knowledge does not matter to it."""
    drawn = _by_knowledge(rows[rows["population"] == population.name], metric)
    if population is TEXT and len(drawn):
        drawn = pd.concat([drawn.assign(shared=0.0), drawn.assign(shared=1.0)])
    _error_bars(ax, drawn, label=population.name, **population.look)
    return drawn


def _error_bars(ax: Axes, drawn: pd.DataFrame, **look: Any) -> None:
    below, above = drawn["mean"] - drawn["low"], drawn["high"] - drawn["mean"]
    ax.errorbar(drawn["shared"], drawn["mean"], yerr=[below.fillna(0), above.fillna(0)], **look)


def _mark_crossing(ax: Axes, text: pd.DataFrame, meaning: pd.DataFrame) -> None:
    """Mark the knowledge from which those who all send meaning gain more, if it is among points."""
    if len(meaning) < 2 or not len(text):
        return
    ahead = (meaning["mean"] - text["mean"].iloc[0]).to_numpy()
    if not ahead[0] < 0 < ahead[-1]:
        return
    place = int(np.argmax(ahead > 0))
    at = np.interp(0, ahead[place - 1 : place + 1], meaning["shared"].iloc[place - 1 : place + 1])
    ax.axvline(at, color="black", linewidth=0.8, linestyle=(0, (2, 1)))
    ax.annotate(f"equal: {at:.2f}", (at, 1), xycoords=("data", "axes fraction"), ha="center")


@register("similarity", style.PRINT | style.DOUBLE_COLUMN | {"figure.figsize": (7.16, 5.0)})
def plot_similarity(tables: Tables, figure: Figure | None = None) -> Figure:
    """Draw the table that is shipped, whatever the run: similarity, and where words win."""
    table = read_table(str(shipped_experiments()["semantic"].with_name("similarity.json")))
    figure = Figure(layout="constrained") if figure is None else figure
    (rates, knowledge), (win, saved) = figure.subplots(2, 2)
    for colour, bits in zip(COLOURS, table.bits, strict=False):
        mean, se, sd = (cells[:, -1] for cells in table.cells(bits))
        shown = sd if bits == SHOWN_BITS else None
        _similarity(rates, table, mean, se, shown, color=colour, label=f"{bits} bits")
    for place, colour in zip(range(len(table.shared)), COLOURS, strict=False):
        mean, se, _ = (cells[:, place] for cells in table.cells(SHOWN_BITS))
        _similarity(knowledge, table, mean, se, color=colour)
        at = table.snr_db[-1] + 0.4, mean[-1]
        knowledge.annotate(f"{table.shared[place]:g}", at, va="center", color=colour)
    knowledge.set_xlim(right=table.snr_db[-1] + 3)
    knowledge.annotate("a random phrase", (9, table.random_similarity), va="bottom")
    words, se, sd = table.of_words()
    _similarity(rates, table, words, se, sd, **WORDS)
    _similarity(knowledge, table, words, se, **WORDS)
    rates.set_title("All is shared; shaded: standard deviation of a phrase's", loc="left")
    knowledge.set_title(f"{SHOWN_BITS} bits a phrase, by shared knowledge", loc="left")
    for ax in (rates, knowledge):
        ax.axhline(table.random_similarity, color="0.4", linewidth=0.6)
        ax.set_xlabel("SNR of a QPSK symbol (dB)")
        ax.set_ylabel("Similarity to what was meant")
        ax.set_ylim(-0.02, 1.05)
    rates.legend(loc="lower right")
    _draw_where_words_win(win, table)
    _draw_band_saved(saved, table)
    return figure


def _similarity(
    ax: Axes, table: Table, mean: Float, se: Float, sd: Float | None = None, **look: Any
) -> None:
    """Draw means with the 95 % intervals of them, and a standard deviation to each side."""
    (line,) = ax.plot(table.snr_db, mean, **look)
    margins = [(DEVIATES * se, 0.4)] + ([] if sd is None else [(sd, 0.12)])
    for margin, alpha in margins:
        ends = np.clip(mean - margin, 0, 1), np.clip(mean + margin, 0, 1)
        ax.fill_between(table.snr_db, *ends, color=line.get_color(), alpha=alpha, linewidth=0)


def least_knowledge(table: Table, bits: int, snr_db: Float) -> Float:
    """Return the shared knowledge from which meaning is worth what words are; NaN of none, (S,)."""
    shared = np.linspace(0, 1, 1001)
    found = table.similarity(
        table.cells(bits).mean, np.broadcast_to(snr_db[:, None], (len(snr_db), 1001)), shared
    )
    words = np.interp(snr_db, table.snr_db, table.of_words().mean)
    enough = table.worth(found) >= table.worth(words)[:, None]
    return np.where(enough.any(axis=1), shared[enough.argmax(axis=1)], np.nan)


def band_saved(table: Table, snr_db: float, shared: Float) -> Float:
    """Return the share of the bits of words that meaning of their worth saves, NaN of none, (K,).

    It takes the fewest bits of those measured that are enough.
    """
    words = table.worth(np.interp([snr_db], table.snr_db, table.of_words().mean))
    saved = np.full(shared.shape, np.nan)
    for bits in reversed(table.bits):
        at = np.full(shared.shape, float(snr_db))
        found = table.similarity(table.cells(bits).mean, at, shared)
        enough = table.worth(found) >= words
        saved[enough] = 1 - bits / (table.text_bits_per_word * table.words_per_phrase)
    return saved


def _draw_where_words_win(ax: Axes, table: Table) -> None:
    snr_db = np.linspace(table.snr_db[0], table.snr_db[-1], 241)
    for colour, bits in zip(COLOURS, table.bits, strict=False):
        least = least_knowledge(table, bits, snr_db)
        ax.plot(snr_db, least, color=colour, label=f"{bits} bits")
        if bits == SHOWN_BITS:
            ax.fill_between(snr_db, 0, np.nan_to_num(least, nan=1.0), color="0.92", linewidth=0)
    ax.annotate("words win", (11, 0.45), ha="center")
    ax.annotate("meaning wins", (-3, 0.45), ha="center")
    ax.set_xlabel("SNR of a QPSK symbol (dB)")
    ax.set_ylabel("Knowledge that is shared")
    ax.set_ylim(0, 1.02)
    ax.set_title(f"As much worth as words (shaded: less, {SHOWN_BITS} bits)", loc="left")
    ax.legend(loc="upper left")


def _draw_band_saved(ax: Axes, table: Table) -> None:
    shared = np.linspace(0, 1, 401)
    for colour, snr_db in zip(COLOURS, EQUAL_AT_DB, strict=True):
        saved = band_saved(table, snr_db, shared)
        ax.plot(shared, saved, color=colour, label=f"{snr_db} dB")
    ax.set_xlabel("Knowledge that is shared")
    ax.set_ylabel("Band saved at the worth of words")
    ax.set_title("Fewest of the measured bits that are enough", loc="left")
    ax.legend(loc="lower left")
