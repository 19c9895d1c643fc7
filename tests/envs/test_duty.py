"""A duty beside serving: what experts choose, time that is booked once, and money for it."""

from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
import pytest
from pydantic import ValidationError

import envs.duty
import mechanisms
from envs import ChannelConfig, DutyConfig, ExpertConfig, MarketConfig, World, WorldConfig
from envs.duty.plan import LEVELS
from envs.observation import column_names
from mechanisms import Claims, DutyOrder, Market, Outcome, PartError

EXACT = 1e-12


@envs.duty.register("watch")
@dataclass(frozen=True)
class Watch(envs.duty.Duty):
    """A duty that t seconds achieve t / (t + half_s) of, at a cost a second."""

    half_s: float = 2.0
    credits_per_second: float = 0.01

    def achieved(self, time_s: Any) -> Any:
        return time_s / (time_s + self.half_s)

    def time_s(self, achieved: Any) -> Any:
        if np.max(achieved) >= 1:
            raise ValueError("all of it takes for ever")
        return self.half_s * achieved / (1 - achieved)

    def cost(self, time_s: Any) -> Any:
        return time_s * self.credits_per_second


class Pays:
    """A mechanism of given prices of a point and of a unit of a duty."""

    name = "pays"
    allocates: ClassVar[bool] = False

    def __init__(self, price: float, level: int = 0, within_budget: bool = False) -> None:
        self.price, self.level = price, level
        self.claims = Claims(within_budget=within_budget)
        self.markets: list[Market] = []

    def clear(self, market: Market) -> Outcome:
        self.markets.append(market)
        prices = np.full(market.demand.shape, 4.0)
        outcome = mechanisms.outcome_at_prices(market, prices, status="given", solve_seconds=0.0)
        price = np.full(market.demand.shape, self.price)
        return replace(outcome, duty=DutyOrder(price, np.full(price.shape, self.level)))


def config_of(effort: Any = "bought", **duty: Any) -> WorldConfig:
    given: dict[str, Any] = {"task": {"model": "watch"}, "most_share": 0.8} | duty
    return WorldConfig(
        num_users=5,
        num_experts=4,
        episode_slots=15,
        channel=ChannelConfig(bandwidth_hz=3000.0),
        experts=ExpertConfig(serving_share=(0.6, 1.0), availability_probability=0.7),
        market=MarketConfig(effort=effort, budget_per_user=1.0),
        duty=DutyConfig(**given),
    )


def steps(world: World, seed: int = 0) -> Any:
    """Play uniform actions; yield the slot before each step, its result, and backlogs around."""
    rng = np.random.default_rng(seed)
    while not world.done:
        slot, before_s = world.slot, world.occupancy.airtime_backlog_s
        *_, result = world.step(rng.integers(5, size=(world.num_worlds, 5)))
        yield slot, result, before_s, world.occupancy.airtime_backlog_s


def test_an_expert_that_owes_its_duty_spends_the_time_that_it_takes() -> None:
    world = World(config_of(required=0.5), 3, seed=0)
    terms = world.slot.offer.duty
    assert terms is not None
    np.testing.assert_allclose(terms.share, 2.0 / 6, rtol=EXACT)  # t / (t + 2) = 1 / 2 at 2 s
    np.testing.assert_allclose(terms.achieved, 0.5, rtol=EXACT)
    assert not terms.payment.any()
    left = world.pool.serving_share - 2.0 / 6
    np.testing.assert_allclose(world.slot.conditions.serving_share, left, rtol=EXACT)


@pytest.mark.parametrize("duty", [{"required": 0.4}, {"price": 0.7}])
def test_serving_duty_time_elsewhere_and_idle_time_are_the_slot(duty: dict[str, float]) -> None:
    narrow = replace(config_of(**duty), channel=ChannelConfig(bandwidth_hz=250.0))
    mechanism = mechanisms.make("posted_price", price=50.0) if "price" in duty else None
    world = World(narrow, 3, seed=0, mechanism=mechanism)
    late = idle = 0
    for slot, result, before_s, after_s in steps(world):
        serving_s = before_s + result.airtime_s - after_s
        duty_s = slot.offer.duty.share * 6.0
        elsewhere_s = (1 - world.pool.serving_share) * 6.0
        idle_s = 6.0 - serving_s - duty_s - elsewhere_s
        assert (duty_s >= 0).all()
        assert (duty_s <= 0.8 * 6.0 * world.pool.serving_share + 1e-9).all()
        assert (idle_s >= -1e-9).all()
        np.testing.assert_allclose(idle_s[after_s > 0], 0.0, atol=1e-9)
        late, idle = late + int((after_s > 0).sum()), idle + int((idle_s > 1e-6).sum())
    assert late > 3
    assert idle > 10


def test_at_a_price_an_expert_takes_the_share_that_earns_it_most() -> None:
    chosen = set()
    for price in (0.02, 0.05, 0.1, 0.3):
        world = World(config_of(), 3, seed=1, mechanism=Pays(price))
        airtime_s = np.full((3, 4), 6.0)
        for slot, result, *_ in steps(world):
            if slot.index % 5 == 0:  # in which the market was cleared
                for n, e in np.ndindex(3, 4):
                    chosen.add(check_answer(world, slot, n, e, price, airtime_s[n, e]))
            airtime_s = 0.7 * airtime_s + 0.3 * result.airtime_s
    assert len(chosen) > 5


def check_answer(world: World, slot: Any, n: int, e: int, price: float, airtime_s: float) -> int:
    """Check an expert's choice by hand, and return its level."""
    market, terms = world.market.cleared, slot.offer.duty
    has_s = float(world.pool.serving_share[n, e]) * 6.0
    achieved = np.linspace(0, 0.8 * has_s / (0.8 * has_s + 2.0), LEVELS)
    time_s = 2.0 * achieved / (1 - achieved)
    work = market.work[n, e] / market.demand[n, e]
    kappa, slope = world.pool.unit_cost[n, e] * work, world.pool.cost_slope[n, e] * work
    effort = float(np.clip((4.0 - kappa) / slope, 0, 1))
    profit = market.demand[n, e] * ((4.0 - kappa) * effort - slope * effort**2 / 2)
    kept = np.minimum((has_s - time_s) / max(airtime_s, 1e-30), 1)
    best = int(np.argmax(price * achieved - 0.01 * time_s + profit * kept))
    assert terms.share[n, e] * 6.0 == pytest.approx(time_s[best], abs=1e-9)
    assert terms.payment[n, e] == pytest.approx(price * achieved[best], abs=1e-9)
    return best


def test_levels_are_nearly_as_good_as_the_best_share_of_all() -> None:
    world = World(config_of(), 3, seed=1, mechanism=Pays(1.0))
    duties, plan = world.market.duty.offered(world.pool), world.market.duty
    profit = np.full((3, 4), 0.8)
    level = duties.answer(np.ones((3, 4)), profit)
    earned = np.take_along_axis(duties.earned(np.ones((3, 4)), profit), level[..., None], axis=-1)[
        ..., 0
    ]
    for n, e in np.ndindex(3, 4):
        has_s = float(world.pool.serving_share[n, e]) * 6.0
        time_s = np.linspace(0, 0.8 * has_s, 20_001)
        kept = np.minimum((has_s - time_s) / plan.airtime_s[n, e], 1)
        finest = (time_s / (time_s + 2.0) - 0.01 * time_s + 0.8 * kept).max()
        assert finest - 0.01 <= earned[n, e] <= finest + 1e-9


def test_what_is_asked_is_learned_from_what_was_carried() -> None:
    world = World(config_of(), 2, seed=1, mechanism=Pays(0.2))
    expected = np.full((2, 4), 6.0)
    for _, result, *_ in steps(world):
        expected = 0.7 * expected + 0.3 * result.airtime_s
        np.testing.assert_allclose(world.market.duty.airtime_s, expected, rtol=EXACT)


def test_an_order_is_followed_where_effort_is_enforced_unless_it_makes_a_loss() -> None:
    followed = World(config_of("enforced"), 3, seed=1, mechanism=Pays(9.0, level=7))
    declined = World(config_of("enforced"), 3, seed=1, mechanism=Pays(0.0, level=7))
    answered = World(config_of("bought"), 3, seed=1, mechanism=Pays(9.0, level=7))
    ordered = followed.market.cleared.duties.share[..., 7]
    np.testing.assert_array_equal(followed.slot.offer.duty.share, ordered)
    assert not declined.slot.offer.duty.share.any()
    assert (answered.slot.offer.duty.share > ordered).all()


def test_money_for_duties_is_booked_once_and_experts_that_are_down_get_none() -> None:
    world = World(config_of(), 3, seed=0, mechanism=Pays(1.5))
    booked = np.zeros((3, 4))
    clearings = []
    some_is_down = some_is_served = False
    for slot, result, *_ in steps(world):
        up, terms = slot.conditions.available, slot.offer.duty
        some_is_down |= bool((~up).any())
        np.testing.assert_allclose(
            result.platform_balance, -(terms.payment * up).sum(axis=-1), rtol=1e-9, atol=1e-9
        )  # users pay for service, and the platform for the duty
        served = result.payment - terms.payment * up
        assert (served >= -1e-12).all()
        assert not result.payment[~up].any()
        assert not result.edge_cost[~up].any()
        some_is_served |= bool(served.any())
        idle = up & (result.load == 0)
        np.testing.assert_allclose(result.edge_cost[idle], terms.cost[idle], rtol=EXACT)
        booked += result.payment
        if world.closed_clearing is not None:
            clearings.append(world.closed_clearing)
    assert some_is_down
    assert some_is_served
    np.testing.assert_allclose(sum(one.payment for one in clearings), booked, rtol=1e-9)
    assert all((one.duty_payment >= 0).all() for one in clearings)


def test_payments_for_service_and_duty_stay_within_budgets_to_date() -> None:
    config = config_of()
    world = World(config, 3, seed=0, mechanism=Pays(1.0, within_budget=True))
    paid = 0.0
    for number, (_, result, *_) in enumerate(steps(world), start=1):
        paid = paid + result.payment.sum(axis=-1)
        assert (paid <= number * 5.0 + 1e-9).all()
    assert (paid > 0.3 * 15 * 5.0).all()


def test_a_world_goes_on_from_its_state_bit_for_bit() -> None:
    one = World(config_of(), 2, seed=0, mechanism=Pays(0.8))
    other = World(config_of(), 2, seed=9, mechanism=Pays(0.8))
    rng = np.random.default_rng(1)
    for _ in range(7):
        one.step(rng.integers(5, size=(2, 5)))
    other.set_state(one.get_state())
    assert one.slot.observation.tobytes() == other.slot.observation.tobytes()
    for _ in range(8):
        actions = rng.integers(5, size=(2, 5))
        (*_, mine), (*_, theirs) = one.step(actions), other.step(actions)
        assert mine.payment.tobytes() == theirs.payment.tobytes()
        assert one.slot.observation.tobytes() == other.slot.observation.tobytes()


def test_experts_that_are_added_have_the_duty_too() -> None:
    world = World(config_of(required=0.5), 2, seed=0)
    world.step(np.zeros((2, 5), int))
    world.add_experts(2)
    assert world.slot.offer.duty is not None
    assert world.slot.offer.duty.share.shape == (2, 6)
    world.step(np.full((2, 5), 5))


def test_users_see_what_a_duty_leaves() -> None:
    config = config_of(price=0.7)
    world = World(config, 2, seed=0, mechanism=mechanisms.make("posted_price"))
    columns = dict(zip(column_names(config), world.slot.observation[1, 0], strict=True))
    left = world.slot.conditions.serving_share
    for e in range(4):
        assert columns[f"expert_{e}.serving_share"] == pytest.approx(left[1, e], rel=1e-6)


@pytest.mark.parametrize(
    ("duty", "says"),
    [
        ({"task": {"model": "wach"}}, "watch"),
        ({"task": {"model": "watch", "half": 1.0}}, "half_s"),
        ({"task": {}}, "name a duty"),
        ({"required": 1.0}, "required"),
        ({"required": -0.1}, "required"),
        ({"required": 0.9}, "18 s of a slot, and an expert has 2.88 s"),
        ({"price": -1.0}, "price"),
        ({"price": float("nan")}, "price"),
        ({"value": -1.0}, "value"),
        ({"most_share": 1.0}, "most_share"),
        ({"most_share": 0.0}, "most_share"),
    ],
)
def test_what_is_no_duty_of_a_world_is_refused(duty: dict[str, Any], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        config_of(**duty)


@pytest.mark.parametrize(
    ("mechanism", "says"),
    [
        (mechanisms.make("none"), "mechanism none, under which edge devices are not paid"),
        (mechanisms.make("budgeted_price"), "mechanism budgeted_price keeps a budget"),
        (Pays(1.0), "mechanism pays, which pays for the duty itself"),
    ],
)
def test_a_price_of_a_duty_that_could_not_be_is_refused(mechanism: Any, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        World(config_of(price=0.5), mechanism=mechanism)


@envs.duty.register("broken")
@dataclass(frozen=True)
class Broken(envs.duty.Duty):
    """A duty whose code raises, or that achieves less in more time."""

    way: str = "raises"

    def achieved(self, time_s: Any) -> Any:
        if self.way == "raises":
            raise KeyError("nothing there")
        return -time_s

    def time_s(self, achieved: Any) -> Any:
        return 2.0 * achieved


@pytest.mark.parametrize(
    ("way", "says"),
    [("raises", r"duty broken: KeyError.*nothing there.*test_duty.py"), ("falls", "duty broken")],
)
def test_a_duty_whose_code_fails_is_named_with_the_place(way: str, says: str) -> None:
    with pytest.raises(PartError, match=says):
        World(config_of(task={"model": "broken", "way": way}))


def test_a_time_that_does_not_achieve_what_is_required_is_refused() -> None:
    with pytest.raises(ValidationError, match=r"required: 0\.2: KeyError"):
        config_of(task={"model": "broken", "way": "raises"}, required=0.2)
    with pytest.raises(ValidationError, match=r"0\.2 takes 0\.4 s .* gives -0\.4"):
        config_of(task={"model": "broken", "way": "falls"}, required=0.2)
