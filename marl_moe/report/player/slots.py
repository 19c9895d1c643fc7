"""Records of a slot of one world: what its agents saw before they acted, and what came of it.

All policies meet the same world, so that what no action changes is told once (`of_world`). Arrays
are those of one world; pairs have a column for each candidate, (U, C).
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from envs import Slot, SlotResult
from envs.arrays import Bool
from envs.prospects import delay_alone_s, expected_spending
from envs.roles.levers import Levers
from envs.traced_requests import Requests
from marl_moe.report.player import reasons

Arrays = dict[str, NDArray[Any]]
# What is recorded of experts and of the world; of all else the second axis, or the first of what
# holds throughout, is users.
OF_EXPERTS = frozenset(
    {
        "expert_topic",
        "unit_cost",
        "cost_slope",
        "available",
        "expert_place",
        "last_load",
        "airtime_backlog_s",
        "compute_backlog_s",
        "unit_price",
        "offered_effort",
        "report_factor",
        "load",
        "payment",
        "edge_cost",
        "airtime_s",
        "work_words",
    }
)
OF_WORLD = frozenset({"margin", "value_factor", "platform_balance"})
OUTCOMES = ("idle", "abandons", "served", "declined", "not admitted", "not allowed")
IDLE, ABANDONS, SERVED, DECLINED, NOT_ADMITTED, NOT_ALLOWED = range(len(OUTCOMES))


def of_episode(slot: Slot, world: int) -> Arrays:
    """Return what an episode begins with and keeps.

    Args:
        slot: its first.
        world: number of the world.
    """
    conditions = slot.conditions
    pool, candidates = conditions.pool, conditions.candidates
    kept = {
        "expert_topic": pool.topic,
        "unit_cost": pool.unit_cost[world],
        "cost_slope": pool.cost_slope[world],
    }
    if candidates.listed:
        kept["candidates"] = candidates.expert[world]
    return kept


def of_world(slot: Slot, world: int) -> Arrays:
    """Return what of a slot no action changes: places, requests, channels."""
    conditions = slot.conditions
    subtasks, positions = conditions.subtasks, conditions.positions
    pending = subtasks.pending[world]
    told = {
        "topic": np.where(pending, subtasks.topic[world], -1),
        "weight": subtasks.weight[world],
        "words": subtasks.words[world],
        "compute": subtasks.compute[world],
        "snr_db": conditions.links.snr_db[world],
        "competence": np.where(pending[:, None], slot.expected_competence[world], np.nan),
    }
    if positions is not None:
        told["user_place"] = positions.users[world, :, :2]
        told["expert_place"] = positions.experts[world, :, :2]
    return told


def seen(slot: Slot, requests: Requests, levers: Levers, world: int) -> Arrays:
    """Return what a policy's users meet in a slot, which depends on what was chosen before.

    Args:
        slot: the slot about to be played.
        requests: of its worlds.
        levers: in force, what edge devices and the platform chose for the last clearing.
        world: number of the world.
    """
    conditions, offer = slot.conditions, slot.offer
    occupancy, budgets = conditions.occupancy, conditions.budgets
    energy_j, charge = expected_spending(conditions, offer)
    states = reasons.of_users(slot, requests)
    sends = (states == reasons.SENDS)[..., None]
    met: Arrays = {
        "state": states[world],
        "closed": reasons.of_pairs(slot)[world],
        "may_abandon": slot.mask[world, :, -1],
        "available": conditions.available[world],
        "delay_alone_s": np.where(sends, delay_alone_s(conditions), np.nan)[world],
        "expected_gain": np.where(sends, slot.expected_gain(), np.nan)[world],
        "expected_charge": np.where(sends, charge, np.nan)[world],
        "last_load": occupancy.load[world],
        "airtime_backlog_s": occupancy.airtime_backlog_s[world],
        "compute_backlog_s": occupancy.compute_backlog_s[world],
        "unit_price": offer.unit_price[world],
        "offered_effort": offer.effort[world],
        "report_factor": conditions.pool.report_factor[world] * levers.report_factor[world],
        "margin": offer.margin[world],
        "value_factor": levers.value_factor[world],
    }
    if offer.allocates:
        met["allocated"] = offer.allocation.expert[world]
    if budgets.energy_j is not None:
        met["energy_left_j"] = budgets.energy_j[world]
        met["expected_energy_j"] = np.where(sends, energy_j, np.nan)[world]
    if budgets.credits is not None:
        met["credits_left"] = budgets.credits[world]
    return met


def came(slot: Slot, actions: NDArray[np.int64], result: SlotResult, world: int) -> Arrays:
    """Return what was chosen in a slot, and what came of it.

    Args:
        slot: the slot.
        actions: (N, U) actions.
        result: of the slot.
        world: number of the world.
    """
    column = np.where(actions < slot.num_candidates, actions, -1)
    expert = slot.conditions.candidates.at(np.maximum(column, 0))
    allowed = np.take_along_axis(slot.mask, actions[..., None], axis=-1)[..., 0]
    of_users = ("delay_s", "energy_j", "effort", "qos", "harm", "charge", "gain")
    of_experts = ("load", "payment", "edge_cost", "airtime_s", "work_words")
    told: Mapping[str, Any] = {name: getattr(result, name) for name in of_users + of_experts}
    return {name: values[world] for name, values in told.items()} | {
        "column": column[world],
        "expert": np.where(column >= 0, expert, -1)[world],
        "outcome": _outcome(result, column, allowed)[world],
        "platform_balance": result.platform_balance[world],
    }


def _outcome(result: SlotResult, column: NDArray[np.int64], allowed: Bool) -> NDArray[np.uint8]:
    """Return the outcome of each user, (N, U) of `OUTCOMES`."""
    conditions = [
        ~result.pending,
        ~allowed,
        column < 0,
        result.transferred,
        result.declined,
    ]
    outcomes = [IDLE, NOT_ALLOWED, ABANDONS, SERVED, DECLINED]
    return np.select(conditions, outcomes, NOT_ADMITTED).astype(np.uint8)
