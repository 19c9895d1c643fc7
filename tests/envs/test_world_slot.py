"""One slot of the world against a scalar computation of the model, expert by expert."""

from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, field
from math import exp, log, log2, sqrt

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.strategies import DataObject, SearchStrategy

import mechanisms
from envs import ChannelConfig, ExpertConfig, RequestConfig, World, WorldConfig

Actions = Callable[[World, np.random.Generator], np.ndarray]
EXACT = {"rtol": 1e-9, "atol": 1e-12}


@dataclass
class User:
    """Result of a slot for one user."""

    delay_s: float = 0.0
    energy_j: float = 0.0
    charge: float = 0.0
    qos: float = 0.0
    gain: float = 0.0
    requested_points: float = 0.0


@dataclass
class Slot:
    """Result of a slot for one world."""

    users: list[User]
    load: list[int]
    backlog_s: list[float]
    payment: list[float]
    edge_cost: list[float]


@dataclass
class Account:
    """A request under way: its gains so far, and the points of all its transferable subtasks."""

    slots_left: int
    dropped_points: float
    transferable_words: float
    gains: list[float] = field(default_factory=list)


def effort(world: World, n: int, e: int) -> float:
    """Return the best response to the price; full effort where nobody pays."""
    if world.mechanism.name == "none":
        return 1.0
    price = world.slot.offer.unit_price[n, e]
    return float(
        min(max((price - world.pool.unit_cost[n, e]) / world.pool.cost_slope[n, e], 0.0), 1.0)
    )


def may_choose(world: World, n: int, u: int, action: int) -> bool:
    """Return the entry of the mask, from its definition."""
    able = [
        bool(world.available[n, e]) and effort(world, n, e) > 0 for e in range(world.num_experts)
    ]
    if not world.requests.subtasks.pending[n, u]:
        return action == world.num_experts
    if action < world.num_experts:
        return able[action]
    return world.config.allow_abandon or not any(able)


def efficiency(config: WorldConfig, snr_db: float, band_share: float) -> float:
    """Return the spectral efficiency at an SNR and a share of the band, bit/s/Hz."""
    snr = 10 ** (snr_db / 10)
    if config.channel.noise_scaling:
        snr /= band_share
    gap = -log(5 * config.channel.target_ber) / 1.5 if config.channel.ber == "qam" else 1.0
    return log2(1 + snr / gap)


def play_one_world(world: World, n: int, actions: np.ndarray, served: np.ndarray) -> Slot:
    """Compute one slot of world n, given the users served, (N, U)."""
    config, requests = world.config, world.requests
    band, snr_db = config.channel.bandwidth_hz, world.slot.conditions.links.snr_db
    speed = config.experts.words_per_second
    survives = (
        (1 - config.channel.target_ber) ** config.channel.bits_per_word
        if config.channel.ber == "qam"
        else 1.0
    )
    slot = Slot(
        users=[User() for _ in range(world.num_users)],
        load=[0] * world.num_experts,
        backlog_s=[],
        payment=[0.0] * world.num_experts,
        edge_cost=[0.0] * world.num_experts,
    )
    for e in range(world.num_experts):
        here = [u for u in range(world.num_users) if served[n, u] and actions[n, u] == e]
        slot.load[e] = len(here)
        bits = {
            u: (config.channel.prompt_words + requests.subtasks.words[n, u])
            * config.channel.bits_per_word
            for u in here
        }
        alone = {u: efficiency(config, float(snr_db[n, u, e]), 1.0) for u in here}
        claim = {
            u: 1.0 if config.channel.split == "equal" else sqrt(bits[u] / alone[u]) for u in here
        }
        x, price = effort(world, n, e), float(world.slot.offer.unit_price[n, e])
        work_s = 0.0
        for u in here:
            user, words = slot.users[u], float(requests.subtasks.words[n, u])
            share = claim[u] / sum(claim.values())
            sending_s = bits[u] / (share * band * efficiency(config, float(snr_db[n, u, e]), share))
            computing_s = 0.0 if speed is None else words / speed
            user.delay_s = float(world.occupancy.backlog_s[n, e]) + sending_s + computing_s
            user.energy_j = config.channel.tx_power_w * sending_s
            late = exp(
                -max(user.delay_s - config.quality.deadline_s, 0.0) / config.quality.lateness_s
            )
            a = float(world.pool.competence[n, e, requests.subtasks.topic[n, u]]) * x
            a_eff = a * late * survives if a > 0 else a
            loss = 0.86 * config.requests.num_subtasks * float(requests.subtasks.weight[n, u])
            points = 0.85 * loss * max(a, 0.0)  # delivered: at the effort bought, before lateness
            user.charge = price * points
            user.qos = 0.85 * loss * a_eff
            user.gain = 5 * user.qos - 0.0025 * words - 2.0 * user.energy_j - user.charge
            slot.payment[e] += price * points
            full_effort_points = (
                0.85
                * loss
                * max(float(world.pool.competence[n, e, requests.subtasks.topic[n, u]]), 0.0)
            )
            kappa, slope = float(world.pool.unit_cost[n, e]), float(world.pool.cost_slope[n, e])
            slot.edge_cost[e] += full_effort_points * (kappa * x + slope * x**2 / 2)
            work_s += bits[u] / (band * alone[u]) + computing_s
        slot.backlog_s.append(
            max(float(world.occupancy.backlog_s[n, e]) + work_s - config.slot_s, 0.0)
        )
    return slot


def users_served(world: World, actions: np.ndarray, transferred: np.ndarray) -> np.ndarray:
    """Return the users that experts serve, (N, U).

    Where places are short any draw of the lottery that fills them is right.
    """
    requested = np.zeros(actions.shape, bool)
    for n, u in np.ndindex(actions.shape):
        action = int(actions[n, u])
        requested[n, u] = action < world.num_experts and may_choose(world, n, u, action)
    places = world.config.experts.max_concurrent
    if places is None:
        return requested
    assert not (transferred & ~requested).any()
    for n in range(world.num_worlds):
        for e in range(world.num_experts):
            requesting = requested[n] & (actions[n] == e)
            assert transferred[n, requesting].sum() == min(requesting.sum(), places)
    return transferred


def open_accounts(world: World, accounts: dict[tuple[int, int], Account]) -> None:
    """Open an account for each request that has arrived."""
    requests = world.requests
    for n, u in np.ndindex(requests.active.shape):
        if requests.active[n, u] and (n, u) not in accounts:
            count = int(requests.num_transferred[n, u])
            weight, words, *_ = requests.request_subtasks[n, u, :count].sum(axis=0)
            points = 0.86 * world.config.requests.num_subtasks * weight
            accounts[n, u] = Account(max(count, 1), float(points), float(words))


@given(data=st.data())
@settings(max_examples=150, deadline=None, derandomize=True)
def test_a_slot_is_what_the_model_says(
    world_configs: SearchStrategy[WorldConfig], any_actions: Actions, data: DataObject
) -> None:
    config = data.draw(world_configs)
    mechanism = mechanisms.make(data.draw(st.sampled_from(["none", "posted_price"])))
    seed = data.draw(st.integers(0, 2**32 - 1))
    rng = np.random.default_rng(seed)
    world = World(config, num_worlds=2, seed=seed, mechanism=mechanism)
    world.reset()
    accounts: dict[tuple[int, int], Account] = {}
    while not world.done:
        open_accounts(world, accounts)
        actions = any_actions(world, rng)
        before = deepcopy(world)
        with np.errstate(divide="raise", invalid="raise", over="raise"):
            _, reward, result = world.step(actions)
        served = users_served(before, actions, result.transferred)
        np.testing.assert_array_equal(result.transferred, served)
        for n in range(2):
            slot = play_one_world(before, n, actions, served)
            for name in ("gain", "delay_s", "energy_j", "charge", "qos"):
                expected = [getattr(user, name) for user in slot.users]
                np.testing.assert_allclose(
                    getattr(result, name)[n], expected, **EXACT, err_msg=name
                )
            np.testing.assert_array_equal(result.load[n], slot.load)
            np.testing.assert_allclose(world.occupancy.backlog_s[n], slot.backlog_s, **EXACT)
            np.testing.assert_allclose(result.payment[n], slot.payment, **EXACT)
            np.testing.assert_allclose(result.edge_cost[n], slot.edge_cost, **EXACT)
            for u, user in enumerate(slot.users):
                settle(accounts, (n, u), user.gain, result)
                action = int(actions[n, u])
                turned_away = action < world.num_experts and not served[n, u]
                rejected = turned_away or not may_choose(before, n, u, action)
                assert result.rejected[n, u] == rejected
        np.testing.assert_array_equal(reward, result.gain.astype(np.float32))


def settle(
    accounts: dict[tuple[int, int], Account],
    key: tuple[int, int],
    gain: float,
    result: dict[str, np.ndarray],
) -> None:
    """Book a gain and check the utility, which a user gets once, with the last subtask.

    It is 5 s with everything transferable abandoned, plus the gains.
    """
    if key not in accounts:
        assert gain == 0
        assert np.isnan(result.utility[key])
        return
    account = accounts[key]
    account.gains.append(gain)
    account.slots_left -= 1
    if account.slots_left:
        assert np.isnan(result.utility[key])
        assert np.isnan(result.local_utility[key])
        return
    abandoned = 5 * (8.80 - account.dropped_points)
    assert result.utility[key] == pytest.approx(abandoned + sum(account.gains), rel=1e-9, abs=1e-9)
    local = 5 * 8.80 - 0.0025 * account.transferable_words
    assert result.local_utility[key] == pytest.approx(local, rel=1e-9)
    del accounts[key]


@pytest.mark.parametrize("seed", range(3))
def test_utility_of_one_transferred_subtask_is_the_papers_reward(
    seed: int, any_actions: Actions
) -> None:
    config = WorldConfig(num_users=3, requests=RequestConfig(num_transferred=1))
    world = World(config, num_worlds=5, seed=seed)
    for _ in range(10):
        words = world.requests.subtasks.words
        *_, result = world.step(any_actions(world, np.random.default_rng(seed)))
        score = 8.80 - 0.86 + result.qos
        paid = 0.0025 * words * result.transferred + 2.0 * result.energy_j
        np.testing.assert_allclose(result.utility, 5 * score - paid, rtol=1e-12)


def test_late_answers_are_worth_less_and_harm_as_much() -> None:
    config = WorldConfig(
        num_experts=6,
        requests=RequestConfig(num_transferred=1, words=(200, 200)),
        experts=ExpertConfig(words_per_second=20, mean_competence=0),
    )
    world = World(config, num_worlds=40, seed=0)
    competence = world.slot.conditions.competence[:, 0, 0]
    *_, result = world.step(np.zeros((40, 1), int))
    delay = result.delay_s[:, 0]
    assert (delay > 10).all()  # 200 words at 20 words/s
    helps = competence > 0
    late = np.exp(-(delay - 6) / 3)
    np.testing.assert_allclose(result.qos[helps, 0], (0.731 * competence * late)[helps], rtol=1e-5)
    np.testing.assert_allclose(result.qos[~helps, 0], (0.731 * competence)[~helps], rtol=1e-5)
    assert helps.any()
    assert not helps.all()


def test_work_beyond_the_slot_waits_and_delays_the_next() -> None:
    config = WorldConfig(
        num_users=4,
        num_experts=1,
        requests=RequestConfig(num_transferred=1, words=(200, 200)),
        channel=ChannelConfig(snr_db=(5, 5)),
    )
    world = World(config, seed=0)
    alone_s = 230 * 48 / (1000 * log2(1 + 10**0.5))  # 5.37 s
    *_, first = world.step([[0, 0, 0, 0]])
    assert first.delay_s[0] == pytest.approx([4 * alone_s + 2] * 4)
    waiting_s = 4 * (alone_s + 2) - 6
    assert world.occupancy.backlog_s.item() == pytest.approx(waiting_s)
    *_, second = world.step([[0, 1, 1, 1]])
    assert second.delay_s[0, 0] == pytest.approx(waiting_s + alone_s + 2)
    assert world.occupancy.backlog_s.item() == pytest.approx(waiting_s + alone_s + 2 - 6)
