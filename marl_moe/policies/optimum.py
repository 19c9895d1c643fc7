"""The greatest sum of gains of a slot, by a mixed-integer program or by local search."""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from envs import Slot
from marl_moe.policies.base import Actions, register
from marl_moe.policies.delivered_game import DeliveredGame, game_of
from marl_moe.policies.equilibrium import allowed_actions
from marl_moe.policies.heuristics import Heuristic
from marl_moe.policies.slot_game import TIE, Payoff, SlotGame

if TYPE_CHECKING:
    from scipy.sparse import coo_array

EXACT_USERS = 8  # the program of a slot takes about 10 ms up to here
SAMPLED_USERS, SAMPLED_WORLDS = 64, 8  # up to here, so many of a batch: 0.1 to 0.5 s a slot


@register("optimum")
class Optimum(Heuristic):
    """The social optimum of the slot under full information; like the equilibrium, it is myopic.

    Where payoffs depend on loads alone it is exact, by `best_assignment`: in all worlds up to
    `EXACT_USERS` users, and up to `SAMPLED_USERS` in the first `SAMPLED_WORLDS` of those played at
    once, a sample, if all may abandon (else loads go up to all users, and a program may take ten
    seconds). Elsewhere, by `local_search` from an equilibrium, it is a lower bound of the optimum
    and at least the equilibrium's sum.

    Attributes:
        setting: the method, `milp` or `local_search`, or how many worlds have the first.
        converged: (N,) worlds in which the last slot's optimum is exact.
    """

    name = "optimum"

    def act(self, slot: Slot) -> Actions:
        """Return actions, (N, U)."""
        game = game_of(slot)
        num_worlds, exact = slot.num_worlds, 0
        if isinstance(game, DeliveredGame):
            start, _ = game.equilibrium(game.alone())
            chosen, _ = game.local_search(start)
        else:
            exact = _exact_worlds(slot)
            parts = [best_assignment(game.worlds(np.array([n]))) for n in range(exact)]
            if exact < num_worlds:
                rest = game.worlds(np.arange(exact, num_worlds))
                parts.append(local_search(rest, rest.equilibrium(rest.alone())[0]))
            chosen = np.concatenate(parts)
        self.converged = np.arange(num_worlds) < exact
        self.setting = "milp" if exact else "local_search"
        if 0 < exact < num_worlds:
            self.setting = f"milp in {exact} of {num_worlds} worlds, else local_search"
        return allowed_actions(slot, chosen, self.rng)


def _exact_worlds(slot: Slot) -> int:
    """Return how many worlds have their optimum exactly, where payoffs depend on loads alone."""
    if slot.num_users <= EXACT_USERS:
        return slot.num_worlds
    sampled = slot.num_users <= SAMPLED_USERS and bool(slot.mask[..., -1].all())
    return min(slot.num_worlds, SAMPLED_WORLDS) if sampled else 0


def best_assignment(game: SlotGame) -> Actions:
    """Return the actions of greatest total gain in the one world of a game, exactly.

    Program: maximise sum_uek g[u, e, k] x[u, e, k] with binary x (user u is one of the k at e) and
    z (e serves k), subject to sum_ek x[u, e, k] = 1, sum_u x[u, e, k] = k z[e, k], sum_k z[e, k] <=
    1; abandoning has no load. Cells of negative gain are left out: where a user may abandon, the
    optimum uses none, since that user and those who share with it would gain by its abandoning. So
    no load beyond the game's is missed.

    Args:
        game: a game of one world.

    Returns:
        Actions, (1, U).

    Raises:
        RuntimeError: HiGHS finds no optimum.
    """
    # A third of the time that the command takes to start, and few runs need it.
    from scipy.optimize import Bounds, LinearConstraint, milp
    from scipy.sparse import coo_array, vstack

    (payoff,) = game.payoff
    experts = np.broadcast_to(game.resource, (1, len(payoff), payoff.shape[-1]))[0]
    num_users, _, num_actions = payoff.shape
    may_abandon = np.isfinite(payoff[:, 1, -1])
    gain = payoff[:, 1:, :-1].transpose(0, 2, 1)  # (U, C, K), load k at index k - 1
    worth = np.isfinite(gain) & ((gain > 0) | ~may_abandon[:, None, None])
    user, action, load = np.nonzero(worth)
    num_cells, num_pairs = len(user), game.num_experts * gain.shape[2]
    idle = np.flatnonzero(may_abandon)
    size = num_cells + len(idle) + num_pairs
    objective = np.zeros(size)
    objective[:num_cells] = -gain[worth]
    pair = experts[user, action] * gain.shape[2] + load

    def rows(row: NDArray, column: NDArray, value: NDArray, count: int) -> "coo_array":
        return coo_array((value, (row, column)), shape=(count, size))

    cells, pairs = np.arange(num_cells), np.arange(num_pairs)
    z_column = num_cells + len(idle) + pairs
    each_user_once = rows(
        np.concatenate([user, idle]),
        np.arange(num_cells + len(idle)),
        np.ones(num_cells + len(idle)),
        num_users,
    )
    as_many_as_loaded = rows(
        np.concatenate([pair, pairs]),
        np.concatenate([cells, z_column]),
        np.concatenate([np.ones(num_cells), -(pairs % gain.shape[2] + 1.0)]),
        num_pairs,
    )
    one_load_each = rows(pairs // gain.shape[2], z_column, np.ones(num_pairs), game.num_experts)
    equal = np.concatenate([np.ones(num_users), np.zeros(num_pairs)])
    constraints = [
        LinearConstraint(vstack([each_user_once, as_many_as_loaded]).tocsr(), equal, equal),
        LinearConstraint(one_load_each.tocsr(), -np.inf, 1),
    ]
    solution = milp(
        objective,
        integrality=np.ones(size),
        bounds=Bounds(0, 1),
        constraints=constraints,
        options={"mip_rel_gap": 0.0},  # HiGHS stops at 1e-4 of the sum by default
    )
    if not solution.success:
        raise RuntimeError(f"optimum: HiGHS found none: {solution.message}")
    chosen = np.full(num_users, num_actions - 1)
    taken = solution.x[:num_cells] > 0.5
    chosen[user[taken]] = action[taken]
    return chosen[None]


def local_search(game: SlotGame, start: Actions) -> Actions:
    """Raise each world's sum of gains by the best move of one user or swap of two at a time.

    It ends where no move and no swap raises the sum.

    Args:
        game: the games of N worlds.
        start: actions to begin with, (N, U).

    Returns:
        Actions, (N, U).
    """
    num_actions = game.payoff.shape[-1]
    chosen = start.copy()
    searching = np.arange(len(chosen))
    while len(searching):
        there, now = game.worlds(searching), chosen[searching]
        move = move_gains(there, now).reshape(len(searching), -1)
        by_swap, swapped = _best_swaps(there, now)
        rows, best_move = np.arange(len(searching)), move.argmax(axis=-1)
        by_move = move[rows, best_move]
        user, action = np.divmod(best_move, num_actions)
        moved = now.copy()
        moved[rows, user] = action
        improves = np.maximum(by_move, by_swap) > TIE
        better = np.where((by_move >= by_swap)[:, None], moved, swapped)
        chosen[searching] = np.where(improves[:, None], better, now)
        searching = searching[improves]
    return chosen


def move_gains(game: SlotGame, chosen: Actions) -> Payoff:
    """Return the change of the sum of gains when one user moves to an action, (N, U, C + 1)."""
    num_worlds, num_users = chosen.shape
    gain, present = game.deviations(chosen)
    used, load = game.used(chosen), game.loads(chosen)
    mine = np.take_along_axis(load, used, axis=-1)
    users = np.arange(num_users)
    joined = game.at(users, mine + 1, chosen) - present  # to a user, when another comes
    left = game.at(users, mine - 1, chosen) - present  # or goes
    cell = (np.arange(num_worlds)[:, None] * load.shape[-1] + used).ravel()
    come, go = (
        np.bincount(cell, change.ravel(), load.size).reshape(load.shape)
        for change in (joined, left)
    )
    others_go = np.take_along_axis(go, used, axis=-1) - left
    win = (
        gain
        - present[..., None]
        + come[np.arange(num_worlds)[:, None, None], game.resource]
        + others_go[..., None]
    )
    np.put_along_axis(win, chosen[..., None], 0, axis=-1)
    return win.astype(np.float32)


def _best_swaps(game: SlotGame, chosen: Actions) -> tuple[Payoff, Actions]:
    """Find the two users of each world who would best trade what they use.

    Two users can trade if each can use what the other uses: every user is compared with those who
    use what it could use.

    Returns:
        The change of the sum of gains by the best trade, (N,), -inf where nobody can trade, and the
        actions after it, (N, U).
    """
    num_worlds, num_users = chosen.shape
    used, load = game.used(chosen), game.loads(chosen)
    # Users in the order of what they use, and where in that order each resource begins.
    order = np.argsort(
        (np.arange(num_worlds)[:, None] * load.shape[-1] + used).ravel(), kind="stable"
    )
    begins = (np.cumsum(load) - load.ravel()).reshape(load.shape)
    resource = np.broadcast_to(game.resource, (*chosen.shape, game.resource.shape[-1])).ravel()
    row, action = np.divmod(np.arange(resource.size), game.resource.shape[-1])
    there = load[row // num_users, resource]
    nth = np.arange(there.sum()) - np.repeat(np.cumsum(there) - there, there)
    first, action = np.repeat(row, there), np.repeat(action, there)
    second = order[np.repeat(begins[row // num_users, resource], there) + nth]
    back = game.action(second, used.ravel()[first])
    trades = (first < second) & (back >= 0)
    first, second, action, back = first[trades], second[trades], action[trades], back[trades]

    world = first // num_users
    _, present = game.deviations(chosen)
    at_first, at_second = (load[world, used.ravel()[user]] for user in (first, second))
    payoff = game.payoff.reshape(-1, *game.payoff.shape[2:])
    then = payoff[first, np.minimum(at_second, game.max_load), action]
    then = then + payoff[second, np.minimum(at_first, game.max_load), back]
    win = then - present.ravel()[first] - present.ravel()[second]

    best = np.full(num_worlds, -np.inf, np.float32)
    np.maximum.at(best, world, win)
    swapped = chosen.copy().ravel()
    pair = np.flatnonzero(win == best[world])
    pair = pair[np.unique(world[pair], return_index=True)[1]]  # one in each world
    swapped[first[pair]], swapped[second[pair]] = action[pair], back[pair]
    return best, swapped.reshape(chosen.shape)
