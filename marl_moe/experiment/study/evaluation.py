"""Evaluation: any policy in the same worlds, through `act(slot)`, into the documented tables."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from envs import Clearing, World, WorldConfig
from envs.roles.levers import Levers
from envs.slot import RECORDED_OF_USERS
from marl_moe.metrics import MetricSums, named
from marl_moe.policies.base import Policy, acted, gain_of_episode, make
from marl_moe.policies.equilibrium import Nash
from marl_moe.policies.sides import NOBODY, Sides
from marl_moe.seeds import evaluation_seed, policy_generator
from mechanisms import Mechanism
from mechanisms.fairness import jain_index

# Bounds of the memory; part of what a seed means, since worlds of a batch share generators.
WORLDS_AT_ONCE = 250
USERS_AT_ONCE = 8000  # in all of these worlds

# Columns that are means over slots.
SLOT_MEANS = ("edge_utility", "platform_balance")
# Columns of a clearing that have a value for each expert.
OF_EXPERT = (
    "unit_price",
    "effort",
    "participates",
    "report_factor",
    "demand",
    "points",
    "payment",
    "cost",
    "edge_utility",
)
OF_DUTY = ("duty_share", "duty_achieved", "duty_payment")  # NaN of a world without


class Evaluation(NamedTuple):
    """Rows of the tables of these names (see `records`), without seed, point and shares.

    Attributes:
        evaluation: a row for each episode.
        market: a row for each clearing and expert.
        market_users: a row for each clearing and user.
    """

    evaluation: pd.DataFrame
    market: pd.DataFrame
    market_users: pd.DataFrame


def worlds_at_once(config: WorldConfig) -> int:
    """Return the worlds of a batch: `WORLDS_AT_ONCE`, fewer where they have more than 32 users."""
    return min(WORLDS_AT_ONCE, max(1, USERS_AT_ONCE // config.num_users))


def make_heuristic(name: str, seed: int) -> Policy:
    """Make a policy that does not learn, as it is without tuning."""
    return make(name, policy_generator(name, seed))


def evaluate(
    policy: Policy,
    config: WorldConfig,
    mechanism: Mechanism,
    seed: int,
    episodes: int,
    market_episodes: int | None = None,
    metrics: Sequence[str] = (),
    sides: Sides = NOBODY,
) -> Evaluation:
    """Play episodes with a policy; under the same seed every policy meets the same worlds.

    Args:
        policy: anything with `act(slot)`.
        config: the worlds.
        mechanism: sets prices and payments; with `none` there is no market to record.
        seed: seed of the job.
        episodes: episodes played.
        market_episodes: of these, the first whose clearings are recorded; None: all.
        metrics: names of the metrics of the experiment, a column each.
        sides: who plays edge devices and the platform.

    Raises:
        MetricError: a metric fails; the message names it.
    """
    rows: list[pd.DataFrame] = []
    experts: list[pd.DataFrame] = []
    users: list[pd.DataFrame] = []
    size = worlds_at_once(config)
    for batch, first in enumerate(range(0, episodes, size)):
        num_worlds = min(size, episodes - first)
        world = World(config, num_worlds, evaluation_seed(seed, batch), mechanism)
        episode = np.arange(first, first + num_worlds)
        scores = _play(policy, world, MetricSums(named(metrics), num_worlds), sides)
        rows.append(scores.frame(policy, episode))
        recorded = episodes if market_episodes is None else market_episodes
        if mechanism.name == "none" or first >= recorded:
            continue
        for clearing in scores.clearings:
            of_experts = _expert_rows(policy, episode, clearing)
            of_users = _user_rows(policy, episode, clearing)
            experts.append(of_experts[of_experts["episode"] < recorded])
            users.append(of_users[of_users["episode"] < recorded])
    return Evaluation(
        *(_joined(parts).assign(mechanism=mechanism.name) for parts in (rows, experts, users))
    )


def _joined(parts: list[pd.DataFrame]) -> pd.DataFrame:
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()


def mean_gain(
    policy: Policy, config: WorldConfig, mechanism: Mechanism, seed: int, num_worlds: int
) -> float:
    """Return the mean gain per slot and user of one episode of `num_worlds` worlds, credits."""
    return gain_of_episode(policy, World(config, num_worlds, seed, mechanism))


def with_shares(evaluation: pd.DataFrame) -> pd.DataFrame:
    """Add each row's gain over the mean gain of the equilibrium, and of the optimum.

    They are NaN where that was not played.

    Args:
        evaluation: rows of one seed at one sweep point.
    """
    reference = evaluation.groupby("policy")["gain"].mean()
    return evaluation.assign(
        share_of_equilibrium=evaluation["gain"] / reference.get("nash", np.nan),
        share_of_optimum=evaluation["gain"] / reference.get("optimum", np.nan),
    )


@dataclass
class _Scores:
    """Sums over the slots of an episode, (N,) each."""

    metrics: MetricSums
    slots: int = 0
    num_users: int = 0
    sums: dict[str, NDArray[Any]] = field(default_factory=dict)
    clearings: list[Clearing] = field(default_factory=list)
    user_gain: NDArray[Any] | float = 0.0  # (N, U), over the slots so far
    # The worst of any slot; only of the equilibrium.
    regret: NDArray[Any] | float = np.nan

    def add(self, **values: NDArray[Any]) -> None:
        for name, value in values.items():
            total = np.nansum(value, axis=-1) if value.ndim > 1 else value
            self.sums[name] = self.sums.get(name, 0) + total

    def frame(self, policy: Policy, episode: NDArray[np.int64]) -> pd.DataFrame:
        """Return a row for each episode."""
        sums, agent_slots = self.sums, self.slots * self.num_users
        points = sum(clearing.points.sum(axis=-1) for clearing in self.clearings)
        payment = sum(clearing.payment.sum(axis=-1) for clearing in self.clearings)
        welfare = sums["gain"] + sums["edge_utility"] + sums["platform_balance"]
        levers = Levers._fields
        decided = self.clearings[1:] or self.clearings  # before the first nobody can choose
        chosen = {
            name: np.mean([_of_world(clearing, name) for clearing in decided], axis=0)
            if decided
            else np.nan
            for name in levers
        }
        columns: dict[str, Any] = chosen | {
            "policy": policy.name,
            "setting": getattr(policy, "setting", ""),
            "num_users": self.num_users,
            "episode": episode,
            "requests": sums["requests"].astype(int),
            "welfare": welfare / agent_slots,
            "worst_gain": np.min(self.user_gain, axis=-1) / self.slots,
            "jain": _evenness(np.maximum(self.user_gain, 0.0)),
            "regret": self.regret,
            "clearings": len(self.clearings),
            "failed_clearings": sum(clearing.failed for clearing in self.clearings),
            "converged": np.nan,
        }
        with np.errstate(invalid="ignore"):
            columns["utility"] = sums["utility"] / sums["requests"]
            columns["delay_s"] = sums["delay_s"] / sums["transferred"]
            columns["unit_price"] = payment / np.where(points > 0, points, np.nan)
        for name in RECORDED_OF_USERS:
            columns[name] = sums[name] / agent_slots
        for name in SLOT_MEANS:
            columns[name] = sums[name] / self.slots
        if "converged" in sums:
            columns["converged"] = sums["converged"] / self.slots
        return pd.DataFrame(columns | self.metrics.means())


def _of_world(clearing: Clearing, name: str) -> NDArray[Any]:
    """Return a lever of a clearing, mean over a world, (N,)."""
    value: NDArray[Any] = getattr(clearing, name)
    return value.mean(axis=-1) if value.ndim > 1 else value


def _evenness(gain: NDArray[Any]) -> NDArray[Any]:
    """Return Jain's index over users, (N,); NaN where nobody gains anything."""
    return np.where(gain.any(axis=-1), jain_index(gain), np.nan)


def _play(policy: Policy, world: World, metrics: MetricSums, sides: Sides) -> _Scores:
    """Play one episode of every world.

    The policy `local` is scored, by metrics too, by what the user's own device could have done.
    """
    scores = _Scores(metrics, num_users=world.num_users)
    runs_locally = getattr(policy, "runs_locally", False)
    while not world.done:
        slot = world.slot if metrics.sums else None  # else the next one takes its memory
        _, _, result = world.step(acted(policy, world.slot), **sides.choices(world))
        if runs_locally:
            result = result._replace(
                utility=result.local_utility, gain=result.local_gain, qos=result.local_qos
            )
        if slot is not None:
            metrics.add(slot, result)
        scores.slots += 1
        scores.user_gain = scores.user_gain + result.gain
        scores.add(
            utility=result.utility,
            requests=~np.isnan(result.utility),
            delay_s=result.delay_s,
            edge_utility=result.payment - result.edge_cost,
            platform_balance=result.platform_balance,
            **{name: getattr(result, name) for name in RECORDED_OF_USERS},
        )
        converged = getattr(policy, "converged", None)  # of nash, and of mean_field by any name
        if isinstance(converged, np.ndarray) and converged.shape == (world.num_worlds,):
            scores.add(converged=converged)
        if isinstance(policy, Nash):
            scores.regret = np.fmax(scores.regret, policy.regret)
        if world.closed_clearing is not None:
            scores.clearings.append(world.closed_clearing)
    return scores


def _expert_rows(policy: Policy, episode: NDArray[np.int64], clearing: Clearing) -> pd.DataFrame:
    """Return a row for each world and expert of a clearing."""
    num_experts = clearing.unit_price.shape[-1]
    columns = _clearing_columns(policy, episode, clearing, "expert", num_experts)
    columns["status"] = clearing.status
    columns["solve_seconds"] = clearing.solve_seconds
    columns["platform_balance"] = np.repeat(clearing.balance, num_experts)
    columns["welfare"] = np.repeat(clearing.welfare, num_experts)
    columns["welfare_optimum"] = np.repeat(clearing.welfare_optimum, num_experts)
    for name in OF_EXPERT:
        columns[name] = getattr(clearing, name).ravel()
    for name in OF_DUTY:
        columns[name] = np.broadcast_to(getattr(clearing, name), clearing.unit_price.shape).ravel()
    for name in ("value_factor", "margin"):
        columns[name] = np.repeat(getattr(clearing, name), num_experts)
    return pd.DataFrame(columns)


def _user_rows(policy: Policy, episode: NDArray[np.int64], clearing: Clearing) -> pd.DataFrame:
    """Return a row for each world and user of a clearing."""
    charge = clearing.user_charge
    columns = _clearing_columns(policy, episode, clearing, "user", charge.shape[-1])
    columns["charge"] = charge.ravel()
    columns["utility"] = clearing.user_gain.ravel()
    columns["assigned"] = -1
    if clearing.allocation is not None:
        columns["assigned"] = clearing.allocation.ravel()
    return pd.DataFrame(columns)


def _clearing_columns(
    policy: Policy, episode: NDArray[np.int64], clearing: Clearing, agent: str, num_agents: int
) -> dict[str, Any]:
    """Return the columns that tell a clearing's rows apart: a row for each world and agent."""
    return {
        "policy": policy.name,
        "episode": np.repeat(episode, num_agents),
        "slot": clearing.slot,
        "num_slots": clearing.num_slots,
        agent: np.tile(np.arange(num_agents), len(episode)),
    }
