import numpy as np
import pandas as pd
import pytest
from scipy import stats

from paper_figures.stratified_bootstrap import (
    interquartile_mean,
    interquartile_means,
    performance_profiles,
    probability_of_improvement,
)

# 5 runs at 3 points, and what rliable 1.2.0 says of them (arch 7.2.0, numpy seed 0, 50,000
# resamples, 20,000 for the probability of improvement):
#   iqm = lambda x: np.array([metrics.aggregate_iqm(x)]) library.get_interval_estimates({"sac": SAC,
#   "greedy": GREEDY}, iqm, reps=50000) poi = lambda x, y:
#   np.array([metrics.probability_of_improvement(x, y)]) library.get_interval_estimates({"sac,
#   greedy": (SAC, GREEDY)}, poi, reps=20000) library.create_performance_profile({"sac": SAC,
#   "greedy": GREEDY}, np.array(THRESHOLDS), reps=50000)
SAC = [
    [0.91, 1.02, 0.55],
    [0.95, 0.99, 0.71],
    [0.88, 1.10, 0.64],
    [0.97, 1.05, 0.20],
    [0.93, 1.00, 0.68],
]
GREEDY = [
    [0.90, 0.70, 0.10],
    [0.85, 1.03, 0.64],
    [0.96, 0.66, -0.30],
    [0.80, 0.74, 0.15],
    [0.93, 0.69, 0.05],
]
THRESHOLDS = [0.0, 0.5, 0.9, 1.0]
RLIABLE_IQM = {
    "sac": (0.89111111, 0.86444444, 0.90888889),
    "greedy": (0.68111111, 0.59111111, 0.77555556),
}
RLIABLE_IMPROVEMENT = (0.82666667, 0.65333333, 0.96)
RLIABLE_PROFILE = {
    "sac": (
        (1.0, 0.93333333, 0.6, 0.2),
        (1.0, 0.8, 0.46666667, 0.06666667),
        (1.0, 1.0, 0.66666667, 0.33333333),
    ),
    "greedy": (
        (0.93333333, 0.73333333, 0.2, 0.06666667),
        (0.8, 0.66666667, 0.0, 0.0),
        (1.0, 0.86666667, 0.4, 0.2),
    ),
}
ONE_RUN = 1 / 15  # by which a share over 15 runs moves with a single one of them


def frame_of(scores: dict[str, list[list[float]]], episodes: int = 1) -> pd.DataFrame:
    """Rows of policies from scores by seed and point, the same in every episode."""
    rows = [
        (seed, f"num_users={point}", policy, episode, score)
        for policy, runs in scores.items()
        for seed, run in enumerate(runs)
        for point, score in enumerate(run)
        for episode in range(episodes)
    ]
    return pd.DataFrame(rows, columns=["seed", "point", "policy", "episode", "gain"])


@pytest.fixture
def frame() -> pd.DataFrame:
    return frame_of({"sac": SAC, "greedy": GREEDY})


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def test_with_an_episode_a_seed_the_interquartile_mean_is_rliables(
    frame: pd.DataFrame, rng: np.random.Generator
) -> None:
    result = interquartile_means(frame, "gain", rng).set_index("policy")
    for policy, (mean, low, high) in RLIABLE_IQM.items():
        row = result.loc[policy]
        assert row["mean"] == pytest.approx(mean, abs=1e-8)
        assert (row["low"], row["high"]) == pytest.approx(
            (low, high), abs=0.01
        )  # noise of 2,000 resamples
        assert (row["num_seeds"], row["num_points"], row["num_episodes"]) == (5, 3, 15)


def test_with_an_episode_a_seed_the_profile_is_rliables(
    frame: pd.DataFrame, rng: np.random.Generator
) -> None:
    result = performance_profiles(frame, "gain", THRESHOLDS, rng)
    for policy, (share, low, high) in RLIABLE_PROFILE.items():
        rows = result[result["policy"] == policy]
        np.testing.assert_array_equal(rows["threshold"], THRESHOLDS)
        np.testing.assert_allclose(rows["share"], share, atol=1e-8)
        np.testing.assert_allclose(rows["low"], low, atol=1.01 * ONE_RUN)
        np.testing.assert_allclose(rows["high"], high, atol=1.01 * ONE_RUN)


def test_the_probability_of_improvement_is_rliables(
    frame: pd.DataFrame, rng: np.random.Generator
) -> None:
    (row,) = probability_of_improvement(frame, "gain", "sac", rng).itertuples()
    probability, low, high = RLIABLE_IMPROVEMENT
    assert (row.policy, row.num_seeds) == ("greedy", 5)
    assert row.probability == pytest.approx(probability, abs=1e-8)
    assert (row.low, row.high) == pytest.approx((low, high), abs=0.015)


def test_an_episode_played_again_and_again_changes_nothing(frame: pd.DataFrame) -> None:
    again = frame_of(
        {"sac": SAC, "greedy": GREEDY}, episodes=4
    )  # 15 runs and 60 episodes: both cut 1/4 off evenly
    once, often = (
        performance_profiles(rows, "gain", THRESHOLDS, np.random.default_rng(0))
        for rows in (frame, again)
    )
    pd.testing.assert_frame_equal(once, often)
    once, often = (
        probability_of_improvement(rows, "gain", "sac", np.random.default_rng(0))
        for rows in (frame, again)
    )
    pd.testing.assert_frame_equal(once, often)


def test_the_middle_half_of_a_known_list() -> None:
    assert interquartile_mean([1000, 1, 2, 3, 4, 5, 6, -1000]) == 3.5
    assert interquartile_mean([3, 1, 100]) == pytest.approx(104 / 3)  # too few to cut any


@pytest.mark.parametrize("size", [1, 4, 5, 6, 7, 101])
def test_the_interquartile_mean_is_scipys_trimmed_mean(size: int, rng: np.random.Generator) -> None:
    values = rng.normal(size=size)
    assert interquartile_mean(values) == pytest.approx(stats.trim_mean(values, 0.25))


def test_the_interval_is_that_of_drawing_whole_seeds_within_their_point(
    rng: np.random.Generator,
) -> None:
    scores = {
        (point, seed): rng.normal(point + seed, 1, 7) for point in range(2) for seed in range(6)
    }
    rows = [
        (seed, str(point), "sac", gain) for (point, seed), gains in scores.items() for gain in gains
    ]
    (row,) = interquartile_means(
        pd.DataFrame(rows, columns=["seed", "point", "policy", "gain"]), "gain", rng
    ).itertuples()
    samples = [
        np.concatenate(
            [scores[point, seed] for point in range(2) for seed in rng.integers(6, size=6)]
        )
        for _ in range(4000)
    ]
    low, high = np.quantile(stats.trim_mean(samples, 0.25, axis=1), [0.025, 0.975])
    assert (row.low, row.high) == pytest.approx((low, high), abs=0.06 * (high - low))


def test_points_of_different_level_do_not_widen_the_interval(rng: np.random.Generator) -> None:
    # Within a point all runs are the same: only a bootstrap without strata would draw one point
    # more often.
    frame = frame_of({"sac": [[0.0, 1.0, 2.0, 3.0]] * 5})
    (row,) = interquartile_means(frame, "gain", rng).itertuples()
    assert (row.low, row.mean, row.high) == (1.5, 1.5, 1.5)


def test_the_probability_of_improvement_is_mann_and_whitneys_u_over_the_pairs(
    rng: np.random.Generator,
) -> None:
    mine, theirs = rng.integers(0, 6, 9) / 2, rng.integers(0, 5, 7) / 2  # with ties
    frame = pd.concat(
        pd.DataFrame({"policy": policy, "seed": range(len(gains)), "point": "", "gain": gains})
        for policy, gains in (("sac", mine), ("greedy", theirs))
    )
    (row,) = probability_of_improvement(frame, "gain", "sac", rng).itertuples()
    assert row.probability == pytest.approx(stats.mannwhitneyu(mine, theirs).statistic / (9 * 7))
    assert row.num_seeds == 7
    assert 0 < row.low < row.probability < row.high < 1


def test_two_policies_improve_on_each_other_with_probabilities_that_add_up_to_1(
    frame: pd.DataFrame, rng: np.random.Generator
) -> None:
    (sac,) = probability_of_improvement(frame, "gain", "sac", rng)["probability"]
    (greedy,) = probability_of_improvement(frame, "gain", "greedy", rng)["probability"]
    assert sac + greedy == pytest.approx(1)


def test_runs_are_compared_by_the_mean_over_their_episodes(rng: np.random.Generator) -> None:
    rows = [(seed, "", "sac", gain) for seed in range(3) for gain in (0.0, 0.0, 9.0)]
    rows += [
        (seed, "", "greedy", 2.0) for seed in range(3)
    ]  # above two of three episodes, below every run
    frame = pd.DataFrame(rows, columns=["seed", "point", "policy", "gain"])
    assert probability_of_improvement(frame, "gain", "sac", rng)["probability"].item() == 1.0


def test_a_profile_is_1_less_the_empirical_distribution_function(rng: np.random.Generator) -> None:
    values = rng.normal(size=(3, 8))
    frame = pd.DataFrame(
        {"policy": "sac", "seed": np.repeat(range(3), 8), "point": "", "gain": values.ravel()}
    )
    thresholds = np.sort(
        [*np.linspace(-2, 2, 9), *values[0]]
    )  # values themselves too: above, not at
    profile = performance_profiles(frame, "gain", thresholds, rng)
    ecdf = stats.ecdf(values.ravel()).cdf
    np.testing.assert_allclose(profile["share"], 1 - ecdf.evaluate(thresholds))
    assert (profile["low"] <= profile["share"]).all()
    assert (profile["share"] <= profile["high"]).all()


def simulated(trials: int, seeds: int, episodes: int, rng: np.random.Generator) -> pd.DataFrame:
    """Trials, as policies: seeds around 0, whose episodes vary as much as the seeds do."""
    run = np.repeat(rng.normal(size=trials * seeds), episodes)
    return pd.DataFrame(
        {
            "policy": np.repeat(np.arange(trials), seeds * episodes),
            "point": "",
            "seed": np.tile(np.repeat(np.arange(seeds), episodes), trials),
            "gain": run + rng.normal(size=len(run)),
        }
    )


def coverage(trials: pd.DataFrame, rng: np.random.Generator) -> float:
    """Share of the trials whose interval holds the true interquartile mean, 0."""
    result = interquartile_means(trials, "gain", rng)
    return float((result["low"].le(0) & result["high"].ge(0)).mean())


@pytest.mark.parametrize(("seeds", "trials", "said"), [(5, 300, 0.85), (20, 150, 0.93)])
def test_intervals_hold_the_truth_as_often_as_the_documentation_says(
    seeds: int, trials: int, said: float, rng: np.random.Generator
) -> None:
    standard_error = np.sqrt(said * (1 - said) / trials)
    assert coverage(simulated(trials, seeds, 10, rng), rng) == pytest.approx(
        said, abs=3 * standard_error
    )


def test_episodes_drawn_one_by_one_would_give_intervals_that_are_far_too_narrow(
    rng: np.random.Generator,
) -> None:
    trials = simulated(150, 5, 10, rng)
    trials["seed"] = trials.groupby(
        "policy"
    ).cumcount()  # each episode as if it were a run of its own
    # Variance of the mean 1.1 / 5, taken for 2 / 50: the interval has 0.43 times its width.
    assert coverage(trials, rng) == pytest.approx(
        2 * stats.norm.cdf(1.96 * np.sqrt(0.04 / 0.22)) - 1, abs=0.12
    )


def test_one_seed_has_no_interval_not_even_at_one_of_the_points(
    frame: pd.DataFrame, rng: np.random.Generator
) -> None:
    single = frame[
        (frame["seed"] == 0) | (frame["point"] != "num_users=1") | (frame["policy"] != "sac")
    ]
    means = interquartile_means(single, "gain", rng).set_index("policy")
    assert means.loc["sac", ["low", "high"]].isna().all()
    assert means.loc["sac", "num_seeds"] == 1
    assert means.loc["greedy", ["low", "high"]].notna().all()
    profiles = performance_profiles(single, "gain", THRESHOLDS, rng).groupby("policy")["low"]
    assert profiles.count().to_dict() == {"sac": 0, "greedy": len(THRESHOLDS)}
    improvement = probability_of_improvement(single, "gain", "greedy", rng)
    assert improvement[["low", "high"]].isna().all(axis=None)
    assert improvement["num_seeds"].item() == 1


def test_the_same_generator_gives_the_same_interval_and_another_one_another(
    frame: pd.DataFrame,
) -> None:
    one, same, other = (
        interquartile_means(frame, "gain", np.random.default_rng(seed)) for seed in (1, 1, 2)
    )
    pd.testing.assert_frame_equal(one, same)
    assert list(one["low"]) != list(other["low"])


def test_episodes_without_a_value_are_left_out(
    frame: pd.DataFrame, rng: np.random.Generator
) -> None:
    hole = pd.concat(
        [frame, frame.assign(gain=np.nan), pd.DataFrame({"policy": ["none"], "gain": [np.nan]})]
    )
    with_hole, whole = (
        interquartile_means(rows, "gain", np.random.default_rng(0)) for rows in (hole, frame)
    )
    pd.testing.assert_frame_equal(with_hole, whole)
    with_hole, whole = (
        performance_profiles(rows, "gain", [0.5], np.random.default_rng(0))
        for rows in (hole, frame)
    )
    pd.testing.assert_frame_equal(with_hole, whole)


def test_policies_evaluated_at_different_points_are_not_compared(
    frame: pd.DataFrame, rng: np.random.Generator
) -> None:
    elsewhere = frame[(frame["policy"] == "sac") | (frame["point"] != "num_users=2")]
    with pytest.raises(
        ValueError, match="'sac' and 'greedy' have values of 'gain' at different sweep points"
    ):
        probability_of_improvement(elsewhere, "gain", "sac", rng)
