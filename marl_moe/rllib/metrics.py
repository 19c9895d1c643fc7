"""Metrics of an experiment on an env runner: measured there, logged as sums, means in the rows."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from envs import Slot, SlotResult
from marl_moe.errors import MetricError
from marl_moe.metrics import MetricSums, named

SUMS, COUNTS = "metric_sums", "metric_counts"  # keys of RLlib's loggers, then names of metrics
FAILURES = "failures"  # key of RLlib's loggers: what failed on env runners, in words


class RunnerMetrics:
    """Metrics of the slots that an env runner plays, until one of them has failed.

    A failure is told to the algorithm, which stops: RLlib would restart a remote env runner that
    raises, and go on for ever.

    Args:
        names: of the metrics.
        num_worlds: worlds of a slot.
    """

    def __init__(self, names: Sequence[str], num_worlds: int) -> None:
        self._metrics = named(names)
        self._num_worlds = num_worlds
        self._failure = ""
        self._begin()

    def __bool__(self) -> bool:
        """Return whether there is anything to measure."""
        return bool(self._metrics) and not self._failure

    def add(self, slot: Slot, result: SlotResult) -> None:
        """Measure a slot."""
        try:
            self._sums.add(slot, result)
        except MetricError as error:
            self._failure = str(error)

    def log(self, logger: Any) -> None:
        """Log the sums over slots and worlds, and begin anew."""
        if not self._metrics:
            return
        if self._failure:
            tell_failure(logger, self._failure)
        for name, sums in self._sums.sums.items():
            count = int(self._sums.counts[name].sum())
            logger.log_value((SUMS, name), float(sums.sum()), reduce="sum")
            logger.log_value((COUNTS, name), count, reduce="sum")
        self._begin()

    def _begin(self) -> None:
        self._sums = MetricSums(self._metrics, self._num_worlds)


def tell_failure(logger: Any, failure: str) -> None:
    """Tell the algorithm of a failure on an env runner, by RLlib's logger."""
    logger.log_value(FAILURES, failure, reduce="item_series", window=1)


def metric_means(runners: Mapping[str, Any], names: Sequence[str]) -> dict[str, float]:
    """Return the means of an epoch; NaN where a metric had no value.

    Args:
        runners: results of RLlib under `env_runners`.
        names: of the metrics.
    """
    means = {}
    for name in names:
        count = runners[COUNTS][name]
        means[name] = runners[SUMS][name] / count if count else np.nan
    return means
