"""The points of a sweep: an experiment for each cell of the grid of `sweep:`, or each it lists."""

from itertools import product
from math import prod
from typing import Any, NamedTuple

from envs.quantity import EACH
from marl_moe.errors import SpecError
from marl_moe.experiment.spec.changed_groups import check_groups
from marl_moe.experiment.spec.experiment import ExperimentSpec
from marl_moe.experiment.spec.labels import LABEL, setting_label
from marl_moe.experiment.spec.reading import parse_experiment
from marl_moe.experiment.spec.section import merged, names_model, without_keys

MOST_POINTS = 10_000
Settings = dict[str, Any]  # dotted key of the sweep -> the value as the YAML gives it


class Point(NamedTuple):
    """One point of a sweep.

    Attributes:
        label: the text that shows it, such as `env.num_users=8`; empty without a sweep.
        settings: what it sets, such as `{"env.num_users": 8}`; empty without a sweep.
        spec: its experiment, which has no sweep.
    """

    label: str
    settings: Settings
    spec: ExperimentSpec


def sweep_points(spec: ExperimentSpec) -> list[Point]:
    """Return the points of an experiment's sweep; without a sweep, one point without a label.

    A sweep of lists by key is their grid. One that is a list holds the points themselves, each
    values by dotted key. The experiments of the points have neither sweep nor search.

    A value in a list may be a section. One with a name, or a model, takes the place of the whole
    section, `mechanism: [{name: none}, {name: budgeted_price, budget: 4}]`; one without changes the
    keys that it holds. The `label` in a section stands for the rest of its keys in the point's
    label: `algorithm: [{label: {network: mlp}, rl_module: ...}]` is `algorithm=sac network=mlp`.

    Raises:
        SpecError: a value does not fit its key, or two points have the same label.
    """
    base = spec.model_copy(update={"sweep": {}, "search": None})
    if not spec.sweep:
        return [Point("", {}, base)]
    points: dict[str, Point] = {}
    for settings in swept_settings(spec):
        plain = base.as_dict()
        label = " ".join(set_key(plain, key, value) for key, value in settings.items())
        where = f"{spec.name}: sweep {label}"
        if label in points:
            raise SpecError(
                f"{where}: two points have this label; give their sections a `label` each"
            )
        points[label] = Point(label, settings, parse_experiment(plain, where, inputs=spec.inputs))
    return list(points.values())


def swept_settings(spec: ExperimentSpec) -> list[Settings]:
    """Return what each point of a sweep sets; without a sweep, one that sets nothing.

    Raises:
        SpecError: the sweep is neither lists of values by key, nor a list of values by key, or has
            more points than any run.
    """
    if not spec.sweep:
        return [{}]
    axes = {} if isinstance(spec.sweep, list) else _axes(spec.sweep)
    count = prod(map(len, axes.values())) if axes else len(spec.sweep)
    if count > MOST_POINTS:
        raise SpecError(
            f"{spec.name}: sweep: should have at most {MOST_POINTS:,} points, got {count:,}"
        )
    if isinstance(spec.sweep, list):
        if not all(spec.sweep):
            raise SpecError("sweep: a point should set a key, got {}")
        return spec.sweep
    return [dict(zip(axes, values, strict=True)) for values in product(*axes.values())]


def set_key(plain: dict[str, Any], key: str, value: Any) -> str:
    """Set a dotted key of a plain experiment to what a sweep gives it, and return its label.

    Raises:
        SpecError: there can be no such key, it is of a group that there is not, or the label is
            none.
    """
    check_groups(f"sweep.{key}", key, value, plain, merges=True)
    *parents, last = key.split(".")
    section = plain
    for depth, parent in enumerate(parents, 1):
        section = section.setdefault(parent, {})
        if not isinstance(section, dict):
            raise SpecError(
                f"sweep.{key}: {without_keys(parents[:depth], section)}; give it some, or leave "
                "this key out"
            )
    if not isinstance(value, dict) or set(value) == {EACH}:  # a list of numbers is a value
        section[last] = value
        return setting_label(key, value, name="")
    changes = {name: part for name, part in value.items() if name != LABEL}
    before = section.get(last) or {}
    if not isinstance(before, dict):
        raise SpecError(f"sweep.{key}: is a value, not a section that keys could be changed of")
    whole = "name" in changes or names_model(changes)
    section[last] = changes if whole else merged(before, changes)
    return setting_label(key, value, name=section[last].get("name", ""))


def _axes(sweep: dict[str, Any], prefix: str = "") -> dict[str, list[Any]]:
    """Return nested sections of lists by dotted keys.

    {env: {num_users: [1, 8]}} becomes {'env.num_users': [1, 8]}.
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
