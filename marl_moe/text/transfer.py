"""Subtask transfer: a world stands between a user of text experts and the edge devices that host
them.
"""

from dataclasses import dataclass, replace

import numpy as np

from envs import World, WorldConfig
from marl_moe.policies.heuristics import Policy
from marl_moe.text.decomposition import Subtask
from mechanisms import Mechanism

WARM_UP = (
    5  # slots before the prompt arrives: there is load to see, and prices that answer to demand
)


@dataclass(frozen=True)
class Transfer:
    """What became of a subtask in its slot; NaN where the policy asked no edge device."""

    slot: int
    expert: int | None  # asked; None: abandoned
    served: bool
    snr_db: float
    users: int  # that shared its band in this slot, the asker among them
    competence: float  # of the world's expert for this topic
    unit_price: float  # credits a point
    effort: float  # that the price buys, in 0..1
    charge: float  # credits that the user pays
    delay_s: float
    late_s: float  # of it, past the deadline
    energy_j: float
    gain: float  # credits over abandoning, as the model has it


class UserOfWorld:
    """The first user of a world, whose subtasks are real; every other user asks for what the world
    draws.

    All users follow one policy, and the world has been running for `WARM_UP` slots.

    Args:
        config: the world; it is given slots enough.
        mechanism: sets prices and payments.
        policy: of all users.
        seed: of the world.
        num_slots: how many subtasks are to be transferred, at most.
    """

    def __init__(
        self, config: WorldConfig, mechanism: Mechanism, policy: Policy, seed: int, num_slots: int
    ) -> None:
        config = replace(config, episode_slots=WARM_UP + num_slots)
        self.world = World(config, num_worlds=1, seed=seed, mechanism=mechanism)
        self._policy = policy
        for _ in range(WARM_UP):
            self.world.step(policy.act(self.world))

    def transfer(self, subtask: Subtask, num_subtasks: int) -> Transfer:
        """Play a slot with this subtask, one of `num_subtasks` of its request."""
        world = self.world
        # Abandoning it should lose 0.86 K g points with the K of its request, which is not the
        # world's.
        weight = subtask.weight * num_subtasks / world.config.requests.num_subtasks
        world.place_subtask(0, 0, weight, subtask.words, subtask.compute_need, subtask.topic)
        slot, actions = world.slot, self._policy.act(world)
        column = int(actions[0, 0])
        asked = column < world.num_candidates
        expert = int(world.candidates.at(actions)[0, 0]) if asked else -1
        snr_db, competence = (
            float(pairs[0, 0, column]) if asked else np.nan
            for pairs in (world.snr_db(), world.competence_of_topic())
        )
        price, effort = (
            float(table[0, expert]) if asked else np.nan
            for table in (world.market.unit_price, world.market.effort)
        )
        _, _, info = world.step(actions)
        told = {
            name: float(info[name][0, 0]) if asked else np.nan
            for name in ("charge", "delay_s", "energy_j", "gain")
        }
        return Transfer(
            slot=slot,
            expert=expert if asked else None,
            served=bool(info["transferred"][0, 0]),
            snr_db=snr_db,
            users=int(info["load"][0, expert]) if asked else 0,
            competence=competence,
            unit_price=price,
            effort=effort,
            late_s=max(0.0, told["delay_s"] - world.config.quality.deadline_s) if asked else np.nan,
            **told,
        )
