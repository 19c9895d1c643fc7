"""Levers of edge devices and the platform: when they take effect, what is told, who pays what."""

from collections.abc import Callable
from dataclasses import asdict, replace
from typing import Any

import numpy as np
import pytest

import mechanisms
from envs import (
    ChannelConfig,
    Clearing,
    ExpertConfig,
    MarketConfig,
    QualityConfig,
    RequestConfig,
    RewardConfig,
    RolesConfig,
    World,
    WorldConfig,
)
from envs.observation import column_names
from mechanisms import Market, Outcome

Actions = Callable[[World, np.random.Generator], np.ndarray]
Chosen = tuple[np.ndarray | None, np.ndarray | None]
Chooses = Callable[[World, np.random.Generator], Chosen]
WORLDS, USERS, EXPERTS, SLOTS, INTERVAL = 3, 5, 7, 11, 3
ROLES = RolesConfig(
    report_factors=(0.5, 0.8, 1.0, 1.5, 4.0), value_factors=(0.7, 1, 1.3, 2), margins=(0, 0.25, 1)
)
PLAIN = WorldConfig(
    num_users=USERS,
    num_experts=EXPERTS,
    episode_slots=SLOTS,
    requests=RequestConfig(num_transferred=1),
    experts=ExpertConfig(unit_cost=(0.1, 1.5)),
    market=MarketConfig(interval=INTERVAL, budget_per_user=0.2),
    roles=ROLES,
)
EVERYTHING = replace(
    PLAIN,
    energy_budget_j=2.0,
    credit_budget=4.0,
    requests=RequestConfig(local_compute=0.0, private_probability=0.05, arrival_probability=0.9),
    channel=ChannelConfig(process="gauss_markov", speed_m_s=1.0, ber="snr", modulation="qam16"),
    experts=ExpertConfig(
        max_concurrent=2,
        words_per_second=60.0,
        service="fifo",
        unit_cost=(0.1, 1.5),
        resample="episode",
        cost_report="scaled",
    ),
    quality=QualityConfig(judge_noise=0.1),
    reward=RewardConfig(credits_per_second=0.01, downlink_energy="edge_device"),
    market=MarketConfig(interval=INTERVAL, effort="enforced", budget_per_user=2.0),
)
EACH_SLOT = replace(PLAIN, market=MarketConfig(capacity=2))


class Told:
    """posted_price, which keeps the markets it clears."""

    name = "told"
    allocates = False
    inner = mechanisms.make("posted_price")
    claims = inner.claims

    def __init__(self) -> None:
        self.markets: list[Market] = []

    def clear(self, market: Market) -> Outcome:
        self.markets.append(market)
        return self.inner.clear(market)


def nobody(world: World, rng: np.random.Generator) -> Chosen:
    return None, None


def keeping(world: World, rng: np.random.Generator) -> Chosen:
    return np.full((WORLDS, world.num_experts), 5), np.full(WORLDS, 12)


def neutral(world: World, rng: np.random.Generator) -> Chosen:
    return np.full((WORLDS, world.num_experts), 2), np.full(WORLDS, 3)  # 1; 1 and 0


def anything(world: World, rng: np.random.Generator) -> Chosen:
    """Draw choices, those that keep included."""
    return rng.integers(6, size=(WORLDS, world.num_experts)), rng.integers(13, size=WORLDS)


def books(clearing: Clearing | None) -> dict[str, Any] | None:
    if clearing is None:
        return None
    return {key: entry for key, entry in asdict(clearing).items() if key != "solve_seconds"}


def played(world: World, slots: int, any_actions: Actions, chooses: Chooses) -> list[Any]:
    """Play slots, with a reset where one is due, and return all that is seen and comes of them."""
    users, roles, seen = np.random.default_rng(5), np.random.default_rng(6), []
    for _ in range(slots):
        if world.done:
            seen.append(world.reset().copy())
        observation, reward, result = world.step(any_actions(world, users), *chooses(world, roles))
        seen += [observation.copy(), reward, world.slot.mask, *result, world.role_rewards]
        seen += [world.edge_device_observation, world.platform_observation]
        seen.append(books(world.closed_clearing))
    return seen


@pytest.mark.parametrize("config", [PLAIN, EVERYTHING])
@pytest.mark.parametrize("mechanism", ["posted_price", "budgeted_price", "vcg", "none"])
def test_choices_that_change_nothing_leave_worlds_as_they_are_without_any(
    mechanism: str, config: WorldConfig, any_actions: Actions
) -> None:
    if mechanism == "vcg":
        config = replace(config, market=replace(config.market, interval=None))
    others = (keeping, neutral, anything) if mechanism == "none" else (keeping, neutral)
    without, *with_choices = (
        played(
            World(config, WORLDS, 0, mechanisms.make(mechanism)), 2 * SLOTS, any_actions, chooses
        )
        for chooses in (nobody, *others)
    )
    for seen in with_choices:
        np.testing.assert_equal(seen, without)


@pytest.mark.parametrize("config", [PLAIN, replace(EVERYTHING, credit_budget=None)])
def test_the_mechanism_is_told_what_was_chosen_in_the_slot_before_and_effort_follows_the_truth(
    config: WorldConfig, any_actions: Actions
) -> None:
    mechanism, rng = Told(), np.random.default_rng(0)
    world = World(config, WORLDS, 0, mechanism)
    factor, value, margin = np.ones((WORLDS, EXPERTS)), np.ones(WORLDS), np.zeros(WORLDS)
    pool, cleared, clearings = world.pool, 1, []
    while not world.done:
        last = world.slot.index == SLOTS - 1
        decides = world.slot.index % INTERVAL == INTERVAL - 1
        assert world.decides == (decides or last)
        edge_devices, platform = anything(world, rng)
        world.step(any_actions(world, rng), edge_devices, platform)
        if world.closed_clearing is not None:
            clearings.append(world.closed_clearing)
        if decides and not last:
            cleared += 1
            for n, e in np.argwhere(edge_devices < 5):
                factor[n, e] = (0.5, 0.8, 1.0, 1.5, 4.0)[edge_devices[n, e]]
            for n in np.flatnonzero(platform < 12):
                value[n] = (0.7, 1.0, 1.3, 2.0)[platform[n] // 3]
                margin[n] = (0.0, 0.25, 1.0)[platform[n] % 3]
        told, reports = mechanism.markets[-1], factor * pool.report_factor
        assert len(mechanism.markets) == cleared
        np.testing.assert_allclose(told.unit_cost, reports * pool.unit_cost, rtol=1e-15)
        np.testing.assert_allclose(told.cost_slope, reports * pool.cost_slope, rtol=1e-15)
        np.testing.assert_allclose(told.value, np.repeat(3.8 * value[:, None], EXPERTS, axis=1))
        offer = world.slot.offer
        np.testing.assert_array_equal(offer.unit_price, mechanism.inner.clear(told).unit_price)
        np.testing.assert_array_equal(offer.margin, margin)
        if config is PLAIN:  # the best response, which nobody orders
            worth = offer.unit_price * told.demand / told.work
            answer = np.clip((worth - pool.unit_cost) / pool.cost_slope, 0, 1)
            np.testing.assert_allclose(offer.effort, answer, atol=1e-12)
    assert [clearing.slot for clearing in clearings] == [0, 3, 6, 9]
    for clearing, told in zip(clearings, mechanism.markets, strict=True):
        np.testing.assert_array_equal(clearing.market.unit_cost, pool.unit_cost)
        np.testing.assert_array_equal(clearing.market.cost_slope, pool.cost_slope)
        assert (clearing.market.value == 3.8).all()
        np.testing.assert_array_equal(clearing.demand, told.demand)
        np.testing.assert_allclose(
            told.unit_cost, clearing.report_factor * pool.report_factor * pool.unit_cost
        )
    assert (clearings[0].report_factor == 1).all()
    np.testing.assert_array_equal(clearings[-1].report_factor, factor)
    np.testing.assert_array_equal(clearings[-1].value_factor, value)
    np.testing.assert_array_equal(clearings[-1].margin, margin)


@pytest.mark.parametrize("mechanism", ["posted_price", "budgeted_price", "cost_plus", "vcg"])
def test_a_margin_is_paid_by_users_on_top_and_kept_by_the_platform(mechanism: str) -> None:
    config = EACH_SLOT if mechanism == "vcg" else PLAIN
    worlds = [World(config, WORLDS, 0, mechanisms.make(mechanism)) for _ in range(2)]
    columns = column_names(config, allocates=mechanism == "vcg")
    prices = [column.endswith(".unit_price") for column in columns]
    kept, interval = 0.0, config.market.slots_between(mechanism == "vcg")
    while not worlds[0].done:
        share = np.array([0.0, 0.25, 1.0]) * (worlds[0].slot.index >= interval)
        with_margin, without = (world.slot.offer for world in worlds)
        np.testing.assert_array_equal(with_margin.unit_price, without.unit_price)
        seen, plain = (world.slot.observation[..., prices] for world in worlds)
        expected = np.minimum(plain * (1 + share[:, None, None]), 10)
        np.testing.assert_allclose(seen, expected, rtol=1e-6)
        actions = worlds[1].slot.expected_gain().argmax(axis=-1)
        if mechanism == "vcg":
            actions = np.where(without.allocation.expert < 0, EXPERTS, without.allocation.expert)
        platform = np.array([3, 4, 5])  # the value as it is, and a margin a world
        own = worlds[0].step(actions, None, platform)[2]
        other = worlds[1].step(actions)[2]
        np.testing.assert_allclose(own.charge, other.charge * (1 + share[:, None]), rtol=1e-12)
        np.testing.assert_array_equal(own.payment, other.payment)
        lost = other.charge * share[:, None]
        np.testing.assert_allclose(own.gain, other.gain - lost, rtol=1e-9, atol=1e-12)
        balance = own.charge.sum(axis=1) - own.payment.sum(axis=1)
        np.testing.assert_allclose(own.platform_balance, balance, rtol=1e-12, atol=1e-12)
        if mechanism != "vcg":
            np.testing.assert_allclose(balance, share * own.payment.sum(axis=1), atol=1e-9)
        kept += lost.sum()
    assert kept > 0.1


@pytest.mark.parametrize("mechanism", ["budgeted_price", "proportional_share"])
@pytest.mark.parametrize("effort", ["bought", "enforced"])
def test_no_more_is_paid_to_date_than_the_budget_whatever_is_reported(
    mechanism: str, effort: str, any_actions: Actions
) -> None:
    market = replace(PLAIN.market, effort=effort, budget_per_user=0.1)
    world = World(
        replace(PLAIN, market=market, episode_slots=30), WORLDS, 0, mechanisms.make(mechanism)
    )
    rng, paid = np.random.default_rng(1), np.zeros(WORLDS)
    while not world.done:
        *_, result = world.step(any_actions(world, rng), *anything(world, rng))
        paid += result.payment.sum(axis=1)
        assert (paid <= 0.1 * USERS * world.slot.index * (1 + 1e-9)).all()
    assert (paid > 0.5 * 0.1 * USERS * 30).any()


def test_newcomers_report_their_costs_and_the_others_go_on_as_they_chose() -> None:
    mechanism, rng = Told(), np.random.default_rng(4)
    world = World(PLAIN, WORLDS, 0, mechanism)
    factors = rng.integers(5, size=(WORLDS, EXPERTS))
    for slot in range(INTERVAL + 1):
        choices = (factors, np.full(WORLDS, 7)) if slot == INTERVAL - 1 else keeping(world, rng)
        world.step(world.slot.mask.argmax(axis=-1), *choices)
    world.add_experts(2)
    told, cost = mechanism.markets[-1], world.pool.unit_cost
    grid = np.array([0.5, 0.8, 1.0, 1.5, 4.0])
    np.testing.assert_array_equal(told.unit_cost[:, :EXPERTS], grid[factors] * cost[:, :EXPERTS])
    np.testing.assert_array_equal(told.unit_cost[:, EXPERTS:], cost[:, EXPERTS:])
    np.testing.assert_allclose(told.value, 1.3 * 3.8)
    assert world.edge_device_observation.shape[:2] == (WORLDS, EXPERTS + 2)


@pytest.mark.parametrize(
    ("key", "grid", "message"),
    [
        ("report_factors", (1.0, 0.5), "ascend"),
        ("report_factors", (1.0, 1.0), "ascend"),
        ("value_factors", (0.5, 2.0), "hold 1"),
        ("margins", (0.5, 1.0), "hold 0"),
        ("report_factors", (), "hold 1"),
        ("value_factors", (), "hold 1"),
        ("margins", (), "hold 0"),
        ("report_factors", (0.0, 1.0), "greater than 0"),
        ("value_factors", (-1.0, 1.0), "greater than 0"),
        ("margins", (-0.5, 0.0), "0 to 100"),
        ("report_factors", (1.0, 101.0), "0 to 100"),
        ("margins", (0.0, 101.0), "0 to 100"),
        ("value_factors", (1.0, float("nan")), "finite"),
        ("platform_reward", "fame", "welfare"),
    ],
)
def test_a_grid_that_nobody_could_choose_from_is_refused_with_its_key(
    key: str, grid: Any, message: str
) -> None:
    with pytest.raises(ValueError, match=rf"roles\.{key}(?s:.)*{message}"):
        WorldConfig(roles={key: grid})


@pytest.mark.parametrize(
    ("roles", "message"),
    [
        ({"edge_devices": np.zeros((WORLDS, EXPERTS + 1), int)}, r"edge_devices .* \(3, 7\)"),
        ({"edge_devices": np.zeros((WORLDS, EXPERTS))}, "edge_devices should be integers"),
        ({"edge_devices": np.full((WORLDS, EXPERTS), 6)}, r"edge_devices should lie in 0\.\.5"),
        ({"edge_devices": np.full((WORLDS, EXPERTS), -1)}, r"edge_devices should lie in 0\.\.5"),
        ({"platform": np.zeros((WORLDS, 1), int)}, r"platform .* \(3,\)"),
        ({"platform": np.zeros(WORLDS, bool)}, "platform should be integers"),
        ({"platform": np.full(WORLDS, 13)}, r"platform should lie in 0\.\.12"),
        ({"platform": [-1, 0, 0]}, r"platform should lie in 0\.\.12"),
    ],
)
def test_actions_that_a_role_does_not_have_are_refused(roles: dict[str, Any], message: str) -> None:
    world = World(PLAIN, WORLDS, 0, Told())
    with pytest.raises(ValueError, match=message):
        world.step(np.full((WORLDS, USERS), EXPERTS), **roles)
    assert world.slot.index == 0


def test_a_step_that_is_refused_changes_nothing() -> None:
    world = World(PLAIN, WORLDS, 0, Told())
    before = world.get_state()
    with pytest.raises(ValueError, match="platform"):
        world.step(np.full((WORLDS, USERS), EXPERTS), None, np.full(WORLDS, 13))
    np.testing.assert_equal(world.get_state(), before)
