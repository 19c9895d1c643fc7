"""The program of `mechanisms.fisher` in CVXPY, which the direct path is held to."""

from __future__ import annotations

import numpy as np

from mechanisms.arrays import FloatArray, IntArray
from mechanisms.errors import MarketError
from mechanisms.fisher import clear_by
from mechanisms.fisher_equilibrium import Equilibrium
from mechanisms.market import Market
from mechanisms.outcome import Outcome
from mechanisms.reference.program import compiled, solve


class FisherProgram:
    """`Fisher` by exponential cones (Clarabel), compiled once for a size.

    The objective is in units of the mean reserve: in units of money Clarabel fails on most markets
    of 64 x 300. CVXPY is imported on construction; needs a user and an expert at least.
    """

    def __init__(self, num_users: int, num_experts: int) -> None:
        import cvxpy as cp
        from scipy.sparse import eye_array, kron

        users = kron(eye_array(num_users), np.ones((num_experts, 1)), format="csr")
        experts = kron(np.ones((num_users, 1)), eye_array(num_experts), format="csr")
        self._shape = (num_users, num_experts)
        self._worth = cp.Parameter(num_users * num_experts, name="log_worth")
        self._reserve = cp.Parameter(num_experts, nonneg=True, name="reserve")
        self._money = cp.Parameter(nonneg=True, name="money")
        self._z = cp.Variable(num_experts, nonneg=True, name="log_markup")
        y = cp.Variable(num_users, nonpos=True, name="log_credits_for_a_credits_worth")
        self._spending = users @ y - experts @ self._z <= -self._worth
        cost = self._reserve @ cp.exp(self._z) - self._money * cp.sum(y)
        problem = cp.Problem(cp.Minimize(cost), [self._spending])
        self._problem = compiled(
            problem, f"fisher market of {num_users} users and {num_experts} experts"
        )

    def clear(self, market: Market, budget: float | None = None) -> Outcome:
        """Find equilibria as `Fisher.clear`, world by world; status "optimal".

        Raises:
            MechanismError: the solver gave no optimum.
        """
        return clear_by(self.equilibrium, market, budget)

    def equilibrium(
        self, log_worth: FloatArray, reserve: FloatArray, candidates: IntArray | None = None
    ) -> Equilibrium:
        """Return what `mechanisms.fisher_equilibrium.equilibrium` returns.

        Raises:
            MarketError: users list candidates.
            MechanismError: the solver gave no optimum.
        """
        import cvxpy as cp

        if candidates is not None:
            raise MarketError(
                "the fisher market in CVXPY has a column for every expert: it takes no candidates"
            )
        log_markup, spending = np.zeros(reserve.shape), np.zeros(log_worth.shape)
        # Worth less than the reserve: the row of a pair that does not trade never binds.
        worth = np.where(np.isfinite(log_worth), log_worth, -1.0)
        for index in np.ndindex(reserve.shape[:-1]):
            unit = reserve[index].mean()
            self._worth.value = worth[index].ravel()
            self._reserve.value, self._money.value = reserve[index] / unit, 1.0 / unit
            solve(self._problem, f"the market of world {index}", cp.CLARABEL)
            log_markup[index] = self._z.value
            spending[index] = unit * np.maximum(self._spending.dual_value, 0.0).reshape(self._shape)
        return Equilibrium(log_markup, spending)
