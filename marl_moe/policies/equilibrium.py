"""Policies of users who respond to each other: better response and Nash equilibrium.

The equilibrium knows everything of the present slot and nothing of the next: it is myopic, and a
policy that thinks ahead may do better.
"""

from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from envs import Slot
from marl_moe.policies.base import Actions, register
from marl_moe.policies.delivered_game import game_of
from marl_moe.policies.heuristics import Heuristic, best_expert, greatest_by_lot, setting_of

Gains = NDArray[np.floating]
SeenLoad = Literal["last", "recent"]


@register("better_response")
class BetterResponse(Heuristic):
    """Best response to the load of others in the last slot, or of late, with inertia.

    With probability 1 - `response_probability` a user stays with the expert that served it last, if
    that still gives at least 0.3 of the best gain; without inertia users all go to experts that
    were empty and leave those that were full.

    Attributes:
        scores: (N, U, C) gain expected of each candidate at that load in the last slot, credits;
            None before one.

    Args:
        rng: draws which users stay.
        response_probability: probability of responding rather than staying.
        load: load that users respond to: `last`, the last slot's, or `recent`, the world's average
            over past slots, which forgets slowly who left but does not oscillate.

    Raises:
        ValueError: the probability lies outside 0..1, or there is no such load.
    """

    name = "better_response"

    def __init__(
        self,
        rng: np.random.Generator,
        response_probability: float = 0.1,
        load: SeenLoad = "last",
    ) -> None:
        super().__init__(rng)
        self.response_probability = response_probability
        self.load = load
        self.scores: Gains | None = None
        if load not in get_args(SeenLoad):
            raise ValueError(f"load should be last or recent, got {load!r}")
        probability = setting_of({"response_probability": response_probability}, {})
        self.setting = f"{probability} load={load}"

    def act(self, slot: Slot) -> Actions:
        """Return actions, (N, U)."""
        seen = slot.conditions.others_seen(last=float(self.load == "last"))
        self.scores = slot.expected_gain(seen + 1)
        return with_inertia(slot, self.scores, 0.3, self.response_probability, self.rng)


@register("nash")
class Nash(Heuristic):
    """A pure Nash equilibrium of the slot under full information, by sequential best responses.

    Users move one after another until nobody gains by moving, at most `slot_game.MAX_SWEEPS`
    rounds. Of several best responses the first is taken. Each knows the work of the others, the
    lots and the answers of edge devices (`delivered_game`); there an equilibrium need not exist.

    Attributes:
        converged: (N,) worlds of the last slot in which that was reached.
        regret: (N,) the most that any user could still gain there, credits.
    """

    name = "nash"

    def act(self, slot: Slot) -> Actions:
        """Return actions, (N, U)."""
        game = game_of(slot)
        chosen, self.converged = game.equilibrium(game.alone())
        self.regret = game.regret(chosen)
        return allowed_actions(slot, chosen, self.rng)


def with_inertia(
    slot: Slot,
    gain: Gains,
    threshold: float,
    response_probability: float,
    rng: np.random.Generator,
) -> Actions:
    """Return the best candidates of users, some of whom stay with what served them last.

    A user stays, but with `response_probability`, if that gives something and at least `threshold`
    of the best gain. It abandons where no gain is positive.

    Args:
        slot: the slot.
        gain: (N, U, C) gain expected of each candidate, masked or not, credits.
        threshold: least share of the best gain at which a user stays.
        response_probability: probability of responding rather than staying.
        rng: draws which users stay, and among candidates of equal gain.

    Returns:
        Allowed actions, (N, U).
    """
    last = slot.conditions.candidates.column(slot.conditions.occupancy.last_expert)
    gain = np.where(slot.mask[..., :-1], gain, -np.inf)
    best = gain.max(axis=-1)
    staying = np.take_along_axis(gain, np.maximum(last, 0)[..., None], axis=-1)[..., 0]
    stays = (last >= 0) & (staying > 0) & (staying >= threshold * np.maximum(best, 0))
    stays &= rng.random(last.shape) >= response_probability
    chosen = np.where(best > 0, greatest_by_lot(gain, rng), slot.num_candidates)
    return allowed_actions(slot, np.where(stays, last, chosen), rng)


def allowed_actions(slot: Slot, chosen: Actions, rng: np.random.Generator) -> Actions:
    """Replace actions that are not allowed by the candidate of highest expected gain.

    Args:
        slot: the slot.
        chosen: actions, (N, U); abandoning where no candidate is worth it, allowed or not.
        rng: draws among candidates of equal gain.

    Returns:
        Allowed actions, (N, U).
    """
    mask = slot.mask
    excluded = ~np.take_along_axis(mask, chosen[..., None], axis=-1)[..., 0]
    return np.where(excluded, best_expert(slot, slot.expected_gain(), rng), chosen)
