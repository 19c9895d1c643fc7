"""The programs of `mechanisms.assignment` in CVXPY, which the direct path is held to."""

from __future__ import annotations

import numpy as np

from mechanisms.assignment import Pairs, Relaxation, possible
from mechanisms.errors import MarketError
from mechanisms.reference.program import compiled, solve


class AssignmentProgram:
    """The assignment of `mechanisms.assignment`, relaxed or whole, compiled once for a size.

    With x flattened to a vector of U x E, pairs of the same user next to each other,

        maximise   w @ x,  x >= 0, or x whole
        subject to users @ x <= 1,  experts @ x <= capacity,  share_e @ x_e <= 1 for every expert

    where share_e (U,) is the part of the band of e that each user needs and x_e the entries of x
    that concern e: a parameter an expert, because the product of one long parameter with x took 2.8
    GB to compile at 64 x 300, and this takes 40 MB. Relaxed, it is solved by an interior-point
    method (Clarabel), whole by branch and bound (HiGHS). Where several optima exist, the
    interior-point answer lies between them. CVXPY is imported on construction; needs a user and an
    expert at least.
    """

    def __init__(self, num_users: int, num_experts: int, *, bandwidth: bool, whole: bool) -> None:
        import cvxpy as cp
        from scipy.sparse import eye_array, kron

        self._shape = (num_users, num_experts)
        self._whole = whole
        size = num_users * num_experts
        users = kron(eye_array(num_users), np.ones((1, num_experts)), format="csr")
        experts = kron(np.ones((1, num_users)), eye_array(num_experts), format="csr")
        if whole:
            self._x = cp.Variable(size, name="x", boolean=True)
        else:
            self._x = cp.Variable(size, name="x", nonneg=True)
        self._net = cp.Parameter(size, name="net")  # in shares of the greatest
        self._capacity = cp.Parameter(num_experts, nonneg=True, name="capacity")
        self._places = experts @ self._x <= self._capacity
        rows = [users @ self._x <= 1, self._places]
        if bandwidth:
            self._share = [
                cp.Parameter(num_users, nonneg=True, name=f"share_{e}") for e in range(num_experts)
            ]
            used = [share @ self._x[e::num_experts] for e, share in enumerate(self._share)]
            self._band = cp.hstack(used) <= 1
            rows.append(self._band)
        problem = cp.Problem(cp.Maximize(self._net @ self._x), rows)
        self._problem = compiled(
            problem, f"assignment of {num_users} users to {num_experts} experts"
        )

    def solve(self, pairs: Pairs) -> Relaxation:
        """Return shares of service and duals (NaN where decisions are whole) of one world.

        Raises:
            MarketError: users list candidates.
            MechanismError: the solver gave no proven optimum.
        """
        import cvxpy as cp

        if pairs.candidates is not None:
            raise MarketError(
                "the assignment in CVXPY has a column for every expert: it takes no market with "
                "candidates"
            )
        pairs = possible(pairs)
        # No gain is a loss here, so that a pair that must not be formed is not a matter of
        # indifference.
        formed = (pairs.net > 0) & (pairs.capacity > 0)
        scale = float(np.max(pairs.net, where=formed, initial=0.0)) or 1.0
        self._net.value = np.where(formed, pairs.net / scale, -1.0).ravel()
        self._capacity.value = pairs.capacity.astype(np.float64)
        limit = np.ones(self._shape[1])
        if pairs.band is not None:
            limit = np.where(pairs.band.limit > 0, pairs.band.limit, 1.0)
            part_of_band = np.where(formed, pairs.band.need / limit, 0.0)
            for parameter, column in zip(self._share, part_of_band.T, strict=True):
                parameter.value = column
        if self._whole:
            # Started from the last answer, CVXPY's HiGHS calls some assignments optimal that are
            # not.
            solve(self._problem, "assignment", cp.HIGHS, warm_start=False, mip_rel_gap=0.0)
        else:
            solve(self._problem, "assignment", cp.CLARABEL)
        share = np.clip(self._x.value, 0.0, 1.0).reshape(self._shape)
        num_experts = self._shape[1]
        if self._whole:
            return Relaxation(share, np.full(num_experts, np.nan), np.full(num_experts, np.nan))
        place_price = scale * np.maximum(self._places.dual_value, 0.0)
        if pairs.band is None:
            return Relaxation(share, place_price, np.zeros(num_experts))
        band_price = scale * np.maximum(self._band.dual_value, 0.0) / limit
        return Relaxation(share, place_price, band_price)
