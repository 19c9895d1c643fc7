"""Users who respond to each other: better response to what was, and the Nash equilibrium of what
is.

The equilibrium knows everything of the present slot and nothing of the next: it is myopic, and a
policy that thinks ahead may do better.
"""

from typing import Literal

import numpy as np

from envs import World, prospects
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

    def act(self, world: World) -> Actions:
        """Actions (N, U)."""
        last = world.candidates.column(world.last_expert)
        load = world.load if self.load == "last" else world.recent_load
        mine = world.last_expert[..., None] == world.candidates.expert
        others = np.maximum(world.candidates.of(load) - mine, 0)
        gain = np.where(
            world.action_mask()[..., :-1], prospects.expected_gain(world, others + 1), -np.inf
        )
        best = gain.max(axis=-1)
        staying = np.take_along_axis(gain, np.maximum(last, 0)[..., None], axis=-1)[..., 0]
        stays = (last >= 0) & (staying > 0) & (staying >= 0.3 * best)
        stays &= self.rng.random(last.shape) >= self.response_probability
        chosen = np.where(best > 0, gain.argmax(axis=-1), world.num_candidates)
        return allowed_actions(world, np.where(stays, last, chosen))


class Nash(Heuristic):
    """A pure Nash equilibrium of the slot under full information, by sequential best responses.

    Users move one after another until nobody gains by moving, at most `slot_game.MAX_SWEEPS`
    rounds. `converged` (N,) tells in which worlds of the last slot that was reached, `regret` (N,)
    the most any user could still gain there, credits.
    """

    name = "nash"

    def act(self, world: World) -> Actions:
        """Actions (N, U)."""
        game = SlotGame.of(world)
        chosen, self.converged = game.equilibrium(game.alone())
        self.regret = game.regret(chosen)
        return allowed_actions(world, chosen)


def allowed_actions(world: World, chosen: Actions) -> Actions:
    """`chosen`, or what must be done where abandoning is not allowed and nothing is worth it."""
    mask = world.action_mask()
    excluded = ~np.take_along_axis(mask, chosen[..., None], axis=-1)[..., 0]
    return np.where(excluded, best_expert(world, prospects.expected_gain(world)), chosen)
