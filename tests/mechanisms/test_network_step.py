"""Newton steps in a network: conjugate gradients on lists against elimination."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mechanisms import MechanismError
from mechanisms.network_step import Network, network_step


def random_network(
    seed: int, users: int, experts: int, listed: int, decades: float
) -> tuple[Network, np.ndarray]:
    """Stiffness over as many decades, 0 for some pairs; diagonals above its sums by about 1."""
    rng = np.random.default_rng(seed)
    candidates = rng.permuted(np.tile(np.arange(experts), (users, 1)), axis=-1)[:, :listed]
    stiffness = 10.0 ** (decades * rng.uniform(-0.5, 0.5, (users, listed))) * (
        rng.random((users, listed)) < 0.8
    )
    at_experts = np.bincount(candidates.ravel(), weights=stiffness.ravel(), minlength=experts)
    of_users = stiffness.sum(axis=-1) + rng.uniform(0.5, 2.0, users)
    pulls = rng.normal(0.0, 1.0, users), rng.normal(0.0, 1.0, experts)
    return Network(
        stiffness, of_users, at_experts + rng.uniform(0.5, 2.0, experts), *pulls
    ), candidates


@given(seed=st.integers(0, 10_000), decades=st.floats(0.0, 12.0))
def test_the_equations_hold_however_far_apart_stiffness_is(seed: int, decades: float) -> None:
    network, candidates = random_network(seed, 40, 60, 6, decades)
    matrix = np.diag(np.concatenate([network.of_users, network.of_experts]))
    user = np.arange(40)[:, np.newaxis]
    matrix[user, 40 + candidates] = matrix[40 + candidates, user] = -network.stiffness
    step = np.concatenate(network_step(network, candidates))
    pull = np.concatenate([network.user_pull, network.expert_pull])
    root = np.sqrt(np.diag(matrix))
    assert np.linalg.norm((matrix @ step - pull) / root) < 1e-7 * np.linalg.norm(pull / root)


@pytest.mark.parametrize("listed", [1, 5, 12])
def test_lists_of_a_batch_step_as_elimination_among_all_experts(listed: int) -> None:
    networks = [random_network(seed, 10, 12, listed, 6.0) for seed in range(4)]
    batch = Network(
        *(np.stack(part) for part in zip(*(network for network, _ in networks), strict=True))
    )
    candidates = np.stack([lists for _, lists in networks])
    everywhere = np.zeros((4, 10, 12))
    np.put_along_axis(everywhere, candidates, batch.stiffness, axis=-1)
    step_y, step_z = network_step(batch, candidates)
    all_y, all_z = network_step(batch._replace(stiffness=everywhere), None)
    np.testing.assert_allclose(step_y, all_y, rtol=1e-6, atol=1e-8)
    np.testing.assert_allclose(step_z, all_z, rtol=1e-6, atol=1e-8)


def test_equations_without_a_solution_are_reported() -> None:
    network, candidates = random_network(0, 4, 5, 2, 1.0)
    singular = network._replace(of_users=np.full(4, np.nan))
    with pytest.raises(MechanismError, match="no step towards an equilibrium"):
        network_step(singular, candidates)
