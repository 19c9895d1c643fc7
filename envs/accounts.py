"""The accounts of requests under way: gains so far, and utilities of complete requests."""

from typing import NamedTuple

import numpy as np

from envs import quality
from envs.arrays import Bool, Float
from envs.config import WorldConfig
from envs.state import State, put, taken
from envs.traced_requests import Requests
from envs.users import Users

_STATE = ("gained", "gained_locally")


class Gains(NamedTuple):
    """Gains of a slot with the judge's noise, and utilities of the requests it completes, (N, U).

    Credits each; utilities of other users are NaN.
    """

    gain: Float  # as played
    local_gain: Float  # had the user's device run the subtask
    utility: Float
    local_utility: Float


class RequestAccounts:
    """Gains of N x U requests under way, credits.

    Attributes:
        gained: (N, U) gains so far, as played.
        gained_locally: (N, U) gains so far, had the user's device run every subtask.

    Args:
        config: the worlds' configuration.
        users: worth of a point to each.
        shape: (N, U).
        rng: draws the noise of the judge.
    """

    def __init__(
        self,
        config: WorldConfig,
        users: Users,
        shape: tuple[int, int],
        rng: np.random.Generator,
    ) -> None:
        self.config = config
        self.users = users
        self._rng = rng
        self.gained = np.zeros(shape)
        self.gained_locally = np.zeros(shape)

    def settle(self, requests: Requests, gain: Float, local_gain: Float) -> Gains:
        """Book the gains of a slot.

        The judge's noise about a request is added in the slot that completes it, if that transfers
        a subtask: the gain of who has none is 0. The utility of a
        request is its credits if all its transferable subtasks were abandoned, plus its gains.

        Args:
            requests: the requests of the slot.
            gain: (N, U) gains as played, credits.
            local_gain: (N, U) gains had the user's device run the subtask, credits.
        """
        completing = requests.completing
        noise = self._judge_noise(completing & requests.subtasks.pending)
        gain, local_gain = gain + noise, local_gain + noise
        self.gained += gain
        self.gained_locally += local_gain
        base = self.abandoned_utility(requests)
        utility = np.where(completing, base + self.gained, np.nan)
        local_utility = np.where(completing, base + self.gained_locally, np.nan)
        self.gained[completing] = 0.0
        self.gained_locally[completing] = 0.0
        return Gains(gain, local_gain, utility, local_utility)

    def reopen(self, world: int, user: int) -> None:
        """Begin a user's account anew, for another request."""
        self.gained[world, user] = self.gained_locally[world, user] = 0.0

    def abandoned_utility(self, requests: Requests) -> Float:
        """Return the credits of each request if all it could transfer is abandoned, (N, U)."""
        config = self.config
        lost = quality.abandon_loss(
            config.quality, requests.transferred_weight, config.requests.num_subtasks
        )
        return self.users.credits_per_point * (config.quality.local_score - lost)

    def get_state(self) -> State:
        """Return the gains of the requests under way."""
        return taken(self, _STATE)

    def set_state(self, state: State) -> None:
        """Go on from what `get_state` gave."""
        put(self, _STATE, state)

    def _judge_noise(self, judged: Bool) -> Float | float:
        if not self.config.quality.judge_noise:
            return 0.0
        spread = self.users.credits_per_point * self.config.quality.judge_noise
        return spread * self._rng.standard_normal(judged.shape) * judged
