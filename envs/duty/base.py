"""What a duty is: what shares of a slot's time achieve and cost, and the registry of such."""

from abc import ABC, abstractmethod

from envs.arrays import Float
from envs.geometry.models import Models


class Duty(ABC):
    """What an expert can do beside serving: a frozen dataclass of parameters that keeps nothing.

    Only time is shared: nothing else of serving, such as its band or its power, changes.
    """

    @abstractmethod
    def achieved(self, time_s: Float) -> Float:
        """Return what so many seconds of a slot achieve, of the same shape, strictly ascending."""

    @abstractmethod
    def time_s(self, achieved: Float) -> Float:
        """Return the seconds of a slot that achieve so much: the inverse of `achieved`."""

    def cost(self, time_s: Float) -> Float:
        """Return what so many seconds cost the edge device, credits; nothing by default."""
        return time_s * 0.0


DUTIES: Models[Duty] = Models("duty", Duty)  # type: ignore[type-abstract]
register = DUTIES.register  # a decorator, `task: {model: NAME}`
