"""The program of `mechanisms.contract` in CVXPY, which the direct path is held to."""

from __future__ import annotations

from time import perf_counter

import numpy as np

from mechanisms.arrays import FloatArray
from mechanisms.contract import Contract, mean_value
from mechanisms.market import Market
from mechanisms.outcome import Outcome
from mechanisms.reference.program import compiled, solve
from mechanisms.supply import cost


class ContractProgram:
    """The program of `Contract` in CVXPY, with all pairs of constraints.

    It is a second-order cone program in (r, z), compiled once; the value of a point is its only
    parameter. CVXPY is imported on construction.
    """

    def __init__(self, mechanism: Contract) -> None:
        import cvxpy as cp

        self._mechanism = mechanism
        types, (kappa, slope) = mechanism.types, mechanism.base_cost
        self._reward = cp.Variable(types, name="reward")
        self._base_cost = cp.Variable(types, nonneg=True, name="base_cost")
        self._value = cp.Parameter(nonneg=True, name="value")
        self._effort = (cp.sqrt(kappa**2 + 2 * slope * self._base_cost) - kappa) / slope
        profit = (self._value * cp.sum(self._effort) - cp.sum(self._reward)) / types
        own, other = (index.ravel() for index in np.indices((types, types)))
        theta = mechanism.theta
        constraints = [
            self._base_cost <= cost(1.0, kappa, slope),
            self._reward >= cp.multiply(1 / theta, self._base_cost),
            self._reward[own] - self._reward[other]
            >= cp.multiply(1 / theta[own], self._base_cost[own] - self._base_cost[other]),
        ]
        self._problem = compiled(cp.Problem(cp.Maximize(profit), constraints), Contract.name)

    def menu(self, value: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return efforts and rewards as `Contract.menu`, value by value.

        Raises:
            MechanismError: the solver gave no optimum.
        """
        import cvxpy as cp

        effort = np.zeros((*value.shape, self._mechanism.types))
        reward = np.zeros_like(effort)
        for index in np.ndindex(value.shape):
            # At a negative value nothing is bought, as at no value.
            self._value.value = max(value[index], 0.0)
            solve(self._problem, f"contract for {value[index]} credits/point", cp.CLARABEL)
            effort[index], reward[index] = np.clip(self._effort.value, 0.0, 1.0), self._reward.value
        return effort, reward

    def clear(self, market: Market) -> Outcome:
        """Offer menus as `Contract.clear`, world by world; status "optimal".

        Raises:
            MechanismError: the solver gave no optimum.
        """
        start = perf_counter()
        effort, reward = self.menu(mean_value(market))
        return self._mechanism.outcome(market, effort, reward, "optimal", start)
