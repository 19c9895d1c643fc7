"""What is conserved in any world: hertz seconds, joules, words of work and credits, each once."""

from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.strategies import DataObject, SearchStrategy

import mechanisms
from envs import ExpertConfig, MarketConfig, RequestConfig, World, WorldConfig

Actions = Callable[[World, np.random.Generator], np.ndarray]
Prices = Callable[..., mechanisms.Mechanism]
EXAMPLES = max(80, settings().max_examples // 4)  # a property, of worlds
EXACT = {"rtol": 1e-9, "atol": 1e-9}
NAMES = ("none", "posted_price", "budgeted_price", "cost_plus", "proportional_share", "vcg")


class Played(NamedTuple):
    """A slot that was played."""

    before: World
    after: World
    actions: np.ndarray
    result: Any


def drawn_world(data: DataObject, config: WorldConfig) -> World:
    """Draw a world of 3 with any mechanism that the configuration's regime allows."""
    effort = config.market.effort
    names = [name for name in NAMES if effort in mechanisms.make(name).claims.regimes]
    mechanism = mechanisms.make(data.draw(st.sampled_from(names)))
    if mechanism.allocates:
        config = replace(config, market=replace(config.market, interval=None))
    seed = data.draw(st.integers(0, 2**32 - 1))
    return World(config, num_worlds=3, seed=seed, mechanism=mechanism)


def episode(world: World, any_actions: Actions) -> Iterator[Played]:
    """Play an episode of uniform actions, in which users often follow their allocation."""
    rng = np.random.default_rng(0)
    world.reset()
    while not world.done:
        actions, before = any_actions(world, rng), deepcopy(world)
        if world.mechanism.allocates:
            own = world.slot.offer.allocation.expert
            actions = np.where((own >= 0) & (rng.random(own.shape) < 0.5), own, actions)
        *_, result = world.step(actions)
        yield Played(before, world, actions, result)


def at_experts(played: Played, amount: np.ndarray) -> np.ndarray:
    """Return the sums (N, E) of an amount of users over those whom each expert served."""
    total = np.zeros(played.result.load.shape)
    for n, u in np.argwhere(played.result.transferred):
        total[n, played.actions[n, u]] += amount[n, u]
    return total


@given(data=st.data())
@settings(max_examples=EXAMPLES)
def test_band_and_compute_are_booked_once_and_what_is_left_over_waits(
    mixed_configs: SearchStrategy[WorldConfig], any_actions: Actions, data: DataObject
) -> None:
    world = drawn_world(data, data.draw(mixed_configs))
    config, speed = world.config, world.pool.words_per_second
    for played in episode(world, any_actions):
        result, subtasks = played.result, played.before.requests.subtasks
        middle = sum(config.requests.compute_need) / 2
        work = subtasks.words * subtasks.compute / middle
        np.testing.assert_allclose(result.work_words, at_experts(played, work), **EXACT)
        np.testing.assert_array_equal(
            result.load, at_experts(played, np.ones(result.transferred.shape))
        )
        computed_s = result.work_words / speed
        for name, taken_on_s in (
            ("airtime_backlog_s", result.airtime_s),
            ("compute_backlog_s", computed_s),
        ):
            waited, waits = (getattr(one.occupancy, name) for one in (played.before, played.after))
            done_s = waited + taken_on_s - waits
            assert (waits >= 0).all()
            assert (done_s <= config.slot_s * (1 + 1e-9)).all()
            # an expert leaves nothing over while it has time
            idle = done_s < config.slot_s * (1 - 1e-9)
            assert (waits[idle] <= 1e-9).all()
        assert (result.airtime_s[result.load == 0] == 0).all()
        assert (result.airtime_s[result.load > 0] > 0).all()


@given(data=st.data())
@settings(max_examples=EXAMPLES)
def test_every_joule_that_is_sent_is_paid_for_by_one_side(
    mixed_configs: SearchStrategy[WorldConfig], any_actions: Actions, data: DataObject
) -> None:
    world = drawn_world(data, data.draw(mixed_configs))
    channel, reward, pool = world.config.channel, world.config.reward, world.pool
    for played in episode(world, any_actions):
        result = played.result
        spent_j = at_experts(played, result.energy_j) + result.edge_energy_j
        if channel.access == "spectral_density":
            np.testing.assert_allclose(spent_j, pool.tx_power_w * result.airtime_s, **EXACT)
        else:  # each sends at full power for as long as it sends
            least_j = pool.tx_power_w * result.airtime_s
            assert (spent_j >= least_j * (1 - 1e-9)).all()
            most_j = pool.tx_power_w * at_experts(played, result.delay_s)
            assert (spent_j <= most_j * (1 + 1e-9)).all()
            alone = result.load == 1
            np.testing.assert_allclose(spent_j[alone], least_j[alone], **EXACT)
        if reward.downlink_energy == "user":
            assert (result.edge_energy_j == 0).all()
            continue
        prompt, words = channel.prompt_words, played.before.requests.subtasks.words
        down_of_up = words / prompt if prompt else np.zeros(words.shape)
        if prompt:
            down_j = at_experts(played, result.energy_j * down_of_up)
            np.testing.assert_allclose(result.edge_energy_j, down_j, **EXACT)
        else:
            assert (result.energy_j == 0).all()
        # the energy of the answer is in the true cost
        dearer = result.edge_cost - pool.energy_cost * result.edge_energy_j
        assert (dearer >= -1e-9).all()


@given(data=st.data())
@settings(max_examples=EXAMPLES)
def test_credits_are_booked_once_and_no_edge_device_loses(
    mixed_configs: SearchStrategy[WorldConfig], any_actions: Actions, data: DataObject
) -> None:
    world = drawn_world(data, data.draw(mixed_configs))
    users, free = world.users, mechanisms.is_free(world.mechanism)
    paid: list[np.ndarray] = []
    cost: list[np.ndarray] = []
    charged: list[np.ndarray] = []
    closed = 0
    for played in episode(world, any_actions):
        result, served = played.result, played.result.transferred
        words = played.before.requests.subtasks.words
        gain = (
            users.credits_per_point * (result.qos - result.harm)
            - users.credits_per_word * words * served
            - users.credits_per_joule * result.energy_j
            - users.credits_per_second * result.delay_s
            - result.charge
        )
        np.testing.assert_allclose(result.gain, gain, **EXACT)
        for name in ("qos", "harm", "delay_s", "energy_j", "charge"):
            of_users = getattr(result, name)
            assert (of_users >= 0).all()
            assert (of_users[~served] == 0).all()
        assert not (result.qos * result.harm).any()
        balance = result.charge.sum(axis=-1) - result.payment.sum(axis=-1)
        np.testing.assert_allclose(result.platform_balance, balance, **EXACT)
        if not world.mechanism.allocates:
            np.testing.assert_allclose(at_experts(played, result.charge), result.payment, **EXACT)
        if free:
            assert not result.payment.any()
            assert not result.declined.any()
        else:
            # an allocated pair may break even, as well as single precision tells
            least = -1e-5 * result.edge_cost - 1e-9
            assert (result.payment - result.edge_cost >= least).all()
            assert not result.harm.any()
        assert not (result.declined & (served | result.rejected)).any()
        assert not (result.rejected & served).any()
        paid.append(result.payment)
        cost.append(result.edge_cost)
        charged.append(result.charge)
        clearing = world.closed_clearing
        if clearing is not None:
            slots = slice(clearing.slot, clearing.slot + clearing.num_slots)
            np.testing.assert_allclose(clearing.payment, sum(paid[slots]), **EXACT)
            np.testing.assert_allclose(clearing.cost, sum(cost[slots]), **EXACT)
            np.testing.assert_allclose(clearing.user_charge, sum(charged[slots]), **EXACT)
            closed += clearing.num_slots
    assert closed == len(paid) == world.config.episode_slots


@given(data=st.data())
@settings(max_examples=EXAMPLES)
def test_payments_to_date_are_within_budgets_to_date(
    mixed_configs: SearchStrategy[WorldConfig], any_actions: Actions, data: DataObject
) -> None:
    config = data.draw(mixed_configs)
    enforced = config.market.effort == "enforced"
    name = data.draw(st.sampled_from(["budgeted_price", "proportional_share"][: 1 + enforced]))
    own = data.draw(st.sampled_from([None, 0.3]))
    mechanism = mechanisms.make(name, **({} if own is None else {"budget": own}))
    income = config.market.budget_per_user * config.num_users if own is None else own
    world = World(config, num_worlds=3, seed=data.draw(st.integers(0, 999)), mechanism=mechanism)
    paid = np.zeros(3)
    for slot, played in enumerate(episode(world, any_actions), start=1):
        assert played.before.market.balance is not None
        balance = income * (slot - 1) - paid
        np.testing.assert_allclose(played.before.market.balance, balance, atol=1e-7)
        np.testing.assert_allclose(played.before.market.income, income, rtol=1e-12)
        paid = paid + played.result.payment.sum(axis=-1)
        assert (paid <= income * slot + 1e-7).all()


def test_an_account_binds_where_users_request_more_than_it_holds(fixed_prices: Prices) -> None:
    config = WorldConfig(
        num_users=8,
        num_experts=4,
        requests=RequestConfig(num_transferred=1),
        experts=ExpertConfig(unit_cost=(0.0, 0.4)),
        market=MarketConfig(budget_per_user=0.05, interval=5),
    )
    world = World(config, num_worlds=20, seed=0, mechanism=mechanisms.make("budgeted_price"))
    refused, paid = 0, np.zeros(20)
    while not world.done:
        able = world.slot.mask[..., :-1].any(axis=-1)
        *_, result = world.step(world.slot.mask.argmax(axis=-1))
        refused += int((result.rejected & able).sum())
        paid += result.payment.sum(axis=-1)
    assert refused > 0
    assert (paid <= 0.05 * 8 * config.episode_slots + 1e-9).all()
    posted = World(config, num_worlds=20, seed=0, mechanism=fixed_prices(2.0))
    assert posted.market.balance is None  # a price alone promises no budget


@given(data=st.data())
@settings(max_examples=EXAMPLES)
def test_who_has_spent_an_episode_budget_may_only_abandon(
    mixed_configs: SearchStrategy[WorldConfig], any_actions: Actions, data: DataObject
) -> None:
    config = data.draw(mixed_configs)
    world = drawn_world(data, replace(config, energy_budget_j=(0.2, 0.4), credit_budget=1.0))
    spent = {"energy_j": np.zeros((3, config.num_users)), "charge": np.zeros((3, config.num_users))}
    budget = {"energy_j": world.users.energy_budget_j, "charge": world.users.credit_budget}
    for played in episode(world, any_actions):
        over = (spent["energy_j"] >= budget["energy_j"]) | (spent["charge"] >= budget["charge"])
        assert not played.before.slot.mask[over][:, :-1].any()
        assert played.before.slot.mask[over][:, -1].all()
        assert not played.result.transferred[over].any()
        for name, left in (
            ("energy_j", played.after.budgets.energy_j),
            ("charge", played.after.budgets.credits),
        ):
            spent[name] = spent[name] + getattr(played.result, name)
            if world.done:
                continue  # what an episode left is gone with it
            if left is None:  # of users of whom none has such a budget
                assert np.isinf(budget[name]).all()
                continue
            expected = np.maximum(budget[name] - spent[name], 0)
            np.testing.assert_allclose(np.maximum(left, 0), expected, atol=1e-9)
    assert world.terminates == np.isfinite(list(map(np.min, budget.values()))).any()


def test_the_end_of_an_episode_without_budgets_only_truncates() -> None:
    assert not World(WorldConfig(num_users=2), seed=0).terminates


def test_a_device_that_computes_nothing_refuses_requests_with_private_subtasks() -> None:
    config = WorldConfig(
        num_users=400,
        requests=RequestConfig(
            num_subtasks=3, local_compute=0.0, private_probability=0.2, arrival_probability=1.0
        ),
    )
    world = World(config, num_worlds=5, seed=0)
    idle = ~world.requests.active
    *_, result = world.step(world.slot.mask.argmax(axis=-1))
    np.testing.assert_array_equal(result.refused, idle)
    expected = 1 - 0.8**3
    tolerance = 4 * np.sqrt(expected * (1 - expected) / result.refused.size)
    assert abs(result.refused.mean() - expected) < tolerance
    assert not result.pending[result.refused].any()
    assert not result.gain[result.refused].any()
