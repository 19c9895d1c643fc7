"""One slot of the world against a scalar computation of the model, expert by expert."""

from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, field, replace
from math import inf, log2
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.strategies import DataObject, SearchStrategy

import mechanisms
from envs import ChannelConfig, ExpertConfig, RequestConfig, World, WorldConfig

from .scalar_slot import amount, may_choose, play_one_world

Actions = Callable[[World, np.random.Generator], np.ndarray]
Prices = Callable[..., mechanisms.Mechanism]
PRICED = ("posted_price", "budgeted_price", "proportional_share", "vcg")


@dataclass
class Account:
    """A request under way: its gains so far, and the points of all its transferable subtasks."""

    slots_left: int
    dropped_points: float
    transferable_words: float
    gains: list[float] = field(default_factory=list)


OF_USERS = (
    "gain",
    "delay_s",
    "energy_j",
    "charge",
    "effort",
    "qos",
    "harm",
    "transferred",
    "expert",
    "rejected",
    "declined",
    "walked_away",
)
OF_EXPERTS = ("load", "airtime_s", "work_words", "edge_energy_j", "payment", "edge_cost")


def open_accounts(world: World, accounts: dict[tuple[int, int], Account]) -> None:
    """Open an account for each request that has arrived."""
    requests = world.requests
    for n, u in np.ndindex(requests.active.shape):
        if requests.active[n, u] and (n, u) not in accounts:
            count = int(requests.num_transferred[n, u])
            weight, words, *_ = requests.request_subtasks[n, u, :count].sum(axis=0)
            points = world.config.quality.drop_loss * world.config.requests.num_subtasks * weight
            accounts[n, u] = Account(max(count, 1), float(points), float(words))


def drawn_mechanism(
    data: DataObject, config: WorldConfig, fixed_prices: Prices
) -> tuple[WorldConfig, mechanisms.Mechanism]:
    """Draw a mechanism of the configuration's regime, and the configuration that it can have."""
    names = [
        name for name in PRICED if config.market.effort in mechanisms.make(name).claims.regimes
    ]
    name = data.draw(st.sampled_from(["none", "fixed", *names]))
    if name == "fixed":
        return config, fixed_prices(data.draw(st.sampled_from([2.0, 6.0])))
    mechanism = mechanisms.make(name)
    if mechanism.allocates:
        config = replace(config, market=replace(config.market, interval=None))
    return config, mechanism


@given(data=st.data())
@settings(max_examples=max(60, settings().max_examples // 40), derandomize=True)
def test_a_slot_is_what_the_model_says(
    mixed_configs: SearchStrategy[WorldConfig],
    any_actions: Actions,
    fixed_prices: Prices,
    data: DataObject,
) -> None:
    config, mechanism = drawn_mechanism(data, data.draw(mixed_configs), fixed_prices)
    # where a mechanism allocates, what it was told went through single precision
    exact = {"rtol": 1e-6 if mechanism.allocates else 1e-9, "atol": 1e-11}
    seed = data.draw(st.integers(0, 2**32 - 1))
    rng = np.random.default_rng(seed)
    world = World(config, num_worlds=2, seed=seed, mechanism=mechanism)
    world.reset()
    accounts: dict[tuple[int, int], Account] = {}
    while not world.done:
        open_accounts(world, accounts)
        actions = any_actions(world, rng)
        if mechanism.allocates:
            own = world.slot.offer.allocation.expert
            actions = np.where((own >= 0) & (rng.random(own.shape) < 0.6), own, actions)
        before = deepcopy(world)
        with np.errstate(divide="raise", invalid="raise", over="raise"):
            _, reward, result = world.step(actions)
        for n in range(2):
            slot = play_one_world(before, n, actions, result.declined)
            for name in OF_USERS:
                expected = [getattr(user, name) for user in slot.users]
                np.testing.assert_allclose(
                    getattr(result, name)[n], expected, **exact, err_msg=name
                )
            for name in OF_EXPERTS:
                expected = [getattr(expert, name) for expert in slot.experts]
                np.testing.assert_allclose(
                    getattr(result, name)[n], expected, **exact, err_msg=name
                )
            for name in ("airtime_backlog_s", "compute_backlog_s"):
                expected = [getattr(expert, name) for expert in slot.experts]
                np.testing.assert_allclose(
                    getattr(world.occupancy, name)[n], expected, **exact, err_msg=name
                )
            for u, user in enumerate(slot.users):
                settle(world, accounts, (n, u), user.gain, result, exact["rtol"])
                for action in range(world.num_experts + 1):
                    assert before.slot.mask[n, u, action] == may_choose(before, n, u, action)
        np.testing.assert_array_equal(reward, result.gain.astype(np.float32))
        assert not (result.refused & (result.pending | result.transferred)).any()


def settle(
    world: World,
    accounts: dict[tuple[int, int], Account],
    key: tuple[int, int],
    gain: float,
    result: Any,
    tolerance: float,
) -> None:
    """Book a gain and check the utility, which a user gets once, with the last subtask.

    It is the credits of the score with everything transferable abandoned, plus the gains.
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
    worth, score = amount(world.users.credits_per_point, *key), world.config.quality.local_score
    abandoned = worth * (score - account.dropped_points)
    assert result.utility[key] == pytest.approx(
        abandoned + sum(account.gains), rel=tolerance, abs=tolerance
    )
    words = amount(world.users.credits_per_word, *key) * account.transferable_words
    local = worth * score - words
    assert result.local_utility[key] == pytest.approx(local, rel=1e-9)
    del accounts[key]


def scene(edge_device_pays: bool = False, fifo: bool = False) -> Any:
    """Return what the scalar computation reads of the world of the slot by hand, and no more."""
    channel = SimpleNamespace(
        access="spectral_density",
        split="equal",
        ber="none",
        bits_per_word=50.0,
        prompt_words=20.0,
        max_spectral_efficiency=None,
    )
    config = SimpleNamespace(
        slot_s=6.0,
        allow_abandon=True,
        channel=channel,
        requests=SimpleNamespace(num_subtasks=4, words=(100.0, 300.0), compute_need=(0.5, 1.5)),
        experts=SimpleNamespace(service="fifo" if fifo else "batch"),
        quality=SimpleNamespace(drop_loss=1.0, recovered_share=0.8),
        reward=SimpleNamespace(downlink_energy="edge_device" if edge_device_pays else "user"),
        market=SimpleNamespace(effort="bought"),
    )
    snr_db = 10 * np.log10([[[15.0, 7.0], [3.0, 7.0], [15.0, 7.0]]])
    return SimpleNamespace(
        config=config,
        num_worlds=1,
        num_users=3,
        num_experts=2,
        mechanism=SimpleNamespace(name="fixed_prices", allocates=False),
        requests=SimpleNamespace(
            subtasks=SimpleNamespace(
                pending=np.ones((1, 3), bool),
                weight=np.array([[0.5, 0.25, 0.75]]),
                words=np.array([[180.0, 140.0, 220.0]]),
                compute=np.array([[1.0, 1.5, 0.6]]),
                topic=np.array([[0, 0, 1]]),
            )
        ),
        pool=SimpleNamespace(
            competence=np.array([[[1.0, 0.3], [0.2, 0.4]]]),
            unit_cost=np.full((1, 2), 0.5),
            cost_slope=np.ones((1, 2)),
            words_per_second=60.0,
            max_concurrent=inf,
            bandwidth_hz=1000.0,
            tx_power_w=0.2,
            energy_cost=0.3,
        ),
        users=SimpleNamespace(
            deadline_s=14.0,
            lateness_s=4.0,
            credits_per_point=5.0,
            credits_per_word=0.0025,
            credits_per_joule=0.3,
            credits_per_second=0.02,
        ),
        available=np.ones((1, 2), bool),
        occupancy=SimpleNamespace(
            airtime_backlog_s=np.array([[1.0, 3.0]]), compute_backlog_s=np.array([[0.5, 0.0]])
        ),
        market=SimpleNamespace(balance=None, income=0.0),
        budgets=None,
        slot=SimpleNamespace(
            lots=np.array([[0.7, 0.2, 0.4]]),
            offer=SimpleNamespace(unit_price=np.array([[2.0, 0.8]])),
            conditions=SimpleNamespace(links=SimpleNamespace(snr_db=snr_db), serving_share=1.0),
        ),
    )


@pytest.mark.parametrize("part", ["users pay for the answers", "experts pay for the answers"])
def test_the_scalar_computation_gives_the_numbers_by_hand(
    part: str, slot_by_hand: dict[str, dict[str, list[float]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mechanisms, "is_free", lambda mechanism: False, raising=False)
    world = scene(edge_device_pays=part.startswith("experts"))
    slot = play_one_world(world, 0, np.array([[0, 0, 1]]), np.zeros((1, 3), bool))
    numbers, checked = slot_by_hand[part], 0
    for results in (slot.users, slot.experts):
        for name in vars(results[0]):
            if name in numbers:
                found = [float(getattr(result, name)) for result in results]
                assert found == pytest.approx(numbers[name], abs=5.1e-5), name
                checked += 1
    assert checked >= 15


def test_in_the_slot_by_hand_the_lower_lot_computes_first_under_fifo(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(mechanisms, "is_free", lambda mechanism: False, raising=False)
    slot = play_one_world(scene(fifo=True), 0, np.array([[0, 0, 1]]), np.zeros((1, 3), bool))
    # 1 s of airtime and 0.5 s of computing wait; user 1 computes 3.5 s, then user 0 its 3 s
    assert [user.delay_s for user in slot.users] == pytest.approx([13.0, 13.0, 9.2])


@pytest.mark.parametrize("seed", range(3))
def test_utility_of_one_transferred_subtask_is_the_papers_reward(
    seed: int, any_actions: Actions
) -> None:
    config = WorldConfig(num_users=3, requests=RequestConfig(num_transferred=1))
    world = World(config, num_worlds=5, seed=seed)
    for _ in range(10):
        words = world.requests.subtasks.words
        *_, result = world.step(any_actions(world, np.random.default_rng(seed)))
        score = 8.80 - 0.86 + result.qos - result.harm
        spent = 0.0025 * words * result.transferred + 2.0 * result.energy_j
        np.testing.assert_allclose(result.utility, 5 * score - spent, rtol=1e-12)


def test_late_answers_are_worth_less_and_harm_as_much() -> None:
    config = WorldConfig(
        num_experts=6,
        requests=RequestConfig(num_transferred=1, words=(200, 200), compute_need=(1, 1)),
        experts=ExpertConfig(words_per_second=20, mean_competence=0),
    )
    world = World(config, num_worlds=40, seed=0)
    competence = world.slot.conditions.competence[:, 0, 0]
    *_, result = world.step(np.zeros((40, 1), int))
    delay = result.delay_s[:, 0]
    assert (delay > 10).all()  # 200 words of work at 20 words/s
    late = np.exp(-(delay - 6) / 3)
    helped, harmed = 0.731 * np.maximum(competence, 0), 0.731 * np.maximum(-competence, 0)
    np.testing.assert_allclose(result.qos[:, 0], helped * late, rtol=1e-5)
    np.testing.assert_allclose(result.harm[:, 0], harmed, rtol=1e-5)
    assert helped.any()
    assert harmed.any()


def test_airtime_and_work_beyond_the_slot_wait_apart_and_delay_the_next() -> None:
    config = WorldConfig(
        num_users=4,
        num_experts=1,
        requests=RequestConfig(num_transferred=1, words=(200, 200), compute_need=(1, 1)),
        channel=ChannelConfig(snr_db=(5, 5)),
        experts=ExpertConfig(words_per_second=100),
    )
    world = World(config, seed=0)
    alone_s = 230 * 48 / (1000 * log2(1 + 10**0.5))  # 5.37 s
    *_, first = world.step([[0, 0, 0, 0]])
    assert first.delay_s[0] == pytest.approx([4 * alone_s + 8] * 4)  # batch: 4 x 2 s of work
    waiting_s = 4 * alone_s - 6
    assert world.occupancy.airtime_backlog_s.item() == pytest.approx(waiting_s)
    assert world.occupancy.compute_backlog_s.item() == pytest.approx(8 - 6)
    *_, second = world.step([[0, 1, 1, 1]])
    assert second.delay_s[0, 0] == pytest.approx(waiting_s + alone_s + 2 + 2)
    assert world.occupancy.airtime_backlog_s.item() == pytest.approx(waiting_s + alone_s - 6)
    assert world.occupancy.compute_backlog_s.item() == 0
