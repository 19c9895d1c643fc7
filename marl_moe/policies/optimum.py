"""The greatest sum of gains of a slot: exact by a mixed-integer program where it is small, else by local search."""

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import Bounds, LinearConstraint, milp
from scipy.sparse import coo_array, vstack

from envs import World
from marl_moe.policies.equilibrium import (
    TIE,
    allowed_actions,
    deviations,
    loads,
    payoffs,
    sequential_best_response,
)
from marl_moe.policies.heuristics import Actions, Heuristic, best_expert

EXACT_USERS = 8  # the program of a slot takes about 10 ms up to here


class Optimum(Heuristic):
    """The social optimum of the slot under full information; like the equilibrium, it is myopic.

    Up to `EXACT_USERS` users the mixed-integer program `best_assignment`; above, `local_search` from an equilibrium: at
    least the equilibrium's sum, and a lower bound of the optimum. `setting` says which.
    """

    name = "optimum"

    def act(self, world: World) -> Actions:
        """Actions (N, U)."""
        payoff = payoffs(world)
        if world.num_users <= EXACT_USERS:
            self.setting = "milp"
            return np.array([best_assignment(of_world) for of_world in payoff])
        self.setting = "local_search"
        start, _ = sequential_best_response(payoff, best_expert(world, payoff[..., 1, :-1]))
        return allowed_actions(world, local_search(payoff, start))


def best_assignment(payoff: NDArray[np.float32]) -> NDArray[np.int64]:
    """The actions (U,) of greatest total gain in one world, exactly.

    payoff: gain of each user for each action at each load, (U, U + 1, A), as `payoffs` gives it for a world.

    Program: maximise sum_uek g[u, e, k] x[u, e, k] with binary x (user u is one of the k at e) and z (e serves k),
    subject to sum_ek x[u, e, k] = 1, sum_u x[u, e, k] = k z[e, k], sum_k z[e, k] <= 1; abandoning has no load. Loads
    run up to U, so nothing is truncated. Cells of negative gain are left out: where a user may abandon, the optimum
    uses none, since abandoning would serve that user and those who share with it.

    Raises RuntimeError where HiGHS finds no optimum.
    """
    num_users, _, num_actions = payoff.shape
    may_abandon = np.isfinite(payoff[:, 1, -1])
    gain = payoff[:, 1:, :-1].transpose(0, 2, 1)  # (U, E, K), load k at index k - 1
    worth = np.isfinite(gain) & ((gain > 0) | ~may_abandon[:, None, None])
    user, expert, load = np.nonzero(worth)
    num_cells, num_pairs = len(user), gain.shape[1] * gain.shape[2]
    idle = np.flatnonzero(may_abandon)
    size = num_cells + len(idle) + num_pairs
    objective = np.zeros(size)
    objective[:num_cells] = -gain[worth]
    pair = expert * gain.shape[2] + load

    def rows(row: NDArray, column: NDArray, value: NDArray, count: int) -> coo_array:
        return coo_array((value, (row, column)), shape=(count, size))

    cells, pairs = np.arange(num_cells), np.arange(num_pairs)
    z_column = num_cells + len(idle) + pairs
    each_user_once = rows(
        np.concatenate([user, idle]), np.arange(num_cells + len(idle)), np.ones(num_cells + len(idle)), num_users
    )
    as_many_as_said = rows(
        np.concatenate([pair, pairs]),
        np.concatenate([cells, z_column]),
        np.concatenate([np.ones(num_cells), -(pairs % gain.shape[2] + 1.0)]),
        num_pairs,
    )
    one_load_each = rows(pairs // gain.shape[2], z_column, np.ones(num_pairs), gain.shape[1])
    equal = np.concatenate([np.ones(num_users), np.zeros(num_pairs)])
    constraints = [
        LinearConstraint(vstack([each_user_once, as_many_as_said]).tocsr(), equal, equal),
        LinearConstraint(one_load_each.tocsr(), -np.inf, 1),
    ]
    solution = milp(objective, integrality=np.ones(size), bounds=Bounds(0, 1), constraints=constraints)
    if not solution.success:
        raise RuntimeError(f"optimum: HiGHS found none: {solution.message}")
    chosen = np.full(num_users, num_actions - 1)
    taken = solution.x[:num_cells] > 0.5
    chosen[user[taken]] = expert[taken]
    return chosen


def local_search(payoff: NDArray[np.float32], start: NDArray[np.int64]) -> NDArray[np.int64]:
    """Raise each world's sum of gains by the best move of one user or swap of two until none helps, (N, U)."""
    num_users, num_actions = payoff.shape[1], payoff.shape[3]
    chosen = start.copy()
    searching = np.arange(len(chosen))
    while len(searching):
        now, table = chosen[searching], payoff[searching]
        move, swap = _move_gains(table, now), _swap_gains(table, now)
        rows = np.arange(len(searching))
        best_move = move.reshape(len(rows), -1).argmax(axis=-1)
        best_swap = swap.reshape(len(rows), -1).argmax(axis=-1)
        user, action = np.divmod(best_move, num_actions)
        first, second = np.divmod(best_swap, num_users)
        by_move, by_swap = move[rows, user, action], swap[rows, first, second]
        moved, swapped = now.copy(), now.copy()
        moved[rows, user] = action
        swapped[rows, first], swapped[rows, second] = now[rows, second], now[rows, first]
        chosen[searching] = np.where((by_move >= by_swap)[:, None], moved, swapped)
        improves = np.maximum(by_move, by_swap) > TIE
        chosen[searching[~improves]] = now[~improves]
        searching = searching[improves]
    return chosen


def _move_gains(payoff: NDArray[np.float32], chosen: NDArray[np.int64]) -> NDArray[np.float32]:
    """What the sum of gains wins when one user takes another action, (N, U, A)."""
    num_worlds, _, max_load, num_actions = payoff.shape
    gain, present = deviations(payoff, chosen)
    load = loads(chosen, num_actions)
    worlds, users = np.arange(num_worlds)[:, None], np.arange(payoff.shape[1])
    mine = np.take_along_axis(load, chosen, axis=-1)

    def at(other_load: NDArray[np.int64]) -> NDArray[np.float32]:
        return payoff[worlds, users, np.clip(other_load, 1, max_load - 1), chosen]

    joined, left = at(mine + 1) - present, at(mine - 1) - present  # to a user, when another comes or goes
    cell = (worlds * num_actions + chosen).ravel()
    size = num_worlds * num_actions
    come = np.bincount(cell, joined.ravel(), size).reshape(num_worlds, num_actions)
    go = np.bincount(cell, left.ravel(), size).reshape(num_worlds, num_actions)
    others_go = np.take_along_axis(go, chosen, axis=-1) - left
    win = gain - present[..., None] + come[:, None] + others_go[..., None]
    np.put_along_axis(win, chosen[..., None], -np.inf, axis=-1)
    return win.astype(np.float32)


def _swap_gains(payoff: NDArray[np.float32], chosen: NDArray[np.int64]) -> NDArray[np.float32]:
    """What the sum of gains wins when two users trade their actions, (N, U, U)."""
    num_worlds, num_users, _, num_actions = payoff.shape
    load = np.take_along_axis(loads(chosen, num_actions), chosen, axis=-1)
    worlds, users = np.arange(num_worlds)[:, None, None], np.arange(num_users)[:, None]
    taking = payoff[worlds, users, load[:, None], chosen[:, None]]  # user u in the place of user v
    present = np.diagonal(taking, axis1=1, axis2=2)
    win = taking - present[:, :, None]
    return win + win.transpose(0, 2, 1)
