"""The game that users play in a slot where payoffs depend on more than loads.

Work, edge devices that decline, places and the platform's account make a user's gain depend on who
else is where. So each action of a user is delivered, by the world's own rules, beside what all
others have chosen; one delivery holds all candidates of a user, since experts do not touch each
other.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from envs import Slot
from envs.delivery import Delivery, deliver
from envs.per_expert import per_expert
from envs.transfers import Transfers
from marl_moe.policies.slot_game import TIE, SlotGame

Actions = NDArray[np.int64]
Worlds = NDArray[np.int64]
Gains = NDArray[np.floating]
MAX_SWEEPS = 30  # where there is no equilibrium, more only go round


def depends_on_load_alone(slot: Slot) -> bool:
    """Return whether a user's gain at a candidate depends on how many others are there, not who."""
    config = slot.config
    return (
        slot.offer.free
        and config.channel.split == "equal"
        and not config.computes
        and not config.limits_places
    )


def game_of(slot: Slot) -> "SlotGame | DeliveredGame":
    """Return the game of a slot under full information: by loads where that is all that matters."""
    return SlotGame.of(slot) if depends_on_load_alone(slot) else DeliveredGame(slot)


@dataclass(frozen=True)
class DeliveredGame:
    """Games of a slot in N worlds, with the lots drawn; action c < C chooses candidate c.

    Under an account of the platform, the others behind a user in the lots are taken to be admitted
    as if that user reserved nothing.
    """

    slot: Slot

    def gains(self, user: int, chosen: Actions, worlds: Worlds | None = None) -> Gains:
        """Return the gain of a user by each action, (N, C + 1) credits; -inf where it is masked.

        Args:
            user: number of the user.
            chosen: (N, U) actions; its own does not matter.
            worlds: (N,) worlds of the rows; None for all.
        """
        worlds = self._all if worlds is None else worlds
        delivery = deliver(self._transfers(user, chosen, worlds, candidates=True))
        return self._of_actions(user, delivery.gain[:, self._others :], worlds)

    def social_gains(self, user: int, chosen: Actions, worlds: Worlds | None = None) -> Gains:
        """Return what each action of a user adds to the sum of all gains, (N, C + 1) credits.

        Arguments are those of `gains`.
        """
        worlds = self._all if worlds is None else worlds
        transfers = self._transfers(user, chosen, worlds, candidates=True)
        without = self._transfers(user, chosen, worlds, candidates=False)
        shape = self.slot.num_worlds, self.slot.num_experts
        total = per_expert(transfers.cell, deliver(transfers).gain, shape)
        total -= per_expert(without.cell, deliver(without).gain, shape)
        return self._of_actions(user, total.take(transfers.cell[:, self._others :]), worlds)

    def alone(self) -> Actions:
        """Return the action that each user would gain most by were it alone, (N, U)."""
        slot = self.slot
        gain = np.where(slot.mask[..., :-1], slot.known_gain(), -np.inf)
        has_any = np.isfinite(gain).any(axis=-1)
        return np.where(has_any, gain.argmax(axis=-1), slot.num_candidates)

    def delivered(self, chosen: Actions) -> Delivery:
        """Return what these actions bring, (N, U) each."""
        requested = chosen < self.slot.num_candidates
        return deliver(Transfers.of(self.slot, np.where(requested, chosen, 0), requested))

    def regret(self, chosen: Actions) -> NDArray[np.float64]:
        """Return the most that any user of a world gains by moving alone, (N,) credits."""
        present, most = self.delivered(chosen).gain, np.zeros(len(chosen))
        for user in range(self.slot.num_users):
            best = self.gains(user, chosen).max(axis=-1)
            most = np.maximum(most, best - present[:, user])
        return most

    def equilibrium(self, start: Actions) -> tuple[Actions, NDArray[np.bool_]]:
        """Let users best-respond one after another until nobody moves, `MAX_SWEEPS` rounds at most.

        Returns:
            Actions, (N, U), and the worlds in which nobody moved any more, (N,).
        """
        return self._climbed(start, self.gains)

    def local_search(self, start: Actions) -> tuple[Actions, NDArray[np.bool_]]:
        """Let users move one after another where that raises the sum of gains; as `equilibrium`."""
        return self._climbed(start, self.social_gains)

    @property
    def _others(self) -> int:
        return self.slot.num_users - 1

    @property
    def _all(self) -> Worlds:
        return np.arange(self.slot.num_worlds)

    def _climbed(
        self, start: Actions, worth: Callable[[int, Actions, Worlds], Gains]
    ) -> tuple[Actions, NDArray[np.bool_]]:
        """Let users move to the action that is worth most, until none does, world by world."""
        chosen, moving = start.copy(), self._all
        for _ in range(MAX_SWEEPS):
            now, rows = chosen[moving], np.arange(len(moving))
            moved = np.zeros(len(moving), bool)
            for user in range(self.slot.num_users):
                gain = worth(user, now, moving)
                best = gain.argmax(axis=-1)
                better = gain[rows, best] > gain[rows, now[:, user]] + TIE
                now[:, user] = np.where(better, best, now[:, user])
                moved |= better
            chosen[moving] = now
            moving = moving[moved]
            if not moving.size:
                break
        converged = np.ones(len(start), bool)
        converged[moving] = False
        return chosen, converged

    def _transfers(
        self, user: int, chosen: Actions, worlds: Worlds, *, candidates: bool
    ) -> Transfers:
        """Return the requests of all others, then one of the user for each of its candidates."""
        slot = self.slot
        users = np.delete(np.arange(slot.num_users), user)
        columns = chosen[:, users]
        requested = columns < slot.num_candidates
        columns = np.where(requested, columns, 0)
        if candidates:
            count = slot.num_candidates
            own = np.broadcast_to(np.arange(count), (len(worlds), count))
            users = np.concatenate([users, np.full(count, user)])
            columns = np.concatenate([columns, own], axis=1)
            requested = np.concatenate([requested, slot.mask[worlds, user, :count]], axis=1)
        whose = np.broadcast_to(users, columns.shape)
        imagined = columns.shape[1] - self._others
        return Transfers.of(slot, columns, requested, whose, imagined, worlds)

    def _of_actions(self, user: int, of_candidates: Gains, worlds: Worlds) -> Gains:
        nothing = np.zeros((len(of_candidates), 1))
        gains = np.concatenate([of_candidates, nothing], axis=1)
        return np.where(self.slot.mask[worlds, user], gains, -np.inf)
