"""Books of edge devices and the platform: rewards of intervals, states, clearings that fail."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import mechanisms
from envs import ExpertConfig, MarketConfig, RequestConfig, RolesConfig, World, WorldConfig
from envs.expected_demand import initial_demand
from envs.roles.features import EDGE_DEVICE_FEATURES, PLATFORM_FEATURES
from mechanisms import Market, MechanismError, Outcome

Actions = Callable[[World, np.random.Generator], np.ndarray]
WORLDS, USERS, EXPERTS, SLOTS = 3, 5, 7, 11
ROLES = RolesConfig(
    report_factors=(0.5, 0.8, 1.0, 1.5, 4.0), value_factors=(0.7, 1, 1.3, 2), margins=(0, 0.25, 1)
)
CONFIG = WorldConfig(
    num_users=USERS,
    num_experts=EXPERTS,
    episode_slots=SLOTS,
    requests=RequestConfig(num_transferred=1),
    experts=ExpertConfig(unit_cost=(0.1, 1.5), max_concurrent=2),
    market=MarketConfig(interval=3),
    roles=ROLES,
)


class Failing:
    """posted_price, which fails at its third clearing."""

    name = "failing"
    allocates = False
    inner = mechanisms.make("posted_price")
    claims = inner.claims

    def __init__(self) -> None:
        self.clearings = 0

    def clear(self, market: Market) -> Outcome:
        self.clearings += 1
        if self.clearings == 3:
            raise MechanismError("no convergence")
        return self.inner.clear(market)


def made(mechanism: str, seed: int = 0) -> World:
    """Return worlds of CONFIG, in which a mechanism that allocates is cleared every slot."""
    interval = None if mechanism == "vcg" else 3
    config = replace(CONFIG, market=replace(CONFIG.market, interval=interval))
    one = Failing() if mechanism == "failing" else mechanisms.make(mechanism)
    return World(config, WORLDS, seed, one)


def anything(world: World, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Draw choices of edge devices and platforms, those that keep included."""
    return rng.integers(6, size=(WORLDS, world.num_experts)), rng.integers(13, size=WORLDS)


@pytest.mark.parametrize("aim", ["welfare", "users", "profit"])
@pytest.mark.parametrize("mechanism", ["posted_price", "vcg", "none"])
def test_rewards_are_those_of_the_slots_of_an_interval_paid_out_at_its_end(
    mechanism: str, aim: Any, any_actions: Actions
) -> None:
    interval = {"posted_price": 3, "vcg": 1, "none": 5}[mechanism]
    market = replace(CONFIG.market, interval=interval)
    config = replace(CONFIG, market=market, roles=replace(ROLES, platform_reward=aim))
    world, rng = World(config, WORLDS, 0, mechanisms.make(mechanism)), np.random.default_rng(2)
    zeros = np.zeros((WORLDS, EXPERTS)), np.zeros(WORLDS)
    due, owed, total, earned = [*zeros], [*zeros], [*zeros], 0
    while not world.done:
        *_, result = world.step(any_actions(world, rng), *anything(world, rng))
        profit = result.payment - result.edge_cost
        kept = result.charge.sum(axis=1) - result.payment.sum(axis=1)
        gain = result.gain.sum(axis=1)
        aims = {"welfare": gain + profit.sum(axis=1) + kept, "users": gain, "profit": kept}
        due = [due[0] + profit, due[1] + aims[aim] / USERS]
        ends = world.slot.index % interval == 0 or world.done
        expected = due if ends else zeros
        for reward, sums in zip(world.role_rewards, expected, strict=True):
            np.testing.assert_allclose(reward, sums, rtol=1e-12, atol=1e-12)
        owed = [owed[0] + profit, owed[1] + aims[aim] / USERS]
        total = [a + b for a, b in zip(total, world.role_rewards, strict=True)]
        due, earned = [*zeros] if ends else due, earned + ends
    assert earned == -(-SLOTS // interval)
    for sums, paid_out in zip(owed, total, strict=True):
        np.testing.assert_allclose(paid_out, sums, rtol=1e-12, atol=1e-12)


def test_platforms_aim_at_welfare_without_regard_to_who_pays_whom(any_actions: Actions) -> None:
    worlds = [World(CONFIG, WORLDS, 0, mechanisms.make("posted_price")) for _ in range(2)]
    rng, apart = np.random.default_rng(3), 0.0
    while not worlds[0].done:
        actions = any_actions(worlds[0], rng)
        for world, platform in zip(worlds, (3, 5), strict=True):
            world.step(actions, None, np.full(WORLDS, platform))
        first, second = (world.role_rewards for world in worlds)
        np.testing.assert_allclose(first.platform, second.platform, rtol=1e-9, atol=1e-12)
        np.testing.assert_array_equal(first.edge_devices, second.edge_devices)
        if worlds[0].closed_clearing is not None and worlds[1].closed_clearing is not None:
            apart += np.ptp([w.closed_clearing.balance.sum() for w in worlds])
    assert apart > 0.1


def played(world: World, slots: int, seed: int, any_actions: Actions) -> list[Any]:
    """Play slots, with a reset where one is due, and return what is seen and comes of them."""
    rng, seen = np.random.default_rng(seed), []
    for _ in range(slots):
        if world.done:
            seen.append(world.reset().copy())
        observation, _, result = world.step(any_actions(world, rng), *anything(world, rng))
        seen += [observation.copy(), *result, *world.role_rewards, world.decides]
        seen += [world.edge_device_observation, world.platform_observation]
        closed = world.closed_clearing
        if closed is not None:
            seen += [closed.status, closed.market.value]
            seen += [closed.report_factor, closed.value_factor, closed.margin]
    return seen


@pytest.mark.parametrize("slots", [4, 5, 7, 9])  # 3 end an interval, and at 6 one clearing fails
@pytest.mark.parametrize("mechanism", ["posted_price", "proportional_share", "vcg", "failing"])
def test_a_restored_world_goes_on_bit_for_bit_with_what_was_chosen(
    mechanism: str, slots: int, any_actions: Actions
) -> None:
    original, restored = made(mechanism, seed=1), made(mechanism, seed=2)
    played(original, slots, 0, any_actions)
    played(restored, 8, 1, any_actions)
    assert original.slot.offer.margin.any()
    restored.set_state(original.get_state())
    if mechanism == "failing":
        restored.mechanism.clearings = original.mechanism.clearings  # type: ignore[attr-defined]
    np.testing.assert_equal(restored.get_state(), original.get_state())
    for name in ("edge_device_observation", "platform_observation", "role_rewards"):
        np.testing.assert_equal(getattr(restored, name), getattr(original, name))
    first, second = (played(world, 2 * SLOTS, 3, any_actions) for world in (original, restored))
    np.testing.assert_equal(second, first)


def failed_once(any_actions: Actions) -> tuple[list[np.ndarray], list[Any]]:
    """Choose a margin of 0.25, and 1 before the clearing that fails.

    Returns:
        What users paid on top in each slot, (SLOTS,) credits a credit, and all clearings.
    """
    world, rng, on_top, clearings = made("failing"), np.random.default_rng(0), [], []
    while not world.done:
        platform = np.full(WORLDS, 4 if world.slot.index == 2 else 5)
        *_, result = world.step(any_actions(world, rng), None, platform)
        on_top.append(result.charge.sum() / result.payment.sum() - 1)
        clearings += [world.closed_clearing] if world.closed_clearing is not None else []
    return on_top, clearings


def test_after_a_clearing_that_fails_the_last_margin_stands_as_the_last_prices_do(
    any_actions: Actions,
) -> None:
    on_top, clearings = failed_once(any_actions)
    assert [clearing.failed for clearing in clearings] == [False, False, True, False]
    expected = [0.0] * 3 + [0.25] * 6 + [1.0] * 2
    np.testing.assert_allclose(on_top, expected, rtol=1e-9, atol=1e-9)


def test_the_books_of_a_clearing_say_the_margin_that_users_paid(any_actions: Actions) -> None:
    for clearing in failed_once(any_actions)[1]:
        paid = clearing.payment.sum(axis=1)
        np.testing.assert_allclose(clearing.charge, paid * (1 + clearing.margin), rtol=1e-9)


def test_a_user_alone_expects_what_a_margin_leaves_it() -> None:
    world = World(replace(CONFIG, num_users=1), 40, 0, mechanisms.make("posted_price"))
    charged = 0.0
    while not world.done:
        expected, mask = world.slot.known_gain(), world.slot.mask[..., :-1]
        actions = np.where(mask, expected, -np.inf).argmax(axis=-1)
        margin = world.slot.offer.margin
        assert (margin == (1.0 if world.slot.index >= 3 else 0.0)).all()
        *_, result = world.step(actions, None, np.full(40, 5))
        own = np.take_along_axis(expected, actions[..., None], axis=-1)[..., 0]
        served = result.transferred
        np.testing.assert_allclose(result.gain[served], own[served], rtol=1e-4, atol=1e-4)
        charged += (result.charge * margin[:, None]).sum()
    assert charged > 1


def test_each_side_sees_its_own_costs_and_choices_prices_demand_and_the_interval(
    any_actions: Actions,
) -> None:
    world, rng = made("budgeted_price"), np.random.default_rng(7)
    gain, balance, since = np.zeros(WORLDS), np.zeros(WORLDS), 1
    while not world.done:
        offer, pool, asked = world.slot.offer, world.pool, world.market.asked.points
        levers, slot = world.market.levers, world.slot.index
        told = levers.report_factor * (pool.unit_cost + pool.cost_slope / 2)
        common = {
            "decides": float(slot in (2, 5, 8, 10)),
            "episode_left": 1 - slot / SLOTS,
            "mean_price": offer.unit_price.mean(axis=1, keepdims=True) / 3.8,
            "mean_demand": asked.mean(axis=1, keepdims=True) / initial_demand(CONFIG),
        }
        of_edge_device = common | {
            "unit_cost": pool.unit_cost / 3.8,
            "cost_slope": pool.cost_slope / 3.8,
            "unit_price": offer.unit_price / 3.8,
            "effort": offer.effort,
            "demand": asked / initial_demand(CONFIG),
            "report_factor": levers.report_factor,
        }
        of_platform = common | {
            "told_cost": told.mean(axis=1, keepdims=True) / 3.8,
            "participation": (offer.effort > 0).mean(axis=1, keepdims=True),
            "user_gain": gain[:, None] / since / USERS / 3.8,
            "balance": balance[:, None] / since / USERS / 3.8,
            "value_factor": levers.value_factor[:, None],
            "margin": levers.margin[:, None],
        }
        for features, seen, expected in (
            (EDGE_DEVICE_FEATURES, world.edge_device_observation, of_edge_device),
            (PLATFORM_FEATURES, world.platform_observation, of_platform),
        ):
            for place, feature in enumerate(features):
                if feature.name in expected:
                    own = np.clip(expected[feature.name], feature.low, feature.high)
                    own = np.broadcast_to(own, seen.shape[:2])
                    np.testing.assert_allclose(seen[..., place], own, rtol=1e-5, atol=1e-7)
            assert not set(expected) - {feature.name for feature in features}
        *_, result = world.step(any_actions(world, rng), *anything(world, rng))
        if slot % 3 == 0:
            gain, balance, since = np.zeros(WORLDS), np.zeros(WORLDS), 0
        gain, since = gain + result.gain.sum(axis=1), since + 1
        balance = balance + result.platform_balance
