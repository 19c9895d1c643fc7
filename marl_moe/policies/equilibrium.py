"""Users who respond to each other: better response to what was, and the Nash equilibrium of what
is.

The equilibrium knows everything of the present slot and nothing of the next: it is myopic, and a
policy that thinks ahead may do better.
"""

from typing import Literal

import numpy as np

from envs import Slot
from marl_moe.policies.heuristics import Actions, Heuristic, best_expert
from marl_moe.policies.slot_game import SlotGame


class BetterResponse(Heuristic):
    """Best response to the load of others in the last slot, or of late, with inertia.

    With probability 1 - `response_probability` a user stays with the expert that served it last, if
    that still gives at least 0.3 of the best; without inertia users flock to what was empty and
    leave what was full. `load` is what a user responds to: `last`, the last slot's, or `recent`,
    the world's average over past slots, which forgets slowly who left but does not swing.
    """

    name = "better_response"

    def __init__(
        self,
        rng: np.random.Generator,
        response_probability: float = 0.1,
        load: Literal["last", "recent"] = "last",
    ) -> None:
        super().__init__(rng)
        self.response_probability = response_probability
        self.load = load
        self.setting = f"response_probability={response_probability} load={load}"

    def act(self, slot: Slot) -> Actions:
        """Actions (N, U)."""
        last = slot.conditions.candidates.column(slot.conditions.occupancy.last_expert)
        load = (
            slot.conditions.occupancy.load
            if self.load == "last"
            else slot.conditions.occupancy.recent_load
        )
        mine = slot.conditions.occupancy.last_expert[..., None] == slot.conditions.candidates.expert
        others = np.maximum(slot.conditions.candidates.of(load) - mine, 0)
        gain = np.where(slot.mask[..., :-1], slot.expected_gain(others + 1), -np.inf)
        best = gain.max(axis=-1)
        staying = np.take_along_axis(gain, np.maximum(last, 0)[..., None], axis=-1)[..., 0]
        stays = (last >= 0) & (staying > 0) & (staying >= 0.3 * best)
        stays &= self.rng.random(last.shape) >= self.response_probability
        chosen = np.where(best > 0, gain.argmax(axis=-1), slot.num_candidates)
        return allowed_actions(slot, np.where(stays, last, chosen))


class Nash(Heuristic):
    """A pure Nash equilibrium of the slot under full information, by sequential best responses.

    Users move one after another until nobody gains by moving, at most `slot_game.MAX_SWEEPS`
    rounds. `converged` (N,) tells in which worlds of the last slot that was reached, `regret` (N,)
    the most any user could still gain there, credits.
    """

    name = "nash"

    def act(self, slot: Slot) -> Actions:
        """Actions (N, U)."""
        game = SlotGame.of(slot)
        chosen, self.converged = game.equilibrium(game.alone())
        self.regret = game.regret(chosen)
        return allowed_actions(slot, chosen)


def allowed_actions(slot: Slot, chosen: Actions) -> Actions:
    """`chosen`, or what must be done where abandoning is not allowed and nothing is worth it."""
    mask = slot.mask
    excluded = ~np.take_along_axis(mask, chosen[..., None], axis=-1)[..., 0]
    return np.where(excluded, best_expert(slot, slot.expected_gain()), chosen)
