"""Edge devices and the platform that learn beside users: whom an update touches, pace, states."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import mechanisms
from envs import (
    ExpertConfig,
    MarketConfig,
    QualityConfig,
    RequestConfig,
    RolesConfig,
    World,
    WorldConfig,
)
from marl_moe.experiment.training.engines import ENGINES
from marl_moe.experiment.training.rows import training_row
from marl_moe.rllib.algorithm import WorldSac
from marl_moe.rllib.callbacks import logged
from marl_moe.rllib.config import Side
from marl_moe.rllib.runner_sides import RunnerSides

from .learned_numbers import learner_state, same

pytestmark = pytest.mark.usefixtures("ray_started")
Make = Callable[..., Any]
GROUPS = {"first": [0], "second": [1, 2]}
MODULES = {"users": tuple(GROUPS), "edge_devices": ("edge_devices",), "platform": ("platform",)}
WORLDS, BATCH = 3, 16
DECISIONS = {"edge_devices": WORLDS * 3 * 4, "platform": WORLDS * 3}  # an episode: 4 devices
SAC = {"edge_devices": Side("sac", 1.5), "platform": Side("sac", 7.0)}
WORLD = WorldConfig(
    num_users=3,
    num_experts=4,
    episode_slots=12,
    requests=RequestConfig(num_topics=2, num_transferred=1),
    experts=ExpertConfig(unit_cost=(0.0, 0.5)),
    market=MarketConfig(interval=3),
    roles=RolesConfig(report_factors=(0.5, 1.0, 2.0), value_factors=(0.8, 1.0), margins=(0, 0.5)),
)


@pytest.fixture
def build(sac_config: Make) -> Iterator[Make]:
    """Yield a builder of algorithms, stopped at the end: `build(sides, world=WORLD, **keys)`."""
    built = []

    def make(sides: dict[str, Side], world: WorldConfig = WORLD, **keys: Any) -> Any:
        config = sac_config(world, mechanism="posted_price", num_envs=WORLDS, **keys)
        users = keys.get("users") or {"shared": list(range(world.num_users))}
        config.world(world, {"name": "posted_price"}, users, {"hidden": 8}, sides=sides)
        built.append(config.build_algo())
        return built[-1]

    yield make
    for algorithm in built:
        algorithm.stop()


def row_of(algorithm: Any, epoch: int) -> dict[str, Any]:
    """Train an epoch and return its row, without what the clock says."""
    result = algorithm.train()
    told = logged(algorithm, result)
    return training_row(result, algorithm.config, 0, ENGINES["sac"], epoch, 1.0, np.nan, told)


def steps_of(algorithm: Any, module: str) -> set[int]:
    """Return the steps that the optimisers of a module have taken."""
    state = learner_state(algorithm)
    return {
        int(value)
        for name, value in state.items()
        if name.startswith(f"{module}_") and name.endswith(" step")
    }


@pytest.mark.parametrize("grad_clip", [None, 0.1])
@pytest.mark.parametrize("role", MODULES)
def test_an_update_of_a_role_moves_all_of_its_own_networks_and_nothing_of_the_others(
    build: Make, role: str, grad_clip: float | None
) -> None:
    algorithm = build(SAC, users=GROUPS, grad_clip=grad_clip)
    algorithm.train()
    before = learner_state(algorithm)
    algorithm._update(role, 2)
    after = learner_state(algorithm)
    moved = {name for name in before if not np.array_equal(before[name], after[name])}
    others = [module for name, modules in MODULES.items() if name != role for module in modules]
    assert not any(name.startswith(tuple(others)) for name in moved)
    for module in MODULES[role]:
        for part in (" actor.", " critic.", " target_critic.", " temperature"):
            assert any(name.startswith(f"{module}{part}") for name in moved), part
        for optimizer in ("qf", "policy", "alpha"):
            assert any(name.startswith(f"{module}_{optimizer} ") for name in moved), optimizer


@pytest.mark.parametrize(
    ("users", "edge_devices", "platform"), [(2.0, 1.5, 7.0), (0.3, 8.0, 64.0), (4.0, 0.1, 0.5)]
)
def test_each_role_is_updated_as_often_as_its_own_intensity_says(
    build: Make, users: float, edge_devices: float, platform: float
) -> None:
    intensity = {"edge_devices": edge_devices, "platform": platform}
    sides = {role: Side("sac", share) for role, share in intensity.items()}
    algorithm = build(sides, training_intensity=users)
    for epoch in range(1, 4):
        row = row_of(algorithm, epoch)
        assert row["agent_steps"] == epoch * WORLDS * 12 * 3
        assert row["updates"] == int(users * row["agent_steps"] / BATCH + 1e-9)
        for role, collected in DECISIONS.items():
            expected = int(intensity[role] * epoch * collected / BATCH + 1e-9)
            assert row[f"{role}_updates"] == expected
            assert steps_of(algorithm, role) == ({expected} if expected else set())
    assert steps_of(algorithm, "shared") == {row["updates"]}


def test_networks_are_drawn_in_an_order_that_no_hash_of_a_name_decides(sac_config: Make) -> None:
    """Python hashes strings differently in every process; among 14 no set keeps an order."""
    world = replace(WORLD, num_users=12)
    users = {f"user_{u}": [u] for u in range(12)}
    config = sac_config(world, mechanism="posted_price", users=users)
    config.world(world, {"name": "posted_price"}, users, {"hidden": 8}, sides=SAC)
    assert list(config.policies) == [*users, *SAC]


@pytest.mark.parametrize("edge_devices", ["sac", "hedge"])
def test_a_training_of_three_roles_goes_on_from_its_checkpoint_bit_for_bit(
    build: Make, edge_devices: str, tmp_path: Path
) -> None:
    """All replays outgrow their capacity, and updates are half due."""
    whole = build(
        SAC | {"edge_devices": Side(edge_devices, 1.3)},
        users=GROUPS,
        fragment=5,
        replay_buffer_config={"capacity": 50},
        training_intensity=1.3,
        num_steps_sampled_before_learning_starts=50,
    )
    for epoch in (1, 2):
        row_of(whole, epoch)
    whole.save_to_path(tmp_path)
    rows = [row_of(whole, epoch) for epoch in (3, 4)]
    learned = learner_state(whole)
    resumed = WorldSac.from_checkpoint(tmp_path)
    try:
        again = [row_of(resumed, epoch) for epoch in (3, 4)]
        np.testing.assert_equal(again, rows)
        assert same(learner_state(resumed), learned)
        if edge_devices == "hedge":
            mixes = [algorithm.env_runner.sides.hedge.mix for algorithm in (whole, resumed)]
            np.testing.assert_array_equal(*mixes)
    finally:
        resumed.stop()
    assert {name.partition(" ")[0] for name in learned} > {"first", "second", "platform"}
    roles = ["platform"] if edge_devices == "hedge" else ["edge_devices", "platform"]
    for role in ("edge_devices", "platform"):
        assert np.isfinite(rows[0][f"{role}_critic_loss"]) == (role in roles)
        assert np.isfinite(rows[0][f"{role}_reward"])
    assert rows[0]["margin"] > 0


def test_a_state_amid_training_is_taken_over_by_another_algorithm(build: Make) -> None:
    one, other = (build(SAC, fragment=5, seed=seed, training_intensity=1.3) for seed in (1, 2))
    row_of(one, 1)
    for epoch in (1, 2):
        row_of(other, epoch)
    other.set_state(one.get_state())
    np.testing.assert_equal(row_of(other, 2), row_of(one, 2))
    assert same(learner_state(one), learner_state(other))


def test_a_training_begins_with_the_networks_of_all_roles_of_another(build: Make) -> None:
    one, other = (build(SAC, seed=seed) for seed in (1, 2))
    one.train()
    other.begin_with(one.networks())
    for module, networks in one.networks().items():
        for name, value in networks.items():
            np.testing.assert_array_equal(value, other.networks()[module][name])


def test_a_remote_runner_sends_decisions_and_is_sent_what_sides_learned(build: Make) -> None:
    algorithm = build(SAC, runners=1, fragment=5)
    start = learner_state(algorithm)
    row = row_of(algorithm, 1)
    for role, side in SAC.items():
        assert row[f"{role}_updates"] == int(side.training_intensity * DECISIONS[role] / BATCH)
    learned = learner_state(algorithm)
    (state,) = algorithm.env_runner_group.foreach_env_runner(
        lambda runner: runner.get_state()["rl_module"], local_env_runner=False
    )
    assert state.keys() == {"shared", "edge_devices", "platform"}
    for module, weights in state.items():
        actor = {name: value for name, value in weights.items() if name.startswith("actor.")}
        assert actor
        for name, value in actor.items():
            np.testing.assert_array_equal(value, learned[f"{module} {name}"])
        assert any((value != start[f"{module} {name}"]).any() for name, value in actor.items())


@pytest.mark.parametrize(("aim", "margin"), [("profit", 2.0), ("users", 0.0)])
def test_a_platform_learns_the_margin_that_its_aim_asks_for(
    build: Make, aim: Any, margin: float
) -> None:
    """Users cannot abandon, so each charge is paid whatever is put on top of it."""
    world = replace(
        WORLD,
        allow_abandon=False,
        market=MarketConfig(interval=1),
        roles=RolesConfig(value_factors=(1.0,), margins=(0.0, 0.5, 2.0), platform_reward=aim),
    )
    platform = Side("sac", 16.0)
    rates = {"actor_lr": 5e-3, "critic_lr": 5e-3, "gamma": 0.5, "training_intensity": 0.2}
    algorithm = build({"platform": platform}, world, fragment=12, **rates)
    margins = [row_of(algorithm, epoch)["margin"] for epoch in range(1, 16)]
    assert 0 < margins[0] < 2
    assert np.mean(margins[-5:]) == pytest.approx(margin, abs=0.2)


def hedged(world: World, platform: int | None = None) -> np.ndarray:
    """Return the mixes of devices that hedge for 20 episodes, the platform choosing the same."""
    rng = np.random.default_rng(0)
    sides = RunnerSides({"edge_devices": "hedge"}, world, rng)
    for _ in range(20):
        while not world.done:
            chosen = sides.choose(world, {})
            if chosen and platform is not None:
                chosen["platform"] = np.full(world.num_worlds, platform)
            world.step(world.slot.mask.argmax(axis=-1), **chosen)
            sides.add(world)
        world.reset()
    assert sides.hedge is not None
    return sides.hedge.mix


@pytest.mark.parametrize(("platform", "best"), [(0, 3.0), (1, 3.7), (2, 4.5)])
def test_one_seller_that_hedges_follows_what_the_platform_holds_a_point_to_be_worth(
    platform: int, best: float
) -> None:
    """With kappa = slope = 1 that is the last factor below 3.8 credits times the value factor."""
    grid = tuple(np.linspace(1.0, 6.0, 51).round(10).tolist())
    world = replace(
        WORLD,
        num_experts=1,
        requests=RequestConfig(
            num_topics=1, num_transferred=1, words=(200.0, 200.0), compute_need=(1.0, 1.0)
        ),
        experts=ExpertConfig(
            unit_cost=1.0,
            cost_slope=1.0,
            own_competence=(1.0, 1.0),
            mean_competence=1.0,
            words_per_second=None,
        ),
        quality=QualityConfig(deadline_s=1e6),
        market=MarketConfig(interval=1),
        roles=RolesConfig(report_factors=grid, value_factors=(0.8, 1.0, 1.2), margins=(0.0,)),
    )
    (mix,) = hedged(World(world, 1, 0, mechanisms.make("posted_price")), platform)
    assert grid[mix.argmax()] == best


def test_a_budget_is_the_same_to_devices_that_hedge_whoever_sets_it() -> None:
    """Of the mechanism itself, or of the market: worlds are the same, so mixes are."""
    income = replace(WORLD, market=replace(WORLD.market, budget_per_user=0.5 / 3))
    by_market = hedged(World(income, 2, 0, mechanisms.make("budgeted_price")))
    by_mechanism = hedged(World(WORLD, 2, 0, mechanisms.make("budgeted_price", budget=0.5)))
    np.testing.assert_allclose(by_mechanism, by_market, rtol=1e-6, atol=1e-9)
    assert (by_market[:, 1] < 0.99).any()  # they left the truth
