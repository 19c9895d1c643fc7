"""The pool of edge experts: topics, competence and private costs."""

import json
from dataclasses import dataclass
from functools import cached_property
from importlib.resources import files
from importlib.resources.abc import Traversable
from math import nan
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from envs.arrays import Int
from envs.config import ExpertConfig
from envs.state import State, copied, taken

LARGEST_TABLE = 50_000_000  # bytes of a file with a measured table, that of 1,000 topics
MEASURED = "measured"  # names the table that comes with the package
ATTRACTION_TEMPERATURE = 0.1  # competence; 0.2 was tried too and was no better


@dataclass(frozen=True)
class ExpertPool:
    """Edge experts of N worlds; the topic of expert e is e mod M."""

    topic: Int  # (E,)
    competence: NDArray[np.float64]  # (N, E, M), 1 recovers recovered_share of the loss
    unit_cost: NDArray[np.float64]  # (N, E), kappa, credits a reference point
    cost_slope: NDArray[np.float64]  # (N, E), credits a reference point
    report_factor: NDArray[np.float64]  # (N, E), reported costs / true costs

    @cached_property
    def by_topic(self) -> NDArray[np.float32]:
        """Competence for each topic of every expert, (N, M, E)."""
        return np.ascontiguousarray(self.competence.transpose(0, 2, 1), np.float32)

    @cached_property
    def by_cell(self) -> NDArray[np.float64]:
        """Competence as a flat array, of which `cell * M + topic` is an expert's for a topic."""
        return np.ascontiguousarray(self.competence).reshape(-1)

    @cached_property
    def full_effort_cost(self) -> NDArray[np.float64]:
        """Cost of a reference point at full effort, kappa + slope / 2, (N, E) credits."""
        return self.unit_cost + self.cost_slope / 2

    @cached_property
    def type_means(self) -> tuple[float, float]:
        """Mean competence on the own topic, and on others (NaN where there is one topic only)."""
        own = self.topic[:, None] == np.arange(self.competence.shape[-1])
        of_others = self.competence[:, ~own]
        mean_of_others = float(of_others.mean()) if of_others.size else nan
        return float(self.competence[:, own].mean()), mean_of_others

    def seen(self, information: str) -> NDArray:
        """Return competence as users see it, (N, E, M).

        Args:
            information: `known`: competence itself; `type`: True on the own topic, else False.
        """
        if information == "known":
            return self.competence
        own = self.topic[:, None] == np.arange(self.competence.shape[-1])
        return np.broadcast_to(own, self.competence.shape)

    def get_state(self) -> State:
        """Return copies of all arrays."""
        return taken(self, ("topic", "competence", "unit_cost", "cost_slope", "report_factor"))

    @classmethod
    def from_state(cls, state: State) -> "ExpertPool":
        """Return the pool that gave this state."""
        return cls(**copied(state))

    def joined(self, newcomers: "ExpertPool") -> "ExpertPool":
        """Return this pool with more experts behind its own."""
        return ExpertPool(
            topic=np.concatenate([self.topic, newcomers.topic]),
            competence=np.concatenate([self.competence, newcomers.competence], axis=1),
            unit_cost=np.concatenate([self.unit_cost, newcomers.unit_cost], axis=1),
            cost_slope=np.concatenate([self.cost_slope, newcomers.cost_slope], axis=1),
            report_factor=np.concatenate([self.report_factor, newcomers.report_factor], axis=1),
        )


def draw_pool(
    config: ExpertConfig,
    num_worlds: int,
    num_experts: int,
    num_topics: int,
    rng: np.random.Generator,
    first_expert: int = 0,
) -> ExpertPool:
    """Draw experts of N worlds; with a `pool_seed` all worlds have the same.

    Args:
        config: the experts' configuration.
        num_worlds: N.
        num_experts: experts to draw.
        num_topics: M.
        rng: generator of all draws.
        first_expert: number of the first of them, which gives their topics.
    """
    drawn_worlds = num_worlds if config.pool_seed is None else 1
    topic = np.arange(first_expert, first_expert + num_experts) % num_topics
    if config.competence is None:
        competence = _drawn_competence(config, drawn_worlds, topic, num_topics, rng)
    else:
        table = load_competence(config.competence, num_topics)
        competence = np.broadcast_to(table[topic], (drawn_worlds, num_experts, num_topics))
    unit_cost = rng.uniform(*config.unit_cost, (drawn_worlds, num_experts))
    cost_slope = rng.uniform(*config.cost_slope, (drawn_worlds, num_experts))
    report_factor = np.ones((drawn_worlds, num_experts))
    if config.cost_report == "scaled":
        report_factor = rng.uniform(*config.report_factor, (drawn_worlds, num_experts))
    elif config.cost_report == "strategic":
        report_factor = _drawn_factors(config, (drawn_worlds, num_experts), rng)
    return ExpertPool(
        topic,
        np.broadcast_to(competence, (num_worlds, num_experts, num_topics)),
        np.broadcast_to(unit_cost, (num_worlds, num_experts)),
        np.broadcast_to(cost_slope, (num_worlds, num_experts)),
        np.broadcast_to(report_factor, (num_worlds, num_experts)),
    )


def _drawn_factors(
    config: ExpertConfig, shape: tuple[int, int], rng: np.random.Generator
) -> NDArray[np.float64]:
    if config.report_mix is None:
        raise ValueError(
            "experts.report_mix: a world of cost_report: strategic needs the factors that edge "
            "devices end up reporting; marl-moe run finds them, as does "
            "mechanisms.report_equilibrium"
        )
    factors, shares = np.array(config.report_mix).T
    return rng.choice(factors, size=shape, p=shares / shares.sum())


def other_topic_mean(config: ExpertConfig, num_topics: int) -> float:
    """Return the mean competence on other topics than the own one.

    A user that sees only types may expect it. With it the mean over the whole table is as
    configured, exactly where every topic has as many experts as any other.
    """
    if num_topics == 1:
        return config.mean_competence
    own = sum(config.own_competence) / 2
    return (config.mean_competence * num_topics - own) / (num_topics - 1)


def own_topic_mean(config: ExpertConfig) -> float:
    """Return the mean competence on the own topic."""
    return sum(config.own_competence) / 2


def attraction(competence: NDArray, topic_popularity: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the share of requests that each expert draws if users choose by competence alone.

    It is a softmax over the experts of each topic at temperature `ATTRACTION_TEMPERATURE`, averaged
    over topics by their popularity. Users may expect each other by it before anybody has chosen.

    Args:
        competence: (N, E, M) competence as users see it.
        topic_popularity: (M,), summing to 1.

    Returns:
        (N, E) shares, summing to 1 in each world.
    """
    score = competence / ATTRACTION_TEMPERATURE
    weight = np.exp(score - score.max(axis=1, keepdims=True))
    return (weight / weight.sum(axis=1, keepdims=True)) @ topic_popularity


def load_competence(path: str, num_topics: int) -> NDArray[np.float64]:
    """Read a measured table, competence [expert topic x subtask topic], from a JSON file.

    Args:
        path: a file with a JSON object that has the key 'competence'; `MEASURED` names the table
            that comes with the package.
        num_topics: M, rows and columns of the table.

    Raises:
        ValueError: the file cannot be read or holds another table; the message names it.
    """
    file: Path | Traversable = (
        files("envs") / "measured_competence.json" if path == MEASURED else Path(path)
    )
    try:
        if (
            isinstance(file, Path)
            and file.exists()
            and (not file.is_file() or file.stat().st_size > LARGEST_TABLE)
        ):
            raise ValueError(f"not a file of at most {LARGEST_TABLE:,} bytes")
        told = json.loads(file.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError) as error:
        raise ValueError(f"env.experts.competence: cannot read {file}: {error}") from error
    rows = told.get("competence") if isinstance(told, dict) else None
    table = np.array(rows, dtype=float) if _is_table(rows, num_topics) else None
    if table is None or not np.isfinite(table).all():
        raise ValueError(
            f'env.experts.competence: {file} should hold {{"competence": [[...], ...]}}, a table '
            f"of {num_topics} x {num_topics} finite numbers"
        )
    return table


def _is_table(rows: object, size: int) -> bool:
    """Return whether JSON's values are a square table of numbers."""
    return (
        isinstance(rows, list)
        and len(rows) == size
        and all(isinstance(row, list) and len(row) == size for row in rows)
        and all(isinstance(x, int | float) and not isinstance(x, bool) for row in rows for x in row)
    )


def _drawn_competence(
    config: ExpertConfig,
    num_worlds: int,
    topic: Int,
    num_topics: int,
    rng: np.random.Generator,
) -> NDArray[np.float64]:
    shape = (num_worlds, len(topic), num_topics)
    own = topic[:, None] == np.arange(num_topics)
    competence = np.where(
        own,
        rng.uniform(*config.own_competence, shape),
        rng.uniform(*config.other_competence, shape),
    )
    if num_topics > 1:
        others = ~own
        missing = config.mean_competence * own.size - competence.sum(axis=(1, 2))
        competence += others * (missing / others.sum())[:, None, None]
    return competence
