"""Transfer of subtasks through a world, from the user of text experts to an expert."""

from dataclasses import dataclass, replace

import numpy as np

from envs import World, WorldConfig
from envs.offer import Offer
from marl_moe.errors import SpecError
from marl_moe.policies.base import Policy, acted
from marl_moe.text.decomposition import Subtask
from mechanisms import Mechanism

WARM_UP = 5  # slots before the prompt arrives, after which load and prices answer to demand


@dataclass(frozen=True)
class Transfer:
    """Outcome of a subtask in its slot; numbers are NaN where it was abandoned.

    Attributes:
        slot: number of the slot.
        expert: chosen expert; None where the subtask was abandoned.
        served: false where it was abandoned, rejected or declined.
        declined: whether the edge device declined it.
        snr_db: of the user's channel to the expert.
        users: load of the expert in this slot, this user included.
        competence: of the world's expert for this topic.
        unit_price: that the expert is paid for it, credits a point.
        effort: that the expert gives, in 0..1; 0 where it serves it not.
        charge: credits that the user pays.
        delay_s: until the answer is there.
        late_s: part of the delay that is past the deadline.
        energy_j: of the user's transmission.
        gain: credits over abandoning, in the model.
    """

    slot: int
    expert: int | None
    served: bool
    declined: bool
    snr_db: float
    users: int
    competence: float
    unit_price: float
    effort: float
    charge: float
    delay_s: float
    late_s: float
    energy_j: float
    gain: float


class UserOfWorld:
    """The first user of a world, whose subtasks are given; the world draws those of the others.

    All users follow one policy, and the world has been running for `WARM_UP` slots.

    Args:
        config: the world; its episodes are made long enough.
        mechanism: sets prices and payments.
        policy: of all users.
        seed: of the world.
        num_slots: subtasks to be transferred, at most.

    Raises:
        SpecError: the world cannot be, as where the trace of its channels has fewer slots.
    """

    def __init__(
        self, config: WorldConfig, mechanism: Mechanism, policy: Policy, seed: int, num_slots: int
    ) -> None:
        config = replace(config, episode_slots=WARM_UP + num_slots)
        try:
            self.world = World(config, num_worlds=1, seed=seed, mechanism=mechanism)
        except ValueError as error:  # a trace is shorter than that
            raise SpecError(str(error)) from None
        self._policy = policy
        for _ in range(WARM_UP):
            self.world.step(acted(policy, self.world.slot))

    def transfer(self, subtask: Subtask, num_subtasks: int) -> Transfer:
        """Play a slot with this subtask, one of `num_subtasks` of its request."""
        world = self.world
        # Abandoning it loses 0.86 K g points, with the K of its request in place of the world's.
        weight = subtask.weight * num_subtasks / world.config.requests.num_subtasks
        world.place_subtask(0, 0, weight, subtask.words, subtask.compute_need, subtask.topic)
        slot = world.slot
        actions = acted(self._policy, slot)
        column = int(actions[0, 0])
        asked = column < world.num_candidates
        expert = int(world.candidates.at(actions)[0, 0]) if asked else -1
        seen = slot.conditions.links.snr_db, slot.conditions.competence
        snr_db, competence = (float(pairs[0, 0, column]) if asked else np.nan for pairs in seen)
        _, _, result = world.step(actions)
        told = {
            name: float(getattr(result, name)[0, 0]) if asked else np.nan
            for name in ("effort", "charge", "delay_s", "energy_j", "gain")
        }
        deadline_s = float(np.broadcast_to(world.users.deadline_s, (1, 1))[0, 0])
        return Transfer(
            slot=slot.index,
            expert=expert if asked else None,
            served=bool(result.transferred[0, 0]),
            declined=bool(result.declined[0, 0]),
            snr_db=snr_db,
            users=int(result.load[0, expert]) if asked else 0,
            competence=competence,
            unit_price=_unit_price(slot.offer, expert) if asked else np.nan,
            late_s=max(0.0, told["delay_s"] - deadline_s) if asked else np.nan,
            **told,
        )


def _unit_price(offer: Offer, expert: int) -> float:
    """Return what an expert is paid a point of the first user, credits."""
    if offer.allocates and offer.allocation.expert[0, 0] == expert:
        return float(offer.allocation.pair_price[0, 0])
    return float(offer.unit_price[0, expert])
