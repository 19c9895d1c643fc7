"""What happens in the reference world, printed: `python tests/marl_moe/reference_world.py`.

The columns of the second table, of all users a slot, under better_response:

    served, declined, rejected   shares of the subtasks that users have
    delivered                    points delivered / points that the same pairs would deliver alone
    payment, gain                credits a slot, of all edge devices, and a slot and user
"""

from dataclasses import replace
from typing import NamedTuple

import numpy as np

import mechanisms
from envs import World, WorldConfig, prospects
from marl_moe.experiment.spec.reading import load_experiment
from marl_moe.experiment.study.evaluation import make_heuristic
from marl_moe.policies.base import acted
from mechanisms.effort import EFFORTS, Effort

POLICIES = ("nash", "crowd", "better_response", "greedy", "abandon")
BUDGET = 8.0  # credits a slot, as env.market.budget_per_user gives 16 users
OF_BUDGETS = ("budgeted_price", "proportional_share", "fisher")


class Pairs(NamedTuple):
    """Pairs of a pending subtask and an expert, as shares of all."""

    covered: float
    trade: float  # a price makes both better off, alone
    own_topic: float  # those that trade, of the pairs of one topic


class Came(NamedTuple):
    """What came of a slot under a mechanism, on average."""

    served: float
    declined: float
    rejected: float
    delivered: float
    payment: float
    gain: float


def reference() -> WorldConfig:
    """Return the reference world."""
    return load_experiment("reference_world").env


def pairs(config: WorldConfig, slots: int = 20, num_worlds: int = 16) -> Pairs:
    """Return the pairs with gains from trade: value less true cost at the best effort, alone."""
    world, rng, sums = World(config, num_worlds, seed=0), np.random.default_rng(0), np.zeros(5)
    for _ in range(slots):
        conditions = world.slot.conditions
        alone = prospects.services(conditions, conditions.competence)
        point = conditions.of_user(conditions.users.credits_per_point)
        work = conditions.effort_points[..., None]
        kappa, slope = (
            conditions.candidates.of(cost) * work
            for cost in (conditions.pool.unit_cost, conditions.pool.cost_slope)
        )
        effort = np.clip((point * alone.points - kappa) / slope, 0, 1)
        surplus = (point * alone.points - kappa) * effort - slope * effort**2 / 2 + alone.gain
        pending = np.broadcast_to(conditions.transfers[..., None], surplus.shape)
        covered, own = pending & conditions.usable, prospects.right_type(conditions)
        trade = covered & (surplus > 0)
        sums += [one.sum() for one in (pending, covered, trade, pending & own, trade & own)]
        world.step(rng.integers(config.num_experts + 1, size=(num_worlds, config.num_users)))
    return Pairs(sums[1] / sums[0], sums[2] / sums[0], sums[4] / sums[3])


def value_of_point(config: WorldConfig, slots: int = 20, num_worlds: int = 16) -> float:
    """Return the worth of a point less the words and energy that it takes, served by the best."""
    world, policy = World(config, num_worlds, seed=0), make_heuristic("better_response", 0)
    cost = points = 0.0
    for _ in range(slots):
        words = world.slot.conditions.subtasks.words
        *_, result = world.step(acted(policy, world.slot))
        users = world.users
        cost += float((users.credits_per_word * words * result.transferred).sum())
        cost += float((users.credits_per_joule * result.energy_j).sum())
        points += float(result.qos.sum())
    return float(config.reward.credits_per_point) - cost / points  # type: ignore[arg-type]


def gains(config: WorldConfig, num_worlds: int = 16) -> dict[str, float]:
    """Return the gain a slot and user under each policy, nobody paid, credits."""
    found = {}
    for name in POLICIES:
        world, policy = World(config, num_worlds, seed=1), make_heuristic(name, 0)
        total, slots = 0.0, 0
        while not world.done:
            *_, result = world.step(acted(policy, world.slot))
            total, slots = total + float(result.gain.mean()), slots + 1
        found[name] = total / slots
    return found


def came(config: WorldConfig, name: str, effort: Effort, num_worlds: int = 8) -> Came:
    """Return what comes of a mechanism, users choosing by better_response."""
    budget = (
        {"budget": BUDGET} if name in ("budgeted_price", "proportional_share", "fisher") else {}
    )
    config = replace(config, market=replace(config.market, effort=effort))
    mechanism = mechanisms.make(name, **budget)
    world = World(config, num_worlds, seed=1, mechanism=mechanism)
    policy, sums, slots = make_heuristic("better_response", 0), np.zeros(8), 0
    while not world.done:
        slot = world.slot
        actions = acted(policy, slot)
        alone = prospects.services(slot.conditions, slot.conditions.competence).points * slot.effort
        column = np.minimum(actions, slot.num_candidates - 1)[..., None]
        asked = np.take_along_axis(alone, column, axis=-1)[..., 0]
        *_, result = world.step(actions)
        served = result.transferred
        sums += [
            result.pending.sum(),
            served.sum(),
            result.declined.sum(),
            result.rejected.sum(),
            result.qos.sum(),
            asked[served].sum(),
            result.payment.sum(),
            result.gain.sum(),
        ]
        slots += 1
    pending = sums[0]
    return Came(
        *(sums[1:4] / pending),
        delivered=sums[4] / sums[5],
        payment=sums[6] / slots / num_worlds,
        gain=sums[7] / slots / num_worlds / config.num_users,
    )


if __name__ == "__main__":
    world = reference()
    print(pairs(world))
    print(f"value of a point {value_of_point(world):.3f} credits")
    print({name: round(gain, 3) for name, gain in gains(world).items()})
    for name in mechanisms.names():
        for effort in EFFORTS:
            if effort in mechanisms.make(name).claims.regimes:
                print(name, effort, *(f"{x:.3f}" for x in came(world, name, effort)), flush=True)
