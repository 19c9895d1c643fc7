"""Statistics of the figures: means with intervals, and learning curves.

Intervals are Student's t, unless the figure being drawn is asked for another kind. Seeds are the
independent repetitions, so intervals are over the means of seeds: episodes of one seed share its
policy, and more of them say nothing about training anew. One seed has no interval: its mean stands
alone, and `interval_label` says so, in figures, printed tables and exports alike.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.special import stdtrit

from paper_figures.drawing import options
from paper_figures.options import Interval

CONFIDENCE = 0.95
RESAMPLES = 2000  # of a bootstrap
ONE_SEED = "one seed: no interval"
INFINITE = "infinite: no interval"
_KINDS: dict[Interval, str] = {
    "t": f"{CONFIDENCE:.0%} interval",
    "bootstrap": f"{CONFIDENCE:.0%} bootstrap interval",
    "sd": "\N{PLUS-MINUS SIGN} standard deviation",
}


def mean_interval(
    frame: pd.DataFrame,
    metric: str,
    by: Sequence[str] = ("policy",),
    confidence: float = CONFIDENCE,
    kind: Interval | None = None,
) -> pd.DataFrame:
    """Compute the mean of a metric and its two-sided interval over the seeds, for each group.

    Args:
        frame: one row per episode, with the columns `seed`, `metric` and those of `by`. NaN in
            `metric` (no request was completed) is dropped first.
        metric: a column.
        by: columns that make the groups.
        confidence: of the interval.
        kind: of the interval, as `FigureOptions.interval`; None: that which the figure being drawn
            is asked for, else "t".

    Returns:
        One row per group, in order of appearance, with the columns of `by`; mean, low and high in
        the units of `metric`, NaN where nothing is left, and an interval of one seed is NaN;
        num_seeds and num_episodes that had a value.
    """
    rows = []
    for key, group in frame.groupby(list(by), sort=False):
        values = group.dropna(subset=[metric])
        seed_means = values.groupby("seed")[metric].mean()
        with np.errstate(invalid="ignore", over="ignore"):  # an infinite mean has no deviation
            mean = seed_means.mean()
            low, high = _ends(seed_means.to_numpy(), mean, confidence, kind or interval_kind())
        rows.append((*key, mean, low, high, len(seed_means), len(values)))
    return pd.DataFrame(rows, columns=[*by, "mean", "low", "high", "num_seeds", "num_episodes"])


def interval_kind() -> Interval:
    """Return the kind of interval that the figure being drawn is asked for."""
    return options().interval or "t"


def _ends(
    values: NDArray[np.floating], mean: float, confidence: float, kind: Interval
) -> tuple[float, float]:
    """Return the ends of an interval of the mean of values, NaN with fewer than two.

    Those of a bootstrap are percentiles of `RESAMPLES` means, each of as many values drawn with
    replacement from `numpy.random.default_rng(0)`.
    """
    count = len(values)
    if count < 2 or not np.isfinite(mean):
        return np.nan, np.nan
    if kind == "bootstrap":
        drawn = np.random.default_rng(0).integers(count, size=(RESAMPLES, count))
        tail = (1 - confidence) / 2
        low, high = np.quantile(values[drawn].mean(axis=1), [tail, 1 - tail])
        return float(low), float(high)
    margin = values.std(ddof=1)
    if kind == "t":
        margin = stdtrit(count - 1, (1 + confidence) / 2) * (margin / np.sqrt(count))
    return mean - margin, mean + margin


def unpaired_interval(
    first: NDArray[np.floating], second: NDArray[np.floating]
) -> tuple[float, float, float]:
    """Compute the mean of `second` less that of `first`, and its interval by Welch's t test.

    Args:
        first: a value for each seed, (n,).
        second: a value for each of other seeds, (m,).

    Returns:
        mean, low and high; the interval is NaN where either has one seed.
    """
    mean = float(second.mean() - first.mean())
    if min(len(first), len(second)) < 2:
        return mean, np.nan, np.nan
    variances = np.array([first.var(ddof=1) / len(first), second.var(ddof=1) / len(second)])
    if not variances.any():
        return mean, mean, mean
    freedom = variances.sum() ** 2 / (variances**2 / [len(first) - 1, len(second) - 1]).sum()
    margin = float(stdtrit(freedom, (1 + CONFIDENCE) / 2) * np.sqrt(variances.sum()))
    return mean, mean - margin, mean + margin


def interval_label(intervals: pd.DataFrame) -> str:
    """Return what intervals are over, or why there is none.

    Args:
        intervals: with the columns `low`, NaN where there is no interval, and `num_seeds`.

    Returns:
        Such as "95% interval, 2 to 3 seeds"; behind it `ONE_SEED` where some rows are of one seed,
        and `INFINITE` where some have a mean without bound; "" where nothing has a value.
    """
    words = []
    drawn = intervals.loc[intervals["low"].notna(), "num_seeds"]
    if not drawn.empty:
        fewest, most = drawn.min(), drawn.max()
        seeds = f"{most}" if fewest == most else f"{fewest} to {most}"
        words.append(f"{_KINDS[interval_kind()]}, {seeds} seeds")
    if intervals["num_seeds"].eq(1).any():
        words.append(ONE_SEED)
    if (intervals["low"].isna() & intervals["num_seeds"].gt(1)).any():
        words.append(INFINITE)
    return "; ".join(words)


def mean_heading(label: str) -> str:
    """Return the heading of means and their intervals: "mean [95% interval, 3 seeds]".

    Args:
        label: an `interval_label`.
    """
    without = label.startswith((ONE_SEED, INFINITE))
    drawn, _, rest = ("", "", label) if without else label.partition("; ")
    return "; ".join(filter(None, [f"mean [{drawn}]" if drawn else "mean", rest]))


def interval_text(mean: float, low: float, high: float) -> str:
    """Return a mean and its interval, `1.250 [1.100, 1.400]`; without an interval the mean alone.

    It is "-" where there is no mean; what is rounded to 0 has no sign.
    """
    if np.isnan(mean):
        return "-"
    if np.isnan(low):
        return f"{mean:z.3f}"
    return f"{mean:z.3f} [{low:z.3f}, {high:z.3f}]"


def smoothing_window(num_epochs: int) -> int:
    """Return the odd window nearest to 2.5 % of the epochs, at least 1."""
    return 2 * int(0.0125 * num_epochs) + 1


def smooth(values: ArrayLike, window: int) -> NDArray[np.float64]:
    """Return the centred moving average of values.

    Towards the ends the window shrinks to the values there are, so nothing is padded; NaN are left
    out of a mean.

    Args:
        values: (n,).
        window: how many values a mean is over.

    Returns:
        (n,).

    Raises:
        ValueError: `window` is not odd and positive; an even one would shift the curve by half a
            step.
    """
    if window < 1 or window % 2 == 0:
        raise ValueError(
            f"window is {window}, but a centred average needs an odd number of at least 1"
        )
    return (
        pd.Series(values, dtype=float).rolling(window, min_periods=1, center=True).mean().to_numpy()
    )


def aligned(frame: pd.DataFrame, metric: str, step: str) -> pd.DataFrame:
    """Interpolate a metric of every seed at the same steps.

    The steps are those that any seed has within the range that all of them cover. Between its own
    steps a seed is interpolated linearly.

    Args:
        frame: one row per seed and step, with the columns `seed`, `step` and `metric`.
        metric: a column.
        step: a column.

    Returns:
        These columns, without a row where there is no such range.
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
    """Compute the mean over seeds of a metric against a step, smoothed within each seed.

    Args:
        frame: one row per seed and step, with the columns `seed`, `step` and `metric`; rows that
            share a seed and a step are averaged.
        metric: a column.
        step: a column.
        window: of `smooth`.

    Returns:
        mean, low, high (the interval over seeds, NaN with fewer than two) and num_seeds, indexed by
        step.
    """
    per_seed = frame.groupby(["seed", step])[metric].mean()
    smoothed = (
        per_seed.groupby(level="seed")
        .transform(lambda values: smooth(values, window))
        .unstack("seed")
    )
    mean, num_seeds = smoothed.mean(axis=1), smoothed.count(axis=1)
    if interval_kind() == "bootstrap":
        rows = zip(smoothed.to_numpy(), mean, strict=True)
        ends = [_ends(row[~np.isnan(row)], at, CONFIDENCE, "bootstrap") for row, at in rows]
        low, high = np.array(ends).T
        return pd.DataFrame({"mean": mean, "low": low, "high": high, "num_seeds": num_seeds})
    margin = smoothed.std(axis=1)
    if interval_kind() == "t":
        margin = smoothed.sem(axis=1) * stdtrit(num_seeds - 1, (1 + CONFIDENCE) / 2)
    return pd.DataFrame(
        {"mean": mean, "low": mean - margin, "high": mean + margin, "num_seeds": num_seeds}
    )
