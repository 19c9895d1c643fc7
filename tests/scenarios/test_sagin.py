"""Space, air and ground: orbit and link budget against closed forms and published numbers."""

import sys
from collections.abc import Callable
from importlib.util import module_from_spec, spec_from_file_location
from math import asin, cos, degrees, radians, sin
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from envs import ChannelConfig, World, WorldConfig
from envs.channel import ChannelError
from envs.geometry import Area
from envs.geometry.path_loss import AirToGround
from envs.geometry.paths import SPEED_OF_LIGHT, Paths
from envs.testing import check_channel
from marl_moe.cli import app
from marl_moe.experiment.spec.reading import load_experiment

HEIGHT_M, SLOT_S = 600e3, 6.0
OVERHEAD = {"model": "circular_orbit", "first_s": [300, 300], "heading_deg": [30, 30]}
Change = Callable[[dict[str, Any]], None]


@pytest.fixture
def orbit() -> ModuleType:
    load_experiment("sagin")
    return sys.modules["sagin_orbit"]


@pytest.fixture
def world_of() -> Callable[..., World]:
    """Return what makes worlds of the study with other keys of `env`."""

    def make(num_worlds: int = 1, change: Change | None = None) -> World:
        env = load_experiment("sagin").env.as_dict()
        if change is not None:
            change(env)
        return World(WorldConfig(**env), num_worlds, seed=0)

    return make


def a_pass(**keys: Any) -> Change:
    """Return what makes a world of one satellite that passes over one user, who stands still."""

    def change(env: dict[str, Any]) -> None:
        satellite = env["expert_groups"]["satellite"]
        satellite |= {"count": 1, "topics": [0], "mobility": OVERHEAD | keys}
        env |= {"num_users": 1, "num_experts": None, "expert_groups": {"satellite": satellite}}
        geometry = env["channel"]["geometry"]
        geometry |= {"fading": "none", "rician_k_db": None}
        geometry["users"] |= {
            "placement": satellite["placement"],
            "mobility": {"model": "static"},
        }

    return change


def idle(world: World) -> None:
    world.step(np.full((world.num_worlds, world.num_users), world.num_candidates))


# ---- the orbit


@pytest.mark.parametrize("elevation_deg", [0.0, 10.0, 30.0, 77.0, 90.0])
def test_the_slant_range_closes_the_triangle_with_the_centre_of_the_earth(
    orbit: ModuleType, elevation_deg: float
) -> None:
    # The law of sines, in place of the law of cosines that the formula is of.
    elevation, radius = radians(elevation_deg), orbit.EARTH_M
    at_satellite = asin(radius * cos(elevation) / (radius + HEIGHT_M))
    at_centre = radians(90) - elevation - at_satellite
    expected = (radius + HEIGHT_M) * sin(at_centre) / cos(elevation) if elevation_deg < 90 else 6e5
    assert orbit.slant_range_m(HEIGHT_M, elevation_deg) == pytest.approx(expected, rel=1e-9)
    angle = orbit.central_angle(HEIGHT_M, elevation_deg)
    assert angle == pytest.approx(at_centre, abs=1e-9)


def test_numbers_of_a_pass_at_600_km(orbit: ModuleType) -> None:
    assert orbit.slant_range_m(HEIGHT_M, 10) / 1e3 == pytest.approx(1932, abs=0.5)  # TR 38.821
    assert orbit.slant_range_m(HEIGHT_M, 10) / SPEED_OF_LIGHT == pytest.approx(6.44e-3, rel=1e-3)
    assert orbit.visible_s(HEIGHT_M, 10) == pytest.approx(510, abs=1)
    assert (
        orbit.visible_s(HEIGHT_M, 10, offset_m=1.8e6) == 0
    )  # it stays below: 16 degrees are 1,775 km
    assert 2 * np.pi / orbit.angular_speed(HEIGHT_M) / 60 == pytest.approx(96.6, abs=0.1)


def test_a_pass_goes_by_the_closed_forms(orbit: ModuleType, world_of: Callable[..., World]) -> None:
    world, covered, nearest_m = world_of(change=a_pass()), 0, np.inf
    while True:
        links, (users, experts) = world.slot.conditions.links, world.positions
        way = (experts - users)[0, 0].astype(float)
        distance_m = np.linalg.norm(way)
        elevation_deg = degrees(asin(way[2] / distance_m))
        seen = links.covered is None or bool(links.covered[0, 0, 0])
        assert seen == (elevation_deg >= 10)
        covered += seen
        if seen:
            nearest_m = min(nearest_m, distance_m)
            expected_m = orbit.slant_range_m(HEIGHT_M, elevation_deg)
            assert distance_m == pytest.approx(expected_m, rel=1e-5)
            assert links.propagation_s[0, 0, 0] == pytest.approx(
                expected_m / SPEED_OF_LIGHT, rel=1e-5
            )
            loss_db = 20 * np.log10(4 * np.pi * expected_m * 2e9 / SPEED_OF_LIGHT) + 5.3
            snr_db = 10 * np.log10(2.5) + 30 + 30 - loss_db - (-174 + 60 + 7)
            assert links.snr_db[0, 0, 0] == pytest.approx(snr_db, abs=1e-3)
        assert np.linalg.norm(way + np.array([0, 0, orbit.EARTH_M])) == pytest.approx(
            orbit.EARTH_M + HEIGHT_M, rel=1e-6
        )
        if world.slot.index == world.config.episode_slots - 1:
            break
        idle(world)
    assert covered == 85
    assert nearest_m == pytest.approx(HEIGHT_M, rel=1e-5)  # it culminates at slot 50, in the zenith


@pytest.mark.parametrize("offset_m", [0.0, 4e5, 9e5])
def test_a_pass_beside_the_ground_track_is_shorter(
    offset_m: float, orbit: ModuleType, world_of: Callable[..., World]
) -> None:
    world, slots = world_of(change=a_pass(offset_m=[offset_m, offset_m])), 0
    for _ in range(100):
        slots += bool(world.slot.conditions.usable.any())
        idle(world)
    assert slots * SLOT_S == pytest.approx(orbit.visible_s(HEIGHT_M, 10, offset_m), abs=SLOT_S)


def test_the_time_left_is_what_going_on_shows(world_of: Callable[..., World]) -> None:
    world = world_of(num_worlds=3)  # users walk at 1 m/s, kilometres from the track
    left_s, seen = [], []
    for _ in range(149):
        links = world.slot.conditions.links
        left_s.append(links.covered_for_s[..., 15:])
        seen.append(np.ones((3, 16, 3), bool) if links.covered is None else links.covered)
        assert np.isinf(links.covered_for_s[..., :15]).all()
        idle(world)
    left, up = np.stack(left_s), np.stack([one[..., -3:] for one in seen])
    np.testing.assert_array_equal(left > 0, up)
    ends = up[:-1] & ~up[1:]
    assert ends.sum() >= 3 * 16  # a pass ends at least in each world
    assert (left[:-1][ends] <= SLOT_S + 0.1).all()
    goes_on = up[:-1] & up[1:]
    steps = (left[:-1] - left[1:])[goes_on]
    np.testing.assert_allclose(steps, SLOT_S, atol=0.1)  # walking moves the end by hundredths


def test_the_phase_is_uniform_so_that_510_of_600_s_have_a_satellite_in_view(
    orbit: ModuleType,
) -> None:
    model, area, rng = orbit.CircularOrbit(), Area(1e3, 1e3), np.random.default_rng(0)
    begin = np.broadcast_to(np.float32([0, 0, HEIGHT_M]), (4000, 3, 3))
    for after_s in (0.0, 333.0, 894.0):  # the last slot of an episode begins at 894 s
        places, state = model.start(begin, area, rng)
        places, _ = model.move(places, state, area, after_s, rng)
        ground_m = np.hypot(places[..., 0], places[..., 1])
        seen = (np.degrees(np.arctan2(places[..., 2], ground_m)) >= 10).any(axis=-1)
        assert seen.mean() == pytest.approx(509.6 / 600, abs=4 * np.sqrt(0.85 * 0.15 / 4000))


def test_satellites_are_a_channel_that_resumes_and_takes_newcomers(orbit: ModuleType) -> None:
    experts = {"mobility": {"model": "circular_orbit"}, "height_m": HEIGHT_M, "antenna_gain_db": 30}
    loss = {"model": "earth_to_space"}
    geometry = {"experts": experts, "path_loss": loss, "fading": "none", "propagation_delay": True}
    check_channel(ChannelConfig(process="geometric", geometry=geometry))


@pytest.mark.parametrize(
    ("key", "value", "says"),
    [
        ("height_m", 120, "200000 to 1e"),
        ("mobility", {"model": "circular_orbit", "spacing_s": 0}, "spacing_s"),
        ("mobility", {"model": "circular_orbit", "first_s": [5, 1]}, "first_s"),
        ("mobility", {"model": "circular_orbit", "speed": 1}, "no parameter 'speed'"),
        ("path_loss", {"model": "earth_to_space", "elevation_deg": 90}, "elevation_deg"),
        ("path_loss", {"model": "earth_to_space", "margin_db": float("nan")}, "margin_db"),
    ],
)
def test_satellites_that_cannot_be_are_refused(
    key: str, value: Any, says: str, world_of: Callable[..., World]
) -> None:
    def change(env: dict[str, Any]) -> None:
        env["expert_groups"]["satellite"] |= {key: value}
        if key == "height_m":
            env["expert_groups"]["satellite"]["path_loss"] = {"model": "free_space"}
            env["experts"]["handover"] = "continue"

    with pytest.raises((ValueError, ChannelError), match=says):
        world_of(change=change)


# ---- link budgets and sight


def test_the_downlink_is_that_of_tr_38821(world_of: Callable[..., World]) -> None:
    # Section 6.1.3.1, LEO-600 in S band at 30 degrees: CNR = EIRP + G/T - k - losses - bandwidth.
    handheld_db_k = 0 - 7 - 10 * np.log10(290)  # G/T of 0 dBi, 7 dB and 290 K
    boltzmann_dbw = 10 * np.log10(1.380649e-23)
    free_db = 20 * np.log10(4 * np.pi * 1_075_088 * 2e9 / SPEED_OF_LIGHT)  # 159.1 dB
    expected = 34 + handheld_db_k - boltzmann_dbw - free_db - 0.1 - 3 - 2.2 - 60
    assert expected == pytest.approx(6.6, abs=0.05)
    world = world_of(change=a_pass())
    by_elevation = {}
    for _ in range(100):
        (users, experts), snr_db = world.positions, world.slot.conditions.links.snr_db
        way = (experts - users)[0, 0].astype(float)
        by_elevation[degrees(asin(way[2] / np.linalg.norm(way)))] = float(snr_db[0, 0, 0])
        idle(world)
    degrees_up = sorted(by_elevation)
    at_30 = np.interp(30, degrees_up, [by_elevation[up] for up in degrees_up])
    assert at_30 == pytest.approx(expected, abs=0.1)


def test_uavs_are_in_sight_with_the_published_probability(world_of: Callable[..., World]) -> None:
    world = world_of(num_worlds=150)
    state, (users, experts) = world.channel.state, world.positions
    paths = Paths.between(users[:, :, None], experts[:, None], 2.0)
    up_deg = np.degrees(np.arctan2(118.5, paths.ground_m[..., 12:15]))
    expected = 1 / (1 + 4.88 * np.exp(-0.43 * (up_deg - 4.88)))  # Al-Hourani et al. 2014, suburban
    model = AirToGround(environment="suburban")
    np.testing.assert_allclose(model.line_of_sight(paths)[..., 12:15], expected, rtol=1e-4)
    sight = state["obstruction"][..., 12:15] < expected
    assert sight.mean() == pytest.approx(expected.mean(), abs=4 * 0.5 / np.sqrt(sight.size))


# ---- the run


def test_a_smoke_run_draws_the_figure(tmp_path: Path) -> None:
    # With what learns it is run in tests/marl_moe/experiment/spec/test_sizes.py.
    arguments = ["run", "sagin", "--size", "smoke", "--set", "algorithm=null"]
    done = CliRunner().invoke(app, [*arguments, "--out", str(tmp_path)])
    assert done.exit_code == 0, done.output
    folder = tmp_path / "sagin_smoke"
    assert (folder / "figures/sagin.pdf").exists()
    evaluation = pd.read_parquet(folder / "evaluation.parquet")
    is_far = evaluation["settings"].str.contains("4250")
    near, far = evaluation[~is_far], evaluation[is_far]
    assert near["served_ground"].mean() > 2
    assert far["served_ground"].mean() < 0.1  # 4 km are beyond the cells
    assert (far["served_uav"] + far["served_satellite"]).mean() > 1


def test_some_transfers_to_satellites_outlast_the_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    folder = Path(__file__).parents[2] / "experiments" / "scenarios" / "sagin"
    spec = spec_from_file_location("a_pass_of_sagin", folder / "a_pass.py")
    assert spec is not None
    assert spec.loader is not None
    script = module_from_spec(spec)
    spec.loader.exec_module(script)
    monkeypatch.setattr(script, "WORLDS", 2)
    outlast, carried = script.outlasting()
    assert 0 <= outlast < 0.1 * carried
    assert carried > 100
