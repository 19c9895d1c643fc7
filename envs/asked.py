"""What is asked of experts: points, work and fixed cost, as the platform averages them."""

from typing import NamedTuple, Self

import numpy as np

from envs.state import State, copied
from mechanisms.arrays import FloatArray


class Asked(NamedTuple):
    """What users ask of the experts of N worlds in a slot, or on average, (N, E) each."""

    points: FloatArray  # of full effort, each as if alone
    work: FloatArray  # reference points
    fixed_cost: FloatArray  # of serving at whatever effort, each as if alone, credits

    @classmethod
    def expected(cls, shape: tuple[int, ...], points: float, work: float) -> Self:
        """Return what is expected of every expert alike before anybody has asked.

        Fixed costs depend on channels, and are taken for 0 until they are seen.
        """
        return cls(np.full(shape, points), np.full(shape, work), np.zeros(shape))

    def smoothed(self, asked: "Asked", weight: float) -> "Asked":
        """Return the exponential average after another slot, which counts by `weight`."""
        return Asked(*(old + weight * (new - old) for old, new in zip(self, asked, strict=True)))

    def floored(self, floor: float) -> "Asked":
        """Return it with at least the share `floor` of the mean of the world for every expert.

        Else nobody would ask an expert again that was priced out once. All three have the floor, so
        that the work of a point stays what it was.
        """
        return Asked(*(np.maximum(one, floor * one.mean(axis=-1, keepdims=True)) for one in self))

    def spread_over(self, num_experts: int) -> "Asked":
        """Return the same in all over more experts, of which the new ones have the mean."""

        def spread(one: FloatArray) -> FloatArray:
            one = one * (one.shape[-1] / num_experts)
            count = num_experts - one.shape[-1]
            newcomers = np.repeat(one.mean(axis=-1, keepdims=True), count, axis=-1)
            return np.concatenate([one, newcomers], axis=-1)

        return Asked(*map(spread, self))

    def get_state(self) -> State:
        """Return copies of all arrays."""
        return copied(self._asdict())

    @classmethod
    def from_state(cls, state: State) -> Self:
        """Return what gave this state."""
        return cls(**copied(state))
