"""The slot as a game: best responses to it and its pure Nash equilibrium.

Users who pick experts and share their bands equally play a singleton congestion game with user-specific payoffs, which
always has a pure Nash equilibrium (Milchtaich, Games and Economic Behavior 1996), though best responses may cycle. The
equilibrium knows everything of the present slot and nothing of the next: it is myopic, and a policy that thinks ahead
may do better.
"""

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from envs import World, prospects
from marl_moe.policies.heuristics import Actions, Heuristic, best_expert

MAX_SWEEPS = 100
TIE = 1e-6  # credits; the payoffs are in single precision


class BetterResponse(Heuristic):
    """Best response to the load of others in the last slot, or of late, with inertia.

    With probability 1 - `response_probability` a user stays with the expert that served it last, if that still gives
    at least 0.3 of the best; without inertia users flock to what was empty and leave what was full. `load` is what a
    user responds to: `last`, the last slot's, or `recent`, the world's average over past slots, which forgets slowly
    who left but does not swing.
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
        last = world.last_expert
        load = world.load if self.load == "last" else world.recent_load
        others = np.maximum(load[:, None] - (last[..., None] == np.arange(world.num_experts)), 0)
        gain = np.where(world.action_mask()[..., :-1], prospects.expected_gain(world, others + 1), -np.inf)
        best = gain.max(axis=-1)
        staying = np.take_along_axis(gain, np.maximum(last, 0)[..., None], axis=-1)[..., 0]
        stays = (last >= 0) & (staying > 0) & (staying >= 0.3 * best)
        stays &= self.rng.random(last.shape) >= self.response_probability
        chosen = np.where(best > 0, gain.argmax(axis=-1), world.num_experts)
        return allowed_actions(world, np.where(stays, last, chosen))


class Nash(Heuristic):
    """A pure Nash equilibrium of the slot under full information, by sequential best responses.

    Users move one after another until nobody gains by moving, at most `MAX_SWEEPS` rounds. `converged` (N,) tells in
    which worlds of the last slot that was reached, `regret` (N,) the most any user could still gain there, credits.
    """

    name = "nash"

    def act(self, world: World) -> Actions:
        """Actions (N, U)."""
        payoff = payoffs(world)
        chosen, self.converged = sequential_best_response(payoff, best_expert(world, payoff[..., 1, :-1]))
        self.regret = regret(payoff, chosen)
        return allowed_actions(world, chosen)


def payoffs(world: World) -> NDArray[np.float32]:
    """Gain of each user for each action at each load, (N, U, U + 1, E + 1); the load counts the user, 0 is unused.

    -inf where the mask excludes the action; abandoning (the last action) gives 0 at any load.
    """
    shape = (world.num_worlds, world.num_users, world.num_users + 1, world.num_experts + 1)
    payoff = np.full(shape, -np.inf, np.float32)
    mask = world.action_mask()
    for load in range(1, world.num_users + 1):
        gain = prospects.expected_gain(world, load)
        payoff[:, :, load, :-1] = np.where(mask[..., :-1], gain, -np.inf)
    payoff[..., -1] = np.where(mask[..., -1], 0.0, -np.inf)[..., None]
    return payoff


def sequential_best_response(
    payoff: NDArray[np.float32], start: NDArray[np.int64], max_sweeps: int = MAX_SWEEPS
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Let users best-respond one after another until nobody moves: actions (N, U), and where that was reached (N,)."""
    num_worlds, num_users, _, num_actions = payoff.shape
    worlds = np.arange(num_worlds)
    chosen = start.copy()
    load = loads(chosen, num_actions)
    moved = np.ones(num_worlds, bool)
    for _ in range(max_sweeps):
        moved = np.zeros(num_worlds, bool)
        for user in range(num_users):
            present = chosen[:, user]
            load[worlds, present] -= 1
            gain = payoff[worlds[:, None], user, load + 1, np.arange(num_actions)]
            best = gain.argmax(axis=-1)
            better = gain[worlds, best] > gain[worlds, present] + TIE
            chosen[:, user] = np.where(better, best, present)
            load[worlds, chosen[:, user]] += 1
            moved |= better
        if not moved.any():
            break
    return chosen, ~moved


def regret(payoff: NDArray[np.float32], chosen: NDArray[np.int64]) -> NDArray[np.float32]:
    """The most any user of a world gains by moving alone, (N,), credits."""
    gain, present = deviations(payoff, chosen)
    return np.maximum((gain.max(axis=-1) - present).max(axis=-1), 0)


def social_gain(payoff: NDArray[np.float32], chosen: NDArray[np.int64]) -> NDArray[np.float32]:
    """Sum of the users' gains in each world, (N,), credits."""
    return deviations(payoff, chosen)[1].sum(axis=-1)


def deviations(
    payoff: NDArray[np.float32], chosen: NDArray[np.int64]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """What each user would get from each action, others unchanged, (N, U, A), and gets now, (N, U)."""
    num_worlds, num_users, _, num_actions = payoff.shape
    mine = chosen[..., None] == np.arange(num_actions)
    others = loads(chosen, num_actions)[:, None] - mine
    worlds, users = np.arange(num_worlds)[:, None, None], np.arange(num_users)[:, None]
    gain = payoff[worlds, users, others + 1, np.arange(num_actions)]
    return gain, np.take_along_axis(gain, chosen[..., None], axis=-1)[..., 0]


def loads(chosen: NDArray[np.int64], num_actions: int) -> NDArray[np.int64]:
    """Users on each action, (N, A); abandoning is given none, so that its payoff is read at load 1 always."""
    cell = np.arange(len(chosen))[:, None] * num_actions + chosen
    return np.bincount(cell.ravel(), minlength=len(chosen) * num_actions).reshape(len(chosen), num_actions)


def allowed_actions(world: World, chosen: NDArray[np.int64]) -> Actions:
    """`chosen`, or what must be done where abandoning is not allowed and nothing is worth it."""
    mask = world.action_mask()
    excluded = ~np.take_along_axis(mask, chosen[..., None], axis=-1)[..., 0]
    return np.where(excluded, best_expert(world, prospects.expected_gain(world)), chosen)
