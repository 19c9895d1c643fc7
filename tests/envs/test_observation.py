"""Observations: every column from its definition, bounds, and what no user may see."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from math import erfc, exp, log, log2, sqrt
from typing import NamedTuple

import numpy as np
import pytest
from gymnasium.spaces import Box
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.strategies import DataObject, SearchStrategy
from scipy import stats

import mechanisms
from envs import (
    ChannelConfig,
    ExpertConfig,
    MarketConfig,
    QualityConfig,
    RequestConfig,
    World,
    WorldConfig,
)
from envs.observation import bounds, column_names
from envs.prospects import expected_spending

Actions = Callable[[World, np.random.Generator], np.ndarray]


Served = dict[tuple[int, int], int]  # (world, user): the expert that served it in a slot


@dataclass
class Past:
    """What was played so far: the experts that served users, by slot, and what each user spent."""

    served: list[Served]
    energy_j: np.ndarray  # (N, U)
    charge: np.ndarray  # (N, U)


def survival(channel: ChannelConfig, snr: float) -> float:
    """Return the share of words that arrive both ways, by the bit error rates of Cho and Yoon."""
    if channel.ber == "none":
        return 1.0
    rate = channel.target_ber
    if channel.ber == "snr":
        spread = {"qpsk": 1.0, "qam16": 5.0, "qam64": 21.0}[channel.modulation]
        terms = {
            "qpsk": {1: 1.0},
            "qam16": {1: 3 / 4, 3: 2 / 4, 5: -1 / 4},
            "qam64": {1: 7 / 12, 3: 6 / 12, 5: -1 / 12, 9: 1 / 12, 13: -1 / 12},
        }[channel.modulation]
        rate = sum(
            weight * 0.5 * erfc(times * sqrt(snr / spread) / sqrt(2))
            for times, weight in terms.items()
        )
    return (1 - rate) ** (2 * channel.bits_per_word)


class Pair(NamedTuple):
    """An expert for one user alone, who has a subtask."""

    sending_s: float
    computing_s: float
    prompt_share: float  # of the bits
    effort: float  # 0 where the edge device declines


def alone(world: World, n: int, u: int, e: int) -> Pair:
    """Return what expert e would do for user u of world n alone."""
    config, channel, subtasks = world.config, world.config.channel, world.requests.subtasks
    quality, reward = config.quality, config.reward
    snr = 10 ** (float(world.slot.conditions.links.snr_db[n, u, e]) / 10)
    words = float(subtasks.words[n, u])
    gap = -log(5 * channel.target_ber) / 1.5 if channel.ber == "qam" else 1.0
    efficiency = log2(1 + snr / gap)
    if channel.ber == "snr":
        efficiency = {"qpsk": 2, "qam16": 4, "qam64": 6}[channel.modulation]
    total = channel.prompt_words + words
    sending_s = channel.bits_per_word * total / (channel.bandwidth_hz * efficiency)
    work = words * float(subtasks.compute[n, u]) / (sum(config.requests.compute_need) / 2)
    speed = config.experts.words_per_second
    computing_s = 0.0 if speed is None else work / speed
    prompt_share = channel.prompt_words / total
    if world.mechanism.name == "none":
        return Pair(sending_s, computing_s, prompt_share, 1.0)
    occupancy = world.occupancy
    delay_s = sending_s + float(occupancy.airtime_backlog_s[n, e])
    if speed is not None:
        delay_s += computing_s + float(occupancy.compute_backlog_s[n, e])
    late = min(1.0, exp(-(delay_s - quality.deadline_s) / quality.lateness_s))
    recovered = quality.recovered_share * quality.drop_loss
    competence = max(float(world.pool.competence[n, e, subtasks.topic[n, u]]), 0.0)
    loss = config.requests.num_subtasks * float(subtasks.weight[n, u])
    points = recovered * loss * competence * late * survival(channel, snr)
    unit = recovered * work / (sum(config.requests.words) / 2)  # reference points
    kappa, slope = float(world.pool.unit_cost[n, e]), float(world.pool.cost_slope[n, e])
    revenue = float(world.slot.offer.unit_price[n, e]) * points
    effort = min(max((revenue - kappa * unit) / (slope * unit), 0.0), 1.0)
    if config.market.effort == "enforced":
        effort = float(world.slot.offer.effort[n, e])
    spent = unit * (kappa * effort + slope * effort**2 / 2)
    if reward.downlink_energy == "edge_device":
        spent += reward.credits_per_joule * channel.tx_power_w * sending_s * (1 - prompt_share)
    return Pair(sending_s, computing_s, prompt_share, effort if revenue * effort >= spent else 0.0)


def has_spent(config: WorldConfig, past: Past, n: int, u: int) -> bool:
    """Return whether a budget of the user's episode is spent."""
    spent = (past.energy_j[n, u], config.energy_budget_j), (past.charge[n, u], config.credit_budget)
    return any(budget is not None and amount >= budget for amount, budget in spent)


def columns_of_user(world: World, n: int, u: int, past: Past) -> dict[str, float]:
    """Return all columns of user u of world n by name, from their definitions."""
    last = past.served[-1] if past.served else {}
    config, requests = world.config, world.requests
    pending = bool(requests.subtasks.pending[n, u])
    seen = {
        "pending": float(pending),
        "weight": config.requests.num_subtasks * float(requests.subtasks.weight[n, u]),
        "words": float(requests.subtasks.words[n, u]) / config.requests.words[1],
        "compute_need": float(requests.subtasks.compute[n, u]) / config.requests.compute_need[1],
    }
    joules, credits = config.energy_budget_j, config.credit_budget
    limited = joules is not None or credits is not None
    if limited:
        left = [
            0.0 if budget is None else max(1 - spent[n, u] / budget, 0.0)
            for spent, budget in ((past.energy_j, joules), (past.charge, credits))
        ]
        seen |= {"energy_left": left[0], "credits_left": left[1]}
        seen["episode_left"] = 1 - len(past.served) / config.episode_slots
        seen["rest"] = rest_of(world, n, u, past, 0.0, 0.0)
    ending = "_drawn" if config.observation.expected_load == "drawn" else ""
    may_transfer = pending and not has_spent(config, past, n, u)
    everybody, experts = range(world.num_users), range(world.num_experts)
    late = np.array([recent_load(n, e, past.served, everybody) for e in experts])
    mine = np.array([recent_load(n, e, past.served, [u]) for e in experts])
    most = 10 * config.reward.credits_per_point
    # Expected gains and spending have tests of their own.
    others_seen = np.maximum(late - mine, 0)
    gain = np.clip(world.slot.expected_gain(1)[n, u], -most, most)
    if config.counts_on_strangers:
        loads, shares = loads_of(
            0.3 * others_seen + 0.7 * world.crowding.drawn[n], world.num_users - 1
        )
    else:
        loads, shares = (others_seen + 1)[None], np.ones((1, world.num_experts))
    expected = [np.clip(world.slot.expected_gain(load)[n, u], -most, most) for load in loads]
    beside = np.einsum("ie,ie->e", shares, expected)
    spent = [expected_spending(world.slot.conditions, world.slot.offer, load) for load in loads]
    for e in range(world.num_experts):
        free = world.mechanism.name == "none"
        pair = alone(world, n, u, e) if pending else Pair(0.0, 0.0, 0.0, float(free))
        paid_share = pair.prompt_share if config.reward.downlink_energy == "edge_device" else 1.0
        topic = int(requests.subtasks.topic[n, u])
        matches = float(e % config.requests.num_topics == topic)
        competence = (
            float(world.pool.competence[n, e, topic]) if config.information == "known" else matches
        )
        others = sum(last.get((n, other)) == e for other in range(world.num_users) if other != u)
        backlogs = {
            "airtime_backlog": float(world.occupancy.airtime_backlog_s[n, e]),
            "compute_backlog": float(world.occupancy.compute_backlog_s[n, e]),
        }
        backlogs = {name: min(left_s / config.slot_s, 10.0) for name, left_s in backlogs.items()}
        price = float(world.slot.offer.unit_price[n, e])
        delay = (pair.sending_s + pair.computing_s) / config.quality.deadline_s
        block = {
            "available": float(may_transfer and world.available[n, e] and pair.effort > 0),
            "competence": max(min(competence * pair.effort, 2.0), -2.0),
            "energy": 2.0 * 0.1 * pair.sending_s * paid_share,
            "delay": min(delay, 10.0),
            "load": min(others / 4, 25.0),
            "mine": float(last.get((n, u)) == e),
            "airtime_backlog": backlogs["airtime_backlog"],
            "unit_price": min(price / config.market.value, 10.0),
            "recent_load": min(late[e] / 4, 25.0),
            "attraction": min(attraction_of(world, n, e) * world.num_experts, 10.0),
            "gain_alone": float(gain[e]),
            "gain_beside" + ending: float(beside[e]),
        }
        if config.experts.words_per_second is not None:
            block["compute_backlog"] = backlogs["compute_backlog"]
        if limited:
            rests = [
                rest_of(world, n, u, past, *(float(amount[n, u, e]) for amount in amounts))
                for amounts in spent
            ]
            block["rest_beside" + ending] = float(np.dot(shares[:, e], rests))
        seen |= {f"expert_{e}.{name}": value for name, value in block.items()}
    return seen


def rest_of(world: World, n: int, u: int, past: Past, energy_j: float, charge: float) -> float:
    """Return what is left for later of a user's episode once it has spent so much in this slot."""
    config = world.config
    shares = [
        max(1 - (spent[n, u] + more) / budget, 0.0)
        for spent, more, budget in (
            (past.energy_j, energy_j, config.energy_budget_j),
            (past.charge, charge, config.credit_budget),
        )
        if budget is not None
    ]
    return sqrt(min(shares) * max(1 - (len(past.served) + 1) / config.episode_slots, 0))


def loads_of(others: np.ndarray, most: int) -> tuple[np.ndarray, np.ndarray]:
    """Return loads, with the user, and their shares, of Poisson distributed others.

    Between 4 and 6, 6 and 9, ... others the loads next to them share what the law gives.
    """
    numbers = [n for n in (0, 1, 2, 3, 4, 6, 9, 14, 21, 32) if n < most] + [most]
    law = stats.poisson(others).pmf(np.arange(most + 1)[:, None])
    law[-1] = stats.poisson(others).sf(most - 1)
    hats = [np.interp(np.arange(most + 1), numbers, unit) for unit in np.eye(len(numbers))]
    loads = np.broadcast_to(np.array(numbers)[:, None] + 1.0, (len(numbers), len(others)))
    return loads, np.array(hats) @ law


def recent_load(n: int, e: int, slots: list[Served], users: Iterable[int]) -> float:
    """Average such users served by an expert: weights 0.3, 0.3 x 0.7, ... from the last slot on."""
    served = [sum(slot.get((n, u)) == e for u in users) for slot in reversed(slots)]
    return sum(0.3 * 0.7**age * count for age, count in enumerate(served))


def attraction_of(world: World, n: int, e: int) -> float:
    """Return the expert's share of requests: softmaxes at 0.1, weighted by Zipf popularity."""
    config = world.config
    rank = [1 / (m + 1) ** config.requests.zipf_exponent for m in range(config.requests.num_topics)]
    share = 0.0
    for m, popularity in enumerate(rank):
        seen = (
            world.pool.competence[n, :, m]
            if config.information == "known"
            else world.pool.topic == m
        )
        weights = [exp((float(a) - float(max(seen))) / 0.1) for a in seen]
        share += popularity / sum(rank) * weights[e] / sum(weights)
    return share


@given(data=st.data())
@settings(max_examples=60, deadline=None, derandomize=True)
def test_every_column_holds_what_its_name_says_within_its_bounds(
    world_configs: SearchStrategy[WorldConfig], any_actions: Actions, data: DataObject
) -> None:
    config, seed = data.draw(world_configs), data.draw(st.integers(0, 2**32 - 1))
    expected_load = data.draw(st.sampled_from(["recent", "drawn"]))
    observation = replace(config.observation, expected_load=expected_load)
    config = replace(config, observation=observation)
    mechanism = mechanisms.make(data.draw(st.sampled_from(["none", "posted_price"])))
    world = World(config, num_worlds=2, seed=seed, mechanism=mechanism)
    rng = np.random.default_rng(seed)
    low, high = bounds(config)
    space = Box(low, high, dtype=np.float32)
    names = column_names(world.config)
    # effort is found in single precision, and small where the price just covers the cost
    rounding = [1e-6] * len(names)
    if mechanism.name != "none":
        rounding = [2e-5 if name.endswith("competence") else 1e-6 for name in names]
    observation = world.reset()
    past = Past([], np.zeros((2, config.num_users)), np.zeros((2, config.num_users)))
    while True:
        assert observation.dtype == np.float32
        assert observation.shape == (2, world.num_users, len(names))
        for n, u in np.ndindex(2, world.num_users):
            assert space.contains(observation[n, u])
            expected = columns_of_user(world, n, u, past)
            assert list(expected) == names
            values = np.array(list(expected.values()))
            wrong = np.abs(observation[n, u] - values) > 3e-6 * np.abs(values) + rounding
            assert not wrong.any(), np.array(names)[wrong]
        if world.done:
            return
        actions = any_actions(world, rng)
        observation, _, result = world.step(actions)
        past.served.append(
            {(int(n), int(u)): int(actions[n, u]) for n, u in np.argwhere(result.transferred)}
        )
        past.energy_j += result.energy_j
        past.charge += result.charge


@given(data=st.data())
@settings(max_examples=40, deadline=None, derandomize=True)
def test_the_mask_is_the_available_columns_and_the_way_out(
    world_configs: SearchStrategy[WorldConfig], any_actions: Actions, data: DataObject
) -> None:
    config, seed = data.draw(world_configs), data.draw(st.integers(0, 2**32 - 1))
    world = World(config, num_worlds=3, seed=seed, mechanism=mechanisms.make("posted_price"))
    rng = np.random.default_rng(seed)
    available = [name.endswith(".available") for name in column_names(world.config)]
    past = Past([], np.zeros((3, config.num_users)), np.zeros((3, config.num_users)))
    while not world.done:
        mask, observation = world.slot.mask, world.slot.observation
        np.testing.assert_array_equal(mask[..., :-1], observation[..., available] == 1)
        for n, u in np.ndindex(mask.shape[:2]):
            may = world.requests.subtasks.pending[n, u] and not has_spent(config, past, n, u)
            usable = [
                bool(may and world.available[n, e] and alone(world, n, u, e).effort > 0)
                for e in range(world.num_experts)
            ]
            assert mask[n, u, :-1].tolist() == usable
            assert mask[n, u, -1] == (config.allow_abandon or not any(usable))
        assert mask.any(axis=-1).all()
        *_, result = world.step(any_actions(world, rng))
        past.energy_j += result.energy_j
        past.charge += result.charge


@pytest.mark.parametrize("mechanism", ["none", "posted_price"])
def test_what_others_do_reaches_me_a_slot_later_through_load_backlog_and_prices_alone(
    mechanism: str,
) -> None:
    config = WorldConfig(
        num_users=4,
        num_experts=5,
        requests=RequestConfig(num_transferred=1),
        experts=ExpertConfig(unit_cost=(0.2, 1.2)),
        quality=QualityConfig(deadline_s=30.0),  # else who is late is declined, and leaves nothing
        market=MarketConfig(interval=1),
    )
    worlds = [
        World(config, num_worlds=6, seed=0, mechanism=mechanisms.make(mechanism)) for _ in range(2)
    ]
    rng = np.random.default_rng(0)
    for _ in range(4):
        common = rng.integers(6, size=(6, 4))
        first, second = (world.step(common)[0] for world in worlds)
    np.testing.assert_array_equal(first, second)  # whatever the others are about to choose
    crowded, empty = common.copy(), common.copy()
    crowded[:, 1:], empty[:, 1:] = common[:, :1], 5
    after, other = (
        world.step(a)[0][:, 0] for world, a in zip(worlds, (crowded, empty), strict=True)
    )
    names = np.array(column_names(config))
    differs = {name.split(".")[-1] for name in names[(after != other).any(axis=0)]}
    through = {"load", "recent_load", "airtime_backlog", "compute_backlog"}
    moved = {"gain_alone", "gain_beside"}  # by these
    if mechanism != "none":
        through |= {"unit_price"}
        moved |= {"competence", "available"}  # by effort, which answers prices and backlogs
    assert through <= differs <= through | moved
