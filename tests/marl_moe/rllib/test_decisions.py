"""Decisions of edge devices and the platform: their replay, and what env runners make of slots."""

from collections.abc import Callable
from copy import deepcopy
from dataclasses import fields, replace
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch

import mechanisms
from envs import ExpertConfig, MarketConfig, RequestConfig, RolesConfig, World, WorldConfig
from marl_moe.rllib.config import Side
from marl_moe.rllib.decisions import DecisionRing
from marl_moe.rllib.env_runner import WorldRunner
from marl_moe.rllib.replay import Fragment
from marl_moe.rllib.transitions import COLUMNS, Decisions
from marl_moe.seeds import runner_seeds
from mechanisms.strategic.equilibrium import report_equilibrium

Make = Callable[..., Any]
WORLDS, USERS, EXPERTS, SLOTS = 2, 3, 4, 12
AGENTS = {"edge_devices": EXPERTS, "platform": 1}
SAC = dict.fromkeys(AGENTS, Side("sac", 8.0))
WORLD = WorldConfig(
    num_users=USERS,
    num_experts=EXPERTS,
    episode_slots=SLOTS,
    requests=RequestConfig(num_topics=2, num_transferred=1),
    experts=ExpertConfig(unit_cost=(0.0, 0.5)),
    market=MarketConfig(interval=3),
    roles=RolesConfig(report_factors=(0.5, 1.0, 2.0), value_factors=(0.8, 1.0), margins=(0, 0.5)),
)


@pytest.fixture
def make_runner(sac_config: Make) -> Make:
    """Return a maker of env runners: `make_runner(world, sides, fragment=5)`."""

    def make(
        world: WorldConfig,
        sides: dict[str, Side] | None,
        mechanism: str = "posted_price",
        **keys: Any,
    ) -> WorldRunner:
        keys = {"num_envs": WORLDS, "seed": 4} | keys
        config = sac_config(world, mechanism=mechanism, **keys)
        users = {"shared": list(range(world.num_users))}
        config.world(world, {"name": mechanism}, users, {"hidden": 8}, sides=sides)
        torch.manual_seed(0)
        return WorldRunner(config=config, worker_index=1)

    return make


def numbered(first: int, count: int, rng: np.random.Generator) -> Decisions:
    """Return transitions whose observations are numbers of their own."""
    number = np.arange(first, first + count, dtype=np.float32)
    reward = rng.normal(5.0, 30.0, count).astype(np.float32)
    action, ends = rng.integers(4, size=count), rng.random(count) < 0.3
    return Decisions(number[:, None], action, reward, number[:, None] + 0.5, ends)


def drawn(ring: DecisionRing, size: int = 3000) -> dict[float, tuple[float, ...]]:
    """Return each distinct transition that sampling returned."""
    columns = [column.squeeze() for column in ring.sample(size, np.random.default_rng(0))]
    rows = zip(*(column.tolist() for column in columns), strict=True)
    return {seen: tuple(others) for seen, *others in rows}


@pytest.mark.parametrize("capacity", [1, 7, 100])
def test_a_ring_samples_the_last_transitions_with_rewards_normalised_by_all_of_them(
    capacity: int,
) -> None:
    ring, rng = DecisionRing(capacity, gamma=0.9), np.random.default_rng(1)
    held: list[tuple[Any, ...]] = []
    for count in (1, 3, 2, 5, 1, 20, 4, 7, 3):
        decisions = numbered(len(held), count, rng)
        ring.add(decisions)
        held += zip(*(getattr(decisions, name) for name in COLUMNS), strict=True)
        last = held[-capacity:]
        rewards = [float(row[2]) for row in last]
        unit = max(float(np.std(rewards)), 1e-6)
        assert len(ring) == len(last)
        found = drawn(ring)  # so many that each is drawn at least once
        assert found.keys() == {float(row[0][0]) for row in last}
        for seen, action, reward, following, ends in last:
            expected = (action, (reward - np.mean(rewards)) / unit, following[0], 0.9 * (not ends))
            assert found[float(seen[0])] == pytest.approx(expected, rel=1e-5, abs=1e-5)


def test_rewards_that_are_all_the_same_are_sampled_as_0() -> None:
    ring = DecisionRing(10, gamma=0.9)
    ring.add(replace(numbered(0, 5, np.random.default_rng(0)), reward=np.full(5, 7e4, np.float32)))
    np.testing.assert_array_equal(ring.sample(20, np.random.default_rng(0)).reward, 0)


@pytest.mark.parametrize("counts", [(), (3,), (4, 3), (5, 5, 5), (20,)])
def test_a_ring_continues_from_the_state_of_another_bit_for_bit(counts: tuple[int, ...]) -> None:
    one, other, rng = DecisionRing(7, 0.9), DecisionRing(7, 0.9), np.random.default_rng(3)
    for count in counts:
        one.add(numbered(0, count, rng))
    state = deepcopy(one.get_state())
    other.add(numbered(100, 9, rng))  # replaced
    other.set_state(state)
    for first in (200, 300, 400):
        assert len(one) == len(other)
        decisions = numbered(first, 4, rng)
        one.add(decisions)
        other.add(decisions)
        both = [ring.sample(50, np.random.default_rng(7)) for ring in (one, other)]
        for mine, restored in zip(*both, strict=True):
            np.testing.assert_array_equal(mine, restored)


class Played(NamedTuple):
    """What a slot showed and brought, by role: (N, A, D), (N, A) or None, (N, A)."""

    seen: dict[str, np.ndarray]
    chosen: dict[str, np.ndarray]
    reward: dict[str, np.ndarray]


def recorded(runner: WorldRunner) -> list[Played]:
    """Return the list to which every slot that the runner plays from now on is added."""
    world, slots = runner.world, []
    step, aim = world.step, world.config.roles.platform_reward

    def record(actions: np.ndarray, **chosen: np.ndarray) -> Any:
        seen = {
            "edge_devices": world.edge_device_observation,
            "platform": world.platform_observation,
        }
        out = step(actions, **chosen)
        result = out[2]
        earned = result.payment - result.edge_cost
        kept, gain = result.charge.sum(1) - result.payment.sum(1), result.gain.sum(1)
        aims = {"welfare": gain + earned.sum(1) + kept, "users": gain, "profit": kept}
        reward = {"edge_devices": earned, "platform": aims[aim][:, None] / USERS}
        slots.append(Played(seen, {r: a.reshape(WORLDS, -1) for r, a in chosen.items()}, reward))
        return out

    world.step = record  # type: ignore[method-assign]
    return slots


def by_hand(slots: list[Played], role: str, interval: int) -> list[tuple]:
    """Return the transitions of a role from one decision to the next, of whole episodes."""
    transitions: list[tuple] = []
    for begin in range(0, len(slots), SLOTS):
        episode = slots[begin : begin + SLOTS]
        for slot in range(interval - 1, SLOTS - 1, interval):
            end = min(slot + interval, SLOTS - 1)  # the last slot that it decided
            now, then, ends = episode[slot], episode[end], end == SLOTS - 1
            for n, a in np.ndindex(WORLDS, AGENTS[role]):
                reward = sum(played.reward[role][n, a] for played in episode[slot + 1 : end + 1])
                taken = now.seen[role][n, a], now.chosen[role][n, a]
                transitions.append((*taken, reward, then.seen[role][n, a], ends))
    return transitions


@pytest.mark.parametrize("fragment", [1, 5, 12])
@pytest.mark.parametrize(
    ("interval", "aim", "budget"),
    [
        (3, "welfare", None),
        (5, "profit", 3.0),  # the last interval is cut; episodes terminate
        (1, "users", None),  # of vcg, which allocates
        (12, "profit", None),  # nobody decides anything
    ],
)
def test_each_decision_is_rewarded_by_the_slots_that_it_decided_and_none_is_lost_or_doubled(
    make_runner: Make, interval: int, aim: Any, budget: float | None, fragment: int
) -> None:
    world = replace(
        WORLD,
        credit_budget=budget,
        market=replace(WORLD.market, interval=interval),
        roles=replace(WORLD.roles, platform_reward=aim),
    )
    mechanism = "vcg" if interval == 1 else "posted_price"
    runner = make_runner(world, SAC, mechanism, fragment=fragment)
    slots = recorded(runner)
    parts: dict[str, list[Decisions]] = {role: [] for role in SAC}
    while len(slots) < 2 * SLOTS:
        for role, decisions in runner.sample().decisions.items():
            parts[role].append(decisions)
    assert len(slots) == 2 * SLOTS
    for role, agents in AGENTS.items():
        expected = by_hand(slots, role, interval)
        assert len(expected) == 2 * ((SLOTS - 1) // interval) * WORLDS * agents
        if not expected:
            assert parts[role] == []
            continue
        found = Decisions.joined(parts[role])
        for name, column in zip(COLUMNS, zip(*expected, strict=True), strict=True):
            mine = np.stack([np.asarray(value) for value in column])
            np.testing.assert_allclose(getattr(found, name), mine, rtol=1e-5, atol=1e-5)
        assert (found.observation[:, 0] == 1).all()  # it could choose
        assert found.reward.any()
        assert len(np.unique(found.action)) > 1


def test_what_is_logged_are_sums_over_the_intervals_that_somebody_could_decide(
    make_runner: Make,
) -> None:
    runner = make_runner(WORLD, SAC, fragment=5)
    slots = recorded(runner)
    for _ in range(3):
        runner.sample()
    logged = {name: value.peek() for name, value in runner.get_metrics()["side_sums"].items()}
    assert logged["intervals"] == SLOTS / 3 - 1
    for role in SAC:
        earned = [played.reward[role].mean() for played in slots[3:]]
        assert logged[f"{role}_reward"] == pytest.approx(sum(earned), rel=1e-5)
    decided = [slots[slot].chosen for slot in (2, 5, 8)]
    margins = [np.array([0, 0.5])[chosen["platform"] % 2].mean() for chosen in decided]
    factors = [np.array([0.5, 1, 2])[chosen["edge_devices"]].mean() for chosen in decided]
    assert logged["margin"] == pytest.approx(sum(margins))
    assert logged["report_factor"] == pytest.approx(sum(factors))


def assert_same(one: Fragment, other: Fragment) -> None:
    for field in fields(Fragment):
        if field.name != "decisions":
            np.testing.assert_array_equal(getattr(one, field.name), getattr(other, field.name))
    assert one.decisions.keys() == other.decisions.keys()
    for role, decisions in one.decisions.items():
        np.testing.assert_equal(vars(decisions), vars(other.decisions[role]))


@pytest.mark.parametrize("fragments", [2, 4, 6])  # amid an interval, a cut one, an episode's end
@pytest.mark.parametrize("edge_devices", ["sac", "hedge"])
def test_sides_handed_to_another_runner_go_on_bit_for_bit(
    make_runner: Make, edge_devices: str, fragments: int
) -> None:
    sides = SAC | {"edge_devices": Side(edge_devices, 8.0)}
    runner, other = (make_runner(WORLD, sides, fragment=2, seed=seed) for seed in (1, 99))
    for _ in range(fragments):
        runner.sample()
    other.sample()
    other.set_state(runner.get_state())
    other.set_worlds(runner.get_worlds())
    for _ in range(8):
        assert_same(runner.sample(), other.sample())
    if edge_devices == "hedge":
        np.testing.assert_array_equal(runner.sides.hedge.mix, other.sides.hedge.mix)
        assert (runner.sides.hedge.mix[:, 1] < 0.9999).any()  # of the truth, which it begins with


def test_one_seller_that_hedges_reports_as_much_as_still_is_bought(make_runner: Make) -> None:
    """With kappa = slope that is the last factor below the worth of a point, 3.8 credits."""
    grid = tuple(np.linspace(1.0, 6.0, 51).round(10).tolist())
    world = replace(
        WORLD,
        num_experts=1,
        requests=RequestConfig(
            num_topics=1, num_transferred=1, words=(200.0, 200.0), compute_need=(1.0, 1.0)
        ),
        experts=ExpertConfig(
            unit_cost=(1.0, 1.0),
            cost_slope=(1.0, 1.0),
            own_competence=(1.0, 1.0),
            mean_competence=1.0,
            words_per_second=None,
        ),
        market=MarketConfig(interval=1),
        roles=RolesConfig(report_factors=grid),
    )
    runner = make_runner(world, {"edge_devices": Side("hedge", 8.0)}, fragment=SLOTS)
    for _ in range(20):
        runner.sample()
    (mix,) = runner.sides.hedge.mix

    def seller(count: int, rng: np.random.Generator) -> mechanisms.Market:
        one = np.ones((count, 1))
        return mechanisms.Market(one, one, one, 3.8 * one, np.full(count, 8.0))

    posted, rng = mechanisms.make("posted_price"), np.random.default_rng(0)
    report = report_equilibrium(posted, seller, grid, rng=rng, rounds=220, measured=2)
    assert grid[mix.argmax()] == grid[report.mix[0].argmax()] == 3.7
    assert mix.max() > 0.99


def test_where_no_side_learns_fragments_are_those_of_users_alone(make_runner: Make) -> None:
    idle = {"edge_devices": Side("truthful", 8.0), "platform": Side("fixed", 8.0)}
    without, given = (make_runner(WORLD, sides) for sides in (None, idle))
    world = World(WORLD, WORLDS, runner_seeds(4, 1, 0)[0], mechanisms.make("posted_price"))
    for _ in range(6):
        fragment = without.sample()
        assert_same(fragment, given.sample())
        assert fragment.decisions == {}
        for row in np.flatnonzero(fragment.starts):
            np.testing.assert_array_equal(fragment.observation[row], world.slot.observation)
            _, reward, _ = world.step(fragment.action[row])
            np.testing.assert_array_equal(fragment.reward[row], reward)
            if world.done:
                world.reset()
    assert world.slot.index == 0
