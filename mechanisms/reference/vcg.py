"""The program of `mechanisms.vcg` in CVXPY, which the direct path is held to."""

from __future__ import annotations

from time import perf_counter

import numpy as np

from mechanisms.assignment import outcome_at_full_effort, pairs_of
from mechanisms.market import Market
from mechanisms.outcome import Outcome
from mechanisms.reference.assignment import AssignmentProgram
from mechanisms.vcg import VCG


class VCGProgram:
    """`VCG` by definition, in CVXPY: the assignment, and U more without one user each.

    They are whole and solved by branch and bound. Compiled once for a size. CVXPY is imported on
    construction; needs a user and an expert at least.
    """

    def __init__(self, num_users: int, num_experts: int, *, bandwidth: bool = False) -> None:
        self._bandwidth = bandwidth
        self._program = AssignmentProgram(num_users, num_experts, bandwidth=bandwidth, whole=True)

    def clear(self, market: Market) -> Outcome:
        """Assign and charge as `VCG.clear`, world by world; status "optimal".

        Raises:
            MechanismError: the solver gave no proven optimum.
        """
        start = perf_counter()
        pairs = pairs_of(market, VCG.name, bandwidth=self._bandwidth)
        expert = np.full(pairs.net.shape[:-1], -1)
        loss = np.zeros(expert.shape)
        for index in np.ndindex(market.batch_shape):
            world = pairs.world(index)
            chosen = self._program.solve(world).share > 0.5
            expert[index] = np.where(chosen.any(axis=-1), chosen.argmax(axis=-1), -1)
            value = (world.net * chosen).sum(axis=-1)
            for user in range(market.num_users):
                net = world.net.copy()
                net[user] = 0.0
                without = (net * self._program.solve(world._replace(net=net)).share).sum()
                loss[(*index, user)] = without - (value.sum() - value[user])
        return outcome_at_full_effort(
            market,
            pairs,
            expert,
            loss,
            mechanism=VCG.name,
            status="optimal",
            solve_seconds=perf_counter() - start,
        )
