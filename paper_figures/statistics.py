"""The statistics behind the figures: means with Student t intervals, and learning curves.

Seeds are the independent repetitions, so intervals are over the means of seeds: episodes of one
seed share its policy, and more of them say nothing about training anew. One seed has no interval.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.special import stdtrit

CONFIDENCE = 0.95


def mean_interval(
    frame: pd.DataFrame,
    metric: str,
    by: Sequence[str] = ("policy",),
    confidence: float = CONFIDENCE,
) -> pd.DataFrame:
    """Mean of `metric` and its two-sided Student t interval, for each group of `by`.

    frame: one row per episode, with the columns `seed`, `metric` and those of `by`. NaN in `metric`
    (no request was completed) is dropped first.

    Returns one row per group, in order of appearance, with the columns of `by` and mean, low, high
        in the units of `metric`; NaN where nothing is left, and an interval of one seed is NaN
        num_seeds, num_episodes  that had a value
    """
    rows = []
    for key, group in frame.groupby(list(by), sort=False):
        values = group.dropna(subset=[metric])
        seed_means = values.groupby("seed")[metric].mean()
        mean, standard_error = seed_means.mean(), seed_means.std() / np.sqrt(len(seed_means))
        margin = stdtrit(len(seed_means) - 1, (1 + confidence) / 2) * standard_error
        rows.append((*key, mean, mean - margin, mean + margin, len(seed_means), len(values)))
    return pd.DataFrame(rows, columns=[*by, "mean", "low", "high", "num_seeds", "num_episodes"])


def smoothing_window(num_epochs: int) -> int:
    """The odd window nearest to 2.5 % of the epochs, at least 1."""
    return 2 * int(0.0125 * num_epochs) + 1


def smooth(values: ArrayLike, window: int) -> NDArray[np.float64]:
    """Centred moving average of (n,) values over `window` of them -> (n,).

    Towards the ends the window shrinks to the values there are, so nothing is padded; NaN are left
    out of a mean. Raises ValueError unless `window` is odd and positive: an even one would shift
    the curve by half a step.
    """
    if window < 1 or window % 2 == 0:
        raise ValueError(
            f"window is {window}, but a centred average needs an odd number of at least 1"
        )
    return (
        pd.Series(values, dtype=float).rolling(window, min_periods=1, center=True).mean().to_numpy()
    )


def aligned(frame: pd.DataFrame, metric: str, step: str) -> pd.DataFrame:
    """`metric` of every seed at the same steps: those that any seed has within the range that all
    of them cover.

    frame: one row per seed and step, with the columns `seed`, `step` and `metric`. Between its own
    steps a seed is interpolated linearly. Returns these columns, without a row where there is no
    such range.
    """
    seeds = {seed: rows.sort_values(step) for seed, rows in frame.groupby("seed")}
    first = max(rows[step].iloc[0] for rows in seeds.values())
    last = min(rows[step].iloc[-1] for rows in seeds.values())
    steps = np.unique(frame.loc[frame[step].between(first, last), step])
    return pd.concat(
        pd.DataFrame(
            {"seed": seed, step: steps, metric: np.interp(steps, rows[step], rows[metric])}
        )
        for seed, rows in seeds.items()
    )


def learning_curve(frame: pd.DataFrame, metric: str, step: str, window: int) -> pd.DataFrame:
    """Mean over seeds of `metric` against `step`, smoothed within each seed.

    frame: one row per seed and step, with the columns `seed`, `step` and `metric`; rows that share
    a seed and a step are averaged. Returns mean, low, high (the t interval over seeds, NaN with
    fewer than two) and num_seeds, indexed by step.
    """
    per_seed = frame.groupby(["seed", step])[metric].mean()
    smoothed = (
        per_seed.groupby(level="seed")
        .transform(lambda values: smooth(values, window))
        .unstack("seed")
    )
    mean, num_seeds = smoothed.mean(axis=1), smoothed.count(axis=1)
    margin = smoothed.sem(axis=1) * stdtrit(num_seeds - 1, (1 + CONFIDENCE) / 2)
    return pd.DataFrame(
        {"mean": mean, "low": mean - margin, "high": mean + margin, "num_seeds": num_seeds}
    )
