"""The menu against the program with all constraints, two types by hand, and many lies."""

import dataclasses
from collections.abc import Callable
from typing import Any

import cvxpy as cp
import numpy as np
import pytest
from scipy.integrate import quad
from scipy.optimize import isotonic_regression

import mechanisms
from mechanisms import Market, MechanismError, Outcome, best_response, cost
from mechanisms.arrays import FloatArray
from mechanisms.contract import Contract

DrawMarket = Callable[..., Market]
WithFalseCosts = Callable[[Market, int, int], Market]

PRIORS: dict[str, dict[str, Any]] = {
    "default": {},
    "two_types": {"types": 2, "unit_cost": (0.0, 2.0), "cost_slope": (1.0, 1.0)},
    "steep": {"types": 5, "unit_cost": (0.2, 0.3), "cost_slope": (0.5, 6.0)},
    "one_type": {"types": 1, "unit_cost": (1.0, 2.0), "cost_slope": (0.5, 1.5)},
}


@pytest.fixture(scope="module")
def program() -> Contract:
    """One compiled program for all tests: a parameter that is not updated would show."""
    return Contract(solver="cvxpy")


def clear(market: Market, **prior: Any) -> Outcome:
    return mechanisms.make("contract", **prior).clear(enforced(market))


def enforced(market: Market) -> Market:
    """Return the market in which edge devices give the effort of their contract, or decline it."""
    return dataclasses.replace(market, effort="enforced")


def edge_utility(market: Market, outcome: Outcome) -> FloatArray:
    """Return the utility of edge devices that give the outcome's effort, credits/slot."""
    borne = market.work * cost(outcome.effort, market.unit_cost, market.cost_slope)
    return outcome.payment - borne - np.where(outcome.effort > 0, market.fixed_cost, 0.0)


def multiples_of_the_base_cost(
    draw_market: DrawMarket, seed: int, num_worlds: int = 16, num_experts: int = 30
) -> Market:
    """Types from well below the dearest of the menu to well above the cheapest."""
    theta = np.random.default_rng(seed).uniform(0.4, 3.0, (num_worlds, num_experts))
    kappa, slope = Contract().base_cost
    return draw_market(
        seed, num_worlds, num_experts, unit_cost=kappa / theta, cost_slope=slope / theta
    )


@pytest.mark.parametrize("prior", PRIORS)
def test_closed_form_and_program_with_all_pairs_of_constraints_agree(prior: str) -> None:
    mechanism = Contract(**PRIORS[prior])
    value = np.array([-1.0, 0.3, 1.5, 2.5, 3.0, 3.8, 5.0, 9.0])
    effort, reward = mechanism.menu(value)
    expected_effort, expected_reward = mechanism.program.menu(value)

    def profit(effort: FloatArray, reward: FloatArray) -> FloatArray:
        return (np.maximum(value, 0.0)[:, np.newaxis] * effort - reward).mean(axis=-1)

    np.testing.assert_allclose(
        profit(effort, reward), profit(expected_effort, expected_reward), rtol=1e-6, atol=1e-8
    )
    np.testing.assert_allclose(effort, expected_effort, atol=1e-3)
    np.testing.assert_allclose(reward, expected_reward, atol=1e-3)
    assert (effort[-1] > 0.5).all()
    assert not effort[0].any()


def test_program_and_closed_form_clear_markets_alike(
    draw_market: DrawMarket, program: Contract
) -> None:
    market = enforced(draw_market(0, num_worlds=6))
    exact, reference = clear(market), program.clear(market)
    np.testing.assert_allclose(exact.effort, reference.effort, atol=1e-3)
    np.testing.assert_allclose(exact.payment, reference.payment, atol=1e-3)
    np.testing.assert_allclose(exact.welfare, reference.welfare, rtol=1e-3)
    assert (exact.status, reference.status) == ("closed_form", "optimal")


def test_two_types_as_by_hand() -> None:
    # kappa is 0 to 2 and slope 1, so the dearest costs of the bins are 1.5 and 2.5, and the base
    # cost is 1.5.
    mechanism = Contract(**PRIORS["two_types"])
    np.testing.assert_allclose(mechanism.theta, [1.5 / 2.5, 1.0])
    np.testing.assert_allclose(mechanism.virtual_cost, [2 / 0.6 - 1.0, 1.0])
    effort, reward = mechanism.menu(np.array(4.0))
    np.testing.assert_allclose(effort, [4.0 / (7 / 3) - 1.0, 1.0])
    z = effort + effort**2 / 2
    np.testing.assert_allclose(reward, [z[0] / 0.6, z[0] / 0.6 + z[1] - z[0]])


@pytest.mark.parametrize("prior", PRIORS)
def test_no_type_prefers_another_contract_and_the_dearest_gains_nothing(prior: str) -> None:
    mechanism = Contract(**PRIORS[prior])
    effort, reward = mechanism.menu(np.linspace(0.0, 9.0, 50))
    z = cost(effort, *mechanism.base_cost)
    utility = (
        reward[:, np.newaxis, :] - z[:, np.newaxis, :] / mechanism.theta[:, np.newaxis]
    )  # (value, type, contract)
    own = np.einsum("vtt->vt", utility)
    assert (own[..., np.newaxis] >= utility - 1e-12).all()
    assert (own >= -1e-12).all()
    np.testing.assert_allclose(own[:, 0], 0.0, atol=1e-12)
    assert (np.diff(effort, axis=-1) >= 0.0).all()


@pytest.mark.parametrize("prior", PRIORS)
def test_the_types_are_the_dearest_of_equally_probable_bins(prior: str) -> None:
    mechanism = Contract(**PRIORS[prior])
    (low, high), (slope_low, slope_high) = mechanism.unit_cost, mechanism.cost_slope

    def slope_below(limit: float) -> float:
        return float(np.clip((limit - slope_low) / max(slope_high - slope_low, 1e-12), 0.0, 1.0))

    def share_below(full_cost: float) -> float:
        bends = np.clip([full_cost - slope_high / 2, full_cost - slope_low / 2], low, high)
        area, _ = quad(
            lambda unit_cost: slope_below(2 * (full_cost - unit_cost)), low, high, points=bends
        )
        return area / (high - low)

    shares = [share_below(full_cost) for full_cost in mechanism.type_cost]
    np.testing.assert_allclose(
        shares, np.arange(mechanism.types, 0, -1) / mechanism.types, atol=1e-7
    )


@pytest.mark.parametrize("seed", range(5))
def test_virtual_costs_fall_from_type_to_type_so_that_ironing_changes_nothing(seed: int) -> None:
    rng = np.random.default_rng(seed)
    for types in (1, 2, 3, 8, 50, 400):
        ranges = np.sort(rng.uniform(0.0, 3.0, (2, 2)) * rng.choice([0.01, 1.0], (2, 1)), axis=-1)
        mechanism = Contract(types, tuple(ranges[0]), tuple(ranges[1] + 0.01))
        ironed = isotonic_regression(mechanism.virtual_cost, increasing=False).x
        np.testing.assert_allclose(mechanism.virtual_cost, ironed, rtol=1e-9)


def test_no_false_report_pays_where_costs_are_multiples_of_the_base_cost(
    draw_market: DrawMarket, with_false_costs: WithFalseCosts
) -> None:
    gains = []
    for seed in range(8):
        market = multiples_of_the_base_cost(draw_market, seed, num_worlds=1, num_experts=8).world(0)
        market = dataclasses.replace(market, value=market.value * 0.8)
        lying = np.einsum(
            "ere->er", edge_utility(market, clear(with_false_costs(market, seed, 500)))
        )
        gains.append(lying - edge_utility(market, clear(market))[:, np.newaxis])
    assert np.max(gains) <= 1e-12
    assert np.mean(np.array(gains) < -1e-6) > 0.3


def test_nobody_loses_where_costs_are_multiples_of_the_base_cost(draw_market: DrawMarket) -> None:
    market = multiples_of_the_base_cost(draw_market, 1)
    utility = edge_utility(market, clear(market))
    assert (utility >= -1e-12).all()
    assert (utility > 1e-3).mean() > 0.3


def test_a_contract_that_would_make_a_device_lose_by_the_truth_is_declined() -> None:
    mechanism = Contract()
    # Hardly cheaper than the second type at full effort; its costs grow less than the base cost.
    market = Market([2.93], [0.5], [1.0], [5.05], 0.0, effort="enforced")
    effort, reward = mechanism.menu(np.array(5.05))
    loss = cost(effort[1], 2.93, 0.5) - reward[1]
    assert 0.1 < loss < mechanism.base_cost[1] / (8 * mechanism.theta[1])
    outcome = mechanism.clear(market)
    assert outcome.unit_price[0] == reward[1] / effort[1]
    assert (outcome.effort[0], outcome.payment[0]) == (0.0, 0.0)


def test_where_costs_grow_less_with_effort_than_the_base_cost_lying_pays() -> None:
    market = Market([2.94], [0.5], [1.0], [7.7], 0.0, effort="enforced")
    (honest,) = edge_utility(market, clear(market))
    cheaper = np.array([Contract().type_cost[1] - 0.25])
    (lying,) = edge_utility(market, clear(dataclasses.replace(market, unit_cost=cheaper)))
    assert 0.11 < lying - honest < 0.12


def test_a_report_moves_nobody_else(
    draw_market: DrawMarket, with_false_costs: WithFalseCosts
) -> None:
    market = draw_market(3, num_worlds=1, num_experts=6).world(0)
    honest, lying = clear(market), clear(with_false_costs(market, 1, 50))
    liar, other = np.nonzero(~np.eye(6, dtype=bool))
    for name in ("effort", "unit_price", "payment"):
        expected = np.broadcast_to(getattr(honest, name)[other, np.newaxis], (30, 50))
        np.testing.assert_array_equal(getattr(lying, name)[liar, :, other], expected)
    assert (np.einsum("ere->er", lying.effort) != honest.effort[:, np.newaxis]).any()


def test_a_known_cost_is_paid_without_rent_and_effort_is_that_of_the_optimum() -> None:
    market = Market([1.0], [4.0], [2.0], [3.0], 0.0)
    outcome = clear(market, unit_cost=(1.0, 1.0), cost_slope=(4.0, 4.0))
    np.testing.assert_allclose(outcome.effort, best_response(3.0, 1.0, 4.0))
    np.testing.assert_allclose(edge_utility(market, outcome), 0.0, atol=1e-12)


def test_only_those_dearer_than_every_type_are_offered_nothing() -> None:
    mechanism = Contract()
    dearest = 3.0 + 1.5 / 2
    market = Market([2.5, 2.5, 0.0], [2.5, 2.5 + 1e-9, 0.1], np.ones(3), np.full(3, 9.0), 0.0)
    assert mechanism.type_cost[0] == dearest
    outcome = mechanism.clear(enforced(market))
    effort, reward = mechanism.menu(np.array(9.0))
    np.testing.assert_allclose(outcome.effort, [effort[0], 0.0, effort[-1]])
    np.testing.assert_allclose(outcome.payment, [reward[0], 0.0, reward[-1]])
    assert outcome.unit_price[1] == 0.0


def test_one_menu_a_world_is_that_of_its_value_weighted_by_demand() -> None:
    market = Market([1.925] * 3, [1.1] * 3, [3.0, 1.0, 0.0], [2.0, 6.0, 100.0], 0.0)
    same = dataclasses.replace(market, value=np.full(3, 3.0))
    assert 0.0 < clear(same).effort[0] < 1.0
    np.testing.assert_allclose(clear(market).effort, clear(same).effort, rtol=1e-12)


def test_users_pay_the_payments_and_the_budget_is_ignored(draw_market: DrawMarket) -> None:
    market = draw_market(4)
    outcome = clear(dataclasses.replace(market, budget=np.zeros(16)))
    np.testing.assert_array_equal(outcome.payment, clear(market).payment)
    np.testing.assert_array_equal(outcome.payment, outcome.unit_price * outcome.points)
    np.testing.assert_array_equal(outcome.points, market.demand * outcome.effort)
    assert (outcome.payment.sum(axis=-1) > 0.0).all()
    assert not outcome.balance.any()


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param({"demand": np.zeros(30)}, id="no demand"),
        pytest.param({"value": np.full(30, 0.4)}, id="value below every cost"),
        pytest.param({"value": np.full(30, -3.0)}, id="negative value"),
    ],
)
def test_where_nothing_is_bought_price_and_effort_are_zero(
    draw_market: DrawMarket, fields: dict[str, Any]
) -> None:
    outcome = clear(draw_market(5, **fields))
    assert not outcome.effort.any()
    assert not outcome.unit_price.any()
    assert not outcome.welfare.any()


def test_edge_devices_of_equal_cost_get_the_same_contract(draw_market: DrawMarket) -> None:
    outcome = clear(draw_market(6, unit_cost=np.ones((16, 30)), cost_slope=np.ones((16, 30))))
    assert (outcome.unit_price == outcome.unit_price[:, :1]).all()
    assert (outcome.unit_price > 0).any()


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"types": 0}, "types should be a whole number in 1..1000, got 0"),
        ({"types": 2.5}, "types should be a whole number in 1..1000, got 2.5"),
        ({"types": 10**12}, "types should be a whole number in 1..1000, got 1000000000000"),
        ({"unit_cost": ["1", "2"]}, "unit_cost should be two numbers, lowest and highest, got"),
        (
            {"unit_cost": [0.0, 1e300]},
            r"unit_cost should be finite with 0 <= lowest <= highest <= 1e\+09",
        ),
        ({"unit_cost": 1.0}, "unit_cost should be two numbers, lowest and highest, got 1.0"),
        (
            {"unit_cost": [1.0, 2.0, 3.0]},
            r"unit_cost should be two numbers, lowest and highest, got \[1.0, 2.0, 3.0\]",
        ),
        (
            {"unit_cost": [2.0, 1.0]},
            r"unit_cost should be finite with 0 <= lowest <= highest <= 1e\+09, got \[2.0, 1.0\]",
        ),
        ({"cost_slope": [-1.0, 1.0]}, "cost_slope should be finite with 0 <= lowest"),
        ({"cost_slope": [0.5, np.nan]}, "cost_slope should be finite"),
        ({"cost_slope": [0.0, 1.0]}, "cost_slope should begin at 1e-09 or above, got 0"),
    ],
)
def test_an_impossible_parameter_is_refused(params: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=f"contract: {message}"):
        mechanisms.make("contract", **params)


def test_a_prior_read_from_a_file_as_lists_is_the_same_prior() -> None:
    assert mechanisms.make("contract", unit_cost=[0.5, 3], cost_slope=[0.5, 1.5]) == Contract()


def test_a_failing_solver_is_reported_with_the_value(
    program: Contract, draw_market: DrawMarket, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(self: cp.Problem, **options: object) -> None:
        raise cp.error.SolverError("InsufficientProgress")

    monkeypatch.setattr(cp.Problem, "solve", fail)
    with pytest.raises(
        MechanismError, match=r"contract for 2.5 credits/point: InsufficientProgress"
    ):
        program.program.menu(np.array([2.5]))
