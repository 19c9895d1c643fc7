"""A logger whose entries are columns of the records, in the place of RLlib's `MetricsLogger`."""

from collections.abc import Iterator, Mapping
from typing import Any

from ray.rllib.utils.metrics.metrics_logger import MetricsLogger

from mechanisms import PartError

COLUMNS = "columns"  # key of RLlib's loggers under which env runners keep theirs
Key = str | tuple[str, ...]
REDUCTIONS = ("mean", "sum", "min", "max", "ema", "lifetime_sum")  # to one number


class ColumnLogger:
    """Logger of one number an epoch under each name.

    `log_value`, `log_dict`, `log_time` and `peek` are those of RLlib's logger, but that without
    `reduce` a column is the mean over the epoch; RLlib's own default, `reduce="ema"`, is a mean
    over all epochs in which a new value has a weight of 0.01. A key of several parts is one name,
    with `/` between them. What is neither logged nor found here is RLlib's.

    Args:
        rllib: RLlib's logger of the same process.
        stats: what was logged before, by name; written to.
    """

    def __init__(self, rllib: MetricsLogger, stats: dict[str, Any]) -> None:
        self._rllib = rllib
        self._own = MetricsLogger(
            root=rllib._is_root_logger, stats_cls_lookup=rllib.stats_cls_lookup
        )
        self._own.stats = stats

    def __getattr__(self, name: str) -> Any:
        return getattr(self._rllib, name)

    def __contains__(self, key: Any) -> bool:
        return _name(key) in self._own.stats or key in self._rllib

    def log_value(
        self,
        key: Key,
        value: Any,
        *,
        reduce: str = "mean",
        window: int | None = None,
        ema_coeff: float | None = None,
    ) -> None:
        """Log a number.

        Args:
            key: name of the column, or parts of it.
            value: the number; NaN is left out.
            reduce: one of `REDUCTIONS`.
            window: the last values that are reduced; None: all of the epoch.
            ema_coeff: weight of a new value under `reduce="ema"`.

        Raises:
            PartError: it is no number, or `reduce` gives none.
        """
        name = _checked_name(key, reduce)
        try:
            number = float(value)
        except (TypeError, ValueError):
            raise PartError(
                f"callbacks: {name!r} should be a number, got {type(value).__name__}"
            ) from None
        self._own.log_value(name, number, reduce=reduce, window=window, ema_coeff=ema_coeff)

    def log_dict(self, value_dict: Mapping[str, Any], *, key: Any = None, **options: Any) -> None:
        """Log each number of a nested dictionary, with the options of `log_value`."""
        for name, value in value_dict.items():
            path = (name,) if key is None else (key, name)
            if isinstance(value, Mapping):
                self.log_dict(value, key=path, **options)
            else:
                self.log_value(path, value, **options)

    def log_time(self, key: Key, *, reduce: str = "mean", **options: Any) -> Any:
        """Return a context that logs the seconds spent in it, with the options of `log_value`."""
        return self._own.log_time(_checked_name(key, reduce), reduce=reduce, **options)

    def peek(self, key: Any = None, default: Any = None, **options: Any) -> Any:
        """Return what was logged under a key so far in the epoch: here, or else by RLlib."""
        if key is not None and _name(key) in self._own.stats:
            return self._own.peek(_name(key), default, **options)
        return self._rllib.peek(key, default, **options)

    def compile(self) -> dict[str, float]:
        """Return the number of each name, and begin the next epoch."""
        compiled: dict[str, float] = self._own.compile()
        return compiled

    def get_state(self) -> dict[str, Any]:
        """Return what goes on from epoch to epoch, as sums over all of them."""
        state: dict[str, Any] = self._own.get_state()
        return state

    def set_state(self, state: dict[str, Any]) -> None:
        """Go on from what `get_state` returned."""
        self._own.set_state(state)


def _name(key: Any) -> str:
    return "/".join(_parts(key))


def _parts(key: Any) -> Iterator[str]:
    if isinstance(key, list | tuple):
        for part in key:
            yield from _parts(part)
    else:
        yield str(key)


def _checked_name(key: Any, reduce: str) -> str:
    name = _name(key)
    if not name.strip("/") or "--" in name:  # by which RLlib divides keys in its states
        raise PartError(f"callbacks: a name should say something without '--', got {name!r}")
    if reduce not in REDUCTIONS:
        raise PartError(
            f"callbacks: {name!r}: reduce should be one of {', '.join(REDUCTIONS)}, which give one "
            f"number an epoch, got {reduce!r}"
        )
    return name
