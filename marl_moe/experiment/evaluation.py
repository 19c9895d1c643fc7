"""Evaluation: any policy in the same worlds, through `act(world)`, into the documented tables."""

from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from envs import Clearing, World, WorldConfig
from marl_moe.policies import POLICIES
from marl_moe.policies.equilibrium import Nash
from marl_moe.policies.heuristics import Policy
from mechanisms import Mechanism
from mechanisms.utility import jain_index

# Bounds of the memory; part of what a seed means, since worlds of a batch share generators.
WORLDS_AT_ONCE = 250
USERS_AT_ONCE = 8000  # in all of these worlds


class Evaluation(NamedTuple):
    """Rows of the tables of these names (see `records`), without seed, point and shares."""

    evaluation: pd.DataFrame
    market: pd.DataFrame
    market_users: pd.DataFrame


def worlds_at_once(config: WorldConfig) -> int:
    """Worlds played in one batch: `WORLDS_AT_ONCE`, fewer where they have more than 32 users."""
    return min(WORLDS_AT_ONCE, max(1, USERS_AT_ONCE // config.num_users))


def evaluation_seed(seed: int, batch: int) -> int:
    """Seed of a batch of evaluation worlds: apart from every training world's."""
    return int(np.random.SeedSequence(seed, spawn_key=(0xE7A1, batch)).generate_state(1)[0])


def policy_generator(name: str, seed: int) -> np.random.Generator:
    """The generator of a policy that does not learn, its own."""
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(0xAC7, *name.encode())))


def make_heuristic(name: str, seed: int) -> Policy:
    """A policy that does not learn, as it is without tuning."""
    return POLICIES[name](policy_generator(name, seed))


def evaluate(
    policy: Policy,
    config: WorldConfig,
    mechanism: Mechanism,
    seed: int,
    episodes: int,
    market_episodes: int | None = None,
) -> Evaluation:
    """Play `episodes` episodes. Every policy meets the same worlds under the same seed.

    Clearings are told of the first `market_episodes`, of all if None. Free edge devices have no
    market to tell of.
    """
    rows: list[pd.DataFrame] = []
    experts: list[pd.DataFrame] = []
    users: list[pd.DataFrame] = []
    size = worlds_at_once(config)
    for batch, first in enumerate(range(0, episodes, size)):
        num_worlds = min(size, episodes - first)
        world = World(config, num_worlds, evaluation_seed(seed, batch), mechanism)
        episode = np.arange(first, first + num_worlds)
        scores = _play(policy, world)
        rows.append(scores.frame(policy, episode))
        if mechanism.name != "none":
            told = episodes if market_episodes is None else market_episodes
            for clearing in scores.clearings if first < told else ():
                for told_of, of in ((experts, _expert_rows), (users, _user_rows)):
                    books = of(policy, episode, clearing)
                    told_of.append(books[books["episode"] < told])
    frames = (
        pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()
        for parts in (rows, experts, users)
    )
    return Evaluation(*(frame.assign(mechanism=mechanism.name) for frame in frames))


def mean_gain(
    policy: Policy, config: WorldConfig, mechanism: Mechanism, seed: int, num_worlds: int
) -> float:
    """Mean gain per slot and user of one episode of `num_worlds` worlds, credits."""
    world, total = World(config, num_worlds, seed, mechanism), 0.0
    while not world.done:
        total += float(world.step(policy.act(world))[2]["gain"].mean())
    return total / config.episode_slots


def with_shares(evaluation: pd.DataFrame) -> pd.DataFrame:
    """Add each row's gain over the mean gain of the equilibrium, and of the optimum; NaN where that
    was not played.

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

    slots: int = 0
    num_users: int = 0
    sums: dict[str, NDArray[Any]] = field(default_factory=dict)
    clearings: list[Clearing] = field(default_factory=list)
    user_gain: NDArray[Any] | float = 0.0  # (N, U), over the slots so far
    regret: NDArray[Any] | float = (
        np.nan
    )  # the worst of any slot; only of a policy that seeks an equilibrium

    def add(self, **values: NDArray[Any]) -> None:
        for name, value in values.items():
            total = np.nansum(value, axis=-1) if value.ndim > 1 else value
            self.sums[name] = self.sums.get(name, 0) + total

    def frame(self, policy: Policy, episode: NDArray[np.int64]) -> pd.DataFrame:
        sums, agent_slots = self.sums, self.slots * self.num_users
        with np.errstate(invalid="ignore"):
            utility = sums["utility"] / sums["requests"]
            delay_s = sums["delay_s"] / sums["transferred"]
        per_agent = ("gain", "qos", "energy_j", "charge", "rejected", "transferred")
        per_slot = ("edge_utility", "platform_balance")
        points, payment = (
            sum(getattr(clearing, name).sum(axis=-1) for clearing in self.clearings)
            for name in ("points", "payment")
        )
        with np.errstate(invalid="ignore"):
            unit_price = payment / points
        welfare = sums["gain"] + sums["edge_utility"] + sums["platform_balance"]
        return pd.DataFrame(
            {
                "policy": policy.name,
                "setting": getattr(policy, "setting", ""),
                "num_users": self.num_users,
            }
            | {"episode": episode, "utility": utility, "delay_s": delay_s}
            | {name: sums[name] / agent_slots for name in per_agent}
            | {name: sums[name] / self.slots for name in per_slot}
            | {"welfare": welfare / agent_slots, "unit_price": unit_price}
            | {"worst_gain": np.min(self.user_gain, axis=-1) / self.slots}
            | {"jain": _evenness(np.maximum(self.user_gain, 0.0))}
            | {"requests": sums["requests"].astype(int), "regret": self.regret}
            | {
                "clearings": len(self.clearings),
                "failed_clearings": sum(c.failed for c in self.clearings),
            }
            | {"converged": sums["converged"] / self.slots if "converged" in sums else np.nan}
        )


def _evenness(gain: NDArray[Any]) -> NDArray[Any]:
    """Jain's index over users, (N,); NaN where nobody gains anything, which is no fairness."""
    return np.where(gain.any(axis=-1), jain_index(gain), np.nan)


def _play(policy: Policy, world: World) -> _Scores:
    """One episode of every world.

    The policy `local` is read from what the device could have done itself.
    """
    scores = _Scores(num_users=world.num_users)
    runs_locally = getattr(policy, "runs_locally", False)
    while not world.done:
        _, _, info = world.step(policy.act(world))
        utility = info["local_utility" if runs_locally else "utility"]
        gain = info["local_gain" if runs_locally else "gain"]
        scores.slots += 1
        scores.user_gain = scores.user_gain + gain
        scores.add(
            utility=utility,
            requests=~np.isnan(utility),
            gain=gain,
            qos=info["local_qos" if runs_locally else "qos"],
            delay_s=info["delay_s"],
            energy_j=info["energy_j"],
            charge=info["charge"],
            rejected=info["rejected"],
            transferred=info["transferred"],
            edge_utility=info["payment"] - info["edge_cost"],
            platform_balance=info["platform_balance"],
        )
        if isinstance(policy, Nash):
            scores.add(converged=policy.converged)
            scores.regret = np.fmax(scores.regret, policy.regret)
        if world.closed_clearing is not None:
            scores.clearings.append(world.closed_clearing)
    return scores


def _expert_rows(policy: Policy, episode: NDArray[np.int64], clearing: Clearing) -> pd.DataFrame:
    """A row for each world and expert of a clearing."""
    num_experts = clearing.unit_price.shape[-1]
    of_expert = (
        "unit_price",
        "effort",
        "participates",
        "demand",
        "points",
        "payment",
        "cost",
        "edge_utility",
    )
    of_world = {"platform_balance": clearing.balance} | {
        name: getattr(clearing, name) for name in ("welfare", "welfare_optimum")
    }
    return pd.DataFrame(
        _clearing_columns(policy, episode, clearing, "expert", num_experts)
        | {"status": clearing.status, "solve_seconds": clearing.solve_seconds}
        | {name: np.repeat(column, num_experts) for name, column in of_world.items()}
        | {name: getattr(clearing, name).ravel() for name in of_expert}
    )


def _user_rows(policy: Policy, episode: NDArray[np.int64], clearing: Clearing) -> pd.DataFrame:
    """A row for each world and user of a clearing."""
    charge = clearing.user_charge
    return pd.DataFrame(
        _clearing_columns(policy, episode, clearing, "user", charge.shape[-1])
        | {"charge": charge.ravel(), "utility": clearing.user_gain.ravel()}
        | {"assigned": -1 if clearing.allocation is None else clearing.allocation.ravel()}
    )


def _clearing_columns(
    policy: Policy, episode: NDArray[np.int64], clearing: Clearing, agent: str, num_agents: int
) -> dict[str, Any]:
    """The columns that tell a clearing's rows apart: a row for each world and agent."""
    return {
        "policy": policy.name,
        "episode": np.repeat(episode, num_agents),
        "slot": clearing.slot,
        "num_slots": clearing.num_slots,
        agent: np.tile(np.arange(num_agents), len(episode)),
    }
