"""Worlds of places: what follows from them, what stays, what is refused, and what goes on."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import envs.geometry
from envs import ChannelConfig, ObservationConfig, World, WorldConfig
from envs.arrays import Arrays, Float
from envs.channel import ChannelError
from envs.geometry import Area, Mobility, PathLoss, Paths
from envs.testing import check_channel

WALK = {"model": "random_waypoint", "speed_m_s": [2.0, 15.0], "pause_s": [0, 10]}
DRIFT = {"model": "gauss_markov", "mean_speed_m_s": 5.0}
GEOMETRIES: dict[str, dict[str, Any]] = {
    "defaults": {},
    "both move": {"users": {"mobility": WALK}, "experts": {"mobility": DRIFT}},
    "experts move": {"users": {"mobility": {"model": "static"}}, "experts": {"mobility": DRIFT}},
    "nobody moves": {"users": {"mobility": {"model": "static"}}},
    "in the air": {
        "path_loss": {"model": "air_to_ground", "environment": "highrise"},
        "experts": {"height_m": 120.0, "mobility": WALK | {"start_at": "placement"}},
        "fading": "rician",
        "rician_k_db": 6.0,
        "shadowing": {"sigma_db": 3.0},
    },
    "hotspots": {
        "users": {"placement": {"model": "hotspots", "count": 2}, "mobility": DRIFT},
        "path_loss": {"model": "log_distance", "exponent": 3.5},
        "shadowing": {"sigma_db": 6.0},
        "fading": "none",
    },
    "no shadowing": {"path_loss": {"model": "free_space"}, "fading": "none"},
}


def channel(geometry: dict[str, Any], **keys: Any) -> ChannelConfig:
    return ChannelConfig(process="geometric", **({"bandwidth_hz": 1e6} | keys), geometry=geometry)


def world_of(geometry: dict[str, Any], listed: int | None = None, **keys: Any) -> World:
    config = WorldConfig(
        num_users=5,
        num_experts=12,
        episode_slots=8,
        channel=channel(geometry, **keys),
        observation=ObservationConfig(candidates=listed),
    )
    return World(config, num_worlds=2, seed=3)


def idle(world: World, slots: int = 1) -> None:
    for _ in range(slots):
        if world.done:
            world.reset()
        world.step(np.full((world.num_worlds, world.num_users), world.num_candidates))


@pytest.mark.parametrize("name", GEOMETRIES)
def test_the_process_is_a_channel(name: str) -> None:
    check_channel(channel(GEOMETRIES[name]))


@pytest.mark.parametrize("listed", [None, 4])
def test_the_snr_is_the_link_budget_of_places_power_and_noise(listed: int | None) -> None:
    geometry = GEOMETRIES["no shadowing"] | {
        "users": {"antenna_gain_db": 2.0},
        "experts": {"mobility": DRIFT, "antenna_gain_db": 5.0},
        "noise_figure_db": 7.0,
        "carrier_ghz": 2.0,
    }
    world = world_of(geometry, listed, tx_power_w=0.2, bandwidth_hz=2e5)
    for _ in range(4):
        users, experts = (np.asarray(places, float) for places in world.positions or ())
        assert users.shape == (2, 5, 3)
        assert experts.shape == (2, 12, 3)
        distance = np.linalg.norm(users[:, :, None] - experts[:, None], axis=-1)
        lost_db = 20 * np.log10(4 * np.pi * distance * 2e9 / 299_792_458)
        noise_dbm = -174 + 7 + 10 * np.log10(2e5)
        expected = 10 * np.log10(200) + 7 - lost_db - noise_dbm
        if listed:
            expected = np.take_along_axis(expected, world.candidates.expert, axis=2)
        measured = world.slot.conditions.links.snr_db
        np.testing.assert_allclose(measured, expected, atol=2e-3)
        idle(world)


def test_ten_times_the_band_is_10_db_less_and_efficiency_is_the_mean_over_fading() -> None:
    narrow, wide = world_of({}, bandwidth_hz=1e5), world_of({}, bandwidth_hz=1e6)
    links = narrow.slot.conditions.links
    np.testing.assert_allclose(
        links.snr_db - 10, wide.slot.conditions.links.snr_db, rtol=1e-4, atol=1e-4
    )
    power = np.random.default_rng(0).exponential(size=200_000)
    snr = 10 ** (links.snr_db[0, 0].astype(float) / 10)
    drawn = np.log2(1 + snr[:, None] * power).mean(axis=-1)
    np.testing.assert_allclose(links.efficiency[0, 0], np.minimum(drawn, 8), rtol=0.02)


def test_who_does_not_move_keeps_shadowing_and_line_of_sight_to_the_bit() -> None:
    # Pauses are long: some users walk, others stand for the whole time.
    walk = {"model": "random_waypoint", "speed_m_s": [3, 3], "pause_s": [100, 200]}
    config = WorldConfig(
        num_users=40, num_experts=6, channel=channel({"users": {"mobility": walk}})
    )
    world = World(config, num_worlds=2, seed=0)
    stood = walked = 0
    for _ in range(12):
        before = world.channel.state
        snr_db = world.slot.conditions.links.snr_db
        idle(world)
        after = world.channel.state
        still = (before["user_m"] == after["user_m"]).all(axis=-1)[..., 0]
        for name in ("shadowing", "obstruction"):
            np.testing.assert_array_equal(before[name][still], after[name][still])
            assert (before[name][~still] != after[name][~still]).mean() > 0.99
        np.testing.assert_array_equal(snr_db[still], world.slot.conditions.links.snr_db[still])
        stood, walked = stood + still.sum(), walked + (~still).sum()
    assert min(stood, walked) > 50


def test_lines_of_sight_have_the_probability_of_the_table_at_their_distance() -> None:
    config = WorldConfig(num_users=60, num_experts=30, channel=channel({}))
    world = World(config, num_worlds=30, seed=0)
    for _ in range(2):
        users, experts = (np.asarray(places, float) for places in world.positions or ())
        ground = np.hypot(*np.moveaxis(users[:, :, None, :2] - experts[:, None, :, :2], -1, 0))
        lost = world.channel.state["budget_db"] - world.slot.conditions.links.snr_db
        with_sight = 32.4 + 21 * np.log10(np.hypot(ground, 8.5)) + 20 * np.log10(3.5)
        shadow = world.channel.state["shadowing"]
        near = (ground > 10) & (ground < 200)
        sight = near & (np.abs(lost - with_sight - 4 * shadow) < 0.01)
        for low, high in ((18, 30), (30, 60), (60, 100), (100, 200)):
            band = near & (ground >= low) & (ground < high)
            d = ground[band]
            expected = (18 / d + np.exp(-d / 36) * (1 - 18 / d)).mean()
            error = 4 * np.sqrt(expected * (1 - expected) / band.sum())
            assert sight[band].mean() == pytest.approx(expected, abs=error)
        idle(world, 10)


def test_shadowing_along_a_walk_has_the_correlation_of_the_distance_of_both_ends() -> None:
    ends = {"mobility": {"model": "gauss_markov", "memory": 1.0, "mean_speed_m_s": 0.5}}
    geometry = {
        "area_m": [5000, 5000],
        "users": ends,
        "experts": ends,
        "path_loss": {"model": "free_space"},
        "shadowing": {"sigma_db": 6.0, "decorrelation_m": 20.0},
    }
    config = WorldConfig(num_users=40, num_experts=40, channel=channel(geometry))
    world = World(config, num_worlds=10, seed=0)
    first, places = world.channel.state["shadowing"], world.positions
    idle(world, 4)
    assert places is not None
    assert world.positions is not None
    moved = [
        np.linalg.norm(after - before, axis=-1)
        for before, after in zip(places, world.positions, strict=True)
    ]
    expected = np.exp(-(moved[0][:, :, None] + moved[1][:, None]) / 20)
    measured = (first * world.channel.state["shadowing"]).mean()
    assert measured == pytest.approx(expected.mean(), abs=0.02)
    assert 0.2 < expected.mean() < 0.8


def test_one_seed_gives_one_walk_whatever_users_do() -> None:
    first, second = world_of(GEOMETRIES["both move"]), world_of(GEOMETRIES["both move"])
    rng = np.random.default_rng(0)
    for _ in range(20):
        if first.done:
            first.reset()
            second.reset()
        first.step(rng.integers(13, size=(2, 5)))
        second.step(np.full((2, 5), 12))
        for ours, theirs in zip(first.positions or (), second.positions or (), strict=True):
            np.testing.assert_array_equal(ours, theirs)


def test_how_users_move_leaves_the_places_and_shadowing_of_others_as_they_are_drawn() -> None:
    static = {"users": {"mobility": {"model": "static"}}}
    still, moving = world_of(static), world_of({"users": {"mobility": DRIFT}})
    for name in ("expert_m", "user_m", "shadowing", "obstruction"):
        np.testing.assert_array_equal(still.channel.state[name], moving.channel.state[name])


@pytest.mark.parametrize("listed", [None, 4])
def test_a_world_goes_on_from_its_state_with_experts_that_move_and_join(
    listed: int | None,
) -> None:
    world = world_of(GEOMETRIES["both move"], listed)
    idle(world, 3)
    world.add_experts(4)
    idle(world, 2)
    assert world.positions is not None
    assert world.positions.experts.shape == (2, 16, 3)
    again = World(world.config, 2, seed=9)
    again.set_state(world.get_state())
    for _ in range(6):
        for ours, theirs in zip(world.positions or (), again.positions or (), strict=True):
            np.testing.assert_array_equal(ours, theirs)
        np.testing.assert_array_equal(
            world.slot.conditions.links.snr_db, again.slot.conditions.links.snr_db
        )
        idle(world)
        idle(again)


def test_lists_hold_the_experts_of_the_best_snr_when_the_episode_begins() -> None:
    everybody, listed = world_of({}), world_of({}, 6)  # 12 experts of 6 topics
    snr_db = everybody.channel.mean_db
    assert snr_db is not None
    best = np.maximum(snr_db[..., :6], snr_db[..., 6:])
    of_list = listed.channel.mean_db
    assert of_list is not None
    # Pairs are drawn alike, topic by topic the better of two.
    np.testing.assert_allclose(np.sort(of_list), np.sort(best), rtol=1e-6)


def test_worlds_without_places_have_no_positions() -> None:
    assert World(WorldConfig(), seed=0).positions is None


@pytest.mark.parametrize(
    ("geometry", "message"),
    [
        ({"users": {"mobility": {"model": "static", "speed": 1}}}, r"users.mobility.speed\n"),
        ({"users": {"mobility": {"model": "statik"}}}, "did you mean 'static'"),
        ({"users": {"mobility": {}}}, r"users.mobility.model\n.*should name a mobility"),
        ({"users": {"mobility": {"model": 3}}}, r"users.mobility.model\n"),
        (
            {"users": {"mobility": {"model": "random_waypoint", "speed_m_s": [0, 2]}}},
            r"users.mobility.speed_m_s\n.*greater than 0",
        ),
        (
            {"users": {"mobility": {"model": "random_waypoint", "pause_s": ["a", 2]}}},
            r"users.mobility.pause_s.0\n",
        ),
        ({"users": {"mobility": {"model": "gauss_markov", "memory": 1.2}}}, "mobility.memory\n"),
        (
            {"experts": {"mobility": {"model": "random_waypoint"}}},
            "would begin elsewhere than placement: grid says; add start_at: placement",
        ),
        ({"area_m": [0, 10]}, r"area_m.0\n"),
        ({"area_m": [10]}, r"area_m"),
        ({"area_m": [1e4, 1e4]}, r"path_loss\n.*up to 5000 m"),
        ({"users": {"height_m": 1.0}}, r"path_loss\n.*heights of users in m of 1.5 to 22.5"),
        ({"carrier_ghz": 0.0}, "greater than 0"),
        ({"carrier_ghz": float("inf")}, "finite number"),
        ({"fading": "rician"}, "rician_k_db"),
        ({"rician_k_db": 3.0}, "rician_k_db"),
        ({"path_loss": {"model": "log_distance", "exponent": -1}}, r"path_loss.exponent\n"),
        ({"shadowing": {"sigma_db": -1}}, "sigma_db"),
        ({"shadowing": {"sigma": 1}}, "sigma"),
        ({"path_loss": {"model": "air_to_ground"}, "users": {"height_m": 10.0}}, "path_loss\n"),
        (
            {"users": {"placement": {"model": "hotspots", "centres": [[1, 2000]]}}, "experts": {}},
            "mobility",
        ),
        (
            {
                "users": {
                    "placement": {"model": "hotspots", "centres": [[1, 2000]]},
                    "mobility": {"model": "static"},
                }
            },
            r"users.placement\n.*is not in the area",
        ),
    ],
)
def test_what_cannot_be_is_refused_with_its_key(geometry: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        channel(geometry)


def test_the_section_is_needed_by_its_process_alone() -> None:
    with pytest.raises(ValueError, match="process: geometric needs the section geometry"):
        ChannelConfig(process="geometric")
    with pytest.raises(ValueError, match="geometry has no effect with process: iid"):
        ChannelConfig(geometry={})  # type: ignore[arg-type]


@pytest.mark.parametrize("name", GEOMETRIES)
def test_a_configuration_is_plain_data(name: str) -> None:
    config = WorldConfig(channel=channel(GEOMETRIES[name]))
    assert WorldConfig(**config.as_dict()) == config


def file_channel(path: Path, text: str, **keys: Any) -> ChannelConfig:
    path.write_text(text)
    placement = {"model": "file", "path": str(path)}
    users = {"placement": placement, "mobility": {"model": "static"}} | keys
    return channel({"users": users, "path_loss": {"model": "free_space"}})


def test_a_file_of_the_wrong_number_of_places_is_refused_with_its_key(tmp_path: Path) -> None:
    config = WorldConfig(num_users=3, channel=file_channel(tmp_path / "a.csv", "1,2\n3,4\n"))
    with pytest.raises(
        ChannelError, match=r"^env\.channel\.geometry\.users\.placement: .*a\.csv: should hold 3"
    ):
        World(config, seed=0)


def test_heights_of_a_file_are_those_of_the_paths_and_checked_like_others(tmp_path: Path) -> None:
    heights = file_channel(tmp_path / "a.csv", "1,2,5\n3,4,30\n")
    world = World(WorldConfig(num_users=2, channel=heights), seed=0)
    assert world.positions is not None
    assert world.positions.users[0, :, 2].tolist() == [5, 30]
    assert heights.geometry is not None
    umi = replace(heights.geometry, path_loss={"model": "umi_38901"})
    with pytest.raises(ChannelError, match=r"heights of users in m of 1.5 to 22.5, got 30"):
        World(WorldConfig(num_users=2, channel=replace(heights, geometry=umi)), seed=0)


@envs.geometry.mobility.register("eastward")
@dataclass(frozen=True)
class Eastward(Mobility):
    """Agents who walk to the east, as far as the border or past it."""

    speed_m_s: float = 1.0
    stops: bool = True

    def move(
        self,
        position: Float,
        state: Arrays,
        area: Area,
        duration_s: float,
        rng: np.random.Generator,
    ) -> tuple[Float, Arrays]:
        east = position[..., :1] + self.speed_m_s * duration_s
        if self.stops:
            east = np.minimum(east, area.width_m)
        return np.concatenate([east, position[..., 1:]], axis=-1), {}


@envs.geometry.path_loss.register("flat")
@dataclass(frozen=True)
class Flat(PathLoss):
    """The same loss everywhere."""

    db: float

    def loss_db(self, paths: Paths, sight: Any) -> Float:
        return np.full_like(paths.distance_m, self.db)


def test_models_of_ones_own_move_and_lose_as_they_say() -> None:
    geometry = {
        "users": {"mobility": {"model": "eastward", "speed_m_s": 10.0}},
        "path_loss": {"model": "flat", "db": 110.0},
        "fading": "none",
    }
    check_channel(channel(geometry))
    world = world_of(geometry)
    assert world.positions is not None
    before = world.positions.users
    idle(world)
    np.testing.assert_allclose(
        world.positions.users[..., 0], np.minimum(before[..., 0] + 60, 1000), rtol=1e-6
    )
    # 20 dBm - 110 dB + 174 - 9 - 60 dBm
    np.testing.assert_allclose(world.slot.conditions.links.snr_db, 15, atol=1e-4)


@pytest.mark.parametrize(
    ("geometry", "message"),
    [
        ({"path_loss": {"model": "flat"}}, r"path_loss.db\n.*required"),
        ({"path_loss": {"model": "flat", "db": "much"}}, r"path_loss.db\n.*valid number"),
        ({"users": {"mobility": {"model": "eastward", "sped": 1}}}, "did you mean 'speed_m_s'"),
    ],
)
def test_parameters_of_models_of_ones_own_are_checked(
    geometry: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        channel(geometry)


def test_a_mobility_that_leaves_the_area_ends_the_run_by_its_name() -> None:
    world = world_of({"users": {"mobility": {"model": "eastward", "stops": False}}})
    with pytest.raises(
        ChannelError, match=r"geometry\.users\.mobility: Eastward should give places .* area"
    ):
        idle(world, 1000)


def test_only_a_whole_model_of_the_kind_is_registered() -> None:
    register = envs.geometry.path_loss.register
    with pytest.raises(TypeError, match=r"'other'.* is no class of PathLoss"):
        register("other")(dict)
    with pytest.raises(TypeError, match="'half': Half lacks loss_db"):

        @register("half")
        @dataclass(frozen=True)
        class Half(PathLoss):
            pass

    class Plain(Flat):
        pass

    with pytest.raises(ValueError, match="path loss 'flat' exists already"):
        register("flat")(Plain)
    with pytest.raises(TypeError, match="'model' is the key that names it"):

        @register("named")
        @dataclass(frozen=True)
        class Named(Flat):
            model: str = "x"
