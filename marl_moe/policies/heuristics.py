"""Policies that do not learn. Every policy maps a world to actions, (N, U) integers, through
`act(world)`.

Each chooses from what its users can see: their own channels, the competence they know (or the mean
of a type, where only types are known), the load of the last slot and the prices; never the others'
present choice.
"""

from dataclasses import dataclass
from typing import ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from envs import World, prospects

Actions = NDArray[np.int64]


class Policy(Protocol):
    """Anything that acts in a world."""

    @property
    def name(self) -> str:
        """What records call it."""

    def act(self, world: World) -> Actions:
        """Actions (N, U) for the present slot of every world."""


@dataclass
class Heuristic:
    """A policy without memory; `rng` breaks ties and makes draws."""

    rng: np.random.Generator
    name: ClassVar[str]
    runs_locally: ClassVar[bool] = (
        False  # whether evaluation reads what the device would have made of it
    )
    setting = ""  # what the policy was tuned to, or how it computes, for the records

    def act(self, world: World) -> Actions:
        """Actions (N, U)."""
        raise NotImplementedError


class Random(Heuristic):
    """Any expert that may be chosen, uniformly; abandons only when there is none."""

    name = "random"

    def act(self, world: World) -> Actions:
        """Actions (N, U)."""
        return best_expert(
            world, self.rng.random((world.num_worlds, world.num_users, world.num_candidates))
        )


class Abandon(Heuristic):
    """Drops every subtask that the device cannot afford (the paper's benchmark)."""

    name = "abandon"

    def act(self, world: World) -> Actions:
        """Actions (N, U)."""
        return np.full((world.num_worlds, world.num_users), world.num_candidates)


class Local(Abandon):
    """The upper bound: a device that could run every subtask itself.

    No action of the world does that. It drops every subtask, and evaluation reads `local_utility`
    and `local_gain`, what the same requests would have been worth on the device.
    """

    name = "local"
    runs_locally = True


class TopicMatch(Heuristic):
    """The expert of highest expected competence, ties at random: with types only, any expert of the
    right type.
    """

    name = "topic_match"

    def act(self, world: World) -> Actions:
        """Actions (N, U)."""
        competence = prospects.expected_competence(world)
        return best_expert(world, competence + 1e-6 * self.rng.random(competence.shape))


class MaxSnr(Heuristic):
    """The expert of highest signal-to-noise ratio, whatever its topic; the first of several at the
    top of the range.
    """

    name = "max_snr"

    def act(self, world: World) -> Actions:
        """Actions (N, U)."""
        return best_expert(world, world.snr_db())


class Greedy(Heuristic):
    """The expert of highest expected gain if nobody else chose it; abandons when no gain is
    positive.
    """

    name = "greedy"

    def act(self, world: World) -> Actions:
        """Actions (N, U)."""
        gain = prospects.expected_gain(world)
        chosen = best_expert(world, gain)
        column = np.minimum(chosen, world.num_candidates - 1)
        expected = np.take_along_axis(gain, column[..., None], axis=-1)[..., 0]
        worthwhile = (expected > 0) | ~world.action_mask()[..., -1]
        return np.where(worthwhile, chosen, world.num_candidates)


class RoundRobin(Heuristic):
    """Spreads users over the experts in turn: user u takes expert (u + slot) mod E, or the next one
    it may choose.
    """

    name = "round_robin"

    def act(self, world: World) -> Actions:
        """Actions (N, U)."""
        turn = np.arange(world.num_users)[:, None] + world.slot
        waiting = (world.candidates.expert - turn) % world.num_experts
        return best_expert(world, np.broadcast_to(-waiting, (world.num_worlds, *waiting.shape[1:])))


class LoadAware(Heuristic):
    """Join the shortest queue: of the experts of the right type the one that served fewest others
    in the last slot.

    Ties go to the expert of highest expected gain; without an expert of the right type, that one is
    chosen from all.
    """

    name = "load_aware"

    def act(self, world: World) -> Actions:
        """Actions (N, U)."""
        others = world.candidates.of(world.load) - (
            world.last_expert[..., None] == world.candidates.expert
        )
        wrong_type = ~prospects.right_type(world)
        gain = prospects.expected_gain(world)
        tie = 0.5 * (gain - gain.min()) / max(float(np.ptp(gain)), 1e-9)
        return best_expert(world, tie - others - wrong_type * (world.num_users + 1))


class FollowAssignment(Heuristic):
    """The expert that the mechanism assigned; who is assigned none abandons, or is `greedy` where
    it may not.

    So it plays what a mechanism that allocates decided, and nothing else. Under one that only
    prices nobody is assigned anything.
    """

    name = "follow_assignment"

    def act(self, world: World) -> Actions:
        """Actions (N, U)."""
        mask, allocation = world.action_mask(), world.market.allocation
        assigned = (
            np.full(mask.shape[:-1], -1)
            if allocation is None
            else world.candidates.column(allocation.expert)
        )
        may = (assigned >= 0) & np.take_along_axis(
            mask, np.maximum(assigned, 0)[..., None], axis=-1
        )[..., 0]
        otherwise = np.where(
            mask[..., -1], world.num_candidates, best_expert(world, prospects.expected_gain(world))
        )
        return np.where(may, assigned, otherwise)


HEURISTICS: dict[str, type[Heuristic]] = {
    policy.name: policy
    for policy in (
        Random,
        Abandon,
        Local,
        TopicMatch,
        MaxSnr,
        Greedy,
        RoundRobin,
        LoadAware,
        FollowAssignment,
    )
}


def best_expert(world: World, score: NDArray) -> Actions:
    """The candidate of highest score among those that may be chosen, the abandon action where there
    is none, (N, U).
    """
    may = world.action_mask()[..., :-1]
    return np.where(
        may.any(axis=-1), np.where(may, score, -np.inf).argmax(axis=-1), world.num_candidates
    )
