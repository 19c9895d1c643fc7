"""The points of a sweep: one experiment for each cell of the grid that `sweep:` spans."""

import re
from hashlib import sha256
from itertools import product
from math import prod
from typing import Any

from marl_moe.experiment.reading import parse_experiment
from marl_moe.experiment.spec import ExperimentSpec, SpecError, merged

LABEL = "label"
MOST_POINTS = 10_000
IN_FOLDERS = re.compile(
    r"[^\w=.,+\- ]"
)  # what no folder's name holds: a separator, a drive's colon, a quote
LONGEST_FOLDER = 120  # letters; the tightest of common file systems takes 143 bytes
WORDS = re.compile(
    r"[\w-]+(=[\w.-]+)?( [\w-]+(=[\w.-]+)?)*"
)  # what a label may hold: it names a folder too


def sweep_points(spec: ExperimentSpec) -> list[tuple[str, ExperimentSpec]]:
    """Each point's label, such as `env.num_users=8`, and its experiment; without a sweep one point
    without a label.

    A value in a list may be a section. One with a name takes the place of the whole section,
    `mechanism: [{name: none}, {name: budgeted_price, budget: 4}]`; one without changes the keys
    that it holds. The `label` in a section stands for the rest of its keys in the point's label:
    `algorithm: [{label: network=mlp, rl_module: ...}]` is `algorithm=sac network=mlp`.

    Raises SpecError, before anything is run, where a value does not fit its key, or two points have
    the same label.
    """
    axes = _axes(spec.sweep)
    if (count := prod(map(len, axes.values()))) > MOST_POINTS:
        raise SpecError(
            f"{spec.name}: sweep: should have at most {MOST_POINTS:,} points, got {count:,}"
        )
    points: dict[str, ExperimentSpec] = {}
    for values in product(*axes.values()):
        plain = spec.as_dict() | {"sweep": {}}
        labels = [_set(plain, key, value) for key, value in zip(axes, values, strict=True)]
        label = " ".join(labels)
        where = f"{spec.name}: sweep {label}"
        if label in points:
            raise SpecError(
                f"{where}: two points have this label; give their sections a `label` each"
            )
        points[label] = parse_experiment(plain, where) if axes else spec
    return list(points.items())


def folder_of(label: str) -> str:
    """The name of a point's folder: its label, where no part of that could lead elsewhere or be too
    long.

    Otherwise what is left of it, and a digest that tells it from others.
    """
    name = IN_FOLDERS.sub("_", label)[:LONGEST_FOLDER].rstrip(" .")
    return (
        name
        if name == label
        else f"{name} {sha256(label.encode(errors='replace')).hexdigest()[:8]}"
    )


def _set(plain: dict[str, Any], key: str, value: Any) -> str:
    """Set a key of an experiment, and return how the point's label tells of it."""
    *parents, last = key.split(".")
    section = plain
    for parent in parents:
        section = section.setdefault(parent, {})
        if not isinstance(section, dict):
            raise SpecError(f"sweep.{key}: {parent!r} is a value, not a section")
    if not isinstance(value, dict):
        section[last] = value
        return f"{key}={value}"
    changes = {name: part for name, part in value.items() if name != LABEL}
    before = section.get(last) or {}
    if not isinstance(before, dict):
        raise SpecError(f"sweep.{key}: is a value, not a section that keys could be changed of")
    section[last] = changes if "name" in changes else merged(before, changes)
    name = section[last].get("name", "")
    rest = (
        _checked_label(key, value[LABEL])
        if LABEL in value
        else _words(key, changes, named=bool(name))
    )
    if name:
        return f"{key}={name} {rest}".strip()
    return f"{key}={rest}" if LABEL in value else rest


def _words(key: str, changes: dict[str, Any], named: bool) -> str:
    """The keys of a section but its name, `price=2.3`, or in full, `env.channel.split=equal`, where
    it has none.
    """
    for name, part in changes.items():
        if isinstance(part, dict | list):
            raise SpecError(
                f"sweep.{key}: a section that sets {name!r} needs a label, as in `label: "
                f"{name}=small`"
            )
    return " ".join(
        f"{name if named else f'{key}.{name}'}={part}"
        for name, part in changes.items()
        if name != "name"
    )


def _checked_label(key: str, label: Any) -> str:
    if not isinstance(label, str) or not WORDS.fullmatch(label):
        raise SpecError(
            f"sweep.{key}: label: should be words or word=value, as `network=mlp`, got {label!r}"
        )
    return label


def _axes(sweep: dict[str, Any], prefix: str = "") -> dict[str, list[Any]]:
    """Nested sections of lists as dotted keys: {env: {num_users: [1, 8]}} -> {'env.num_users': [1,
    8]}.
    """
    axes: dict[str, list[Any]] = {}
    for key, values in sweep.items():
        name = f"{prefix}{key}"
        if isinstance(values, dict):
            axes |= _axes(values, f"{name}.")
        elif isinstance(values, list) and values:
            axes[name] = values
        else:
            raise SpecError(f"sweep.{name}: should be a list of values, got {values!r}")
    return axes
