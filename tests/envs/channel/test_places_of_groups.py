"""Groups with placements, mobilities, heights and antennas of their own."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import TypeAdapter, ValidationError

import envs.geometry
from envs import ChannelConfig, ObservationConfig, World, WorldConfig
from envs.channel import ChannelError

Plain = dict[str, Any]
STILL, WALK = {"model": "static"}, {"model": "random_waypoint", "speed_m_s": [2.0, 15.0]}
DRIFT = {"model": "gauss_markov", "mean_speed_m_s": 9.0}
HOTSPOTS = {"model": "hotspots", "count": 2, "sigma_m": 20.0}
TOWERS_AND_KIOSKS = {
    "towers": {"count": 4, "placement": {"model": "grid"}},
    "kiosks": {"count": 5, "placement": HOTSPOTS, "mobility": DRIFT, "antenna_gain_db": 3.0},
}


def world_of(
    users: Plain | None = None,
    experts: Plain | None = None,
    geometry: Plain | None = None,
    listed: int | None = None,
    **keys: Any,
) -> World:
    channel = {"process": "geometric", "bandwidth_hz": 1e6, "geometry": geometry or {}}
    sizes = {"num_users": None if users else 6, "num_experts": None if experts else 9}
    config = WorldConfig(
        user_groups=users,
        expert_groups=experts,
        episode_slots=10,
        channel=ChannelConfig(**channel),
        observation=ObservationConfig(candidates=listed),
        **(sizes | keys),
    )
    return World(config, num_worlds=3, seed=5)


def idle(world: World) -> None:
    if world.done:
        world.reset()
    world.step(np.full((world.num_worlds, world.num_users), world.num_candidates))


def places(world: World) -> tuple[np.ndarray, np.ndarray]:
    assert world.positions is not None
    return tuple(np.asarray(side) for side in world.positions)  # type: ignore[return-value]


def test_a_group_that_stands_still_keeps_its_shadowing_while_another_walks() -> None:
    groups = {"sitters": {"count": 4, "mobility": STILL}, "walkers": {"count": 5, "mobility": WALK}}
    world = world_of(groups)
    for _ in range(5):
        before, snr_db = world.channel.state, world.slot.conditions.links.snr_db
        idle(world)
        after = world.channel.state
        np.testing.assert_array_equal(before["user_m"][:, :4], after["user_m"][:, :4])
        np.testing.assert_array_equal(snr_db[:, :4], world.slot.conditions.links.snr_db[:, :4])
        for name in ("shadowing", "obstruction"):
            np.testing.assert_array_equal(before[name][:, :4], after[name][:, :4])
            moved = (before["user_m"] != after["user_m"]).any(axis=-1)[:, 4:, 0]
            assert moved.any()
            assert (before[name] != after[name])[:, 4:][moved].mean() > 0.99


def test_each_group_walks_at_its_own_speed() -> None:
    def walk(low: float, high: float) -> Plain:
        return WALK | {"speed_m_s": [low, high], "pause_s": [0, 0]}

    slow, fast = walk(1.0, 2.0), walk(8.0, 9.0)
    world = world_of(
        {"slow": {"count": 30, "mobility": slow}, "fast": {"count": 30, "mobility": fast}},
        slot_s=1.0,
    )
    path = []
    for _ in range(6):
        before = places(world)[0]
        idle(world)
        path.append(np.hypot(*np.moveaxis((places(world)[0] - before)[..., :2], -1, 0)))
    step = np.stack(path)
    assert step[..., :30].max() <= 2.001
    assert step[..., 30:].max() <= 9.001
    # Of those who do not turn within the slot the whole way is straight.
    assert np.median(step[..., :30]) == pytest.approx(1.5, abs=0.2)
    assert np.median(step[..., 30:]) == pytest.approx(8.5, abs=0.2)


def test_a_placement_of_a_group_is_its_own() -> None:
    world = world_of(experts=TOWERS_AND_KIOSKS)
    _, experts = places(world)
    alone = envs.geometry.placement.Grid().draw(
        (3, 4), envs.geometry.Area(1000.0, 1000.0), np.random.default_rng(0)
    )
    np.testing.assert_array_equal(experts[:, :4, :2], alone)
    kiosks = experts[:, 4:, :2].astype(float)
    # Five about two centres: of the ten pairs at least four are of one centre, 20 m about it.
    distance = np.linalg.norm(kiosks[:, :, None] - kiosks[:, None], axis=-1)
    near = (distance < 160).sum(axis=(1, 2)) - 5
    assert (near >= 8).all()


def test_groups_of_one_placement_are_placed_together() -> None:
    groups = {
        "west": {"count": 4, "placement": {"model": "grid"}, "mobility": STILL},
        "middle": {"count": 2, "placement": {"model": "uniform"}},
        "east": {"count": 5, "placement": {"model": "grid"}, "mobility": DRIFT},
    }
    _, experts = places(world_of(experts=groups))
    grid = envs.geometry.placement.Grid().draw(
        (3, 9), envs.geometry.Area(1000.0, 1000.0), np.random.default_rng(0)
    )
    np.testing.assert_array_equal(experts[:, [0, 1, 2, 3, 6, 7, 8, 9, 10], :2], grid)


@pytest.mark.parametrize("listed", [None, 4])
def test_groups_whose_keys_are_those_of_the_section_give_the_same_world_to_the_bit(
    listed: int | None,
) -> None:
    geometry = {"users": {"mobility": WALK}, "experts": {"mobility": DRIFT, "antenna_gain_db": 2.0}}
    users = {"a": {"count": 2, "mobility": WALK, "height_m": 1.5}, "b": {"count": 4}}
    experts = {
        "c": {"count": 4, "placement": {"model": "grid"}},
        "d": {"count": 5, "mobility": DRIFT, "antenna_gain_db": 2.0, "height_m": 10},
    }
    plain, grouped = (
        world_of(geometry=geometry, listed=listed),
        world_of(users, experts, geometry, listed),
    )
    for slot in range(12):
        if slot == 4:
            plain.add_experts(3)
            grouped.add_experts(3)
        for name, array in plain.channel.state.items():
            np.testing.assert_array_equal(array, grouped.channel.state[name])
        np.testing.assert_array_equal(
            plain.slot.conditions.links.snr_db, grouped.slot.conditions.links.snr_db
        )
        idle(plain)
        idle(grouped)
    assert plain.channel.state.keys() == grouped.channel.state.keys()


def test_the_link_budget_has_the_gain_and_the_height_of_each_group() -> None:
    groups = {
        "low": {"count": 2, "height_m": 20.0},
        "high": {"count": 3, "height_m": 70.0, "antenna_gain_db": 9.0},
    }
    users = {"near": {"count": 2, "antenna_gain_db": 4.0}, "far": {"count": 1}}
    geometry = {"path_loss": {"model": "free_space"}, "fading": "none"}
    world = world_of(users, groups, geometry)
    for _ in range(3):
        user, expert = (side.astype(float) for side in places(world))
        assert (expert[..., 2] == [20, 20, 70, 70, 70]).all()
        distance = np.linalg.norm(user[:, :, None] - expert[:, None], axis=-1)
        lost_db = 20 * np.log10(4 * np.pi * distance * 3.5e9 / 299_792_458)
        gain_db = np.array([4, 4, 0])[:, None] + np.array([0, 0, 9, 9, 9])
        expected = 20 + gain_db - lost_db - (-174 + 9 + 60)
        np.testing.assert_allclose(world.slot.conditions.links.snr_db, expected, atol=2e-3)
        idle(world)


@pytest.mark.parametrize("listed", [None, 4])
def test_newcomers_are_placed_as_their_group_and_a_world_goes_on_from_its_state(
    listed: int | None,
) -> None:
    users = {"walkers": {"count": 3, "mobility": WALK}, "drifters": {"count": 3, "mobility": DRIFT}}
    world = world_of(users, TOWERS_AND_KIOSKS, listed=listed)
    world.add_experts(2)  # two towers, of a grid of their own
    assert places(world)[1][:, 9:, :2].tolist() == [[[500, 250], [500, 750]]] * 3
    world.add_experts(4)  # the other towers, and two kiosks
    idle(world)
    moved = places(world)[1]
    other = world_of(users, TOWERS_AND_KIOSKS, listed=listed)
    other.add_experts(6)
    other.set_state(world.get_state())
    for _ in range(3):
        idle(world)
        idle(other)
    for name, array in world.channel.state.items():
        np.testing.assert_array_equal(array, other.channel.state[name])
    still = (places(world)[1] == moved).all(axis=(0, 2))
    assert still.tolist() == [True] * 4 + [False] * 5 + [True] * 4 + [False] * 2


def test_how_one_group_walks_leaves_the_walk_of_another_as_it_is() -> None:
    def walked(speed: float) -> np.ndarray:
        first = {"model": "gauss_markov", "mean_speed_m_s": speed}
        world = world_of(
            {"a": {"count": 2, "mobility": first}, "b": {"count": 3, "mobility": WALK}}
        )
        for _ in range(4):
            idle(world)
        return places(world)[0]

    slow, fast = walked(1.0), walked(40.0)
    np.testing.assert_array_equal(slow[:, 2:], fast[:, 2:])
    assert (slow[:, :2, :2] != fast[:, :2, :2]).all()


def test_a_file_has_the_places_of_its_group_alone(tmp_path: Path) -> None:
    file = tmp_path / "sites.csv"
    file.write_text("1,2\n3,4\n5,6\n")
    placement = {"model": "file", "path": str(file)}
    groups = {"sites": {"count": 3, "placement": placement}, "others": {"count": 2}}
    _, experts = places(world_of(experts=groups))
    assert experts[0, :3, :2].tolist() == [[1, 2], [3, 4], [5, 6]]
    with pytest.raises(
        ChannelError, match=r"env\.expert_groups\.sites\.placement: .*hold 4 places"
    ):
        world_of(experts={"sites": {"count": 4, "placement": placement}})
    file.write_text("1,2,10\n3,4,25\n5,6,10\n")
    message = r"env\.expert_groups\.sites\.placement: .*place 2, .*experts in m of 10, got 25"
    with pytest.raises(ChannelError, match=message):
        world_of(experts=groups)


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        (
            {"channel": {}, "user_groups": {"a": {"count": 1, "mobility": STILL}}},
            "user_groups.a.mobility has no effect with channel.process: iid; use process: geomet",
        ),
        (
            {"user_groups": {"a": {"count": 1, "mobility": {"model": "walk"}}}},
            r"user_groups\.a\.mobility\.model\n.*no mobility 'walk'",
        ),
        (
            {"expert_groups": {"a": {"count": 1, "height_m": 25}}},
            r"expert_groups\.a\.height_m\n.*umi_38901 is for heights of experts in m of 10, got 25",
        ),
        (
            {"user_groups": {"a": {"count": 1, "height_m": 30}}},
            r"user_groups\.a\.height_m\n.*umi_38901 is for heights of users",
        ),
        (
            {"user_groups": {"a": {"count": 1, "placement": {"model": "grid"}}}},
            r"user_groups\.a\.mobility\n.*random_waypoint would begin elsewhere than placement: gr",
        ),
        (
            {
                "expert_groups": {
                    "a": {"count": 1, "placement": {"model": "hotspots", "centres": [[2000, 1]]}}
                }
            },
            r"expert_groups\.a\.placement\n.*the centre \[2000.0, 1.0\] is not in the area",
        ),
        ({"user_groups": {"a": {"count": 1, "height": 2}}}, "did you mean 'height_m'"),
    ],
)
def test_keys_of_places_that_cannot_be_are_told_by_their_path(keys: Plain, message: str) -> None:
    channel = {"process": "geometric", "bandwidth_hz": 1e6, "geometry": {}}
    with pytest.raises(ValidationError, match=message):
        TypeAdapter(WorldConfig).validate_python({"channel": channel} | keys)


def test_a_configuration_of_such_groups_is_plain_data() -> None:
    config = world_of(experts=TOWERS_AND_KIOSKS).config
    assert WorldConfig(**config.as_dict()) == config
