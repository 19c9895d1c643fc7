"""The program of `mechanisms.contract` in CVXPY, which the direct path is held to."""

from __future__ import annotations

import numpy as np

from mechanisms.arrays import FloatArray
from mechanisms.errors import MechanismError
from mechanisms.program import Compiled, Program
from mechanisms.supply import cost

_NOTHING = 1e-6  # an effort up to this is what the solver leaves of 0
FARTHEST = 1e6  # value of a point over the least cost of a type, up to which rewards are settled


class ContractProgram:
    """The program of `Contract` in CVXPY, with all pairs of constraints.

    It is a second-order cone program in (r, z), compiled once; the value of a point is its only
    parameter.

    Args:
        theta: (T,) types, growing.
        base_cost: kappa_0 and slope_0, credits/point.
    """

    def __init__(self, theta: FloatArray, base_cost: tuple[float, float]) -> None:
        self._theta, self._base_cost = theta, base_cost
        self.compiled = Compiled(self._program)

    def menu(self, value: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return efforts and rewards as `Contract.menu`, value by value.

        Raises:
            MechanismError: the solver gave no optimum.
        """
        effort = np.zeros((*value.shape, self._theta.size))
        reward = np.zeros_like(effort)
        for index in np.ndindex(value.shape):
            if value[index] <= 0:
                continue  # nothing is bought
            where = f" for {value[index]} credits/point"
            least = float(cost(1.0, *self._base_cost)) / self._theta.max()
            if value[index] > FARTHEST * least:
                raise MechanismError(
                    f"contract{where}: the value is {value[index] / least:.1g} times the cost of "
                    f"{least:.3g}: Clarabel settles up to {FARTHEST:g}; solver: direct does beyond"
                )
            found = self.compiled().solve(where, value=value[index])
            bought = found["effort"] > _NOTHING
            effort[index] = np.where(bought, np.minimum(found["effort"], 1.0), 0.0)
            reward[index] = np.where(bought, found["reward"], 0.0)
        return effort, reward

    def _program(self) -> Program:
        import cvxpy as cp

        theta, (kappa, slope) = self._theta, self._base_cost
        types = theta.size
        reward = cp.Variable(types, name="reward")
        base_cost = cp.Variable(types, nonneg=True, name="base_cost")
        value = cp.Parameter(nonneg=True, name="value")
        effort = (cp.sqrt(kappa**2 + 2 * slope * base_cost) - kappa) / slope
        profit = (value * cp.sum(effort) - cp.sum(reward)) / types
        own, other = (index.ravel() for index in np.indices((types, types)))
        constraints = [
            base_cost <= cost(1.0, kappa, slope),
            reward >= cp.multiply(1 / theta, base_cost),
            reward[own] - reward[other]
            >= cp.multiply(1 / theta[own], base_cost[own] - base_cost[other]),
        ]
        return Program(
            "contract", cp.Maximize(profit), constraints, {"effort": effort, "reward": reward}
        )
