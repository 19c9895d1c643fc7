"""The linear equations of a Newton step in a network of users and experts.

Pairs are springs between the two. With step y_u of a user, z_e of an expert, and stiffness s_ue of
a pair, as far as one trades,

    d_u y_u - sum_e s_ue z_e = f_u,    d_u > sum_e s_ue
    d_e z_e - sum_u s_ue y_u = f_e,    d_e > sum_u s_ue

so that the matrix is symmetric and positive definite.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from mechanisms.arrays import FloatArray, IntArray
from mechanisms.candidates import cells
from mechanisms.errors import MechanismError

# Of the equations, each divided by the root of its diagonal, in shares of the right side.
_RESIDUAL = 1e-10
_MAX_ITERATIONS = 500


class Network(NamedTuple):
    """The equations of worlds along any leading axes."""

    stiffness: FloatArray  # (..., U, C); 0 where a pair does not trade
    of_users: FloatArray  # (..., U) d_u
    of_experts: FloatArray  # (..., E) d_e
    user_pull: FloatArray  # (..., U) f_u
    expert_pull: FloatArray  # (..., E) f_e


def network_step(network: Network, candidates: IntArray | None) -> tuple[FloatArray, FloatArray]:
    """Return the steps (..., U) of users and (..., E) of experts.

    Where every user has a column for every expert, experts are eliminated: U equations a world.
    Where users list `candidates` a matrix of U x U would be the greatest thing there is; see
    `_by_forest`.

    Raises:
        MechanismError: the equations are singular, which only rounding can make them.
    """
    try:
        if candidates is None:
            return _by_elimination(network)
        return _by_forest(network, candidates)
    except (np.linalg.LinAlgError, RuntimeError) as error:  # the latter is what SuperLU raises
        raise MechanismError(f"no step towards an equilibrium: {error}") from error


def _by_elimination(network: Network) -> tuple[FloatArray, FloatArray]:
    stiffness, users = network.stiffness, np.arange(network.of_users.shape[-1])
    passed_on = stiffness / network.of_experts[..., np.newaxis, :]
    matrix = -np.matmul(passed_on, np.swapaxes(stiffness, -1, -2))
    matrix[..., users, users] += network.of_users
    force = network.user_pull + np.matmul(passed_on, network.expert_pull[..., np.newaxis])[..., 0]
    step_y = np.linalg.solve(matrix, force[..., np.newaxis])[..., 0]
    step_z = (
        network.expert_pull / network.of_experts
        + np.matmul(step_y[..., np.newaxis, :], passed_on)[..., 0, :]
    )
    return step_y, step_z


def _by_forest(network: Network, candidates: IntArray) -> tuple[FloatArray, FloatArray]:
    """Solve by conjugate gradients, preconditioned with the stiffest forest and the diagonal.

    All worlds are solved at once. The factors of a forest are as sparse as it is. Near an
    equilibrium the pairs at which users spend form one, and all others are slack beside it: the
    closer the optimum, the more the forest is the whole. (Resende and Veiga 1993, for
    interior-point steps in assignment and transport; here 13 iterations at most and 2 at the end,
    where a diagonal alone needs thousands.)
    """
    from scipy.sparse import csc_array, csr_array
    from scipy.sparse.csgraph import minimum_spanning_tree
    from scipy.sparse.linalg import LinearOperator, cg, splu

    num_users, num_experts = network.of_users.size, network.of_experts.size
    listed = candidates.shape[-1]
    size = num_users + num_experts
    # Every row and column is divided by the root of its diagonal: `coupling` is what is then beside
    # it.
    root = np.sqrt(np.concatenate([network.of_users.ravel(), network.of_experts.ravel()]))
    pair = np.flatnonzero(network.stiffness)
    user, expert = pair // listed, cells(candidates, network.of_experts.shape[-1]).reshape(-1)[pair]
    stiffness = network.stiffness.reshape(-1)[pair]
    start = np.concatenate([[0], np.cumsum(np.bincount(user, minlength=num_users))])
    coupling = csr_array(
        (stiffness / (root[user] * root[num_users + expert]), expert, start),
        shape=(num_users, num_experts),
    )

    graph = csr_array(
        (-stiffness, num_users + expert, np.append(start, np.full(num_experts, start[-1]))),
        (size, size),
    )
    forest = minimum_spanning_tree(graph).tocoo()
    each, near, far = np.arange(size), forest.row, forest.col
    beside = forest.data / (root[near] * root[far])
    entries = np.concatenate([np.ones(size), beside, beside])
    places = np.concatenate([each, near, far]), np.concatenate([each, far, near])
    factors = splu(
        csc_array((entries, places), shape=(size, size)),
        permc_spec="MMD_AT_PLUS_A",
        diag_pivot_thresh=0.0,
        options={"SymmetricMode": True},
    )

    def multiply(step: FloatArray) -> FloatArray:
        step = step.ravel()
        users, experts = step[:num_users], step[num_users:]
        return np.concatenate([users - coupling @ experts, experts - coupling.T @ users])

    step, _ = cg(
        LinearOperator((size, size), matvec=multiply, dtype=np.float64),
        np.concatenate([network.user_pull.ravel(), network.expert_pull.ravel()]) / root,
        rtol=_RESIDUAL,
        maxiter=_MAX_ITERATIONS,
        M=LinearOperator((size, size), matvec=factors.solve, dtype=np.float64),
    )
    step /= root
    step_y = step[:num_users].reshape(network.of_users.shape)
    step_z = step[num_users:].reshape(network.of_experts.shape)
    return step_y, step_z
