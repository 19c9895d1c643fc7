"""The programs of `mechanisms.assignment` in CVXPY, which the direct path is held to."""

from __future__ import annotations

import numpy as np

from mechanisms.arrays import IntArray
from mechanisms.candidates import expert_of, of_all_experts, of_lists
from mechanisms.magnitudes import FARTHEST, check_magnitudes, unit_of
from mechanisms.pairs import Band, Pairs, possible
from mechanisms.program import Compiled, Program
from mechanisms.relaxation import Relaxation

# Of the best bids of two users, one over the other: an interior-point method settles all up to its
# tolerance of the whole welfare.
FARTHEST_RELAXED = 1e4


class AssignmentProgram:
    """The assignment of `mechanisms.assignment`, relaxed or whole, compiled once for a size.

    With x flattened to a vector of U x E, pairs of the same user next to each other,

        maximise   w @ x,  x >= 0, or x whole
        subject to users @ x <= 1,  experts @ x <= capacity,  share_e @ x_e <= 1 for every expert

    where share_e (U,) is the part of the band of e that each user needs and x_e the entries of x
    that concern e: a parameter an expert, because the product of one long parameter with x took 2.8
    GB to compile at 64 x 300, and this takes 40 MB. Relaxed, it is solved by an interior-point
    method (Clarabel), whole by branch and bound (HiGHS). Where several optima exist, the
    interior-point answer lies between them. Where users list candidates it still has a column for
    every user and expert.

    Args:
        whole: x is 0 or 1.
    """

    def __init__(self, *, whole: bool) -> None:
        self._whole = whole
        self.compiled = Compiled(self._program)

    def allocation(self, pairs: Pairs) -> IntArray:
        """Return what `optimal_allocation` returns, world by world; for whole programs.

        Raises:
            MechanismError: the solver gave no proven optimum; the message names no mechanism.
        """
        expert = np.full(pairs.net.shape[:-1], -1)
        for index in np.ndindex(pairs.net.shape[:-2]):
            world = pairs.world(index)
            chosen = self.solve(world).share > 0.5
            if chosen.size:
                column = np.where(chosen.any(axis=-1), chosen.argmax(axis=-1), -1)
                expert[index] = expert_of(column, world.candidates)
        return expert

    def solve(self, pairs: Pairs) -> Relaxation:
        """Return shares of service and duals (NaN where decisions are whole) of one world.

        Raises:
            MechanismError: the solver gave no proven optimum; the message names no mechanism.
        """
        candidates, num_experts = pairs.candidates, pairs.num_experts
        pairs = _of_all_experts(possible(pairs))
        unpriced = np.full(num_experts, np.nan) if self._whole else np.zeros(num_experts)
        # No gain is a loss here, so that a pair that must not be formed is not a matter of
        # indifference.
        formed = (pairs.net > 0) & (pairs.capacity > 0)
        if not formed.any():
            share = of_lists(np.zeros_like(pairs.net), candidates)
            return Relaxation(share, unpriced, unpriced)
        scale = float(pairs.net[formed].max())
        if self._whole:
            check_magnitudes(pairs.net[formed], self._problem(*pairs.net.shape), FARTHEST)
            scale = unit_of(pairs.net[formed])
        else:
            best = np.where(formed, pairs.net, 0.0).max(axis=-1)
            check_magnitudes(best, self._problem(*pairs.net.shape), FARTHEST_RELAXED)
        parameters = {
            "net": np.where(formed, pairs.net / scale, -1.0).ravel(),
            "capacity": pairs.capacity.astype(np.float64),
        }
        limit = np.ones(num_experts)
        if pairs.band is not None:
            limit = np.where(pairs.band.limit > 0, pairs.band.limit, 1.0)
            part_of_band = np.where(formed, pairs.band.need / limit, 0.0)
            parameters |= {f"share_{e}": part for e, part in enumerate(part_of_band.T)}
        program = self.compiled(*pairs.net.shape, pairs.band is not None)
        found = program.solve("", **parameters)
        share = np.clip(found["x"], 0.0, 1.0).reshape(pairs.net.shape)
        share = of_lists(share, candidates)
        if self._whole:
            return Relaxation(share, unpriced, unpriced)
        place_price = scale * np.maximum(found["places"], 0.0)
        if pairs.band is None:
            return Relaxation(share, place_price, unpriced)
        return Relaxation(share, place_price, scale * np.maximum(found["band"], 0.0) / limit)

    def _problem(self, num_users: int, num_experts: int) -> str:
        return f"assignment of {num_users} users to {num_experts} experts"

    def _program(self, num_users: int, num_experts: int, bandwidth: bool) -> Program:
        import cvxpy as cp
        from scipy.sparse import eye_array, kron

        size = num_users * num_experts
        users = kron(eye_array(num_users), np.ones((1, num_experts)), format="csr")
        experts = kron(np.ones((1, num_users)), eye_array(num_experts), format="csr")
        if self._whole:
            x = cp.Variable(size, name="x", boolean=True)
        else:
            x = cp.Variable(size, name="x", nonneg=True)
        net = cp.Parameter(size, name="net")  # in shares of the greatest
        capacity = cp.Parameter(num_experts, nonneg=True, name="capacity")
        places = experts @ x <= capacity
        rows, answers = [users @ x <= 1, places], {"x": x, "places": places}
        if bandwidth:
            used = []
            for e in range(num_experts):
                share = cp.Parameter(num_users, nonneg=True, name=f"share_{e}")
                used.append(share @ x[e::num_experts])
            answers["band"] = cp.hstack(used) <= 1
            rows.append(answers["band"])
        if self._whole:
            answers = {"x": x}  # whole decisions have no duals
        return Program(
            self._problem(num_users, num_experts),
            cp.Maximize(net @ x),
            rows,
            answers,
            solver="HIGHS" if self._whole else "CLARABEL",
        )


def _of_all_experts(pairs: Pairs) -> Pairs:
    """Return pairs of one world with a column for every expert, of net value 0 off the lists."""
    candidates, num_experts = pairs.candidates, pairs.num_experts
    net = of_all_experts(pairs.net, candidates, num_experts, elsewhere=0.0)
    band = pairs.band
    if band is not None:
        need = of_all_experts(band.need, candidates, num_experts, elsewhere=0.0)
        band = Band(need, band.limit)
    cost = of_all_experts(pairs.cost, candidates, num_experts, elsewhere=0.0)
    return Pairs(net, cost, pairs.capacity, band)
