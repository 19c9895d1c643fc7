"""Path loss against the formulas and tables that the models are taken from, computed by hand."""

from math import exp, log10

import numpy as np
import pytest

from envs.geometry.path_loss import AirToGround, FreeSpace, LogDistance, UrbanMicro
from envs.geometry.paths import Paths, Span


def paths(ground_m: float, user_m: float = 1.5, expert_m: float = 10.0, ghz: float = 3.5) -> Paths:
    """Return the path of one pair."""
    user = np.array([[[[0.0, 0.0, user_m]]]], np.float32)
    expert = np.array([[[[ground_m * 0.6, ground_m * 0.8, expert_m]]]], np.float32)
    return Paths.between(user, expert, ghz)


def loss(model: object, sight: bool, *place: float) -> float:
    lost = model.loss_db(paths(*place), np.array([[[sight]]]))  # type: ignore[attr-defined]
    return float(lost.item())


# 32.4 + 21 log10 d3 + 20 log10 f up to d_BP = 4 . 9 . 0.5 . f / c (210 m at 3.5 GHz), beyond it
# 32.4 + 40 log10 d3 + 20 log10 f - 9.5 log10(d_BP^2 + 8.5^2).
LINE_OF_SIGHT = [
    (10.0, 3.5, 66.7610),
    (100.0, 3.5, 85.3142),
    (209.0, 3.5, 92.0120),
    (211.0, 3.5, 92.1378),
    (500.0, 3.5, 107.1138),
    (5000.0, 3.5, 147.1113),
    (100.0, 28.0, 103.3760),
    (2000.0, 28.0, 132.1035),
    (30.0, 0.5, 57.7511),
    (100.0, 0.5, 78.0580),
]


@pytest.mark.parametrize(("ground_m", "ghz", "db"), LINE_OF_SIGHT)
def test_umi_with_a_line_of_sight_is_that_of_table_7_4_1_1(
    ground_m: float, ghz: float, db: float
) -> None:
    assert loss(UrbanMicro(), True, ground_m, 1.5, 10.0, ghz) == pytest.approx(db, abs=2e-3)
    break_m = 4 * 9 * 0.5 * ghz * 1e9 / 3e8
    d3 = np.hypot(ground_m, 8.5)
    near = 32.4 + 21 * log10(d3) + 20 * log10(ghz)
    far = 32.4 + 40 * log10(d3) + 20 * log10(ghz) - 9.5 * log10(break_m**2 + 8.5**2)
    assert db == pytest.approx(near if ground_m <= break_m else far, abs=1e-3)


@pytest.mark.parametrize("ground_m", [10.0, 60.0, 250.0, 1500.0])
@pytest.mark.parametrize("user_m", [1.5, 22.5])
def test_umi_without_one_is_at_least_that_with_one(ground_m: float, user_m: float) -> None:
    d3 = np.hypot(ground_m, 10 - user_m)
    slope = 35.3 * log10(d3) + 22.4 + 21.3 * log10(3.5) - 0.3 * (user_m - 1.5)
    with_sight = loss(UrbanMicro(), True, ground_m, user_m)
    expected = max(with_sight, slope)
    assert loss(UrbanMicro(), False, ground_m, user_m) == pytest.approx(expected, abs=1e-3)


def test_umi_at_100_m_without_a_line_of_sight_is_a_number_computed_by_hand() -> None:
    # 35.3 . 2.0015638 + 22.4 + 21.3 . 0.5440680 - 0
    assert loss(UrbanMicro(), False, 100.0) == pytest.approx(104.6438, abs=2e-3)


def test_umi_counts_pairs_nearer_than_10_m_as_10_m_apart() -> None:
    assert loss(UrbanMicro(), True, 3.0) == loss(UrbanMicro(), True, 10.0)


@pytest.mark.parametrize(
    ("ground_m", "probability"),
    # 18 / d + exp(-d / 36) (1 - 18 / d): 1/2 + 1/(2 e) at 36 m
    [(0.0, 1.0), (18.0, 1.0), (36.0, 0.5 + 0.5 / np.e), (100.0, 0.18 + 0.82 * exp(-100 / 36))],
)
def test_the_line_of_sight_of_umi_is_that_of_table_7_4_2_1(
    ground_m: float, probability: float
) -> None:
    seen = UrbanMicro().line_of_sight(paths(ground_m)).item()
    assert seen == pytest.approx(probability, abs=1e-6)


def test_the_shadowing_of_umi_is_4_and_7_82_db() -> None:
    assert UrbanMicro().shadowing_db() == (4.0, 7.82)


@pytest.mark.parametrize(
    ("span", "message"),
    [
        (Span(0.4, (1.5, 1.5), (10, 10), 900), "carrier_ghz of 0.5 to 100, got 0.4"),
        (Span(3.5, (1.0, 1.5), (10, 10), 900), "heights of users in m of 1.5 to 22.5, got 1"),
        (Span(3.5, (1.5, 1.5), (10, 25), 900), "heights of experts in m of 10, got 25"),
        (Span(3.5, (1.5, 1.5), (10, 10), 5001), "up to 5000 m, and the area has a diagonal"),
    ],
)
def test_umi_is_refused_where_the_table_is_not_made_for_it(span: Span, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        UrbanMicro().check(span)
    UrbanMicro().check(Span(3.5, (1.5, 22.5), (10, 10), 5000))


def test_free_space_loses_100_db_at_1_km_and_2_4_ghz_as_friis_has_it() -> None:
    # 20 log10(4 pi . 1000 / 0.12491 m) = 100.05
    place = 1000.0, 10.0, 10.0, 2.4
    assert loss(FreeSpace(), True, *place) == pytest.approx(100.05, abs=5e-3)
    assert loss(FreeSpace(), True, 2000.0, *place[1:]) == pytest.approx(106.07, abs=5e-3)


def test_free_space_counts_pairs_at_one_place_as_a_metre_apart() -> None:
    at_one_m = 20 * log10(4 * np.pi * 3.5e9 / 299_792_458)
    assert loss(FreeSpace(), True, 0.0, 10.0) == pytest.approx(at_one_m, abs=1e-3)


@pytest.mark.parametrize("exponent", [2.0, 3.5])
def test_log_distance_falls_by_10_n_a_decade_from_its_reference(exponent: float) -> None:
    model = LogDistance(exponent=exponent, reference_m=10.0, reference_loss_db=60.0)
    level = 10.0, 10.0  # heights
    assert loss(model, True, 10.0, *level) == pytest.approx(60, abs=1e-4)
    assert loss(model, True, 1000.0, *level) == pytest.approx(60 + 20 * exponent, abs=1e-3)
    assert loss(model, True, 4.0, *level) == pytest.approx(60, abs=1e-4)


def test_log_distance_of_exponent_2_without_a_reference_is_free_space() -> None:
    for ground_m in (1.0, 30.0, 700.0):
        assert loss(LogDistance(exponent=2.0), True, ground_m) == pytest.approx(
            loss(FreeSpace(), True, ground_m), abs=1e-3
        )


# Al-Hourani et al. 2014: a, b, eta with and without a line of sight.
AIR = {
    "suburban": (4.88, 0.43, 0.1, 21.0),
    "urban": (9.61, 0.16, 1.0, 20.0),
    "dense_urban": (12.08, 0.11, 1.6, 23.0),
    "highrise": (27.23, 0.08, 2.3, 34.0),
}


@pytest.mark.parametrize("environment", AIR)
@pytest.mark.parametrize("degrees", [5.0, 30.0, 45.0, 80.0])
def test_the_line_of_sight_to_the_air_grows_with_the_elevation(
    environment: str, degrees: float
) -> None:
    a, b, eta_with, eta_without = AIR[environment]
    model = AirToGround(environment=environment)  # type: ignore[arg-type]
    ground_m = 300 / np.tan(np.radians(degrees))
    place = ground_m, 1.5, 301.5, 2.0
    expected = 1 / (1 + a * exp(-b * (degrees - a)))
    assert model.line_of_sight(paths(*place)).item() == pytest.approx(expected, abs=2e-5)
    free = 20 * log10(4 * np.pi * np.hypot(ground_m, 300) * 2e9 / 299_792_458)
    assert loss(model, True, *place) == pytest.approx(free + eta_with, abs=1e-3)
    assert loss(model, False, *place) == pytest.approx(free + eta_without, abs=1e-3)


def test_the_line_of_sight_in_a_city_at_45_degrees_is_0_967() -> None:
    # 1 / (1 + 9.61 exp(-0.16 . 35.39)) = 1 / (1 + 9.61 . 0.0034758)
    seen = AirToGround().line_of_sight(paths(100.0, 0.0, 100.0)).item()
    assert seen == pytest.approx(0.96768, abs=1e-4)


def test_air_to_ground_is_refused_where_heights_overlap() -> None:
    with pytest.raises(ValueError, match="experts above users or below them"):
        AirToGround().check(Span(2.0, (1.5, 30.0), (10.0, 100.0), 1000))
    AirToGround().check(Span(2.0, (1.5, 1.5), (100.0, 100.0), 1000))
    AirToGround().check(Span(2.0, (100.0, 120.0), (10.0, 10.0), 1000))
