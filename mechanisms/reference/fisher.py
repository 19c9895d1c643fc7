"""The program of `mechanisms.fisher` in CVXPY, which the direct path is held to."""

from __future__ import annotations

import numpy as np

from mechanisms.arrays import FloatArray
from mechanisms.candidates import of_all_experts, of_lists
from mechanisms.errors import MechanismError
from mechanisms.fisher_equilibrium import Equilibrium, Traded, nothing_sold
from mechanisms.program import Compiled, Program

# Prices are those of places and bands that are more by this share: the cheapest of those that clear
# the market, which else are not unique. With less an interior-point method does not tell them.
_SPARE = 1e-4
FARTHEST = 1e4  # of the best worths of users and a user's money, one over the other


class FisherProgram:
    """`Fisher` by exponential cones (Clarabel), compiled once for a size.

    It is the dual of `mechanisms.fisher_equilibrium`, in prices and paces; services are its
    multipliers. Rows and parameters are by user: with one long parameter for all pairs CVXPY takes
    ten times as long to compile 64 x 300. Where users list candidates it still has a row for every
    user and expert.
    """

    def __init__(self) -> None:
        self.compiled = Compiled(_program)

    def equilibrium(self, traded: Traded) -> Equilibrium:
        """Return what `mechanisms.fisher_equilibrium.equilibrium` returns.

        Raises:
            MechanismError: the solver gave no optimum; the message does not name the mechanism.
        """
        if not traded.trades.any():
            return nothing_sold(traded)
        num_experts, candidates = traded.capacity.size, traded.candidates
        _check_worths(np.where(traded.trades, traded.worth, 0.0).max(axis=-1))

        def wide(amounts: FloatArray, otherwise: float) -> FloatArray:
            own = np.where(traded.trades, amounts, otherwise)
            return of_all_experts(own, candidates, num_experts, elsewhere=otherwise)

        # Of a pair that does not trade more is asked than it is worth.
        fields = {"worth": (traded.worth, 0.0), "asked": (traded.asked, 1.0)}
        fields |= {"need": (traded.need, 0.0)}
        parameters = {
            f"{name}_{user}": of_user
            for name, (amounts, otherwise) in fields.items()
            for user, of_user in enumerate(wide(amounts, otherwise))
        }
        num_users = len(traded.worth)
        program = self.compiled(num_users, num_experts)
        found = program.solve("", capacity=traded.capacity, band=1.0, **parameters)
        spare = 1 + _SPARE
        ample = program.solve(" of spare places", capacity=spare * traded.capacity, band=spare)
        share = np.stack([np.maximum(found[f"share_{user}"], 0.0) for user in range(num_users)])
        place_price, band_price = ample["place_price"], ample["band_price"]
        return Equilibrium(of_lists(share, candidates), place_price, band_price, found["pace"])


def _check_worths(best: FloatArray) -> None:
    """Raise MechanismError where Clarabel would not settle what some users do."""
    greatest, least = max(1.0, float(best.max())), min(1.0, float(best[best > 0].min()))
    if greatest > FARTHEST * least:
        raise MechanismError(
            f"the market: among users' money and the worths of services the greatest is "
            f"{greatest / least:.1g} times the least: Clarabel settles up to {FARTHEST:g}; "
            "solver: direct does beyond"
        )


def _program(num_users: int, num_experts: int) -> Program:
    import cvxpy as cp

    surplus = cp.Variable(num_users, nonneg=True, name="surplus")
    pace = cp.Variable(num_users, nonneg=True, name="pace")
    place_price = cp.Variable(num_experts, nonneg=True, name="place_price")
    band_price = cp.Variable(num_experts, nonneg=True, name="band_price")
    capacity = cp.Parameter(num_experts, nonneg=True, name="capacity")
    band = cp.Parameter(nonneg=True, name="band")
    services = {}
    for u in range(num_users):
        worth, asked, need = (
            cp.Parameter(num_experts, nonneg=True, name=f"{name}_{u}")
            for name in ("worth", "asked", "need")
        )
        price = asked + place_price + cp.multiply(need, band_price)
        services[f"share_{u}"] = worth * pace[u] <= price + surplus[u]
    cost = cp.sum(surplus) - cp.sum(cp.log(pace))
    cost += capacity @ place_price + band * cp.sum(band_price)
    return Program(
        "the market",
        cp.Minimize(cost),
        [*services.values(), pace <= 1],
        services | {"pace": pace, "place_price": place_price, "band_price": band_price},
    )
