"""The rule for users with budgets: what it expects to spend, what it holds back, what it gains."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import mechanisms
from envs import ChannelConfig, ExpertConfig, RequestConfig, World, WorldConfig
from envs.prospects import expected_spending
from marl_moe.experiment.study import tuning
from marl_moe.experiment.study.tuning import PACE, tuned_crowd, tuned_paced
from marl_moe.policies import Crowd, Paced, make
from marl_moe.seeds import evaluation_seed
from marl_moe.testing import check_policy

CHEAP = ExpertConfig(unit_cost=(0.05, 0.3), cost_slope=(0.05, 0.3), resample="episode")
CONFIG = WorldConfig(
    num_users=6,
    num_experts=8,
    episode_slots=20,
    requests=RequestConfig(num_subtasks=4, local_compute=0.5),
    channel=ChannelConfig(process="gauss_markov", correlation=0.9),
    experts=CHEAP,
)


def worlds(config: WorldConfig, mechanism: str = "none", slots: int = 0) -> World:
    world = World(config, 12, seed=0, mechanism=mechanisms.make(mechanism))
    policy = Crowd(np.random.default_rng(0))
    for _ in range(slots):
        world.step(policy.act(world.slot))
    return world


def gain(config: WorldConfig, policy: Paced | Crowd) -> float:
    world, total = World(config, 24, seed=evaluation_seed(0, 0)), 0.0
    while not world.done:
        total += float(world.step(policy.act(world.slot))[2].gain.mean())
    return total / config.episode_slots


@pytest.mark.parametrize("mechanism", ["none", "posted_price"])
def test_without_a_budget_it_is_crowd(mechanism: str) -> None:
    world = worlds(CONFIG, mechanism, slots=3)
    parameters = {"attraction": 0.5, "last": 0.2, "threshold": 0.9, "response_probability": 0.4}
    rules = (
        rule(np.random.default_rng(1), **parameters)  # type: ignore[arg-type]
        for rule in (Crowd, Paced)
    )
    first, second = (rule.act(world.slot) for rule in rules)
    np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize("mechanism", ["none", "posted_price"])
@pytest.mark.parametrize("downlink", ["user", "edge_device"])
def test_alone_what_is_expected_to_be_spent_is_what_is_spent(mechanism: str, downlink: str) -> None:
    reward = replace(CONFIG.reward, downlink_energy=downlink)  # type: ignore[arg-type]
    config = replace(CONFIG, num_users=1, reward=reward, energy_budget_j=1e3, credit_budget=1e3)
    world, rng, seen = worlds(config, mechanism), np.random.default_rng(0), 0
    while not world.done:
        slot = world.slot
        energy_j, charge = expected_spending(slot.conditions, slot.offer)
        declines = np.broadcast_to(slot.effort == 0, energy_j.shape)
        assert declines.any() == (mechanism != "none")
        assert not energy_j[declines].any()
        assert not charge[declines].any()
        actions = rng.integers(8, size=(12, 1))
        result = world.step(actions)[2]
        served = result.transferred
        for expected, paid in ((energy_j, result.energy_j), (charge, result.charge)):
            own = np.take_along_axis(expected, actions[..., None], axis=-1)[..., 0]
            np.testing.assert_allclose(own[served], paid[served], rtol=1e-4, atol=1e-6)
        seen += int(served.sum())
    assert seen >= 10


def test_a_user_alone_takes_what_gains_most_after_the_price_of_its_energy() -> None:
    config = replace(CONFIG, num_users=1, energy_budget_j=3.0)
    world, price, feedback, held = worlds(config), 6.0, 0.7, 0
    rule = Paced(np.random.default_rng(0), price, feedback, response_probability=1.0)
    spent = np.zeros(12)
    for t in range(15):
        slot = world.slot
        actions = rule.act(slot)
        alone_j = slot.conditions.transmission_alone_s * config.channel.tx_power_w
        for n in range(12):
            if not slot.mask[n, 0, :-1].any():
                continue
            left = max((3.0 - spent[n]) / 3.0, 1e-3)
            of_a_joule = price * 5 * ((1 - t / 20) / left) ** feedback / 3.0
            net = slot.expected_gain()[n, 0] - of_a_joule * alone_j[n, 0]
            net = np.where(slot.mask[n, 0, :-1], net, -np.inf)
            assert actions[n, 0] == (net.argmax() if net.max() > 0 else 8)
            held += int(net.max() <= 0 < slot.expected_gain()[n, 0].max())
        spent += world.step(actions)[2].energy_j[:, 0]
    assert 10 < held < 150


def test_in_a_crowd_the_price_is_of_both_budgets_of_each_user_and_of_what_the_load_takes() -> None:
    budgets = {"energy_budget_j": {"each": [0.4, 2.0, None, 2.0, 2.0, 0.6]}, "credit_budget": 9.0}
    config = replace(
        CONFIG,
        channel=replace(CONFIG.channel, access="total_power"),  # energy rises with the load
        reward=replace(CONFIG.reward, credits_per_point={"each": [5.0, 4.0, 6.0, 5.0, 3.0, 5.0]}),
        **budgets,  # type: ignore[arg-type]
    )
    world, price, feedback, held = worlds(config, "posted_price"), 4.0, 1.5, 0
    rule = Paced(
        np.random.default_rng(0),
        *(price, feedback),
        attraction=0.0,
        last=0.4,
        response_probability=1.0,
    )
    budget = np.array([[0.4, 2.0, np.inf, 2.0, 2.0, 0.6]]), np.full((1, 6), 9.0)
    spent, worth = np.zeros((2, 12, 6)), np.array([5.0, 4.0, 6.0, 5.0, 3.0, 5.0])
    while not world.done:
        slot, occupancy = world.slot, world.occupancy
        mine = occupancy.last_expert[..., None] == np.arange(8)
        late = occupancy.recent_load[:, None] - occupancy.own_recent_load
        others = 0.4 * (occupancy.load[:, None] - mine) + 0.6 * np.maximum(late, 0)
        gain = slot.gain_beside(others)
        net = gain.astype(float)
        for own, of_budget, takes in zip(
            spent, budget, expected_spending(slot.conditions, slot.offer, others + 1), strict=True
        ):
            left = np.where(np.isinf(of_budget), 1, np.maximum(1 - own / of_budget, 1e-3))
            of_unit = worth * price * ((1 - slot.index / 20) / left) ** feedback / of_budget
            net -= of_unit[..., None] * np.minimum(takes, np.maximum(of_budget - own, 0)[..., None])
        allowed = slot.mask[..., :-1]
        net, gain = np.where(allowed, net, -np.inf), np.where(allowed, gain, -np.inf)
        actions = rule.act(slot)
        taken = np.take_along_axis(
            np.concatenate([net, np.zeros((12, 6, 1))], axis=-1), actions[..., None], axis=-1
        )[..., 0]
        best = np.maximum(net.max(axis=-1), 0)
        np.testing.assert_allclose(taken, best, rtol=1e-4, atol=1e-4)
        held += int(((net.max(axis=-1) <= 0) & (gain.max(axis=-1) > 0.1)).sum())
        result = world.step(actions)[2]
        spent += np.stack([result.energy_j, result.charge])
    assert held > 100


def test_all_its_parameters_are_tuned(monkeypatch: pytest.MonkeyPatch) -> None:
    best = {"price": 12.0, "feedback": 2.0, "attraction": 0.6, "last": 1.0, "threshold": 0.95}

    def hill(policy: Paced, *_: object) -> float:
        return -sum((getattr(policy, key) - value) ** 2 for key, value in best.items())

    monkeypatch.setattr(tuning, "mean_gain", hill)
    tuned = tuned_paced(CONFIG, mechanisms.make("none"), 0, np.random.default_rng(0))
    assert {key: getattr(tuned, key) for key in best} == best


def test_its_setting_can_be_played_again_by_name() -> None:
    given = {"price": 6.0, "feedback": 0.5, "attraction": 0.0, "last": 1.0}
    rule = make("paced", np.random.default_rng(0), **given)
    assert {key: getattr(rule, key) for key in given} == given
    told = "policy 'paced' has no parameter 'prise'; did you mean 'price'"
    with pytest.raises(ValueError, match=told) as refused:
        make("paced", np.random.default_rng(0), prise=1.0)
    assert "rng" not in str(refused.value)


def test_a_budget_of_one_group_is_not_a_price_of_the_other() -> None:
    groups = {"short": {"count": 3, "energy_budget_j": 0.5}, "long": {"count": 3}}
    config = replace(CONFIG, user_groups=groups)  # type: ignore[arg-type]
    world = worlds(config, slots=3)
    paced = Paced(np.random.default_rng(1), price=50.0, response_probability=1.0)
    actions = paced.act(world.slot)
    crowd = Crowd(np.random.default_rng(1), response_probability=1.0).act(world.slot)
    np.testing.assert_array_equal(actions[:, 3:], crowd[:, 3:])
    assert (actions[:, :3] == 8).mean() > (crowd[:, :3] == 8).mean() + 0.2


def test_tuned_it_gains_more_than_the_tuned_rule_that_spends_as_it_goes() -> None:
    config = replace(CONFIG, energy_budget_j=2.0)
    paced, crowd = (
        tuned(config, mechanisms.make("none"), 0, np.random.default_rng(0))
        for tuned in (tuned_paced, tuned_crowd)
    )
    assert all(getattr(paced, key) in values for key, values in PACE.items())
    assert f"price={paced.price} feedback={paced.feedback}" in paced.setting
    assert paced.price > 0
    assert gain(config, paced) > 1.1 * gain(config, crowd)


@pytest.mark.parametrize("value", [-1.0, 1e7, np.inf, np.nan, True, "8"])
@pytest.mark.parametrize("key", ["price", "feedback"])
def test_a_price_or_feedback_out_of_range_is_refused(key: str, value: Any) -> None:
    with pytest.raises(ValueError, match=rf"{key} should lie in 0\.\..*, got {value!r}"):
        Paced(np.random.default_rng(0), **{key: value})


def test_it_is_a_policy() -> None:
    check_policy(Paced(np.random.default_rng(0)))


def test_of_a_place_that_three_ask_for_a_third_of_the_spending_is_expected() -> None:
    limited = replace(CHEAP, max_concurrent=1)
    config = replace(CONFIG, experts=limited, energy_budget_j=5.0, credit_budget=50.0)
    slot = worlds(config, "posted_price", slots=2).slot
    alone, asked = (expected_spending(slot.conditions, slot.offer, load) for load in (1, 3))
    for one, three in zip(alone, asked, strict=True):
        assert one.any()
        np.testing.assert_allclose(three, one / 3, rtol=1e-5)
