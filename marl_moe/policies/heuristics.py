"""Policies that do not learn, which map a slot to actions, (N, U) integers, by `act(slot)`.

Each chooses from what its users can see: their own channels, the competence they know (or the mean
of a type, where only types are known), the load of the last slot and the prices; never the others'
present choice.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from envs import Slot, prospects
from marl_moe.policies.base import Actions, register


@dataclass
class Heuristic:
    """A policy without memory.

    Attributes:
        rng: breaks ties and makes draws.
        name: name in the records.
        runs_locally: whether evaluation reads the results of running everything on the device.
        setting: for the records, the values that the policy was tuned to, or how it computes.
    """

    rng: np.random.Generator
    name: ClassVar[str]
    runs_locally: ClassVar[bool] = False
    setting = ""

    def act(self, slot: Slot) -> Actions:
        """Return actions, (N, U)."""
        raise NotImplementedError


def setting_of(given: Mapping[str, float], most: Mapping[str, float]) -> str:
    """Return parameters of a policy as records have them, `key=value` each.

    Args:
        given: the values.
        most: greatest value of each key; 1 for those that it leaves out. The least is 0.

    Raises:
        ValueError: one is no number within these bounds.
    """
    for key, value in given.items():
        high = most.get(key, 1)
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if not is_number or not 0 <= value <= high:
            raise ValueError(f"{key} should lie in 0..{high:g}, got {value!r}")
    return " ".join(f"{key}={value}" for key, value in given.items())


@register("random")
class Random(Heuristic):
    """Any expert that may be chosen, uniformly; abandons only when there is none."""

    name = "random"

    def act(self, slot: Slot) -> Actions:
        """Return actions, (N, U)."""
        return best_expert(
            slot, self.rng.random((slot.num_worlds, slot.num_users, slot.num_candidates))
        )


@register("abandon")
class Abandon(Heuristic):
    """Drops every subtask that the device cannot afford (the paper's benchmark)."""

    name = "abandon"

    def act(self, slot: Slot) -> Actions:
        """Return actions, (N, U)."""
        return np.full((slot.num_worlds, slot.num_users), slot.num_candidates)


@register("local")
class Local(Abandon):
    """The upper bound: a device that could run every subtask itself.

    No action of the world does that. It drops every subtask, and evaluation reads `local_utility`
    and `local_gain`, what the same requests would have been worth on the device.
    """

    name = "local"
    runs_locally = True


@register("topic_match")
class TopicMatch(Heuristic):
    """The expert of highest expected competence, ties at random.

    With types only that is any expert of the right type.
    """

    name = "topic_match"

    def act(self, slot: Slot) -> Actions:
        """Return actions, (N, U)."""
        competence = slot.expected_competence
        return best_expert(slot, competence + 1e-6 * self.rng.random(competence.shape))


@register("max_snr")
class MaxSnr(Heuristic):
    """The expert of highest signal-to-noise ratio, whatever its topic.

    Of several at the top of the range it is one by lot.
    """

    name = "max_snr"

    def act(self, slot: Slot) -> Actions:
        """Return actions, (N, U)."""
        return best_expert(slot, slot.conditions.links.snr_db, self.rng)


@register("greedy")
class Greedy(Heuristic):
    """The expert of highest expected gain if nobody else chose it; abandons if none is positive."""

    name = "greedy"

    def act(self, slot: Slot) -> Actions:
        """Return actions, (N, U)."""
        return best_worthwhile(slot, slot.expected_gain(), self.rng)


@register("round_robin")
class RoundRobin(Heuristic):
    """Expert (u + slot) mod E for user u, or the next one that it may choose."""

    name = "round_robin"

    def act(self, slot: Slot) -> Actions:
        """Return actions, (N, U)."""
        turn = np.arange(slot.num_users)[:, None] + slot.index
        waiting = (slot.conditions.candidates.expert - turn) % slot.num_experts
        score = np.broadcast_to(-waiting, (slot.num_worlds, *waiting.shape[1:]))
        return best_expert(slot, score)


@register("load_aware")
class LoadAware(Heuristic):
    """The expert of the right type that served fewest others in the last slot.

    This is joining the shortest queue. Ties go to the expert of highest expected gain; without an
    expert of the right type, all are compared.
    """

    name = "load_aware"

    def act(self, slot: Slot) -> Actions:
        """Return actions, (N, U)."""
        candidates, occupancy = slot.conditions.candidates, slot.conditions.occupancy
        mine = occupancy.last_expert[..., None] == candidates.expert
        others = candidates.of(occupancy.load) - mine
        wrong_type = ~prospects.right_type(slot.conditions)
        gain = slot.expected_gain()
        tie = 0.5 * (gain - gain.min()) / max(float(np.ptp(gain)), 1e-9)
        score = tie - others - wrong_type * (slot.num_users + 1)
        return best_expert(slot, score, self.rng)


@register("follow_assignment")
class FollowAssignment(Heuristic):
    """The expert that the mechanism assigned; abandons without one, or is greedy where it may not.

    So it plays the allocation of a mechanism, and nothing else. Under one that only prices nobody
    is assigned an expert.
    """

    name = "follow_assignment"

    def act(self, slot: Slot) -> Actions:
        """Return actions, (N, U)."""
        mask, candidates = slot.mask, slot.conditions.candidates
        assigned = candidates.column(slot.offer.allocation.expert)
        column = np.maximum(assigned, 0)[..., None]
        may = (assigned >= 0) & np.take_along_axis(mask, column, axis=-1)[..., 0]
        greedy = best_expert(slot, slot.expected_gain(), self.rng)
        otherwise = np.where(mask[..., -1], slot.num_candidates, greedy)
        return np.where(may, assigned, otherwise)


def best_expert(slot: Slot, score: NDArray, rng: np.random.Generator | None = None) -> Actions:
    """Return the candidate of highest score among those that may be chosen.

    Args:
        slot: the slot.
        score: (N, U, C).
        rng: draws among those that are equal, and only where some are; without it the first is
            taken.

    Returns:
        Actions, (N, U); abandoning where no candidate may be chosen.
    """
    may = slot.mask[..., :-1]
    score = np.where(may, score, -np.inf)
    best = score.argmax(axis=-1) if rng is None else greatest_by_lot(score, rng)
    return np.where(may.any(axis=-1), best, slot.num_candidates)


def best_worthwhile(slot: Slot, gain: NDArray, rng: np.random.Generator) -> Actions:
    """Return the candidate of highest gain; abandoning, where a user may, if none is positive.

    Args:
        slot: the slot.
        gain: (N, U, C) gain over abandoning, credits.
        rng: draws among those that are equal.

    Returns:
        Allowed actions, (N, U).
    """
    chosen = best_expert(slot, gain, rng)
    column = np.minimum(chosen, slot.num_candidates - 1)
    expected = np.take_along_axis(gain, column[..., None], axis=-1)[..., 0]
    worthwhile = (expected > 0) | ~slot.mask[..., -1]
    return np.where(worthwhile, chosen, slot.num_candidates)


def greatest_by_lot(score: NDArray, rng: np.random.Generator) -> Actions:
    """Return the place of the greatest score along the last axis, by lot where several are equal.

    Nothing is drawn where none are, nor where all are -inf.

    Args:
        score: (..., C).
        rng: makes the draws.
    """
    best = score.argmax(axis=-1)
    greatest = np.take_along_axis(score, best[..., None], axis=-1)
    equal = (score == greatest) & (greatest > -np.inf)
    tied = equal.sum(axis=-1) > 1
    if tied.any():
        lots = rng.random((int(tied.sum()), score.shape[-1]))
        best[tied] = np.where(equal[tied], lots, -1.0).argmax(axis=-1)
    return best
