"""Evaluation against plain loops over World.step, and its two tables against each other."""

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

import mechanisms
from envs import Clearing, MarketConfig, RequestConfig, Slot, World, WorldConfig
from marl_moe.experiment.study import evaluation
from marl_moe.experiment.study.evaluation import evaluate, make_heuristic
from marl_moe.seeds import evaluation_seed

SEED = 7
SHARES = ("declined", "walked_away", "refused")
SUMMED = ("gain", "qos", "energy_j", "charge", "rejected", *SHARES)


class Anything:
    """Policy of any actions, masked ones included, that remembers the worlds it met."""

    name = "anything"

    def __init__(self, seed: int = 0) -> None:
        self.rng = np.random.default_rng(seed)
        self.met: list[np.ndarray] = []

    def act(self, slot: Slot) -> np.ndarray:
        requests = slot.conditions
        self.met.append(
            np.concatenate(
                [
                    np.ravel(a)
                    for a in (
                        slot.conditions.links.snr_db,
                        slot.conditions.available,
                        requests.subtasks.words,
                        requests.subtasks.topic,
                    )
                ]
            )
        )
        return self.rng.integers(slot.num_experts + 1, size=(slot.num_worlds, slot.num_users))


@pytest.fixture
def market_world(patchy_world: WorldConfig) -> WorldConfig:
    """12 slots, a clearing every 5: the last one holds for 2; some edge devices are too dear."""
    return replace(
        patchy_world,
        market=MarketConfig(interval=5),
        requests=replace(patchy_world.requests, num_transferred=2),
        experts=replace(patchy_world.experts, unit_cost=(0.0, 1.5)),
    )


def in_batches(monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    monkeypatch.setattr(evaluation, "WORLDS_AT_ONCE", size)


def by_hand(
    config: WorldConfig, episodes: int, batch: int, seed: int, actions_seed: int
) -> list[dict[str, float]]:
    """Return the scores of each episode, added up user by user and slot by slot."""
    rng, rows = np.random.default_rng(actions_seed), []
    for first in range(0, episodes, batch):
        num_worlds = min(batch, episodes - first)
        world = World(
            config,
            num_worlds,
            evaluation_seed(seed, first // batch),
            mechanisms.make("posted_price"),
        )
        totals: list[dict[str, float]] = [{} for _ in range(num_worlds)]
        slots = 0
        while not world.done:
            actions = rng.integers(world.num_experts + 1, size=(num_worlds, world.num_users))
            _, _, result = world.step(actions)
            slots += 1
            for n, total in enumerate(totals):

                def add(name: str, value: float, total: dict[str, float] = total) -> None:
                    total[name] = total.get(name, 0.0) + float(value)

                for u in range(world.num_users):
                    if not np.isnan(result.utility[n, u]):
                        add("utility", result.utility[n, u])
                        add("requests", 1)
                    for name in (*SUMMED, "transferred"):
                        add(name, getattr(result, name)[n, u])
                    if result.transferred[n, u]:
                        add("delay_s", result.delay_s[n, u])
                for e in range(world.num_experts):
                    add("edge_utility", result.payment[n, e] - result.edge_cost[n, e])
                add("platform_balance", result.platform_balance[n])
        for total in totals:
            for name in SUMMED:
                total[name] /= slots * world.num_users
            for name in ("edge_utility", "platform_balance"):
                total[name] /= slots
            total["utility"] /= total["requests"]
            total["delay_s"] /= total["transferred"]
            total["transferred"] /= slots * world.num_users
        rows += totals
    return rows


@pytest.mark.parametrize("batch", [5, 2])
def test_rows_are_the_means_over_slots_users_and_requests(
    market_world: WorldConfig, batch: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_batches(monkeypatch, batch)
    rows, _, _ = evaluate(
        Anything(seed=1), market_world, mechanisms.make("posted_price"), SEED, episodes=5
    )
    expected = by_hand(market_world, episodes=5, batch=batch, seed=SEED, actions_seed=1)
    assert rows["episode"].tolist() == [0, 1, 2, 3, 4]
    assert set(rows["policy"]) == {"anything"}
    for row, values in zip(rows.to_dict("records"), expected, strict=True):
        assert {name: row[name] for name in values} == pytest.approx(values, rel=1e-9, abs=1e-12)


def test_outcomes_are_shares_of_slots_and_users(
    market_world: WorldConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each marked for some users of some slots: which, the slot and the user say."""
    step = World.step

    def marked(world: World, actions: np.ndarray) -> Any:
        slot, users = world.slot.index, np.arange(world.num_users)
        seen, reward, result = step(world, actions)
        marks = {
            "declined": (users == 0) & (slot % 2 == 0),  # 1 of 3 users, 6 of 12 slots
            "walked_away": users < 2,
            "refused": (users == 2) & (slot == 0),
        }
        shape = result.gain.shape
        given = {name: np.broadcast_to(mark, shape) for name, mark in marks.items()}
        return seen, reward, result._replace(**given)

    monkeypatch.setattr(World, "step", marked)
    for name in ("random", "local"):
        policy = make_heuristic(name, SEED)
        rows = evaluate(policy, market_world, mechanisms.make("none"), SEED, episodes=2).evaluation
        assert rows["declined"].tolist() == pytest.approx([1 / 6] * 2)
        assert rows["walked_away"].tolist() == pytest.approx([2 / 3] * 2)
        assert rows["refused"].tolist() == pytest.approx([1 / 36] * 2)


def test_every_policy_meets_the_same_worlds_under_a_seed_and_others_under_another(
    market_world: WorldConfig,
) -> None:
    def met(actions_seed: int, seed: int) -> np.ndarray:
        policy = Anything(actions_seed)
        evaluate(policy, market_world, mechanisms.make("posted_price"), seed, episodes=4)
        return np.stack(policy.met)

    np.testing.assert_array_equal(met(0, seed=SEED), met(1, seed=SEED))
    assert (met(0, seed=SEED) != met(0, seed=SEED + 1)).any()


def test_no_world_is_met_twice_in_several_batches(
    market_world: WorldConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_batches(monkeypatch, 2)
    policy = Anything()
    evaluate(policy, market_world, mechanisms.make("none"), SEED, episodes=6)
    first_slots = [policy.met[12 * batch].tolist() for batch in range(3)]
    assert len(policy.met) == 36
    assert all(first_slots.count(met) == 1 for met in first_slots)


@pytest.mark.parametrize("batch", [4, 3])
def test_market_rows_add_up_to_the_evaluation_rows(
    market_world: WorldConfig, batch: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_batches(monkeypatch, batch)
    rows, market, users = evaluate(
        Anything(), market_world, mechanisms.make("posted_price"), SEED, episodes=4
    )
    rows = rows.set_index("episode")
    by_episode = market.groupby("episode")
    of_clearing = market[market["expert"] == 0].groupby("episode")
    agent_slots = 12 * 3
    per_slot = rows[["edge_utility", "platform_balance"]] * 12
    np.testing.assert_allclose(by_episode["edge_utility"].sum(), per_slot["edge_utility"])
    np.testing.assert_allclose(
        of_clearing["platform_balance"].sum(), per_slot["platform_balance"], atol=1e-9
    )
    np.testing.assert_allclose(
        by_episode["payment"].sum() + of_clearing["platform_balance"].sum(),
        rows["charge"] * agent_slots,
    )
    assert (rows["charge"] > 0).all()
    by_user = users.groupby("episode")[["charge", "utility"]].sum()
    np.testing.assert_allclose(by_user, rows[["charge", "gain"]] * agent_slots)
    np.testing.assert_allclose(
        rows["unit_price"], by_episode["payment"].sum() / by_episode["points"].sum()
    )
    worth = (rows["gain"] + rows["charge"]) * agent_slots - by_episode[
        "cost"
    ].sum()  # money only changes hands
    np.testing.assert_allclose(rows["welfare"] * agent_slots, worth)


@pytest.mark.parametrize("batch", [4, 2])
def test_clearings_may_be_told_of_the_first_episodes_alone(
    market_world: WorldConfig, batch: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_batches(monkeypatch, batch)
    posted = mechanisms.make("posted_price")
    rows, market, users = evaluate(
        make_heuristic("greedy", 0), market_world, posted, SEED, episodes=4
    )
    same, first, of_users = evaluate(
        make_heuristic("greedy", 0), market_world, posted, SEED, 4, market_episodes=3
    )
    pd.testing.assert_frame_equal(rows, same)
    untimed = [column for column in market if column != "solve_seconds"]
    key = ["episode", "slot"]
    for whole, told, columns, agent in (
        (market, first, untimed, "expert"),
        (users, of_users, list(users), "user"),
    ):
        kept = whole[whole["episode"] < 3].sort_values([*key, agent], ignore_index=True)
        pd.testing.assert_frame_equal(
            kept[columns], told.sort_values([*key, agent], ignore_index=True)[columns]
        )


@pytest.mark.parametrize("effort", ["bought", "enforced"])
def test_market_rows_are_one_for_each_clearing_and_expert_and_hold_together(
    market_world: WorldConfig, effort: Any
) -> None:
    config = replace(market_world, market=replace(market_world.market, effort=effort))
    _, market, _ = evaluate(Anything(), config, mechanisms.make("posted_price"), SEED, episodes=4)
    keys = list(
        zip(market["episode"], market["slot"], market["num_slots"], market["expert"], strict=True)
    )
    clearings = [(0, 5), (5, 5), (10, 2)]
    assert sorted(keys) == [(n, *held, e) for n in range(4) for held in clearings for e in range(5)]
    np.testing.assert_allclose(market["payment"], market["unit_price"] * market["points"])
    np.testing.assert_allclose(market["edge_utility"], market["payment"] - market["cost"])
    np.testing.assert_array_equal(market["participates"], market["effort"] > 0)
    assert market["participates"].nunique() == 2
    if effort == "enforced":  # where it is bought, a subtask of little work may still be served
        assert (market.loc[~market["participates"], "points"] == 0).all()


def test_what_a_platform_keeps_is_told_with_the_episode_it_was_kept_in() -> None:
    rng = np.random.default_rng(0)
    cells = {
        name: rng.random((2, 3)) for name in ("unit_price", "effort", "points", "payment", "cost")
    }
    costs = {
        name: rng.uniform(0.5, 1.5, (2, 3))
        for name in ("unit_cost", "cost_slope", "demand", "value")
    }
    users = mechanisms.UserReports(rng.uniform(2, 4, (2, 4, 3)), rng.random((2, 4, 3)))
    market = mechanisms.Market(**costs, budget=np.zeros(2), users=users)
    clearing = Clearing(
        slot=5,
        num_slots=4,
        participates=rng.random((2, 3)) > 0.5,
        allocation=np.array([[0, 2, -1, 1], [-1, -1, 0, 2]]),
        user_charge=rng.random((2, 4)),
        user_gain=rng.random((2, 4)),
        status="optimal",
        solve_seconds=0.1,
        market=market,
        report_factor=np.ones((2, 3)),
        value_factor=np.ones(2),
        margin=np.zeros(2),
        **cells,
    )
    rows = evaluation._expert_rows(Anything(), np.array([10, 11]), clearing).set_index(
        ["episode", "expert"]
    )
    users = evaluation._user_rows(Anything(), np.array([10, 11]), clearing).set_index(
        ["episode", "user"]
    )
    for n in range(2):
        for e in range(3):
            row = rows.loc[(10 + n, e)]
            for name, values in cells.items():
                assert row[name] == values[n, e]
            assert row["demand"] == market.demand[n, e]
            assert row["participates"] == clearing.participates[n, e]
            assert row["platform_balance"] == pytest.approx(
                sum(clearing.user_charge[n]) - sum(cells["payment"][n])
            )
            assert row["welfare"] == clearing.welfare[n]
            assert row["welfare_optimum"] == clearing.welfare_optimum[n]
        for u in range(4):
            told = users.loc[(10 + n, u), ["charge", "utility", "assigned"]].tolist()
            assert told == [
                clearing.user_charge[n, u],
                clearing.user_gain[n, u],
                clearing.allocation[n, u],
            ]
    assert (rows[["slot", "num_slots", "solve_seconds"]] == [5, 4, 0.1]).all(axis=None)


def test_free_edge_devices_leave_no_market_rows(market_world: WorldConfig) -> None:
    rows, market, _ = evaluate(Anything(), market_world, mechanisms.make("none"), SEED, episodes=2)
    assert len(market) == 0
    assert (rows["charge"] == 0).all()


def test_an_episode_without_a_finished_request_has_no_utility_rather_than_zero() -> None:
    config = WorldConfig(
        num_experts=3, episode_slots=1, requests=RequestConfig(arrival_probability=0.0)
    )
    rows: Any = evaluate(Anything(), config, mechanisms.make("none"), SEED, episodes=2)[0]
    assert rows["requests"].tolist() == [0, 0]
    assert rows[["utility", "delay_s"]].isna().all(axis=None)


def test_the_worst_user_and_the_evenness_of_gains_are_those_of_the_users_one_by_one() -> None:
    """Jain's index is 1 where all gain alike, 1 / n where one has all (Jain, Chiu, Hawe 1984)."""
    config = WorldConfig(num_users=4, num_experts=6, episode_slots=7)
    rows = evaluate(
        make_heuristic("greedy", 0), config, mechanisms.make("none"), SEED, episodes=3
    ).evaluation
    world, policy = (
        World(config, 3, evaluation_seed(SEED, 0), mechanisms.make("none")),
        make_heuristic("greedy", 0),
    )
    total = np.zeros((3, 4))
    while not world.done:
        total += world.step(policy.act(world.slot))[2].gain
    np.testing.assert_allclose(rows["worst_gain"], total.min(axis=1) / 7)
    gains = np.maximum(total, 0)
    some = gains.any(axis=1)
    expected = gains[some].sum(axis=1) ** 2 / (4 * (gains[some] ** 2).sum(axis=1))
    np.testing.assert_allclose(rows["jain"][some], expected)
    assert some.any()
    assert rows["jain"][~some].isna().all()
    nobody = evaluate(
        make_heuristic("abandon", 0), config, mechanisms.make("none"), SEED, episodes=2
    ).evaluation
    assert nobody["jain"].isna().all()
    assert (nobody["worst_gain"] == 0).all()


@pytest.mark.parametrize(("num_users", "at_once"), [(1, 250), (32, 250), (1000, 8), (9000, 1)])
def test_a_batch_of_worlds_has_no_more_users_than_memory_is_meant_for(
    num_users: int, at_once: int
) -> None:
    assert evaluation.worlds_at_once(WorldConfig(num_users=num_users)) == at_once
