"""How agents move, against stationary distributions and correlations known in closed form."""

from math import log, pi, sqrt

import numpy as np
import pytest

from envs.geometry.area import Area
from envs.geometry.mobility import GaussMarkovMobility, RandomWaypoint, Static
from envs.geometry.mobility.random_waypoint import mean_distance_m

SQUARE = Area(1000.0, 1000.0)


def begun(mobility, count: int, area: Area = SQUARE, seed: int = 0):
    """Return a generator, and the places and states of agents placed uniformly."""
    rng = np.random.default_rng(seed)
    return rng, *mobility.start(area.uniform((count,), rng), area, rng)


@pytest.mark.parametrize("area", [Area(1.0, 1.0), Area(1000.0, 300.0), Area(20.0, 900.0)])
def test_the_mean_distance_of_two_places_is_that_of_a_closed_form(area: Area) -> None:
    rng = np.random.default_rng(0)
    first, second = area.uniform((400_000,), rng), area.uniform((400_000,), rng)
    distance = np.hypot(*(first - second).T)
    error = float(4 * distance.std() / sqrt(400_000))
    assert mean_distance_m(area) == pytest.approx(distance.mean(), abs=error)
    if area == Area(1.0, 1.0):
        assert mean_distance_m(area) == pytest.approx(0.521405, abs=1e-6)  # of the unit square


def stationary_density(cells: int) -> np.ndarray:
    """Return the density of random waypoint without pauses in cells of the unit square, mean 1.

    Hyytia, Lassila and Virtamo, "Spatial Node Distribution of the Random Waypoint Mobility Model
    with Applications", IEEE Trans. Mobile Comput. 2006, theorem 1: it goes with the integral of
    a b (a + b) over all directions, a and b being the distances to the border ahead and behind.
    """
    fine = (np.arange(20 * cells) + 0.5) / (20 * cells)
    x, y = np.meshgrid(fine, fine, indexing="ij")
    total = np.zeros_like(x)
    for angle in (np.arange(360) + 0.5) * pi / 360:
        ways = []
        for east, north in ((np.cos(angle), np.sin(angle)), (-np.cos(angle), -np.sin(angle))):
            to_side = np.where(east > 0, 1 - x, x) / abs(east)
            ways.append(np.minimum(to_side, np.where(north > 0, 1 - y, y) / abs(north)))
        total += ways[0] * ways[1] * (ways[0] + ways[1])
    total = total.reshape(cells, 20, cells, 20).mean(axis=(1, 3))
    return total / total.mean()


def shares(position: np.ndarray, cells: int) -> np.ndarray:
    """Return the share of places in each cell of the square, times the number of cells."""
    counts, _, _ = np.histogram2d(
        position[:, 0], position[:, 1], bins=cells, range=[[0, 1000], [0, 1000]]
    )
    return counts / counts.mean()


@pytest.mark.parametrize("slots", [0, 40])
def test_walkers_have_the_known_stationary_density_from_the_beginning_on(slots: int) -> None:
    walk = RandomWaypoint(speed_m_s=(1.0, 20.0), pause_s=(0.0, 0.0))
    rng, position, state = begun(walk, 200_000)
    for _ in range(slots):
        position, changed = walk.move(position, state, SQUARE, 6.0, rng)
        state |= changed
    np.testing.assert_allclose(shares(position, 5), stationary_density(5), atol=0.05)
    assert shares(position, 5)[2, 2] > 1.7  # about the middle: far from uniform


def test_pauses_make_places_more_uniform_and_take_their_share_of_time() -> None:
    walk = RandomWaypoint(speed_m_s=(1.0, 5.0), pause_s=(100.0, 500.0))
    rng, position, state = begun(walk, 100_000)
    travel_s = 521.405 * log(5) / 4
    share = 300 / (300 + travel_s)
    for _ in range(3):
        assert (state["pause_s"] > 0).mean() == pytest.approx(share, abs=0.006)
        moving = state["pause_s"] == 0
        # in the long run a speed is seen for as long as its leg takes
        assert state["speed_m_s"][moving].mean() == pytest.approx(4 / log(5), rel=0.02)
        # the time left of a pause in progress has the mean E P^2 / (2 E P)
        mean_s = (500**3 - 100**3) / (3 * 400) / (2 * 300)
        assert state["pause_s"][~moving].mean() == pytest.approx(mean_s, rel=0.02)
        position, state = walk.move(position, state, SQUARE, 200.0, rng)
    assert shares(position, 5)[2, 2] < 1.5


def test_a_walk_from_the_placement_begins_there_and_takes_minutes_to_be_stationary() -> None:
    walk = RandomWaypoint(start_at="placement")
    rng = np.random.default_rng(0)
    placed = SQUARE.uniform((50_000,), rng)
    position, state = walk.start(placed, SQUARE, rng)
    np.testing.assert_array_equal(position, placed)
    middle = []
    for _ in range(4):
        middle.append(shares(position, 5)[2, 2])
        position, state = walk.move(position, state, SQUARE, 400.0, rng)
    assert middle[0] == pytest.approx(1, abs=0.1)
    assert middle[-1] > 1.5


def test_one_slot_is_as_far_as_its_parts_and_may_hold_several_legs() -> None:
    walk = RandomWaypoint(speed_m_s=(3.0, 3.0), pause_s=(2.0, 2.0), start_at="placement")
    area = Area(10.0, 10.0)
    rng = np.random.default_rng(0)
    position, state = walk.start(np.full((1, 2), 5, np.float32), area, rng)
    # An agent walked by hand in steps of a leg, with the same draws.
    again, left_s, place = np.random.default_rng(1), 60.0, position[0].astype(float)
    target, pause_s, legs = state["target_m"][0].astype(float), 0.0, 0
    while True:
        waits = min(pause_s, left_s)
        left_s -= waits
        distance = np.hypot(*(target - place))
        if distance > 3 * left_s:
            place += (target - place) * 3 * left_s / distance
            break
        left_s -= distance / 3
        place, legs = target, legs + 1
        again.uniform(3, 3, (1,))
        target = area.uniform((1,), again)[0].astype(float)
        again.uniform(2, 2, (1,))
        pause_s = 2.0
    end, _ = walk.move(position, state, area, 60.0, np.random.default_rng(1))
    assert legs > 5
    np.testing.assert_allclose(end[0], place, atol=1e-3)


def test_legs_without_end_are_refused() -> None:
    walk = RandomWaypoint(speed_m_s=(1e3, 1e3), pause_s=(0.0, 0.0), start_at="placement")
    rng, position, state = begun(walk, 1, Area(1.0, 1.0))
    with pytest.raises(ValueError, match=r"more than 10,000 legs.*speed_m_s is too high"):
        walk.move(position, state, Area(1.0, 1.0), 600.0, rng)


def test_gauss_markov_has_its_mean_speed_and_memory() -> None:
    walk = GaussMarkovMobility(memory=0.8, mean_speed_m_s=2.0)
    area = Area(1e6, 1e6)  # whose borders nobody meets
    rng, position, state = begun(walk, 40_000, area)
    position = np.full_like(position, 5e5)
    velocity = []
    for _ in range(6):
        velocity.append(state["velocity_m_s"].astype(float))
        before = position
        position, state = walk.move(position, state, area, 6.0, rng)
        moved = np.hypot(*(position - before).T)
        assert moved.mean() / 6 == pytest.approx(2.0, rel=0.01)
    variance = 2.0**2 * 2 / pi
    for lag in range(6):
        covariance = (velocity[0] * velocity[lag]).mean()
        assert covariance == pytest.approx(variance * 0.8**lag, abs=0.03)


def test_gauss_markov_stays_uniform_between_borders_that_reflect() -> None:
    walk = GaussMarkovMobility(memory=0.9, mean_speed_m_s=20.0)
    rng, position, state = begun(walk, 100_000)
    for _ in range(50):
        position, state = walk.move(position, state, SQUARE, 6.0, rng)
    np.testing.assert_allclose(shares(position, 4), 1, atol=0.06)
    assert state["velocity_m_s"].mean() == pytest.approx(0, abs=0.2)


@pytest.mark.parametrize(
    "mobility",
    [
        Static(),
        RandomWaypoint(speed_m_s=(1.0, 300.0), pause_s=(0.0, 1.0)),
        GaussMarkovMobility(mean_speed_m_s=300.0),
        GaussMarkovMobility(memory=1.0, mean_speed_m_s=1e3),
    ],
)
def test_nobody_leaves_the_area(mobility) -> None:
    area = Area(100.0, 30.0)
    rng, position, state = begun(mobility, 2000, area)
    for _ in range(30):
        assert area.holds(position)
        assert position.dtype == np.float32
        position, changed = mobility.move(position, state, area, 6.0, rng)
        state = state | changed


def test_a_mirror_returns_what_goes_beyond_the_border() -> None:
    area = Area(10.0, 4.0)
    places, direction = area.folded(np.array([[11.0, 1.0], [-3.0, 9.0], [35.0, -1.0]], np.float32))
    np.testing.assert_allclose(places, [[9, 1], [3, 1], [5, 1]], atol=1e-5)
    assert direction.tolist() == [[-1, 1], [-1, 1], [-1, -1]]
