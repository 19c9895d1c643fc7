"""Competence from a judge's scores: a ratio of mean differences, with Fieller's interval."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

CONFIDENCE = 0.95


class CalibrationError(ValueError):
    """A measurement that cannot be made or trusted, with the reason."""


@dataclass(frozen=True)
class Competence:
    """Competence of experts of a topic for subtasks of a topic.

    Attributes:
        mean: ratio of the means over subtasks.
        sd: standard deviation over subtasks of (S_transferred - S_dropped) /
            (recovered_share x mean(S_local - S_dropped)).
        low: lower end of the 95 % interval of the mean.
        high: its upper end.
        n: number of subtasks.
    """

    mean: float
    sd: float
    low: float
    high: float
    n: int


def competence(
    transferred: NDArray[np.floating],
    local: NDArray[np.floating],
    dropped: NDArray[np.floating],
    recovered_share: float,
) -> Competence:
    """Estimate competence as a ratio of mean differences of scores, with its interval.

    a = mean(S_transferred - S_dropped) / (recovered_share mean(S_local - S_dropped)), the
    simulator's definition (docs/text.md). The interval is Fieller's for a ratio of means of paired
    normal samples (Fieller 1954).

    Args:
        transferred: points with the subtask answered by the expert, (n,).
        local: points of the same texts with it answered on the device, (n,).
        dropped: points of the same texts without an answer to it, (n,).
        recovered_share: share of the loss that a competence of 1 recovers.

    Raises:
        CalibrationError: there are fewer than 2 subtasks, or the interval of the denominator
            contains 0, so that nothing is known of the ratio.
    """
    n = len(local)
    if n < 2:
        raise CalibrationError(f"an interval needs at least 2 subtasks a cell, got {n}")
    gain, loss = transferred - dropped, recovered_share * (local - dropped)
    quantile = stats.t.ppf((1 + CONFIDENCE) / 2, n - 1)
    mean_loss = float(loss.mean())
    (var_gain, covariance), (_, var_loss) = np.cov(gain, loss)
    margin = quantile * np.sqrt(var_loss / n)
    if abs(mean_loss) <= margin:
        points = mean_loss / recovered_share
        raise CalibrationError(
            f"dropping the subtask costs {points:.3f} points "
            f"[{points - margin / recovered_share:.3f}, "
            f"{points + margin / recovered_share:.3f}]: the interval contains 0"
        )
    ratio = float(gain.mean()) / mean_loss
    doubt = (margin / mean_loss) ** 2  # g of Fieller's theorem, below 1 here
    slope = covariance / var_loss if var_loss > 0 else 0.0
    variance = (
        var_gain
        - 2 * ratio * covariance
        + ratio**2 * var_loss
        - doubt * (var_gain - slope * covariance)
    )
    centre = (ratio - doubt * slope) / (1 - doubt)
    half = quantile / abs(mean_loss) * np.sqrt(max(variance, 0.0) / n) / (1 - doubt)
    sd = float(gain.std(ddof=1)) / abs(mean_loss)
    return Competence(ratio, sd, float(centre - half), float(centre + half), n)
