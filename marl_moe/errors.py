"""Errors of marl_moe that a user can do something about; each message says what."""

from collections.abc import Iterable

from mechanisms.errors import PartError
from mechanisms.registry import nearest


class SpecError(ValueError):
    """Mistakes in an experiment, a line each: file, key, and what would be right."""


class MissingExtraError(SpecError):
    """Packages that are not installed; the message says who needs them and how they are."""


class RecordError(ValueError):
    """A file of a run that is not whole, or not what it should be.

    The message names the file and says what to do.
    """


class CheckpointError(RecordError):
    """A checkpoint that training cannot go on from."""


class UnderWayError(RecordError):
    """A run that another process works on; the message names its folder."""


class OtherModelError(SpecError):
    """A run of another model of the world: its tables are read, and nothing of it is played.

    The message names the folder, both models, and what to do.
    """


class TrainingError(RuntimeError):
    """Training cannot go on, as after the death of a process; the last checkpoint is kept.

    The message says what to do.
    """


class MetricError(PartError):
    """A metric of an experiment's own that failed or returned what is no value of a slot.

    The message names the metric.
    """


class DivergedError(TrainingError):
    """A weight or a loss is not finite: the same settings lead there again."""


def unknown_key(key: str, valid: Iterable[str]) -> str:
    """Return the message for a name that does not exist, with the nearest that does.

    >>> unknown_key("epsiodes", ["episodes", "seeds"])
    "unknown 'epsiodes'; did you mean 'episodes'? Valid: episodes, seeds"
    """
    return f"unknown {key!r}; {nearest(key, valid)}"
