"""Where agents are when an episode begins: grids, hotspots, files, and what files may not hold."""

import json
from pathlib import Path

import numpy as np
import pytest

from envs.geometry.area import Area
from envs.geometry.placement import FromFile, Grid, Hotspots, Uniform

AREA = Area(1000.0, 600.0)


def drawn(placement, count: int, area: Area = AREA, worlds: int = 2, seed: int = 0):
    return placement.draw((worlds, count), area, np.random.default_rng(seed))


def test_six_places_on_a_grid_of_1000_x_600_m_are_three_columns_and_two_rows() -> None:
    expected = [[x, y] for y in (150, 450) for x in (1000 / 6, 500, 5000 / 6)]
    places = drawn(Grid(), 6)
    np.testing.assert_allclose(places, [expected, expected], rtol=1e-6)


def test_thirty_places_on_a_square_fill_it_and_a_last_row_is_spread() -> None:
    square = Area(900.0, 900.0)
    places = drawn(Grid(), 30, square)[0]
    assert len({tuple(place) for place in places.tolist()}) == 30
    assert sorted(set(places[:, 1].tolist())) == pytest.approx([75, 225, 375, 525, 675, 825])
    five = drawn(Grid(), 5, square)[0]  # two columns, three rows
    np.testing.assert_allclose(five[:, 0], [225, 675, 225, 675, 450])
    np.testing.assert_allclose(five[:, 1], [150, 150, 450, 450, 750])


@pytest.mark.parametrize("count", [1, 2, 7, 13, 100])
@pytest.mark.parametrize("area", [AREA, Area(1.0, 1.0), Area(5000.0, 1.0), Area(1.0, 5000.0)])
def test_places_of_a_grid_differ_and_are_in_the_area(count: int, area: Area) -> None:
    places = drawn(Grid(), count, area)[0]
    assert area.holds(places)
    assert len({tuple(place) for place in places.tolist()}) == count


def test_uniform_places_have_the_moments_of_the_uniform_distribution() -> None:
    places = drawn(Uniform(), 50_000, worlds=1)[0].astype(float)
    for axis, side in enumerate(AREA):
        error = 4 * side / np.sqrt(12 * 50_000)
        assert places[:, axis].mean() == pytest.approx(side / 2, abs=error)
        assert places[:, axis].std() == pytest.approx(side / np.sqrt(12), rel=0.02)


def test_hotspots_are_normal_about_given_centres() -> None:
    spots = Hotspots(centres=((200.0, 300.0), (800.0, 300.0)), sigma_m=20.0)
    places = drawn(spots, 20_000, worlds=1)[0].astype(float)
    left = places[places[:, 0] < 500]
    assert len(left) == pytest.approx(10_000, abs=300)
    np.testing.assert_allclose(left.mean(axis=0), [200, 300], atol=1)
    np.testing.assert_allclose(left.std(axis=0), 20, rtol=0.03)


def test_hotspots_that_are_drawn_differ_from_world_to_world() -> None:
    places = drawn(Hotspots(count=1, sigma_m=1.0), 50)
    assert (places.std(axis=1) < 2).all()
    assert np.abs(places[0].mean(axis=0) - places[1].mean(axis=0)).max() > 10


def test_hotspots_at_a_border_are_reflected_into_the_area() -> None:
    places = drawn(Hotspots(centres=((0.0, 0.0),), sigma_m=50.0), 20_000, worlds=1)[0]
    assert AREA.holds(places)
    assert (places == 0).mean() < 0.001  # not clipped
    assert places[:, 0].mean() == pytest.approx(50 * np.sqrt(2 / np.pi), rel=0.03)


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({}, "either centres or their count"),
        ({"count": 2, "centres": [[1, 1]]}, "either centres or their count"),
        ({"count": 0}, "greater than or equal to 1"),
        ({"centres": []}, "at least 1 item"),
        ({"count": 2, "sigma_m": -1.0}, "greater than or equal to 0"),
        ({"count": 2, "sigma_m": float("nan")}, "finite number"),
    ],
)
def test_hotspots_need_centres_or_their_number(keys: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Hotspots(**keys)


def test_a_centre_beyond_the_border_is_refused() -> None:
    with pytest.raises(ValueError, match=r"the centre \[100.0, 700.0\] is not in the area"):
        Hotspots(centres=((100.0, 700.0),)).check(AREA)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.csv", "10,20\n30,40.5\n"),
        ("a.csv", "x, y\n10, 20\n\n30, 40.5"),
        ("a.csv", "\ufeffX,Y\r\n10,20\r\n30,40.5\r\n"),
        ("a.json", "[[10, 20], [30, 40.5]]"),
    ],
)
def test_places_are_read_from_csv_and_json(name: str, text: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(text, encoding="utf-8")
    places = drawn(FromFile(path=str(tmp_path / name)), 2)
    np.testing.assert_allclose(places, [[[10, 20], [30, 40.5]]] * 2)


def test_a_third_column_is_the_height(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("x,y,z\n10,20,7\n30,40,9\n")
    assert drawn(FromFile(path=str(tmp_path / "a.csv")), 2)[0].tolist() == [
        [10, 20, 7],
        [30, 40, 9],
    ]


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.csv", "1,2\n", "should hold 2 places, one an agent, and holds 1"),
        ("a.csv", "1,2\n3,4\n5,6\n", "should hold 2 places, one an agent, and holds 3"),
        ("a.csv", "1,2\n1,700\n", r"place 2, \[1.0, 700.0\], is not in the area of 1000 x 600 m"),
        ("a.csv", "-1,2\n1,7\n", r"place 1, \[-1.0, 2.0\], is not in the area"),
        ("a.csv", "1,2\nnan,3\n", "of finite numbers"),
        ("a.csv", "1,2\ninf,3\n", "of finite numbers"),
        ("a.csv", "1,2\n3\n", "a line x,y or x,y,z"),
        ("a.csv", "1,2,3,4\n1,2,3,4\n", "a line x,y or x,y,z"),
        ("a.csv", "1,2\nhere,there\n", "cannot read .*could not convert string"),
        ("a.csv", "", "a line x,y or x,y,z"),
        ("a.json", "[[1, 2], [true, 3]]", "a line x,y or x,y,z"),
        ("a.json", '{"x": 1}', "a line x,y or x,y,z"),
        ("a.json", "[[1, 2], [1, 1e999]]", "of finite numbers"),
        ("a.json", "[[1, 2]", "cannot read"),
        ("a.json", json.dumps([[1, 2], "34"]), "a line x,y or x,y,z"),
    ],
)
def test_a_file_with_other_places_is_refused_by_its_name(
    name: str, text: str, message: str, tmp_path: Path
) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(ValueError, match=message) as error:
        drawn(FromFile(path=str(tmp_path / name)), 2)
    assert name in str(error.value)


@pytest.mark.parametrize("path", ["nowhere.csv", "/dev/zero", "."])
def test_what_is_no_file_is_refused(path: str) -> None:
    with pytest.raises(ValueError, match=f"cannot read {path}"):
        drawn(FromFile(path=path), 2)
