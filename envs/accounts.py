"""The accounts of requests under way: what each has gained so far, and its utility once it is
complete.
"""

import numpy as np
from numpy.typing import NDArray

from envs import quality
from envs.config import WorldConfig
from envs.requests import RequestQueue
from envs.state import State, put, taken

Float = NDArray[np.floating]
_STATE = ("gained", "gained_locally")


class RequestAccounts:
    """Gains of N x U requests under way, credits: as played, and had the device run every subtask
    itself.
    """

    def __init__(
        self, config: WorldConfig, shape: tuple[int, int], rng: np.random.Generator
    ) -> None:
        self.config = config
        self._rng = rng
        self.gained = np.zeros(shape)
        self.gained_locally = np.zeros(shape)

    def settle(
        self, requests: RequestQueue, gain: Float, local_gain: Float
    ) -> tuple[Float, Float, Float, Float]:
        """Book the gains of a slot, (N, U); the judge's noise about a request falls in the slot
        that completes it.

        Returns both gains with that noise, and both utilities of the requests completed (NaN for
        others): the credits of a request whose transferable subtasks are all abandoned, plus the
        sum of its gains.
        """
        completing = requests.completing
        noise = self._judge_noise(completing)
        gain, local_gain = gain + noise, local_gain + noise
        self.gained += gain
        self.gained_locally += local_gain
        base = self.abandoned_utility(requests)
        utility = np.where(completing, base + self.gained, np.nan)
        local_utility = np.where(completing, base + self.gained_locally, np.nan)
        self.gained[completing] = 0.0
        self.gained_locally[completing] = 0.0
        return gain, local_gain, utility, local_utility

    def reopen(self, world: int, user: int) -> None:
        """Begin a user's account anew: its request gave way to another."""
        self.gained[world, user] = self.gained_locally[world, user] = 0.0

    def abandoned_utility(self, requests: RequestQueue) -> Float:
        """Credits of each request if all its transferable subtasks are abandoned, (N, U)."""
        config = self.config
        lost = quality.abandon_loss(
            config.quality, requests.transferred_weight, config.requests.num_subtasks
        )
        return config.reward.credits_per_point * (config.quality.local_score - lost)

    def get_state(self) -> State:
        """The gains of the requests under way."""
        return taken(self, _STATE)

    def set_state(self, state: State) -> None:
        """Go on from what `get_state` gave."""
        put(self, _STATE, state)

    def _judge_noise(self, completing: NDArray[np.bool_]) -> Float | float:
        spread = self.config.reward.credits_per_point * self.config.quality.judge_noise
        return spread * self._rng.standard_normal(completing.shape) * completing if spread else 0.0
