"""Learned edge devices and platforms: what they choose, and as saved files."""

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy import stats

import mechanisms
from envs import MODEL, ExpertConfig, MarketConfig, RequestConfig, RolesConfig, World, WorldConfig
from marl_moe.errors import RecordError
from marl_moe.policies.learned_sides import (
    SIDES,
    SIDES_WEIGHTS,
    LearnedSide,
    load_sides,
    save_sides,
)
from marl_moe.policies.role_networks import RoleNetworkConfig
from marl_moe.policies.sides import MixPolicy, Sides

ROLES = RolesConfig(
    report_factors=(0.5, 1.0, 2.0, 3.0), value_factors=(0.8, 1.0), margins=(0, 0.5, 1.0)
)
WORLD = WorldConfig(
    num_users=3,
    num_experts=4,
    episode_slots=12,
    requests=RequestConfig(num_topics=2, num_transferred=1),
    experts=ExpertConfig(unit_cost=(0.0, 3.0)),
    market=MarketConfig(interval=3),
    roles=ROLES,
)
MIX = np.array([[0.1, 0.2, 0.3, 0.4], [0, 0, 1, 0], [1, 0, 0, 0], [0.25, 0.25, 0.25, 0.25]])
Seen = Callable[[], np.ndarray]


def learned(role: str, seed: int = 5) -> LearnedSide:
    """Return a side whose scores differ clearly, and from agent to agent."""
    torch.manual_seed(seed)
    network = RoleNetworkConfig.of(ROLES, role)
    actor = network.actor().requires_grad_(False)
    for name, parameter in actor.named_parameters():
        parameter *= 0 if name.endswith("bias") else 3
    return LearnedSide(actor, network)


def save(folder: Path, sides: dict[str, LearnedSide], mixes: dict[str, np.ndarray]) -> None:
    folder.mkdir(exist_ok=True)
    networks = {role: side.network for role, side in sides.items()}
    weights = {role: side.actor.state_dict() for role, side in sides.items()}
    save_sides(folder, ROLES, networks, weights, mixes)


def load(folder: Path, roles: RolesConfig = ROLES, seed: int = 0) -> Sides:
    return load_sides(folder, roles, np.random.default_rng(seed))


def chosen(sides: Sides, config: WorldConfig = WORLD, seed: int = 5) -> list[Any]:
    """Return what the sides choose in an episode of 20 worlds that they play."""
    world, choices = World(config, 20, seed, mechanisms.make("posted_price")), []
    while not world.done:
        choice = sides.choices(world)
        choices.append({role: actions.tolist() for role, actions in choice.items()})
        world.step(world.slot.mask.argmax(axis=-1), **choice)
    return choices


@pytest.fixture
def seen() -> np.ndarray:
    """Return observations of the edge devices of 50 worlds in the slot before a clearing."""
    world = World(WORLD, 50, 0, mechanisms.make("posted_price"))
    while not world.decides:
        world.step(world.slot.mask.argmax(axis=-1))
    return world.edge_device_observation


def test_each_agent_chooses_what_the_network_scores_highest_for_it(seen: np.ndarray) -> None:
    side = learned("edge_devices")
    actions = side.act(seen)
    assert actions.shape == (50, 4)
    for n, e in np.ndindex(actions.shape):
        assert actions[n, e] == side.actor(torch.from_numpy(seen[n, e][None]))[0, 0].argmax()
    assert len(np.unique(actions)) > 1


def test_drawn_choices_have_the_frequencies_of_the_softmax(seen: np.ndarray) -> None:
    side = learned("edge_devices")
    drawing = LearnedSide(side.actor, side.network, np.random.default_rng(0))
    drawn = drawing.act(np.broadcast_to(seen[:1, :1], (1, 4000, seen.shape[2])).copy())
    score = side.actor(torch.from_numpy(seen[0, :1]))[0, 0].double()
    expected = 4000 * torch.softmax(score, dim=-1).numpy()
    assert stats.chisquare(np.bincount(drawn[0], minlength=4), expected).pvalue > 1e-3
    assert (expected > 100).sum() > 1


def test_devices_that_hedge_draw_each_from_its_own_mix_and_strangers_from_the_mean() -> None:
    policy = MixPolicy(MIX, np.random.default_rng(0))
    for agents, mixes in ((4, MIX), (6, np.tile(MIX.mean(axis=0), (6, 1)))):
        drawn = policy.act(np.zeros((5000, agents, 2), np.float32))
        for device, mix in enumerate(mixes):
            counts = np.bincount(drawn[:, device], minlength=4)
            assert (counts[mix == 0] == 0).all()
            possible = mix > 0
            if possible.sum() > 1:
                told = stats.chisquare(counts[possible], 5000 * mix[possible])
                assert told.pvalue > 1e-3


def test_sides_choose_in_the_slots_that_decide_and_in_no_other() -> None:
    choices = chosen(Sides(learned("edge_devices"), learned("platform")))
    decided = [slot for slot, choice in enumerate(choices) if choice]
    assert decided == [2, 5, 8, 11]
    assert all(choices[slot].keys() == {"edge_devices", "platform"} for slot in decided)
    alone = chosen(Sides(platform=learned("platform")))
    assert [set(alone[slot]) for slot in decided] == [{"platform"}] * 4


@pytest.mark.parametrize("hedges", [False, True])
def test_saved_sides_choose_as_those_that_they_were_saved_from(
    tmp_path: Path, hedges: bool
) -> None:
    networks = {role: learned(role) for role in ("edge_devices", "platform")}
    edge_devices: Any = networks["edge_devices"]
    if hedges:
        del networks["edge_devices"]
        edge_devices = MixPolicy(MIX, np.random.default_rng(3))
    save(tmp_path, networks, {"edge_devices": MIX} if hedges else {})
    loaded = load(tmp_path, seed=3)
    choices = chosen(Sides(edge_devices, networks["platform"]))
    assert chosen(loaded) == choices
    assert len({str(choice) for choice in choices}) > 3
    assert sorted(path.name for path in tmp_path.iterdir()) == [SIDES, SIDES_WEIGHTS]
    more = replace(WORLD, num_experts=7)
    assert np.shape(chosen(loaded, more)[2]["edge_devices"]) == (20, 7)


def test_sides_that_do_not_learn_stay_as_they_are(tmp_path: Path) -> None:
    save(tmp_path, {"platform": learned("platform")}, {})
    loaded = load(tmp_path)
    assert loaded.edge_devices is None
    assert [set(choice) for choice in chosen(loaded) if choice] == [{"platform"}] * 4


def test_saved_sides_choose_where_ray_cannot_be_imported(tmp_path: Path) -> None:
    save(tmp_path, {"platform": learned("platform")}, {"edge_devices": MIX})
    script = f"""
import json, sys
sys.modules["ray"] = None  # importing it raises ImportError
from pathlib import Path
import numpy as np
import mechanisms
from envs import World, WorldConfig
from marl_moe.policies.learned_sides import load_sides
config = WorldConfig(**json.loads({json.dumps(WORLD.as_dict())!r}))
world = World(config, 4, 9, mechanisms.make("posted_price"))
while not world.decides:
    world.step(world.slot.mask.argmax(axis=-1))
sides = load_sides(Path({str(tmp_path)!r}), config.roles, np.random.default_rng(1))
print(json.dumps([chosen.tolist() for chosen in sides.choices(world).values()]))
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    world = World(WORLD, 4, 9, mechanisms.make("posted_price"))
    while not world.decides:
        world.step(world.slot.mask.argmax(axis=-1))
    choices = load(tmp_path, seed=1).choices(world)
    assert json.loads(done.stdout) == [choice.tolist() for choice in choices.values()]


def test_no_sides_are_loaded_from_an_empty_folder(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        load(tmp_path)


@pytest.mark.parametrize(
    "roles",
    [
        {"report_factors": (0.5, 1.0, 2.0)},
        {"value_factors": (0.7, 1.0)},
        {"margins": (0.0, 0.5, 2.0)},
        {"value_factors": (0.8, 1.0, 1.2), "margins": (0.0, 0.5)},  # as many choices
    ],
)
def test_sides_that_learned_among_other_choices_are_refused(
    tmp_path: Path, roles: dict[str, Any]
) -> None:
    save(tmp_path, {"platform": learned("platform")}, {"edge_devices": MIX})
    with pytest.raises(RecordError, match=rf"{SIDES}: learned among .*and env\.roles has"):
        load(tmp_path, replace(ROLES, **roles))
    load(tmp_path, replace(ROLES, platform_reward="profit"))


def test_sides_of_another_model_of_the_world_are_refused(tmp_path: Path) -> None:
    save(tmp_path, {"platform": learned("platform")}, {})
    path = tmp_path / SIDES
    for told in (json.loads(path.read_text()) | {"model": MODEL + 1}, {"choices": {}}):
        path.write_text(json.dumps(told))
        with pytest.raises(RecordError, match=rf"{SIDES}: sides of the market of model \d+ of"):
            load(tmp_path)


NETWORK = RoleNetworkConfig.of(ROLES, "platform").as_dict()
OF_DEVICES = {"edge_devices": RoleNetworkConfig.of(ROLES, "edge_devices").as_dict()}
DAMAGES: dict[str, Any] = {
    "no JSON": "{",
    "not text": b"\xff\xfe",
    "a list": [],
    "a number": 3,
    "no choices": {"choices": None},
    "no networks": {"networks": None},
    "networks left out": {"networks": ...},
    "mixes left out": {"mixes": ...},
    "mixes of another kind": {"mixes": 3},
    "a mix that is no table": {"mixes": {"edge_devices": [0.5, 0.5, 0, 0]}},
    "a mix that is ragged": {"mixes": {"edge_devices": [[1, 0, 0, 0], [1]]}},
    "a mix that sums to 2": {"mixes": {"edge_devices": [[1, 1, 0, 0]]}},
    "a mix with less than nothing": {"mixes": {"edge_devices": [[2, -1, 0, 0]]}},
    "a mix of other choices": {"mixes": {"edge_devices": [[0.5, 0.5]]}},
    "a mix of words": {"mixes": {"edge_devices": [["a", "b", "c", "d"]]}},
    "another key of a network": {"networks": {"platform": NETWORK | {"depth": 3}}},
    "another width": {"networks": {"platform": NETWORK | {"hidden": 7}}},
    "a width of words": {"networks": {"platform": NETWORK | {"hidden": "wide"}}},
    "a width below 0": {"networks": {"platform": NETWORK | {"hidden": -1}}},
    "other columns": {"networks": {"platform": NETWORK | {"columns": ["decides"]}}},
    "fewer choices": {"networks": {"platform": NETWORK | {"choices": 5}}},
    "a network without weights": {"networks": OF_DEVICES, "mixes": {}},
    "a network that is a list": {"networks": {"platform": [1]}},
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_description_is_named(tmp_path: Path, damage: Any) -> None:
    save(tmp_path, {"platform": learned("platform")}, {"edge_devices": MIX})
    path = tmp_path / SIDES
    if isinstance(damage, dict):
        told = json.loads(path.read_text()) | damage
        damage = {key: value for key, value in told.items() if value is not ...}
    if not isinstance(damage, str | bytes):
        damage = json.dumps(damage)
    path.write_bytes(damage if isinstance(damage, bytes) else damage.encode())
    with pytest.raises(RecordError, match=SIDES):
        load(tmp_path)


@pytest.mark.parametrize("damage", ["torn", "empty", "another file"])
def test_damaged_weights_are_named(tmp_path: Path, damage: str) -> None:
    save(tmp_path, {"platform": learned("platform")}, {})
    path = tmp_path / SIDES_WEIGHTS
    whole = path.read_bytes()
    path.write_bytes({"torn": whole[:-9], "empty": b"", "another file": b"PAR1" * 50}[damage])
    with pytest.raises(RecordError, match=f"{SIDES_WEIGHTS}: not whole weights"):
        load(tmp_path)
