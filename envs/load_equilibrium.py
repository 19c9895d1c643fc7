"""Loads to which strangers respond by making these loads: an equilibrium, step by step.

It is a symmetric Bayesian equilibrium in the limit of many users: each responds, in expectation, to
a Poisson distributed number of others at every expert (a Poisson game, Myerson, International
Journal of Game Theory 1998).
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from envs.arrays import Bool, Float
from envs.state import State
from envs.strangers import Strangers

DAMPING = 0.5, 0.6  # of an expert's load: where it begins, and the most
SLOWER, FASTER = 0.5, 1.05  # times the damping, where a load turned round and where it went on


class LoadEquilibrium:
    """The mean number of others at each expert, lambda, on the way to a fixed point of

        lambda_e = (U - 1) P(a stranger chooses e),

    where a stranger draws an expert, or abandons, by a softmax over its mean gains beside
    Poisson(lambda) others: a logit equilibrium (McKelvey and Palfrey, Games and Economic Behavior
    1995), which there is where users are alike too, and all would have the same expert. Each step
    is damped; the damping of each expert's load adapts (as step sizes in Rprop, Riedmiller and
    Braun 1993). Experts that are down draw nobody, and keep their lambda for when they are up.

    Args:
        strangers: S of each of N worlds.
        num_others: U - 1.
        others: (N, E) lambda at first.
    """

    def __init__(self, strangers: Strangers, num_others: int, others: Float) -> None:
        self._strangers, self._num_others, self._others = strangers, num_others, others
        self.restart()

    def restart(self) -> None:
        """Begin anew with the damping, where the strangers' gains have changed."""
        self._damping = np.full(self._others.shape, DAMPING[0])
        self._change = np.zeros(self._others.shape)

    def others(self, available: Bool) -> Float:
        """Return lambda where experts are up and 0 elsewhere, (N, E)."""
        return self._others * available

    def step(
        self,
        expected: Callable[[NDArray[np.float32]], NDArray[np.floating]],
        closed: Bool,
        scale: NDArray[np.floating],
        available: Bool,
        worlds: Bool | None = None,
    ) -> Float:
        """Let the strangers respond once, and return how far lambda was from that, (N, E) users.

        Args:
            expected: returns their mean gain of candidates, (N, S, C) credits, beside a mean number
                of others, which broadcasts against that.
            closed: (N, S, C) candidates that they cannot choose even where they are up.
            scale: (N,) temperature of the softmax, credits.
            available: (N, E) experts that are up.
            worlds: (N,) those that take the step; None: all.
        """
        of = self._strangers.candidates.of
        gain = expected(of(self._others.astype(np.float32)))
        gain = np.where(closed | ~of(available), np.float32(-np.inf), gain)
        response = self._num_others * self._strangers.shares(gain, scale)
        moved = available if worlds is None else available & worlds[:, None]
        change = np.where(moved, response - self._others, 0.0)
        factor = np.where(change * self._change < 0, SLOWER, FASTER)
        damping = np.minimum(self._damping * factor, DAMPING[1])
        self._damping = np.where(moved, damping, self._damping)
        self._others = self._others + self._damping * change
        self._change = np.where(moved, change, self._change)
        return change

    def get_state(self) -> State:
        """Return copies of lambda and of the damping."""
        return {
            "others": self._others.copy(),
            "damping": self._damping.copy(),
            "change": self._change.copy(),
        }

    def set_state(self, state: State) -> None:
        """Go on from what `get_state` gave."""
        self._others = state["others"].copy()
        self._damping, self._change = state["damping"].copy(), state["change"].copy()
