"""The pool of edge experts: topics, competence, what they have and private costs."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cached_property
from math import nan
from typing import Any

import numpy as np
from numpy.typing import NDArray

from envs.arrays import Bool, Int
from envs.competence_table import load_competence
from envs.config import WorldConfig
from envs.expert_section import ExpertConfig
from envs.state import State, copied
from envs.streams import OF_EXPERTS

# What devices have, in the order in which one stream draws it; what came later has streams of its
# own (`envs.streams.OF_EXPERTS`), so that no other draw depends on it.
OF_DEVICES = (
    "words_per_second",
    "max_concurrent",
    "availability_probability",
    "bandwidth_hz",
    "tx_power_w",
    "energy_cost",
)
Number = float | NDArray[np.float64]
ATTRACTION_TEMPERATURE = 0.1  # competence; 0.2 was tried too and was no better


@dataclass(frozen=True)
class ExpertPool:
    """Edge experts of N worlds.

    Quantities of devices are one number where all have the same, else (N, E).
    """

    topic: Int  # (E,)
    competence: NDArray[np.float64]  # (N, E, M), 1 recovers recovered_share of the loss
    unit_cost: NDArray[np.float64]  # (N, E), kappa, credits a reference point
    cost_slope: NDArray[np.float64]  # (N, E), credits a reference point
    report_factor: NDArray[np.float64]  # (N, E), reported costs / true costs
    words_per_second: Number  # infinite: no time to compute
    max_concurrent: Number  # subtasks served a slot, infinite: any
    availability_probability: Number
    bandwidth_hz: Number
    tx_power_w: Number
    energy_cost: Number  # credits/J
    serving_share: Number  # of a slot, in which the band serves
    shared_knowledge: Number  # share of it that users have too, 0..1
    battery_j: Number  # for an episode, J; infinite: no battery
    recharge_w: Number
    joules_per_word: Number  # of work, from the battery

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

    def type_means(self, own: Bool) -> tuple[float, float]:
        """Return mean competence on own topics, and on others (NaN where there are none).

        Args:
            own: (E, M) topics of each expert's type.
        """
        of_others = self.competence[:, ~own]
        mean_of_others = float(of_others.mean()) if of_others.size else nan
        return float(self.competence[:, own].mean()), mean_of_others

    def seen(self, information: str, own: Bool) -> NDArray:
        """Return competence as users see it, (N, E, M).

        Args:
            information: `known`: competence itself; `type`: True on own topics, else False.
            own: (E, M) topics of each expert's type.
        """
        if information == "known":
            return self.competence
        return np.broadcast_to(own, self.competence.shape)

    def get_state(self) -> State:
        """Return copies of all arrays."""
        return copied({field.name: getattr(self, field.name) for field in fields(self)})

    @classmethod
    def from_state(cls, state: State) -> "ExpertPool":
        """Return the pool that gave this state."""
        return cls(**copied(state))

    def joined(self, newcomers: "ExpertPool") -> "ExpertPool":
        """Return this pool with more experts behind its own."""
        shapes = self.unit_cost.shape, newcomers.unit_cost.shape
        both: dict[str, Any] = {}
        for field in fields(self):
            old, new = getattr(self, field.name), getattr(newcomers, field.name)
            if field.name == "topic":
                both[field.name] = np.concatenate([old, new])
            elif isinstance(old, float) and old == new:
                both[field.name] = old
            else:
                parts = [
                    np.broadcast_to(part, shape) if np.ndim(part) == 0 else part
                    for part, shape in zip((old, new), shapes, strict=True)
                ]
                both[field.name] = np.concatenate(parts, axis=1)
        return ExpertPool(**both)


def draw_pool(
    config: WorldConfig,
    num_worlds: int,
    rng: Mapping[str, np.random.Generator],
    first: int = 0,
) -> ExpertPool:
    """Draw experts of N worlds; with a `pool_seed` all worlds have the same.

    Args:
        config: the worlds' configuration.
        num_worlds: N.
        rng: generators by stream (`envs.streams`): `pool` of competence, costs and reports,
            `devices` of what devices have, and those of `envs.streams.OF_EXPERTS`.
        first: the first expert to draw; those before it are there already.
    """
    experts, num_topics = config.experts, config.requests.num_topics
    drawn_worlds = num_worlds if experts.pool_seed is None else 1
    topic = config.topics[first:]
    shape = drawn_worlds, len(topic)

    def uniform(key: str) -> NDArray[np.float64]:
        within = config.bounds[key]
        return rng["pool"].uniform(within.low[first:], within.high[first:], shape)

    if experts.competence is None:
        competence = _drawn_competence(config, shape, topic, first, rng["pool"])
    else:
        table = load_competence(experts.competence, num_topics)
        own_rows = table.of_experts(topic, config.competence_rows[first:])
        competence = np.broadcast_to(own_rows, (*shape, num_topics))
    drawn: dict[str, Any] = {key: uniform(key) for key in ("unit_cost", "cost_slope")}
    drawn["report_factor"] = np.ones(shape)
    if experts.cost_report == "scaled":
        drawn["report_factor"] = uniform("report_factor")
    elif experts.cost_report == "strategic":
        drawn["report_factor"] = _drawn_factors(experts, shape, rng["pool"])
    # Each quantity has draws of its own, whether it needs them or not.
    lots = rng["devices"].random((len(OF_DEVICES), *shape))
    for key, own in zip(OF_DEVICES, lots, strict=True):
        drawn[key] = config.bounds[key].part(first).drawn(own, whole=key == "max_concurrent")
    for key in OF_EXPERTS:
        drawn[key] = config.bounds[key].part(first).drawn(rng[key].random(shape))
    for key, value in drawn.items():
        if not isinstance(value, float):
            drawn[key] = np.broadcast_to(value, (num_worlds, len(topic)))
    competence = np.broadcast_to(competence, (num_worlds, *competence.shape[1:]))
    return ExpertPool(topic=topic, competence=competence, **drawn)


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


def other_topic_mean(config: WorldConfig) -> float:
    """Return the mean competence on other topics than the own one.

    A user that sees only types may expect it. With it the mean over the whole table is as
    configured, exactly where every topic has as many experts as any other.
    """
    num_topics, mean = config.requests.num_topics, config.experts.mean_competence
    if num_topics == 1:
        return mean
    return (mean * num_topics - own_topic_mean(config)) / (num_topics - 1)


def own_topic_mean(config: WorldConfig) -> float:
    """Return the mean competence on the own topic."""
    own = config.bounds["own_competence"]
    return float((own.low + own.high).mean() / 2)


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


def _drawn_competence(
    config: WorldConfig,
    shape: tuple[int, int],
    topic: Int,
    first: int,
    rng: np.random.Generator,
) -> NDArray[np.float64]:
    num_topics = config.requests.num_topics
    own = topic[:, None] == np.arange(num_topics)

    def uniform(key: str) -> NDArray[np.float64]:
        within = config.bounds[key]
        ends = within.low[first:, None], within.high[first:, None]
        return rng.uniform(*ends, (*shape, num_topics))

    competence = np.where(own, uniform("own_competence"), uniform("other_competence"))
    if num_topics > 1:
        others = ~own
        missing = config.experts.mean_competence * own.size - competence.sum(axis=(1, 2))
        competence += others * (missing / others.sum())[:, None, None]
    return competence
