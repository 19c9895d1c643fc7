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

DAMPING = 0.3, 0.6  # of the first step of an expert's load, and of any
SLOWER, FASTER = 0.5, 1.05  # times the damping, where a load turned round and where it went on


class LoadEquilibrium:
    """The mean number of others at each expert, lambda, on the way to a fixed point of

        lambda_e = (U - 1) P(a stranger chooses e),

    where a stranger draws an expert, or abandons, by a softmax over its mean gains beside
    Poisson(lambda) others: a logit equilibrium (McKelvey and Palfrey, Games and Economic Behavior
    1995), which there is where users are alike too, and all would have the same expert. Each step
    is damped; the damping of each expert's load adapts (as step sizes in Rprop, Riedmiller and
    Braun 1993).

    Attributes:
        others: (N, E) lambda.

    Args:
        strangers: S of each of N worlds.
        num_others: U - 1.
        others: (N, E) at first.
    """

    def __init__(self, strangers: Strangers, num_others: int, others: Float) -> None:
        self.others = others
        self._strangers, self._num_others = strangers, num_others
        self.restart()

    def restart(self) -> None:
        """Forget the damping, where the strangers' gains are new."""
        self._damping = np.full(self.others.shape, DAMPING[0])
        self._change = np.zeros(self.others.shape)

    def step(
        self,
        expected: Callable[[NDArray[np.float32]], NDArray[np.floating]],
        closed: Bool,
        scale: NDArray[np.floating],
    ) -> Float:
        """Let the strangers respond once, and return lambda's distance from that, (N, E) users.

        Args:
            expected: returns strangers' mean gain of candidates, (N, S, C) credits, beside a mean
                number of others, which broadcasts against that.
            closed: (N, S, C) candidates that cannot be chosen.
            scale: (N,) temperature of the softmax, credits.
        """
        others = self._strangers.candidates.of(self.others.astype(np.float32))
        gain = np.where(closed, np.float32(-np.inf), expected(others))
        change = self._num_others * self._strangers.shares(gain, scale) - self.others
        factor = np.where(change * self._change < 0, SLOWER, FASTER)
        self._damping = np.minimum(self._damping * factor, DAMPING[1])
        self.others = self.others + self._damping * change
        self._change = change
        return change

    def get_state(self) -> State:
        """Return copies of lambda and of the damping."""
        return {
            "others": self.others.copy(),
            "damping": self._damping.copy(),
            "change": self._change.copy(),
        }

    def set_state(self, state: State) -> None:
        """Go on from what `get_state` gave."""
        self.others = state["others"].copy()
        self._damping, self._change = state["damping"].copy(), state["change"].copy()
