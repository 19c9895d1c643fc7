"""The kit: every registered mechanism passes it, and it finds what is wrong."""

from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
import pytest

import mechanisms
from mechanisms import Claims, Market, Mechanism, MechanismError, Outcome
from mechanisms.testing import check_mechanism, draw_market
from tests.mechanisms.wrapped import Wrapped

VARIANTS: list[tuple[str, dict[str, Any]]] = [(name, {}) for name in mechanisms.names()]
VARIANTS += [("vcg", {"bandwidth": True}), ("shadow_price", {"bandwidth": False})]
VARIANTS += [("posted_price", {"price": 2.0}), ("budgeted_price", {"budget": 1.5})]
VARIANTS += [("proportional_share", {"budget": 1.5}), ("fisher", {"budget": 9.0})]
BY_PROGRAM = [name for name in mechanisms.names() if hasattr(mechanisms.make(name), "solver")]


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(("name", "params"), VARIANTS)
def test_every_mechanism_passes_the_kit(name: str, params: dict[str, Any]) -> None:
    # Equilibria are found to a tolerance; duals are one vertex of several.
    rtol = 1e-7 if name == "fisher" else 1e-12
    unique_charges = name != "shadow_price"
    check_mechanism(mechanisms.make(name, **params), rtol=rtol, unique_charges=unique_charges)


@pytest.mark.parametrize("name", BY_PROGRAM)
def test_every_mechanism_passes_the_kit_by_its_program_in_cvxpy(name: str) -> None:
    # Each market is solved from nothing, so that what is the same is so to the bit; a charge that
    # does not move with the order of lists is found to what the solver rounds.
    mechanism = mechanisms.make(name, solver="cvxpy")
    check_mechanism(mechanism, rtol=1e-9, unique_charges=name != "shadow_price", misreports=0)


def test_all_but_the_mechanisms_without_a_program_have_a_solver() -> None:
    assert set(mechanisms.names()) - set(BY_PROGRAM) == {"none", "cost_plus", "double_auction"}


@dataclass(frozen=True)
class Faulty:
    """Another mechanism's outcomes, with one fault."""

    inner: Mechanism
    fault: str
    claims: ClassVar[Claims] = Claims()
    name: str = "faulty"

    @property
    def allocates(self) -> bool:
        return self.inner.allocates

    def clear(self, market: Market) -> Outcome:
        if self.fault == "demand" and market.budget.size > 1:
            market = market.with_demand(market.demand + 1.0)
        outcome = self.inner.clear(market)
        if self.fault == "batch" and market.budget.size > 1:
            return replace(outcome, welfare=outcome.welfare + 1.0)
        if self.fault == "shape":
            return replace(outcome, welfare=np.zeros((*market.batch_shape, 1)))
        if self.fault == "nan":
            return replace(outcome, welfare=np.full(market.batch_shape, np.nan))
        if self.fault == "payment":
            return replace(outcome, payment=outcome.payment + 1.0)
        if self.fault == "effort":
            half = outcome.effort / 2
            points = outcome.points / 2
            return replace(outcome, effort=half, points=points, payment=outcome.unit_price * points)
        if self.fault == "allocation":
            return replace(outcome, allocation=None)
        if self.fault == "charge" and outcome.allocation is not None:
            charge = outcome.allocation.charge + 1.0
            return replace(outcome, allocation=outcome.allocation._replace(charge=charge))
        if self.fault == "idle" and outcome.allocation is not None and market.num_experts:
            expert = np.maximum(outcome.allocation.expert, 0)
            return replace(outcome, allocation=outcome.allocation._replace(expert=expert))
        return outcome


@pytest.mark.parametrize(
    ("inner", "fault", "words"),
    [
        ("posted_price", "demand", "points are not demand"),
        ("posted_price", "batch", "alone: welfare is not the same"),
        ("posted_price", "shape", "welfare has shape"),
        ("posted_price", "nan", "welfare is not finite"),
        ("posted_price", "payment", "payment is not by points"),
        ("posted_price", "effort", "no best response"),
        ("vcg", "allocation", "gives no allocation"),
        ("vcg", "charge", "and somebody is charged"),
        ("vcg", "idle", "an idle user is served"),
        ("vcg", "users", "does not name faulty"),
    ],
)
def test_the_kit_finds_a_fault_and_says_which(inner: str, fault: str, words: str) -> None:
    name = "faulty" if fault == "users" else inner
    faulty = Faulty(mechanisms.make(inner), fault, name=name)
    with pytest.raises(AssertionError, match=words):
        check_mechanism(faulty)


@dataclass(frozen=True)
class Boasting(Wrapped):
    """Another mechanism, which claims more than that."""

    boasts: Claims

    @property
    def claims(self) -> Claims:
        return self.boasts


@pytest.mark.parametrize(
    ("inner", "claims", "words"),
    [
        (
            "posted_price",
            Claims(incentive_compatible=frozenset({"edge_devices.costs"})),
            r"posted_price claims incentive compatibility of edge_devices.costs, and one gains "
            r"[\d.]+ credits/slot by a misreport of edge_devices.costs, where effort is bought",
        ),
        (
            "vcg",
            Claims(incentive_compatible=frozenset({"users"}), regimes=frozenset({"enforced"})),
            r"compatibility of users, and one gains [\d.]+ .* misreport of users.points_and_work, "
            "where effort is enforced",
        ),
        ("vcg", Claims(budget_balanced=True), r"the platform keeps -[\d.]+ .* effort is bought"),
        ("posted_price", Claims(efficient=True), r"its welfare is 0[\d.]+ of the optimum"),
    ],
)
def test_the_kit_finds_a_false_claim_and_tells_of_which_field_and_how_much(
    inner: str, claims: Claims, words: str
) -> None:
    with pytest.raises(AssertionError, match=words):
        check_mechanism(Boasting(mechanisms.make(inner), claims))


def test_claims_that_have_a_condition_are_audited_on_markets_that_meet_it() -> None:
    claims = Claims(efficient=True, condition="there is nothing to deliver")
    boaster = Boasting(mechanisms.make("posted_price"), claims)
    market = draw_market(0)
    check_mechanism(boaster)
    check_mechanism(boaster, markets=[market.with_demand(np.zeros(market.demand.shape))])
    with pytest.raises(AssertionError, match="posted_price claims efficiency"):
        check_mechanism(boaster, markets=[market])


def test_claims_of_enforced_effort_are_not_audited_where_it_is_bought() -> None:
    claims = Claims(efficient=True, regimes=frozenset({"enforced"}), condition="none of these")
    boaster = Boasting(mechanisms.make("posted_price"), claims)
    check_mechanism(boaster, markets=[draw_market(0, effort="bought")])
    with pytest.raises(AssertionError, match=r"claims efficiency.* effort is enforced"):
        check_mechanism(boaster, markets=[draw_market(0, effort="enforced")])


def test_an_outcome_without_allocation_is_refused_by_the_name_of_its_mechanism() -> None:
    market = Market([1.0], [1.0], [1.0], [3.0], 1.0)
    outcome = mechanisms.make("posted_price").clear(market)
    with pytest.raises(MechanismError, match="vcg allocates, and its outcome has no allocation"):
        outcome.allocation_by("vcg")
