"""Places far beyond the area of a map: at its border, in their direction, with their elevation."""

import numpy as np
import pytest

from envs.geometry import Area
from envs.render.ground import Afar, Ground

AREA = Area(100.0, 40.0)


def test_what_is_in_or_near_the_area_is_shown_where_it_is() -> None:
    places = np.array([[3.0, 7.0, 1.5], [100.0, 40.0, 80.0], [130.0, 20.0, 10.0]])
    shown = Afar.of(places, AREA)
    np.testing.assert_array_equal(shown.places, places[:, :2])
    assert np.isnan(shown.elevation_deg).all()
    np.testing.assert_array_equal(Afar.of(places * 1e4, None).places, places[:, :2] * 1e4)


@pytest.mark.parametrize(
    ("place", "at", "elevation_deg"),
    [
        ((1050.0, 20.0, 1000.0), (100.0, 20.0), 45.0),  # due east
        ((50.0, -580.0, 600.0), (50.0, 0.0), 45.0),  # due south
        ((350.0, 140.0, 0.0), (100.0, 40.0), 0.0),  # 300 : 120, at a corner
        ((50.0, 20.0, 600.0), (50.0, 20.0), 90.0),  # overhead
        ((60.0, 20.0, 1000.0), (60.0, 20.0), 89.43),  # nearly so: over its place in the area
    ],
)
def test_what_is_far_is_at_the_border_in_its_direction(
    place: tuple[float, ...], at: tuple[float, float], elevation_deg: float
) -> None:
    shown = Afar.of(np.array([place]), AREA)
    np.testing.assert_allclose(shown.places[0], at, atol=1e-9)
    assert shown.elevation_deg[0] == pytest.approx(elevation_deg, abs=0.01)


def test_what_is_below_the_horizon_is_not_shown_and_stretches_no_map() -> None:
    places = np.array([[3.0, 7.0, 1.5], [5e6, 20.0, -4e6]])
    shown = Afar.of(places, AREA)
    assert np.isnan(shown.places[1]).all()
    ground = Ground.of(shown.places, AREA)
    np.testing.assert_array_equal(ground, [[0, 0], AREA])
    assert ground.holds(shown.places)
