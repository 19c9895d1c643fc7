"""Mechanisms written as a program in CVXPY: known answers, refusals, copies, and a world."""

import copy
import pickle
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import cvxpy as cp
import numpy as np
import pytest

import mechanisms
from mechanisms import (
    Claims,
    ConvexMechanism,
    ConvexProgram,
    Given,
    Market,
    MarketError,
    MechanismError,
)
from mechanisms.testing import check_mechanism

DrawMarket = Callable[..., Market]


@dataclass(frozen=True)
class OnePrice(ConvexMechanism):
    """One price for all, users' most profitable where kappa is 0 and nobody is at full effort.

    The profit sum D (v - p) p / slope is concave in p.
    """

    name: ClassVar[str] = "one_price"
    ceiling: float = 100.0

    def program(self, given: Given) -> ConvexProgram:
        price = cp.Variable(nonneg=True)
        earned = given.derived("earned", lambda m: (m.demand * m.value / m.cost_slope).sum())
        paid = given.derived("paid", lambda m: (m.demand / m.cost_slope).sum(), nonneg=True)
        profit = earned * price - paid * cp.square(price)
        return ConvexProgram(cp.Maximize(profit), [price <= self.ceiling], unit_price=price)


class ClearingPrice(ConvexMechanism):
    """The dual of one row for all points: the price at which half of the demand is delivered."""

    name = "clearing_price"

    def program(self, given: Given) -> ConvexProgram:
        effort = cp.Variable(given.num_experts)
        base = given.derived("base", lambda m: m.demand * m.unit_cost, nonneg=True)
        rise = given.derived("rise", lambda m: m.demand * m.cost_slope / 2, nonneg=True)
        half = given.derived("half", lambda m: m.demand.sum() / 2, nonneg=True)
        delivered = given.demand @ effort >= half
        cost = base @ effort + rise @ cp.square(effort)
        return ConvexProgram(cp.Minimize(cost), [delivered, effort >= 0, effort <= 1], delivered)


class AskedEffort(ConvexMechanism):
    """Half the effort of all, by order, at its cost."""

    name = "asked_effort"
    claims = Claims(budget_balanced=True)

    def program(self, given: Given) -> ConvexProgram:
        effort = cp.Variable(given.num_experts)
        price = given.point_cost + cp.multiply(given.point_slope, effort) / 2
        return ConvexProgram(
            cp.Minimize(cp.sum_squares(effort - 0.5)), [effort >= 0], price, effort=effort
        )


def by(program: Callable[[Given], ConvexProgram], **attributes: Any) -> ConvexMechanism:
    """Return a mechanism of that program."""
    body = {"name": "tried", "program": lambda self, given: program(given)}
    return type("Tried", (ConvexMechanism,), body | attributes)()


def priced(price: Any, *constraints: Any) -> ConvexProgram:
    return ConvexProgram(cp.Minimize(cp.sum_squares(price - 1)), list(constraints), price)


@pytest.mark.parametrize("value", [1.0, 3.0])
def test_a_posted_price_is_half_of_what_a_point_is_worth(value: float) -> None:
    ones = np.ones(4)
    market = Market(0 * ones, [4.0, 5.0, 6.0, 7.0], ones, value * ones, 0.0)
    outcome = OnePrice().clear(market)
    np.testing.assert_allclose(outcome.unit_price, value / 2, atol=1e-4)
    full = mechanisms.welfare(
        value / market.cost_slope, ones, market.value, 0 * ones, market.cost_slope
    )
    assert outcome.welfare == pytest.approx(0.75 * full, rel=1e-4)
    posted = mechanisms.make("posted_price").clear(market)
    np.testing.assert_allclose(outcome.unit_price, posted.unit_price, atol=1e-4)


def test_the_dual_of_a_row_is_the_price_at_which_its_points_are_delivered(
    draw_market: DrawMarket,
) -> None:
    market = draw_market(0, num_worlds=5, num_experts=8)
    outcome = ClearingPrice().clear(market)
    assert (np.ptp(outcome.unit_price, axis=-1) == 0).all()
    np.testing.assert_allclose(
        outcome.points.sum(axis=-1), market.demand.sum(axis=-1) / 2, rtol=1e-4
    )


def test_a_program_of_fifteen_lines_is_the_budgeted_price(draw_market: DrawMarket) -> None:
    example = mechanisms.convex.__doc__.partition("\n\n")[2].partition("from __future__")[0]
    lines = [line[4:] for line in example.splitlines() if line.startswith(" ") or not line]
    assert len([line for line in lines if line]) <= 18
    names: dict[str, Any] = {
        "mechanisms": mechanisms,
        "ConvexMechanism": ConvexMechanism,
        "ConvexProgram": ConvexProgram,
    }
    alone = [line for line in lines if not line.startswith("@")]  # registering it would stay
    exec("\n".join(alone), names)
    market = draw_market(1, num_worlds=6, num_experts=8)
    ours, closed = names["MyPrice"]().clear(market), mechanisms.make("budgeted_price").clear(market)
    np.testing.assert_allclose(ours.welfare, closed.welfare, rtol=1e-6)
    bought = (market.demand > 0) & (closed.effort > 0)
    np.testing.assert_allclose(ours.unit_price[bought], closed.unit_price[bought], atol=2e-3)
    assert (ours.payment.sum(axis=-1) <= market.budget + 1e-6).all()


@pytest.mark.parametrize("mechanism", [OnePrice(), ClearingPrice(), AskedEffort()])
def test_a_convex_mechanism_passes_the_kit(mechanism: ConvexMechanism) -> None:
    check_mechanism(mechanism)


def test_ordered_effort_is_given_and_paid_and_does_not_answer_the_price(
    draw_market: DrawMarket,
) -> None:
    market = draw_market(2, num_worlds=2, num_experts=4, demand=np.ones((2, 4)), effort="enforced")
    outcome = AskedEffort().clear(market)
    np.testing.assert_allclose(outcome.effort, 0.5, atol=1e-4)
    np.testing.assert_allclose(outcome.points, 0.5, atol=1e-4)
    np.testing.assert_allclose(
        outcome.unit_price, market.unit_cost + market.cost_slope / 4, atol=1e-4
    )
    bought = AskedEffort().clear(replace(market, effort="bought"))
    np.testing.assert_allclose(bought.unit_price, outcome.unit_price)
    np.testing.assert_allclose(bought.effort, 0.25, atol=1e-4)


def test_it_is_audited_as_any_other(draw_market: DrawMarket) -> None:
    class Budgeted(mechanisms.reference.budgeted_price.BudgetedPriceProgram):
        claims = Claims(
            strategic=frozenset({"edge_devices"}),
            incentive_compatible=frozenset({"edge_devices"}),
            individually_rational=frozenset({"edge_devices"}),
            budget_balanced=True,
            within_budget=True,
        )

    market = draw_market(3, num_worlds=4, num_experts=4)
    rng = np.random.default_rng(0)
    report = mechanisms.audit(Budgeted(), market, rng=rng, misreports=12, agents=1)
    (broken,) = mechanisms.violations(report, Budgeted.claims)
    assert "claims incentive compatibility of edge_devices" in broken  # what it falsely claims here
    assert report.failed_clearings == 0
    assert report.clearings > 40


def test_a_size_is_compiled_once_and_kept_beside_the_next(draw_market: DrawMarket) -> None:
    compiled = []

    def program(given: Given) -> ConvexProgram:
        compiled.append(given.num_experts)
        return priced(cp.Variable(given.num_experts))

    mechanism = by(program)
    for size in (3, 5, 3, 5, 3):
        assert mechanism.clear(draw_market(0, num_experts=size)).effort.shape == (16, size)
    assert compiled == [3, 5]
    assert mechanism.compiled(3) is mechanism.compiled(3)
    assert mechanism.compiled(3) is not mechanism.compiled(5)


@pytest.mark.parametrize(
    "duplicate", [copy.copy, copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))]
)
@pytest.mark.parametrize(
    "mechanism",
    [
        OnePrice(ceiling=2.0),
        mechanisms.make("budgeted_price", solver="cvxpy"),
        mechanisms.make("contract", solver="cvxpy", types=3),
    ],
    ids=lambda mechanism: mechanism.name,
)
def test_a_copy_leaves_compiled_programs_behind_and_builds_its_own(
    mechanism: Any, duplicate: Callable[[Any], Any], draw_market: DrawMarket
) -> None:
    market = draw_market(4, num_worlds=2, num_experts=4)
    outcome = mechanism.clear(market)
    copied = duplicate(mechanism)
    assert copied == mechanism
    np.testing.assert_array_equal(copied.clear(market).unit_price, outcome.unit_price)
    np.testing.assert_array_equal(mechanism.clear(market).unit_price, outcome.unit_price)


def two_parameters(given: Given) -> ConvexProgram:
    effort = cp.Variable(given.num_experts, nonneg=True)
    product = cp.multiply(given.demand, given.cost_slope)
    return ConvexProgram(cp.Minimize(cp.sum(effort)), [effort >= 1, product @ effort <= 9], effort)


def concave_cost(given: Given) -> ConvexProgram:
    effort = cp.Variable(given.num_experts, nonneg=True)
    return ConvexProgram(cp.Minimize(cp.sum(cp.sqrt(effort))), [], effort)


@pytest.mark.parametrize(
    ("program", "attributes", "words"),
    [
        (two_parameters, {}, "tried: constraint 1 of the program is convex but not DPP.*demand"),
        (concave_cost, {}, r"tried: the objective of the program is not convex \(DCP\)"),
        (
            lambda given: priced(cp.Variable(2)),
            {},
            r"tried: unit_price has shape \(2,\): must be \(4,\), one for each expert",
        ),
        (lambda given: cp.Variable(), {}, "tried: program should return a ConvexProgram, got"),
        (
            lambda given: priced(cp.Variable()),
            {"voluntary": False},
            "tried: a mechanism has no voluntary; .* Market.effort, in a world env.market.effort",
        ),
        (
            lambda given: priced(cp.Variable()),
            {"cvxpy_solver": "CLARABELL"},
            "tried: no solver 'CLARABELL'; did you mean 'CLARABEL'",
        ),
        (
            lambda given: priced(
                cp.Variable() * given.derived("loss", lambda m: -m.demand.sum(), nonneg=True)
            ),
            {},
            "tried: the parameter 'loss': Parameter value must be nonnegative",
        ),
        (
            lambda given: priced(given.derived("x", lambda m: 1.0) * given.derived("x", np.sum)),
            {},
            "tried: the parameter 'x' exists already",
        ),
        (
            lambda given: priced(given.derived("demand", lambda m: 1.0) * cp.Variable()),
            {},
            "tried: the parameter 'demand' exists already",
        ),
        (
            lambda given: priced(cp.Parameter(name="ceiling") - cp.Variable()),
            {},
            "tried: the parameter 'ceiling' has no value; given.derived makes one",
        ),
    ],
)
def test_a_program_that_cannot_be_is_refused_with_the_part_that_offends(
    program: Callable[[Given], ConvexProgram],
    attributes: dict[str, Any],
    words: str,
    draw_market: DrawMarket,
) -> None:
    with pytest.raises(ValueError, match=words):
        by(program, **attributes).clear(draw_market(0, num_worlds=1, num_experts=4))


def test_a_field_that_no_market_has_is_answered_with_the_nearest() -> None:
    with pytest.raises(AttributeError, match="a market has no 'unit_costs'; did you mean 'unit_c"):
        by(lambda given: priced(cp.Variable() - given.unit_costs)).compiled(3)


def test_a_limit_that_the_market_leaves_open_is_refused(draw_market: DrawMarket) -> None:
    def program(given: Given) -> ConvexProgram:
        price = cp.Variable(given.num_experts)
        return priced(price, price <= given.bandwidth_limit)

    with pytest.raises(MarketError, match="tried needs bandwidth_limit, finite everywhere"):
        by(program).clear(draw_market(0, num_experts=3))
    limited = draw_market(0, num_experts=3, bandwidth_limit=np.full(3, 0.5))
    wanted = limited.demand.any(axis=-1)
    np.testing.assert_allclose(by(program).clear(limited).unit_price[wanted], 0.5, atol=1e-4)


@pytest.mark.parametrize(
    ("program", "words"),
    [
        (
            lambda given: priced(cp.Variable(nonneg=True) - given.budget, given.budget <= -1),
            r"tried, world \(0,\): CLARABEL says infeasible",
        ),
        (
            lambda given: (lambda x: ConvexProgram(cp.Maximize(x), [x >= 0], x))(cp.Variable()),
            r"tried, world \(0,\): CLARABEL says unbounded",
        ),
        (
            lambda given: (lambda x: ConvexProgram(cp.Minimize(cp.square(x + 1)), [], x))(
                cp.Variable()
            ),
            r"tried, world \(0,\): unit_price = -.*: must be finite and >= 0",
        ),
    ],
    ids=["infeasible", "unbounded", "negative"],
)
def test_a_program_without_an_answer_is_an_error_of_the_mechanism(
    program: Callable[[Given], ConvexProgram], words: str, draw_market: DrawMarket
) -> None:
    with pytest.raises(MechanismError, match=words):
        by(program).clear(draw_market(0, num_worlds=2, num_experts=3))
