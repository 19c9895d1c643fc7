"""The model of the world that a run was made with: runs of another one are read, not played."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from envs import MODEL, WorldConfig
from envs.section import GONE
from marl_moe.errors import OtherModelError
from marl_moe.experiment.records.environment import made_by, recorded_model
from marl_moe.experiment.spec.section import fields_of, section_in
from marl_moe.world_model import FIRST, other_model


def model_of(folder: Path, raw: Mapping[str, Any]) -> int:
    """Return the model of the world that a run was made with.

    Where there is no `environment.json` any more, a key that went tells the first model: an
    experiment in a run folder has every key written out.

    Args:
        folder: the run folder.
        raw: its experiment, as its YAML gives it.

    Raises:
        RecordError: `environment.json` is damaged.
    """
    recorded = recorded_model(folder, first=FIRST)
    if recorded is None:
        return MODEL if without_gone(raw) == raw else FIRST
    return recorded


def check_model(folder: Path, raw: Mapping[str, Any]) -> None:
    """Check that a run was made with the present model of the world, so that it can be played.

    Args:
        folder: the run folder.
        raw: its experiment, as its YAML gives it.

    Raises:
        OtherModelError: it was not; the message says what to do.
        RecordError: `environment.json` is damaged.
    """
    model = model_of(folder, raw)
    if model != MODEL:
        raise OtherModelError(other_model(f"{folder}: a run", model, made_by(folder)))


def without_gone(raw: Mapping[str, Any]) -> dict[str, Any]:
    """Return an experiment without the keys of worlds that went, wherever it gives them."""
    went = tuple(f".env.{key}" for key in _gone_keys(WorldConfig, ""))
    kept: dict[str, Any] = _kept(raw, "", went)
    return kept


def _kept(value: Any, path: str, went: tuple[str, ...]) -> Any:
    """Return a value at a dotted path without the keys whose paths end so."""
    if isinstance(value, list):
        return [_kept(part, path, went) for part in value]
    if not isinstance(value, Mapping):
        return value
    return {
        key: _kept(part, f"{path}.{key}", went)
        for key, part in value.items()
        if not f"{path}.{key}".endswith(went)
    }


def _gone_keys(section: Any, prefix: str) -> Iterator[str]:
    """Yield the dotted keys that went from a section and those in it."""
    for key in GONE.get(section.__name__, {}):
        yield f"{prefix}{key}"
    for key, field in fields_of(section).items():
        inner = section_in(field.annotation)
        if inner is not None:
            yield from _gone_keys(inner, f"{prefix}{key}.")
