"""Base of the sections of an experiment, and what several hold: names of parts, seeds."""

import json
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, get_args

from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from pydantic.fields import FieldInfo

from envs.geometry.models import MODEL
from marl_moe.errors import unknown_key
from marl_moe.metrics import METRICS
from marl_moe.policies import POLICIES
from marl_moe.policies.decentralised import is_trained
from mechanisms.registry import UnknownNameError

NAME = r"^[A-Za-z0-9][A-Za-z0-9_-]*$"  # of what becomes a folder, or a key in a file
LONGEST_NAME = 100
MOST_SEEDS = 10_000
LARGEST_SEED = 2**32 - 1  # of NumPy's global generator, which RLlib seeds too
# Names of devices on Windows, which no folder there can have.
RESERVED = {
    "con",
    "prn",
    "aux",
    "nul",
    *(f"{port}{n}" for port in ("com", "lpt") for n in range(10)),
}


def _not_reserved(name: str) -> str:
    if name.lower() in RESERVED:
        raise ValueError("should not be the name of a device on Windows")
    return name


Name = Annotated[str, Field(pattern=NAME, max_length=LONGEST_NAME), AfterValidator(_not_reserved)]


class Section(BaseModel):
    """A section that takes its own keys and no others, and finite numbers only."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False, frozen=True)


class OpenSection(BaseModel):
    """A section that takes further keys, which belong to what it names."""

    model_config = ConfigDict(extra="allow", frozen=True)


def check_policies(key: str, names: Sequence[str]) -> None:
    """Check that each name is one of a policy that plays as it is made.

    Raises:
        UnknownNameError: for the first name that is none.
    """
    for name in names:
        if name not in POLICIES:
            raise UnknownNameError(f"{key}: {unknown_key(name, POLICIES)}", name)
        if is_trained(name):
            raise ValueError(f"{key}: {name} is trained for evaluation.policies, and not here")


def check_metrics(key: str, names: Sequence[str]) -> None:
    """Check that each name is one of a metric, given once, and that of no documented column.

    Raises:
        UnknownNameError: for the first name that is none.
        ValueError: for the first that is a column, or given twice.
    """
    if not names:
        return
    from marl_moe.experiment.records.columns import TAKEN  # and pyarrow, which takes a while

    for name in names:
        if name in TAKEN:
            raise ValueError(
                f"{key}: {name!r} is the name of a column that is recorded already; register the "
                "metric under another name"
            )
        if name not in METRICS:
            message = unknown_key(name, METRICS) if len(METRICS) else f"no metric is {name!r}"
            raise UnknownNameError(f"{key}: {message}", name)
        if names.count(name) > 1:
            raise ValueError(f"{key}: {name!r} is named twice")


def listed_seeds(seeds: int | list[int], first: int = 0) -> list[int]:
    """Return the seeds of a list, or of a count of seeds that begins at `first`.

    Raises:
        ValueError: they cannot be seeds.
    """
    if isinstance(seeds, int) and seeds > MOST_SEEDS:
        raise ValueError(f"should be at most {MOST_SEEDS} in number, got {seeds}")
    listed = list(range(first, first + seeds)) if isinstance(seeds, int) else list(seeds)
    if (
        not listed
        or min(listed) < 0
        or max(listed) > LARGEST_SEED
        or len(set(listed)) < len(listed)
    ):
        raise ValueError(
            f"should be a count of at least 1 or distinct seeds in 0..{LARGEST_SEED}, got {seeds}"
        )
    return listed


def merged(section: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """Return a section with some of its keys changed.

    A section within it is merged too, but for one that names a model, whose parameters are of that
    model alone; it is replaced, as anything else is.
    """
    changed = dict(section)
    for key, value in changes.items():
        old = changed.get(key)
        if isinstance(old, dict) and isinstance(value, dict) and not names_model(value):
            value = merged(old, value)
        changed[key] = value
    return changed


def without_keys(path: Sequence[str], value: Any) -> str:
    """Return the message for a key within what is no section, at a path of keys."""
    return f"{'.'.join(path)} is {json.dumps(value)}, which has no keys"


def names_model(section: Mapping[str, Any]) -> bool:
    """Return whether a section is one of `{model: NAME, ...}`, such as a path loss."""
    return isinstance(section.get(MODEL), str)


def first_difference(before: Any, now: Any, key: str = "") -> tuple[str, Any, Any] | None:
    """Return the first key of nested sections whose value is another, and both values; else None.

    None stands for a key that is not there.
    """
    if not isinstance(before, dict) or not isinstance(now, dict):
        return None if before == now else (key, before, now)
    for name in before | now:
        path = f"{key}.{name}".lstrip(".")
        found = first_difference(before.get(name), now.get(name), path)
        if found is not None:
            return found
    return None


def section_at(section: Any, path: Sequence[str]) -> Any:
    """Return the section at `path` below another, models or dataclasses of pydantic."""
    for part in path:
        section = section_in(fields_of(section)[part].annotation)
    return section


def valid_keys(section: Any, path: Sequence[str]) -> list[str]:
    """Return the keys of the section at `path` below another, models or dataclasses of pydantic."""
    return list(fields_of(section_at(section, path)))


def section_in(annotation: Any) -> Any:
    """Return the section that an annotation takes, a model or dataclass; None where it is none."""
    for kind in (annotation, *get_args(annotation)):
        if isinstance(kind, type) and hasattr(kind, "__pydantic_fields__"):
            return kind
    return None


def fields_of(section: Any) -> Mapping[str, FieldInfo]:
    """Return the fields of a section, a model or a dataclass of pydantic."""
    if issubclass(section, BaseModel):
        return section.model_fields
    fields: Mapping[str, FieldInfo] = section.__pydantic_fields__
    return fields
