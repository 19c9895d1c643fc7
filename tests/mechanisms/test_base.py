"""Mechanisms by name, messages for wrong names, and what an import loads."""

import doctest
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import mechanisms
from mechanisms import Effort, Market, MechanismError, Outcome, UserReports, base
from mechanisms.posted_price import PostedPrice
from mechanisms.testing import check_mechanism

# Those that no solver decides.
CLOSED_FORM = (
    "none",
    "posted_price",
    "budgeted_price",
    "contract",
    "cost_plus",
    "proportional_share",
    "double_auction",
)


@pytest.fixture
def surcharge(monkeypatch: pytest.MonkeyPatch) -> type:
    """A mechanism from outside the package, with parameters, registered for one test."""
    monkeypatch.setattr(base.MECHANISMS, "_factories", dict(base.MECHANISMS._factories))

    @mechanisms.register("surcharge")
    class Surcharge:
        name = "surcharge"
        allocates = False
        claims = mechanisms.Claims()

        def __init__(self, rate: float = 0.0, floor: float = 0.0) -> None:
            self.rate, self.floor = rate, floor

        def clear(self, market: Market) -> Outcome:
            price = np.maximum(market.unit_cost * (1 + self.rate), self.floor)
            return mechanisms.outcome_at_prices(
                market, price, status="closed_form", solve_seconds=0.0
            )

    return Surcharge


def test_importing_the_package_registers_its_mechanisms() -> None:
    assert set(CLOSED_FORM) <= set(mechanisms.names())
    assert list(mechanisms.names()) == sorted(mechanisms.names())


@pytest.mark.parametrize("name", mechanisms.names())
def test_every_mechanism_is_called_what_it_is_made_by(name: str) -> None:
    assert mechanisms.make(name).name == name


def drawn_market(effort: Effort) -> Market:
    rng = np.random.default_rng(0)
    shape = (4, 12)
    return Market(
        unit_cost=rng.uniform(0.5, 3.0, shape),
        cost_slope=rng.uniform(0.5, 1.5, shape),
        demand=rng.uniform(0.0, 1.0, shape),
        value=np.full(shape, 3.8),
        budget=np.full(4, 4.0),
        capacity=np.ones(shape, dtype=int),
        bandwidth_limit=np.full(shape, 1000.0),
        expert_topic=rng.integers(0, 2, shape),
        users=UserReports(
            value=rng.uniform(0.0, 5.0, (4, 8, 12)),
            points=np.ones((4, 8, 12)),
            bandwidth_need=rng.uniform(300.0, 900.0, (4, 8, 12)),
            topic=rng.integers(0, 2, (4, 8)),
        ),
        effort=effort,
    )


@pytest.mark.parametrize("name", mechanisms.names())
def test_effort_is_the_best_response_to_the_price_where_it_is_bought_unless_experts_are_free(
    name: str,
) -> None:
    market, mechanism = drawn_market("bought"), mechanisms.make(name)
    outcome = mechanism.clear(market)
    answer = mechanisms.best_response(outcome.unit_price, market.unit_cost, market.cost_slope)
    same = np.isclose(outcome.effort, answer, atol=1e-3)
    if name == "double_auction":
        same |= outcome.effort == 0  # Who does not trade gives none.
    assert same.all() == (not mechanisms.is_free(mechanism))


@pytest.mark.parametrize("name", mechanisms.names())
def test_effort_is_what_is_ordered_where_it_is_enforced(name: str) -> None:
    market, mechanism = drawn_market("enforced"), mechanisms.make(name)
    outcome = mechanism.clear(market)
    answer = mechanisms.best_response(outcome.unit_price, market.unit_cost, market.cost_slope)
    answers = name in ("posted_price", "budgeted_price")
    assert np.allclose(outcome.effort, answer, atol=1e-3) == answers
    if not answers and name != "contract":
        assert set(np.unique(outcome.effort)) <= {0.0, 1.0}


def test_only_the_absence_of_a_mechanism_leaves_edge_devices_unpaid_for_what_they_give() -> None:
    free = {name for name in mechanisms.names() if mechanisms.is_free(mechanisms.make(name))}
    assert free == {"none"}


def test_a_mechanism_that_sets_voluntary_is_told_where_effort_is_decided() -> None:
    class Old(PostedPrice):
        voluntary = True

    words = "old: a mechanism has no voluntary; .* Market.effort, in a world env.market.effort"
    with pytest.raises(ValueError, match=words):
        mechanisms.register("old")(Old)
    assert "old" not in mechanisms.names()
    market = Market([1.0], [1.0], [1.0], [3.0], 1.0)
    with pytest.raises(ValueError, match=words.replace("old", "posted_price")):
        mechanisms.audit(Old(), market, rng=np.random.default_rng(0))
    with pytest.raises(AssertionError, match="voluntary is set"):
        check_mechanism(Old())


def test_a_function_that_makes_a_mechanism_that_sets_voluntary_is_told_too() -> None:
    class Old(PostedPrice):
        voluntary = False

    try:
        mechanisms.register("made_old")(lambda: Old())
        with pytest.raises(ValueError, match="made_old: a mechanism has no voluntary"):
            mechanisms.make("made_old")
    finally:
        del base.MECHANISMS["made_old"]


def test_a_mechanism_from_outside_is_made_with_its_parameters(surcharge: type) -> None:
    assert "surcharge" in mechanisms.names()
    made = mechanisms.make("surcharge", rate=0.5)
    assert isinstance(made, surcharge)
    ones = np.ones(2)
    market = Market(np.array([1.0, 2.0]), ones, ones, 3 * ones, np.array(1.0))
    assert made.clear(market).unit_price.tolist() == [1.5, 3.0]


@pytest.mark.parametrize(
    ("wrong", "nearest"),
    [("posted_prices", "posted_price"), ("PostedPrice", "posted_price"), ("nome", "none")],
)
def test_an_unknown_name_is_answered_with_the_nearest_and_all(wrong: str, nearest: str) -> None:
    with pytest.raises(
        ValueError, match=f"no mechanism '{wrong}'; did you mean '{nearest}'"
    ) as raised:
        mechanisms.make(wrong)
    assert all(name in str(raised.value) for name in mechanisms.names())


def test_an_unknown_parameter_is_answered_with_the_nearest_and_all(surcharge: type) -> None:
    with pytest.raises(
        ValueError, match="'surcharge' has no parameter 'rates'; did you mean 'rate'"
    ) as raised:
        mechanisms.make("surcharge", rates=0.5)
    assert "floor" in str(raised.value)


def test_a_mechanism_without_parameters_says_so() -> None:
    with pytest.raises(ValueError, match="'none' has no parameter 'budget'; it takes none"):
        mechanisms.make("none", budget=1.0)


def test_a_name_can_be_taken_once(surcharge: type) -> None:
    assert mechanisms.register("surcharge")(surcharge) is surcharge  # as in a cell run again
    with pytest.raises(ValueError, match="'surcharge' exists already"):
        mechanisms.register("surcharge")(mechanisms.PostedPrice)


def test_all_public_names_exist() -> None:
    assert all(hasattr(mechanisms, name) for name in mechanisms.__all__)


def test_the_example_in_the_package_docstring_is_true() -> None:
    attempted = doctest.testmod(mechanisms)
    assert attempted.attempted >= 4
    assert attempted.failed == 0


def test_importing_and_clearing_loads_no_solver_and_no_learner() -> None:
    program = (
        "import sys, mechanisms\n"
        "users = mechanisms.UserReports([[3.0]], [[1.0]])\n"
        "market = mechanisms.Market([1.0], [1.0], [1.0], [3.0], 1.0, users)\n"
        f"for name in {CLOSED_FORM}: mechanisms.make(name).clear(market)\n"
        "print(sorted({'cvxpy', 'ray', 'torch', 'scipy', 'pandas'} & set(sys.modules)))\n"
    )
    repository = Path(mechanisms.__file__).parents[1]
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=repository, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("kind", ["class", "function"])
def test_a_mechanism_is_called_by_the_name_that_it_is_registered_under(kind: str) -> None:
    if kind == "class":

        @mechanisms.register("cheap")
        class Cheap(PostedPrice):
            def clear(self, market: Market) -> Outcome:
                raise MechanismError(f"{self.name}: nothing is decided")

        with pytest.raises(ValueError, match="cheap: price should be"):
            mechanisms.make("cheap", price=-1.0)
    else:

        @mechanisms.register("cheap")
        def cheap(price: float = 1.0) -> PostedPrice:
            return PostedPrice(price)

    try:
        assert mechanisms.make("cheap").name == "cheap"
        assert mechanisms.make("posted_price").name == PostedPrice.name == "posted_price"
    finally:
        del base.MECHANISMS["cheap"]


def test_a_mechanism_that_is_not_whole_is_told_what_it_lacks() -> None:
    class Priced:
        name, allocates = "unclaimed", False

        def clear(self, market: Market) -> object: ...

    words = "mechanism unclaimed has no claims; a mechanism has name, allocates, claims, clear"
    with pytest.raises(ValueError, match=words):
        base.check_complete(Priced(), "unclaimed")
    base.check_complete(PostedPrice(), "posted_price")
