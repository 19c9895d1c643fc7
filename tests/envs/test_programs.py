"""Mechanisms that are programs in CVXPY set the prices of a world."""

import cvxpy as cp
import numpy as np
import pytest

import mechanisms
from envs import MarketConfig, RequestConfig, World, WorldConfig
from mechanisms import ConvexMechanism, ConvexProgram, Given, Mechanism

CONFIG = WorldConfig(
    num_users=3,
    num_experts=4,
    episode_slots=3,
    requests=RequestConfig(num_transferred=1),
    market=MarketConfig(interval=1),
)


def prices_under(mechanism: Mechanism) -> np.ndarray:
    """Return the prices of every slot (T, N, E) where all take their first expert that they may."""
    world = World(CONFIG, num_worlds=2, seed=0, mechanism=mechanism)
    prices = []
    while not world.done:
        prices.append(world.slot.offer.unit_price)
        world.step(world.slot.mask.argmax(axis=-1))
    return np.stack(prices)


@pytest.mark.parametrize(
    "name",
    [name for name in mechanisms.names() if hasattr(mechanisms.make(name), "solver")],
)
def test_a_world_has_the_same_prices_by_the_program_as_by_the_direct_path(name: str) -> None:
    direct = prices_under(mechanisms.make(name))
    by_program = prices_under(mechanisms.make(name, solver="cvxpy"))
    np.testing.assert_allclose(by_program, direct, atol=2e-3)
    assert direct.any()


class Capped(ConvexMechanism):
    """A price of 2 for all, and no answer at all from the second clearing on."""

    name = "capped"
    clearings = 0

    def program(self, given: Given) -> ConvexProgram:
        price = cp.Variable(nonneg=True)
        lowest = given.derived("lowest", lambda market: self.lowest())
        return ConvexProgram(cp.Minimize(price), [price >= 2, price <= 3, price >= lowest], price)

    def lowest(self) -> float:
        self.clearings += 1
        return 0.0 if self.clearings <= 3 else 9.0  # the first is asked for its shape


def test_an_infeasible_program_leaves_the_last_prices_and_is_in_the_books() -> None:
    world = World(CONFIG, num_worlds=2, seed=0, mechanism=Capped())
    statuses = []
    while not world.done:
        np.testing.assert_allclose(world.slot.offer.unit_price, 2.0, atol=1e-6)
        world.step(world.slot.mask.argmax(axis=-1))
        assert world.closed_clearing is not None
        statuses.append(world.closed_clearing.status)
    assert statuses[0] == "optimal"
    assert statuses[1] == "failed: capped, world (0,): CLARABEL says infeasible"
