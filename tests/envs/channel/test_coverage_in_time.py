"""Ways beyond the area: path loss by group, coverage that ends, signals that take time."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from pydantic import TypeAdapter, ValidationError

import envs.geometry
from envs import World, WorldConfig
from envs.arrays import Arrays, Bool, Float
from envs.geometry import Area
from envs.geometry.mobility import MOBILITIES
from envs.geometry.path_loss import PATH_LOSSES
from envs.geometry.paths import SPEED_OF_LIGHT, Paths, friis_db
from envs.observation import column_names

HEIGHT_M, SPEED_M_S, LEAST_DEG, SLOT_S = 9000.0, 250.0, 20.0, 6.0


@pytest.fixture(autouse=True)
def registered() -> Iterator[None]:
    """Register a jet that flies along x at one height, and what covers down to 20 degrees."""

    @envs.geometry.mobility.register("jet")
    @dataclass(frozen=True)
    class Jet(envs.geometry.Mobility):
        begins_m: float = -30_000.0

        @property
        def leaves_area(self) -> bool:
            return True

        def start(
            self, position: Float, area: Area, rng: np.random.Generator
        ) -> tuple[Float, Arrays]:
            place = position.copy()
            place[..., 0] = self.begins_m
            return place, {}

        def move(
            self,
            position: Float,
            state: Arrays,
            area: Area,
            duration_s: float,
            rng: np.random.Generator,
        ) -> tuple[Float, Arrays]:
            return position + np.float32([SPEED_M_S * duration_s, 0, 0]), {}

        def above_for_s(
            self, position: Float, state: Arrays, viewer_m: Float, elevation_deg: Float
        ) -> Float:
            way = position - viewer_m
            reach = way[..., 2] / np.tan(np.radians(elevation_deg))
            along = np.sqrt(np.maximum(reach**2 - way[..., 1] ** 2, 0))
            left_s = np.where(np.abs(way[..., 0]) <= along, (along - way[..., 0]) / SPEED_M_S, 0)
            return left_s.astype(np.float32)

    @envs.geometry.path_loss.register("high_up")
    @dataclass(frozen=True)
    class HighUp(envs.geometry.PathLoss):
        @property
        def least_elevation_deg(self) -> float:
            return LEAST_DEG

        def loss_db(self, paths: Paths, sight: Bool) -> Float:
            return friis_db(paths.distance_m, paths.carrier_ghz)

    yield
    del MOBILITIES._factories["jet"], PATH_LOSSES._factories["high_up"]


def world_of(
    jets: dict[str, Any] | None = None,
    geometry: dict[str, Any] | None = None,
    listed: int | None = None,
    **env: Any,
) -> World:
    groups = {
        "masts": {"count": 4},
        "jets": {
            "count": 2,
            "height_m": HEIGHT_M,
            "mobility": {"model": "jet"},
            "path_loss": {"model": "high_up"},
            "placement": {"model": "uniform"},
            "tx_power_w": 20.0,
        }
        | (jets or {}),
    }
    plain = {
        "num_users": 5,
        "expert_groups": groups,
        "channel": {"process": "geometric", "bandwidth_hz": 1e6, "geometry": geometry or {}},
        "observation": {"candidates": listed},
    }
    return World(TypeAdapter(WorldConfig).validate_python(plain | env), 2, seed=0)


def idle(world: World) -> None:
    world.step(np.full((world.num_worlds, world.num_users), world.num_candidates))


@pytest.mark.parametrize("listed", [None, 6])
def test_each_group_has_the_loss_that_it_has_alone(listed: int | None) -> None:
    world = world_of(geometry={"shadowing": {"sigma_db": 0}}, listed=listed)
    users, experts = world.positions
    paths = Paths.between(users[:, :, None], experts[:, None], 3.5)
    noise_dbm = -174 + 9 + 60
    jets_db = 10 * np.log10(20) + 30 - friis_db(paths.distance_m, 3.5) - noise_dbm
    snr_db = world.slot.conditions.links.snr_db
    np.testing.assert_allclose(snr_db[..., 4:], jets_db[..., 4:], atol=1e-3)
    with_sight, without = PATH_LOSSES.made_of({"model": "umi_38901"}).losses_db(paths)
    of_masts = [20 - loss - noise_dbm for loss in (with_sight, without)]
    nearest = np.min([np.abs(snr_db - one) for one in of_masts], axis=0)
    assert nearest[..., :4].max() < 1e-3


def test_a_group_with_the_loss_of_all_gives_the_same_world_to_the_bit() -> None:
    same = {"model": "umi_38901"}
    groups = [{"a": {"count": 6}}, {"a": {"count": 6, "path_loss": same}}]
    worlds = [world_of(expert_groups=one) for one in groups]
    for _ in range(4):
        first, second = (world.slot.conditions.links.snr_db for world in worlds)
        np.testing.assert_array_equal(first, second)
        for world in worlds:
            idle(world)


@pytest.mark.parametrize("listed", [None, 6])
def test_coverage_ends_when_it_was_said_to(listed: int | None) -> None:
    world = world_of(geometry={"users": {"mobility": {"model": "static"}}}, listed=listed)
    users, _ = world.positions
    went = []
    for _ in range(45):
        links, mask = world.slot.conditions.links, world.slot.mask
        covered, left_s = links.covered, links.covered_for_s
        _, experts = world.positions
        way = experts[:, None] - users[:, :, None]
        elevation_deg = np.degrees(np.arctan2(way[..., 2], np.hypot(way[..., 0], way[..., 1])))
        up = (elevation_deg >= LEAST_DEG)[..., 4:]
        np.testing.assert_array_equal(up, covered[..., 4:])
        np.testing.assert_array_equal(up, left_s[..., 4:] > 0)
        assert not mask[..., 4:-1][~up].any()
        assert np.isinf(left_s[..., :4]).all()
        went.append(left_s[..., 4:])
        idle(world)
    left = np.stack(went)
    stays = (left[:-1] > SLOT_S) & (left[1:] > 0)
    assert stays.sum() > 100
    np.testing.assert_allclose((left[:-1] - left[1:])[stays], SLOT_S, atol=1e-2)
    assert (left[1:][(left[:-1] > 0) & (left[:-1] < SLOT_S - 0.01)] == 0).all()


def test_a_lost_transfer_differs_from_one_that_continues_in_those_that_end_alone() -> None:
    worlds = [world_of(experts={"handover": key}) for key in ("continue", "lost")]
    ended = 0
    for _ in range(45):
        conditions = worlds[1].slot.conditions
        jets = worlds[0].slot.mask[..., 4]
        np.testing.assert_array_equal(jets, worlds[1].slot.mask[..., 4])
        alone = [world.slot.expected_gain(1) for world in worlds]
        actions = np.where(jets, 4, 6)
        (_, _, goes_on), (_, _, lost) = (world.step(actions) for world in worlds)
        ends = goes_on.transferred & (goes_on.delay_s > conditions.links.covered_for_s[..., 4])
        for name in ("delay_s", "energy_j", "transferred", "load", "work_words", "edge_cost"):
            np.testing.assert_array_equal(getattr(goes_on, name), getattr(lost, name))
        for name in ("gain", "qos", "harm"):
            first, second = getattr(goes_on, name), getattr(lost, name)
            np.testing.assert_array_equal(first[~ends], second[~ends])
        assert (lost.qos[ends] == 0).all()
        assert (lost.harm[ends] == 0).all()
        assert (lost.gain[ends] < 0).all()  # its energy and words are spent
        differs = alone[0] != alone[1]
        assert not differs[..., :4].any()
        ended += ends.sum()
    assert ended > 3


def test_a_signal_takes_distance_over_c_each_way_in_delivery_and_prospects() -> None:
    jets = {"mobility": {"model": "jet", "begins_m": 0.0}, "height_m": 1e6}
    worlds = [
        world_of(jets | {"tx_power_w": 2e4}, {"propagation_delay": on}) for on in (False, True)
    ]
    users, experts = worlds[1].positions
    distance_m = np.linalg.norm((experts[:, 4, None] - users).astype(float), axis=-1)
    (_, _, without), (_, _, with_it) = (world.step(np.full((2, 5), 4)) for world in worlds)
    served = without.transferred
    assert served.sum() > 5
    more_s = (with_it.delay_s - without.delay_s)[served]
    np.testing.assert_allclose(more_s, 2 * distance_m[served] / SPEED_OF_LIGHT, rtol=1e-4)
    for name in ("energy_j", "airtime_s"):
        np.testing.assert_array_equal(getattr(with_it, name), getattr(without, name))
    late = {"quality": {"deadline_s": 0.01, "lateness_s": 0.5}}
    slots = [
        world_of(jets | {"tx_power_w": 2e4}, {"propagation_delay": on}, **late).slot
        for on in (False, True)
    ]
    gains = [slot.known_gain(1)[..., 4] for slot in slots]
    useful = without.qos > 0
    assert useful.any()
    assert (gains[1] < gains[0])[useful].all()


def test_columns_are_there_where_coverage_ends() -> None:
    world = world_of()
    names = column_names(world.config)
    place = names.index("expert_4.covered_for")
    for _ in range(25):
        left_s = world.slot.conditions.links.covered_for_s[..., 4]
        seen = world.slot.observation[..., place]
        np.testing.assert_allclose(seen, np.minimum(left_s / SLOT_S, 10), rtol=1e-6)
        idle(world)
    on_ground = WorldConfig(channel=world.config.channel)
    assert not any("covered_for" in name for name in column_names(on_ground))


def test_handover_without_an_end_of_coverage_is_refused() -> None:
    with pytest.raises(ValueError, match="handover: lost has no effect"):
        world_of({"mobility": {"model": "static"}}, experts={"handover": "lost"})
    with pytest.raises(ValidationError, match="handover"):
        world_of(experts={"handover": "dropped"})


def test_a_loss_is_checked_for_the_heights_of_its_group() -> None:
    with pytest.raises(ValidationError, match=r"expert_groups\.jets\.path_loss(.|\n)*10, got 9000"):
        world_of({"path_loss": {"model": "umi_38901"}})
    with pytest.raises(ValidationError, match=r"expert_groups\.jets\.path_loss(.|\n)*did you mean"):
        world_of({"path_loss": {"model": "high_upp"}})
    with pytest.raises(ValidationError, match="unknown 'path_loss' in a group"):
        world_of(user_groups={"walkers": {"count": 5, "path_loss": {"model": "high_up"}}})


@pytest.mark.parametrize("listed", [None, 4])
def test_a_world_goes_on_from_its_state_with_newcomers_of_every_group(listed: int | None) -> None:
    world, other = world_of(listed=listed), world_of(listed=listed)
    for _ in range(20):
        idle(world)
    for one in (world, other):
        one.add_experts(6)
        idle(one)  # the slot in which the books of the old experts are closed is over
    other.set_state(world.get_state())
    for _ in range(4):
        first, second = (one.slot.conditions.links for one in (world, other))
        for ours, theirs in zip(first, second, strict=True):
            np.testing.assert_array_equal(ours, theirs)
        for one in (world, other):
            idle(one)
    jets = np.isin(np.arange(12), [4, 5, 10, 11])
    ends = np.isfinite(world.slot.conditions.links.covered_for_s)
    listed_jets = jets[np.broadcast_to(world.candidates.expert, ends.shape)]
    np.testing.assert_array_equal(ends, listed_jets)
