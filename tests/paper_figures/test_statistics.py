import numpy as np
import pandas as pd
import pytest
from scipy import stats

from paper_figures.statistics import (
    aligned,
    learning_curve,
    mean_interval,
    smooth,
    smoothing_window,
    unpaired_interval,
)

# Extra hours of sleep under two drugs, ten patients: differences of the pairs, Student (1908). R's
# documentation of t.test prints this interval for them.
STUDENT_1908 = [1.2, 2.4, 1.3, 1.3, 0.0, 1.0, 1.8, 0.8, 4.6, 1.4]


def test_the_interval_over_seeds_is_that_published_for_student_1908() -> None:
    frame = pd.DataFrame({"policy": "sac", "seed": range(10), "utility": STUDENT_1908})
    row = mean_interval(frame, "utility").iloc[0]
    assert row["mean"] == pytest.approx(1.58)
    assert (row["low"], row["high"]) == pytest.approx((0.7001142, 2.4598858), abs=1e-7)
    assert (row["num_seeds"], row["num_episodes"]) == (10, 10)


@pytest.mark.parametrize("confidence", [0.5, 0.95, 0.99])
def test_the_interval_is_scipys_over_the_means_of_seeds(confidence: float) -> None:
    rng = np.random.default_rng(1)
    frame = pd.DataFrame(
        {"policy": "sac", "seed": np.repeat(range(4), 25), "gain": rng.normal(size=100)}
    )
    seed_means = frame.groupby("seed")["gain"].mean()
    low, high = stats.t.interval(confidence, 3, loc=seed_means.mean(), scale=stats.sem(seed_means))
    row = mean_interval(frame, "gain", confidence=confidence).iloc[0]
    assert (row["low"], row["high"]) == pytest.approx((low, high))


@pytest.mark.parametrize("hours", [STUDENT_1908, STUDENT_1908[:1]])
def test_one_seed_has_a_mean_and_no_interval_however_many_its_episodes(hours: list[float]) -> None:
    row = mean_interval(
        pd.DataFrame({"policy": "sac", "seed": 7, "utility": hours}), "utility"
    ).iloc[0]
    assert row["mean"] == pytest.approx(np.mean(hours))
    assert np.isnan([row["low"], row["high"]]).all()
    assert (row["num_seeds"], row["num_episodes"]) == (1, len(hours))


def test_episodes_without_a_completed_request_are_left_out() -> None:
    frame = pd.DataFrame(
        {
            "policy": ["a", "a", "a", "b"],
            "seed": [0, 0, 1, 0],
            "utility": [1.0, np.nan, 3.0, np.nan],
        }
    )
    some, none = mean_interval(frame, "utility").itertuples()
    assert (some.mean, some.num_seeds, some.num_episodes) == (2.0, 2, 2)
    assert np.isnan(none.mean)
    assert (none.num_seeds, none.num_episodes) == (0, 0)


def test_seeds_weigh_the_same_however_many_episodes_they_have() -> None:
    frame = pd.DataFrame({"policy": "a", "seed": [0, 1, 1, 1], "utility": [0.0, 1.0, 1.0, 1.0]})
    assert mean_interval(frame, "utility").loc[0, "mean"] == 0.5


def test_groups_keep_their_order_and_their_columns() -> None:
    frame = pd.DataFrame(
        {"point": ["y", "x", "y"], "policy": ["b", "b", "a"], "seed": 0, "utility": [1.0, 2.0, 3.0]}
    )
    result = mean_interval(frame, "utility", by=("point", "policy"))
    assert list(zip(result["point"], result["policy"], strict=True)) == [
        ("y", "b"),
        ("x", "b"),
        ("y", "a"),
    ]


def test_the_interval_of_unpaired_means_is_scipys_by_welchs_test() -> None:
    rng = np.random.default_rng(0)
    for sizes in ((2, 2), (3, 5), (12, 4)):
        first, second = (rng.normal(size, size, size) for size in sizes)
        welch = stats.ttest_ind(second, first, equal_var=False).confidence_interval(0.95)
        wanted = (second.mean() - first.mean(), *welch)
        np.testing.assert_allclose(unpaired_interval(first, second), wanted)


@pytest.mark.filterwarnings("error")
def test_unpaired_means_of_one_seed_or_that_never_vary_are_no_error() -> None:
    one = unpaired_interval(np.array([1.0]), np.array([2.0, 3.0]))
    assert one[0] == 1.5
    assert np.isnan(one[1:]).all()
    assert unpaired_interval(np.ones(3), np.full(2, 4.0)) == (3.0, 3.0, 3.0)


def test_95_percent_intervals_cover_the_true_mean_95_percent_of_the_time() -> None:
    rng = np.random.default_rng(2)
    draws = pd.DataFrame({"trial": np.repeat(range(1000), 5), "seed": np.tile(range(5), 1000)})
    draws["utility"] = rng.normal(42.5, 0.3, len(draws))
    result = mean_interval(draws, "utility", by=("trial",))
    covered = result["low"].le(42.5) & result["high"].ge(42.5)
    assert covered.mean() == pytest.approx(0.95, abs=0.02)  # three standard errors of 1,000 trials


def test_smoothing_is_a_convolution_with_the_weights_that_are_inside() -> None:
    values = np.random.default_rng(3).normal(size=40)
    kernel = np.ones(7)
    expected = np.convolve(values, kernel, "same") / np.convolve(np.ones(40), kernel, "same")
    np.testing.assert_allclose(smooth(values, 7), expected, atol=1e-12)


def test_smoothing_keeps_a_straight_line_inside_and_a_level_everywhere() -> None:
    np.testing.assert_allclose(smooth(np.arange(20.0), 5)[2:-2], np.arange(2, 18))
    np.testing.assert_allclose(smooth(np.full(20, 42.0), 5), 42.0)


def test_smoothing_leaves_out_what_is_missing() -> None:
    np.testing.assert_allclose(smooth([1.0, np.nan, 3.0, 5.0], 3), [1.0, 2.0, 4.0, 4.0])


@pytest.mark.parametrize("window", [0, -3, 4])
def test_a_window_that_cannot_be_centred_is_refused(window: int) -> None:
    with pytest.raises(ValueError, match=f"window is {window}"):
        smooth([1.0, 2.0], window)


@pytest.mark.parametrize(
    ("num_epochs", "window"), [(1, 1), (79, 1), (120, 3), (2000, 51), (10_000, 251)]
)
def test_the_window_is_odd_and_about_a_fortieth_of_the_epochs(num_epochs: int, window: int) -> None:
    assert smoothing_window(num_epochs) == window


def test_a_curve_smooths_within_seeds_and_ends_where_its_seed_ends() -> None:
    short, long = [1.0, 2.0, 3.0], [5.0, 5.0, 5.0, 7.0, 9.0]
    frame = pd.DataFrame(
        {"seed": [0] * 3 + [1] * 5, "epoch": [1, 2, 3, 1, 2, 3, 4, 5], "utility": short + long}
    )
    curve = learning_curve(frame, "utility", "epoch", window=3)
    both = (smooth(short, 3) + smooth(long, 3)[:3]) / 2
    np.testing.assert_allclose(curve["mean"], [*both, *smooth(long, 3)[3:]])
    assert list(curve["num_seeds"]) == [2, 2, 2, 1, 1]
    assert list(curve["low"].isna()) == [False] * 3 + [True] * 2


def test_the_band_of_a_curve_is_the_interval_over_seeds_at_each_epoch() -> None:
    frame = pd.DataFrame({"seed": range(10), "epoch": 1, "utility": STUDENT_1908})
    row = learning_curve(frame, "utility", "epoch", window=1).loc[1]
    assert (row["low"], row["high"]) == pytest.approx((0.7001142, 2.4598858), abs=1e-7)


def test_seeds_are_aligned_by_interpolation_over_the_steps_that_all_of_them_passed() -> None:
    # Two straight lines, which linear interpolation leaves as they are: 2 t and 10 - t.
    slow, fast = [4.0, 1.0, 8.0], [2.0, 3.0, 5.0]
    frame = pd.DataFrame({"seed": [0] * 3 + [1] * 3, "seconds": [*slow, *fast]})
    frame["gain"] = np.where(frame["seed"] == 0, 2 * frame["seconds"], 10 - frame["seconds"])
    found = aligned(frame, "gain", "seconds")
    assert found["seed"].to_list() == [0] * 4 + [1] * 4
    assert found["seconds"].to_list() == [2, 3, 4, 5] * 2
    np.testing.assert_allclose(found.loc[found["seed"] == 0, "gain"], [4, 6, 8, 10])
    np.testing.assert_allclose(found.loc[found["seed"] == 1, "gain"], [8, 7, 6, 5])


def test_seeds_at_the_same_steps_are_aligned_and_those_that_never_meet_are_not() -> None:
    frame = pd.DataFrame(
        {"seed": [0, 0, 1, 1], "agent_steps": [8, 16, 8, 16], "gain": [1.0, 2.0, 3.0, 5.0]}
    )
    pd.testing.assert_frame_equal(
        aligned(frame, "gain", "agent_steps").reset_index(drop=True), frame
    )
    assert aligned(frame.assign(agent_steps=[1, 2, 3, 4]), "gain", "agent_steps").empty
