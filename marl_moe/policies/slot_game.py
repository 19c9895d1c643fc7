"""The game that users play in a slot: the choice of an expert whose gain depends on its load.

Users who pick experts that are free, compute in no time and share their bands equally play a
singleton congestion game with user-specific payoffs, which always has a pure Nash equilibrium
(Milchtaich, Games and Economic Behavior 1996), though best responses may cycle. All other slots are
`marl_moe.policies.delivered_game`'s.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from envs import Slot

Actions = NDArray[np.int64]
Payoff = NDArray[np.float32]
MAX_SWEEPS = 100
TIE = 1e-6  # credits; the payoffs are in single precision


@dataclass(frozen=True)
class SlotGame:
    """Games of a slot in N worlds; action c < C chooses the user's candidate c, C abandons.

    Attributes:
        payoff: (N, U, K + 1, C + 1) gain of each user for each action at each load, credits; the
            load counts the user, 0 is unused, and K stands for every greater load too. -inf where
            the mask excludes the action; abandoning gives 0 at any load.
        resource: (N or 1, U or 1, C + 1) resource that each action uses: an expert, or
            `num_experts` for abandoning.
        num_experts: number of experts, E.
    """

    payoff: Payoff
    resource: NDArray[np.int64]
    num_experts: int

    @classmethod
    def of(cls, slot: Slot) -> "SlotGame":
        """Return the game of the present slot under full information.

        Loads run up to the number of users; or, where all may abandon, up to the first at which
        every candidate is worth less than that: nobody who responds chooses an expert of such a
        load or a greater one, since gains fall with the load. (Users who draw their actions may
        meet there; what they then gain is taken to be that of K.)
        """
        mask = slot.mask
        may_abandon = mask[..., -1]
        at_load = [np.full((*mask.shape[:-1], slot.num_candidates), -np.inf, np.float32)]
        for load in range(1, slot.num_users + 1):
            at_load.append(np.where(mask[..., :-1], slot.known_gain(load), -np.inf))
            if may_abandon.all() and at_load[-1].max() < -TIE:
                break
        abandoning = np.where(may_abandon, np.float32(0), np.float32(-np.inf))
        abandoning = np.broadcast_to(
            abandoning[..., None, None], (*mask.shape[:-1], len(at_load), 1)
        )
        expert = slot.conditions.candidates.expert
        resource = np.concatenate(
            [expert, np.full((*expert.shape[:-1], 1), slot.num_experts)], axis=-1
        )
        return cls(
            np.concatenate([np.stack(at_load, axis=2), abandoning], axis=-1),
            resource,
            slot.num_experts,
        )

    @property
    def max_load(self) -> int:
        """Greatest load, K."""
        return self.payoff.shape[2] - 1

    @cached_property
    def _shape(self) -> tuple[int, int, int]:
        """N, U, C + 1."""
        num_worlds, num_users, _, num_actions = self.payoff.shape
        return num_worlds, num_users, num_actions

    @cached_property
    def _worlds(self) -> NDArray[np.int64]:
        return np.arange(self._shape[0])[:, None]

    @cached_property
    def _resources(self) -> NDArray[np.int64]:
        """`resource` in full, (N, U, C + 1)."""
        return np.broadcast_to(self.resource, self._shape)

    def used(self, chosen: Actions) -> NDArray[np.int64]:
        """Return the resource that each user uses, (N, U)."""
        return np.take_along_axis(self._resources, chosen[..., None], axis=-1)[..., 0]

    def loads(self, chosen: Actions) -> NDArray[np.int64]:
        """Return the number of users of each resource, (N, E + 1)."""
        cell = self._worlds * (self.num_experts + 1) + self.used(chosen)
        total = np.bincount(cell.ravel(), minlength=len(chosen) * (self.num_experts + 1))
        return total.reshape(len(chosen), -1)

    def at(self, user: NDArray, load: NDArray, action: NDArray) -> Payoff:
        """Return payoffs at these users, loads and actions, which broadcast against (N, 1)."""
        worlds = self._worlds.reshape(-1, *[1] * (np.broadcast(user, load, action).ndim - 1))
        return self.payoff[worlds, user, np.clip(load, 1, self.max_load), action]

    def deviations(self, chosen: Actions) -> tuple[Payoff, Payoff]:
        """Return the gains of deviating alone, and the present ones.

        Args:
            chosen: actions, (N, U).

        Returns:
            Gain of each user from each action, others unchanged, (N, U, C + 1), credits, and of its
            chosen action, (N, U), credits.
        """
        _, num_users, num_actions = self._shape
        load = self.loads(chosen)[self._worlds[..., None], self._resources]
        load += self._resources != self.used(chosen)[..., None]  # a user who comes adds to it
        gain = self.at(np.arange(num_users)[:, None], load, np.arange(num_actions))
        return gain, np.take_along_axis(gain, chosen[..., None], axis=-1)[..., 0]

    def action(self, row: NDArray[np.int64], resource: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the actions by which users use resources.

        Args:
            row: users, numbered world * U + user.
            resource: a resource for each.

        Returns:
            Actions, -1 where a resource is not among the user's.
        """
        if self.resource.shape[1] == 1:
            return resource
        num_actions, stride = self.resource.shape[-1], self.num_experts + 1
        rows = np.arange(self.resource[..., 0].size)[:, None]
        # Sorted, since the resources of a user rise.
        keys = (rows * stride + self.resource.reshape(-1, num_actions)).ravel()
        key = row * stride + resource
        place = np.minimum(np.searchsorted(keys, key), keys.size - 1)
        return np.where(keys[place] == key, place % num_actions, -1)

    def worlds(self, index: NDArray[np.int64]) -> "SlotGame":
        """Return the games of these worlds alone."""
        resource = self.resource if len(self.resource) == 1 else self.resource[index]
        return SlotGame(self.payoff[index], resource, self.num_experts)

    def regret(self, chosen: Actions) -> Payoff:
        """Return the most that any user of a world gains by moving alone, (N,), credits."""
        gain, present = self.deviations(chosen)
        return np.maximum((gain.max(axis=-1) - present).max(axis=-1), 0)

    def social_gain(self, chosen: Actions) -> Payoff:
        """Return the sum of the users' gains in each world, (N,), credits."""
        return self.deviations(chosen)[1].sum(axis=-1)

    def alone(self) -> Actions:
        """Return the candidate that each user would gain most from were it alone.

        Returns:
            Actions, (N, U); abandoning where a user may choose no candidate.
        """
        gain = self.payoff[:, :, 1, :-1]
        return np.where(np.isfinite(gain).any(axis=-1), gain.argmax(axis=-1), gain.shape[-1])

    def equilibrium(
        self, start: Actions, max_sweeps: int = MAX_SWEEPS
    ) -> tuple[Actions, NDArray[np.bool_]]:
        """Let users best-respond one after another until nobody moves.

        Args:
            start: actions to begin with, (N, U).
            max_sweeps: rounds at most.

        Returns:
            Actions, (N, U), and the worlds in which nobody moved any more, (N,).
        """
        num_worlds, num_users, num_actions = self._shape
        worlds, actions = np.arange(num_worlds), np.arange(num_actions)
        rows = worlds[:, None]
        chosen, load, used = start.copy(), self.loads(start), self.used(start)
        moved = np.ones(num_worlds, bool)
        for _ in range(max_sweeps):
            moved = np.zeros(num_worlds, bool)
            for user in range(num_users):
                present, resource = chosen[:, user], self._resources[:, user]
                load[worlds, used[:, user]] -= 1
                joined = np.minimum(load[rows, resource] + 1, self.max_load)
                gain = self.payoff[rows, user, joined, actions]
                best = gain.argmax(axis=-1)
                better = gain[worlds, best] > gain[worlds, present] + TIE
                chosen[:, user] = np.where(better, best, present)
                used[:, user] = resource[worlds, chosen[:, user]]
                load[worlds, used[:, user]] += 1
                moved |= better
            if not moved.any():
                break
        return chosen, ~moved
