"""The program of `mechanisms.fisher` in CVXPY, which the direct path is held to."""

from __future__ import annotations

import numpy as np

from mechanisms.arrays import FloatArray, IntArray
from mechanisms.candidates import of_all_experts, of_lists
from mechanisms.errors import MechanismError
from mechanisms.fisher_equilibrium import Equilibrium
from mechanisms.program import Compiled, Program

FARTHEST = 1e4  # of reserves, and the money of a user, one over the other


class FisherProgram:
    """`Fisher` by exponential cones (Clarabel), compiled once for a size.

    The objective is in units of the mean reserve: in units of money Clarabel fails on most markets
    of 64 x 300. Where users list candidates it still has a row for every user and expert.
    """

    def __init__(self) -> None:
        self.compiled = Compiled(_program)

    def equilibrium(
        self, log_worth: FloatArray, reserve: FloatArray, candidates: IntArray | None = None
    ) -> Equilibrium:
        """Return what `mechanisms.fisher_equilibrium.equilibrium` returns, world by world.

        Raises:
            MechanismError: the solver gave no optimum; the message does not name the mechanism.
        """
        num_experts = reserve.shape[-1]
        worth = of_all_experts(log_worth, candidates, num_experts, elsewhere=-np.inf)
        # Worth less than the reserve: the row of a pair that does not trade never binds.
        worth = np.where(np.isfinite(worth), worth, -1.0)
        log_markup, spending = np.zeros(reserve.shape), np.zeros(worth.shape)
        for index in np.ndindex(reserve.shape[:-1]):
            if not worth[index].size:
                continue
            _check_reserves(reserve[index], f" of world {index}")
            unit = reserve[index].mean()
            found = self.compiled(*worth.shape[-2:]).solve(
                f" of world {index}",
                log_worth=worth[index].ravel(),
                reserve=reserve[index] / unit,
                money=1.0 / unit,
            )
            log_markup[index] = found["log_markup"]
            spending[index] = unit * np.maximum(found["spending"], 0.0).reshape(worth.shape[-2:])
        return Equilibrium(log_markup, of_lists(spending, candidates))


def _check_reserves(reserve: FloatArray, where: str) -> None:
    """Raise MechanismError where Clarabel would not settle what some users or experts do."""
    greatest, least = max(1.0, float(reserve.max())), min(1.0, float(reserve.min()))
    if greatest > FARTHEST * least:
        raise MechanismError(
            f"the market{where}: among money and reserves the greatest is "
            f"{greatest / least:.1g} times the least: Clarabel settles up to {FARTHEST:g}; "
            "solver: direct does beyond"
        )


def _program(num_users: int, num_experts: int) -> Program:
    import cvxpy as cp
    from scipy.sparse import eye_array, kron

    users = kron(eye_array(num_users), np.ones((num_experts, 1)), format="csr")
    experts = kron(np.ones((num_users, 1)), eye_array(num_experts), format="csr")
    worth = cp.Parameter(num_users * num_experts, name="log_worth")
    reserve = cp.Parameter(num_experts, nonneg=True, name="reserve")
    money = cp.Parameter(nonneg=True, name="money")
    z = cp.Variable(num_experts, nonneg=True, name="log_markup")
    y = cp.Variable(num_users, nonpos=True, name="log_credits_for_a_credits_worth")
    spending = users @ y - experts @ z <= -worth
    cost = reserve @ cp.exp(z) - money * cp.sum(y)
    return Program(
        "the market",
        cp.Minimize(cost),
        [spending],
        {"log_markup": z, "spending": spending},
    )
