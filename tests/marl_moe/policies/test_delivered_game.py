"""Equilibrium and optimum of slots in which more than loads matters, against profiles played."""

from copy import deepcopy
from dataclasses import replace
from itertools import product

import numpy as np
import pytest

import mechanisms
from envs import (
    ChannelConfig,
    ExpertConfig,
    MarketConfig,
    RequestConfig,
    RewardConfig,
    World,
    WorldConfig,
)
from marl_moe.policies.base import make
from marl_moe.policies.delivered_game import DeliveredGame, depends_on_load_alone

USERS, EXPERTS, TIE = 3, 3, 1e-5
BUSY = WorldConfig(
    num_users=USERS,
    num_experts=EXPERTS,
    requests=RequestConfig(num_transferred=1, num_topics=1),
    channel=ChannelConfig(bandwidth_hz=2000.0),
    experts=ExpertConfig(words_per_second=100.0, mean_competence=1.0, own_competence=(0.5, 1.0)),
)
WORLDS = {
    "batch": (BUSY, "none"),
    "fifo": (replace(BUSY, experts=replace(BUSY.experts, service="fifo")), "none"),
    "places": (replace(BUSY, experts=replace(BUSY.experts, max_concurrent=1)), "none"),
    "min_delay": (replace(BUSY, channel=replace(BUSY.channel, split="min_delay")), "none"),
    "priced": (BUSY, "posted_price"),
    "ordered": (replace(BUSY, market=MarketConfig(effort="enforced")), "cost_plus"),
    "fixed costs": (replace(BUSY, reward=RewardConfig(downlink_energy="edge_device")), "cost_plus"),
    "type": (
        replace(
            BUSY,
            information="type",
            channel=ChannelConfig(),
            experts=replace(BUSY.experts, words_per_second=None),
        ),
        "none",
    ),
}


def world_of(kind: str, seed: int) -> World:
    config, mechanism = WORLDS[kind]
    world = World(config, num_worlds=4, seed=seed, mechanism=mechanisms.make(mechanism))
    world.step(np.zeros((4, USERS), int))  # leaves backlogs
    return world


def played(world: World, profile: tuple[int, ...]) -> np.ndarray:
    """Return the gains of a profile, (N, U), as the world pays them; -inf where it is masked."""
    actions = np.tile(profile, (world.num_worlds, 1))
    allowed = np.take_along_axis(world.slot.mask, actions[..., None], axis=-1)[..., 0]
    *_, result = deepcopy(world).step(actions)
    return np.where(allowed, result.gain, -np.inf)


@pytest.mark.parametrize("kind", WORLDS)
@pytest.mark.parametrize("seed", range(4))
def test_no_move_pays_at_the_equilibrium_and_no_profile_beats_the_optimum(
    kind: str, seed: int
) -> None:
    world = world_of(kind, seed)
    gains = {
        profile: played(world, profile) for profile in product(range(EXPERTS + 1), repeat=USERS)
    }
    nash = make("nash", np.random.default_rng(0))
    chosen = nash.act(world.slot)
    best = make("optimum", np.random.default_rng(0)).act(world.slot)
    for n in range(world.num_worlds):
        most = max(gain[n].sum() for gain in gains.values())
        reached = gains[tuple(best[n].tolist())][n].sum()
        assert reached <= most + TIE
        if depends_on_load_alone(world.slot):
            assert reached == pytest.approx(most, abs=TIE)
        present = gains[tuple(chosen[n].tolist())][n]
        assert reached >= present.sum() - TIE
        regret = 0.0
        for user, action in product(range(USERS), range(EXPERTS + 1)):
            profile = chosen[n].tolist()
            profile[user] = action
            regret = max(regret, gains[tuple(profile)][n][user] - present[user])
        if nash.converged[n]:
            assert regret <= TIE
        assert nash.regret[n] == pytest.approx(regret, abs=TIE)


@pytest.mark.parametrize("kind", WORLDS)
def test_the_gain_of_each_action_is_what_the_world_pays_for_it(kind: str) -> None:
    world = world_of(kind, seed=5)
    rng = np.random.default_rng(5)
    game = DeliveredGame(world.slot)
    profile = np.where(world.slot.mask, rng.random(world.slot.mask.shape), -1).argmax(axis=-1)
    total = played_by_world(world, profile).sum(axis=-1)
    for user in range(USERS):
        gains, added = game.gains(user, profile), game.social_gains(user, profile)
        alone = profile.copy()
        alone[:, user] = EXPERTS
        without = played_by_world(world, alone).sum(axis=-1)
        for action in range(EXPERTS + 1):
            moved = profile.copy()
            moved[:, user] = action
            allowed = world.slot.mask[:, user, action]
            of_all = played_by_world(world, moved)
            np.testing.assert_allclose(gains[allowed, action], of_all[allowed, user], atol=1e-9)
            np.testing.assert_allclose(
                added[allowed, action], (of_all.sum(axis=-1) - without)[allowed], atol=1e-9
            )
            assert np.isneginf(gains[~allowed, action]).all()
    np.testing.assert_allclose(game.delivered(profile).gain.sum(axis=-1), total, atol=1e-9)


def played_by_world(world: World, actions: np.ndarray) -> np.ndarray:
    *_, result = deepcopy(world).step(actions)
    return result.gain


def test_slots_in_which_loads_are_all_that_matters_are_told_apart() -> None:
    told = {kind: depends_on_load_alone(world_of(kind, 0).slot) for kind in WORLDS}
    assert {kind for kind, alone in told.items() if alone} == {"type"}
