"""Equilibrium prices of Fisher markets with quasi-linear users and reserve prices."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from mechanisms.arrays import FloatArray, IntArray
from mechanisms.candidates import of_pairs, total
from mechanisms.errors import MechanismError
from mechanisms.network_step import Network, network_step

_TOLERANCE = 1e-11  # of a product that should be 0, on average, in shares of one user's money
# Of a sum, in shares of it: rounding does not let it be much less where many users are equal
_RESIDUAL = 1e-8
_MAX_STEPS = 100
_TO_BOUNDARY = 0.995  # of the way there is as far as a step goes
_CENTRING = 0.1


class Equilibrium(NamedTuple):
    """Prices and the money spent at them."""

    log_markup: FloatArray  # (..., E) log of the price over the reserve, >= 0
    spending: FloatArray  # (..., U, C) share of its money that a user spends at an expert


def equilibrium(
    log_worth: FloatArray, reserve: FloatArray, candidates: IntArray | None = None
) -> Equilibrium:
    """Find the equilibria of many worlds at once.

    They are the optima of

        minimise   sum_e reserve_e exp(z_e) - sum_u y_u
        subject to y_u <= z_e - log_worth_ue,    y_u <= 0,    z_e >= 0

    The optimality conditions, with multipliers b (spending), k (money kept) and r (what the unsold
    would bring),

        sum_e b_ue + k_u = 1,    reserve_e exp(z_e) = sum_u b_ue + r_e,
        b_ue (z_e - log_worth_ue - y_u) = 0,    k_u y_u = 0,    r_e z_e = 0,

    are solved by Newton steps with a falling mu in place of 0: the primal-dual interior-point
    method (Boyd and Vandenberghe 2004, section 11.7). Steps in b are eliminated, which leaves a
    network (`mechanisms.network_step`).

    Args:
        log_worth: (..., U, C) log of what the whole band is worth to the user, over its reserve
            price; -inf for pairs that do not trade.
        reserve: (..., E) least price of the whole band, in units of what one user has, > 0.
        candidates: (..., U, C) the expert of each column; None where column e is expert e.

    Raises:
        MechanismError: no convergence, in the worlds that the message tells.
    """
    trades = np.isfinite(log_worth)
    worth = np.where(trades, log_worth, 0.0)
    num_users, num_experts = worth.shape[-2], reserve.shape[-1]

    # All slacks are positive from the start and stay so. Prices start above where an even spread of
    # all money would put them, by so little where the reserve is high that r z is nowhere far from
    # 1.
    even_spread = np.log(max(num_users, 1) / max(num_experts, 1) / reserve)
    z = np.maximum(even_spread, 0.0) + 1.0 / (1.0 + reserve)
    least = (of_pairs(z, candidates) - worth).min(axis=-1, where=trades, initial=0.0)
    y = np.minimum(least, 0.0) - 1.0
    slack = np.where(trades, of_pairs(z, candidates) - worth - y[..., np.newaxis], 1.0)
    k = 1.0 / (1.0 + trades.sum(axis=-1))
    b = trades * k[..., np.newaxis]
    r = np.maximum(
        reserve * np.exp(z) - total(b, candidates, num_experts), 0.1 * reserve * np.exp(z)
    )
    conditions = np.maximum(trades.sum(axis=(-2, -1)) + num_users + num_experts, 1)

    for _ in range(_MAX_STEPS):
        price = reserve * np.exp(z)
        gap = (b * slack).sum(axis=(-2, -1)) - (k * y).sum(axis=-1) + (r * z).sum(axis=-1)
        unspent = b.sum(axis=-1) + k - 1.0
        unpaid = (price - total(b, candidates, num_experts) - r) / price
        error = np.maximum(
            np.abs(unspent).max(axis=-1, initial=0.0), np.abs(unpaid).max(axis=-1, initial=0.0)
        )
        done = (gap / conditions < _TOLERANCE) & (error < _RESIDUAL)
        if done.all():
            return Equilibrium(z, b)

        mu = _CENTRING * np.maximum(gap / conditions, _TOLERANCE)[..., np.newaxis]
        pull = trades * mu[..., np.newaxis] / slack
        stiffness = b / slack
        user_stiffness = stiffness.sum(axis=-1) - k / y
        user_pull = 1.0 - pull.sum(axis=-1) + mu / y
        expert_pull = total(pull, candidates, num_experts) + mu / z - price
        expert_stiffness = price + total(stiffness, candidates, num_experts) + r / z
        network = Network(stiffness, user_stiffness, expert_stiffness, user_pull, expert_pull)
        step_y, step_z = network_step(network, candidates)
        step_slack = trades * (of_pairs(step_z, candidates) - step_y[..., np.newaxis])
        step_b = pull - b - stiffness * step_slack
        step_k = -mu / y - k + k / -y * step_y
        step_r = mu / z - r - r / z * step_z

        length = np.ones(gap.shape)
        for at, step in ((b, step_b), (slack, step_slack)):
            length = np.minimum(length, _to_boundary(at, step, (-2, -1)))
        for at, step in ((k, step_k), (-y, -step_y), (r, step_r), (z, step_z)):
            length = np.minimum(length, _to_boundary(at, step, (-1,)))
        length = np.where(done, 0.0, length)[..., np.newaxis]
        z = z + length * step_z
        y = y + length * step_y
        k = k + length * step_k
        r = r + length * step_r
        b = b + length[..., np.newaxis] * step_b
        slack = slack + length[..., np.newaxis] * step_slack
    stuck = [tuple(map(int, index)) for index in np.argwhere(~done)]
    raise MechanismError(f"no equilibrium after {_MAX_STEPS} steps in the worlds {stuck}")


def _to_boundary(at: FloatArray, step: FloatArray, axes: tuple[int, ...]) -> FloatArray:
    """Return the longest step (...) that leaves `at` positive by some of itself; at most 1."""
    ratio = np.divide(at, -step, out=np.ones_like(at), where=step < 0)
    return np.minimum(_TO_BOUNDARY * ratio.min(axis=axes, initial=np.inf), 1.0)
