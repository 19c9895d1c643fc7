"""An episode of evaluation played again by one policy, and recorded slot by slot."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from envs import World, WorldConfig
from marl_moe.experiment.study.evaluation import worlds_at_once
from marl_moe.policies.base import Policy, acted
from marl_moe.policies.sides import NOBODY, Sides
from marl_moe.report.player import slots
from marl_moe.report.player.insight import Insight
from marl_moe.report.player.slots import Arrays
from marl_moe.seeds import evaluation_seed
from mechanisms import Mechanism


class Recording(NamedTuple):
    """An episode of one world.

    Attributes:
        kept: what holds throughout.
        world: what no action changes, (T, ...) each.
        played: what was met, chosen and had, (T, ...) each.
    """

    kept: Arrays
    world: Arrays
    played: Arrays


def record(
    policy: Policy,
    insight: Insight,
    config: WorldConfig,
    mechanism: Mechanism,
    seed: int,
    episodes: int,
    wanted: int,
    sides: Sides = NOBODY,
) -> list[Recording]:
    """Play the first episodes of an evaluation again, and record them.

    Worlds that are played at once share their generators: so they are played all again, as
    `experiment.study.evaluation.evaluate` does. Recording draws nothing.

    Args:
        policy: anything with `act(slot)`.
        insight: into how it values actions.
        config: the worlds.
        mechanism: sets prices and payments.
        seed: seed of the job.
        episodes: episodes of the whole evaluation.
        wanted: episodes to record, at most those that are played at once.
        sides: who plays edge devices and the platform.

    Returns:
        A recording of each.
    """
    num_worlds = min(worlds_at_once(config), episodes)
    world = World(config, num_worlds, evaluation_seed(seed, 0), mechanism)
    recorded = range(wanted)
    kept = [slots.of_episode(world.slot, index) for index in recorded]
    shared: list[list[Arrays]] = [[] for _ in recorded]
    played: list[list[Arrays]] = [[] for _ in recorded]
    while not world.done:
        slot, requests, levers = world.slot, world.requests, world.market.levers
        for index in recorded:
            shared[index].append(slots.of_world(slot, index))
            played[index].append(slots.seen(slot, requests, levers, index))
        actions = acted(policy, slot)
        valued = insight.into(policy, slot)
        _, _, result = world.step(actions, **sides.choices(world))
        for index in recorded:
            of_slot = played[index][-1]
            of_slot |= slots.came(slot, actions, result, index)
            of_slot |= {name: values[index] for name, values in valued.items()}
    return [
        Recording(kept[index], _stacked(shared[index]), _stacked(played[index]))
        for index in recorded
    ]


def _stacked(of_slots: Sequence[Arrays]) -> Arrays:
    """Return arrays (T, ...) of those of T slots."""
    return {name: np.stack([slot[name] for slot in of_slots]) for name in of_slots[0]}
