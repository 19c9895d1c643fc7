"""The points of a sweep: one experiment for each cell of the grid that `sweep:` spans."""

from itertools import product
from typing import Any

from marl_moe.experiment.reading import parse_experiment
from marl_moe.experiment.spec import ExperimentSpec, SpecError


def sweep_points(spec: ExperimentSpec) -> list[tuple[str, ExperimentSpec]]:
    """Each point's label, such as `env.num_users=8`, and its experiment; without a sweep one point without a label.

    A value in a list may be a whole section: `mechanism: [{name: none}, {name: budgeted_price, budget: 4}]`.

    Raises SpecError, before anything is run, where a value does not fit its key.
    """
    axes = _axes(spec.sweep)
    points = []
    for values in product(*axes.values()):
        setting = dict(zip(axes, values, strict=True))
        label = " ".join(_label(key, value) for key, value in setting.items())
        plain = spec.as_dict() | {"sweep": {}}
        for key, value in setting.items():
            *parents, last = key.split(".")
            section = plain
            for parent in parents:
                section = section.setdefault(parent, {})
            section[last] = value
        points.append((label, parse_experiment(plain, f"{spec.name}: sweep {label}") if axes else spec))
    return points


def _label(key: str, value: Any) -> str:
    """`env.num_users=8`; of a section its name and the rest of its keys: `mechanism=posted_price price=2.3`."""
    if isinstance(value, dict):
        rest = {name: part for name, part in value.items() if name != "name"}
        own = [f"{key}={value['name']}"] if "name" in value else []
        return " ".join([*own, *(f"{name}={part}" for name, part in rest.items())])
    return f"{key}={value}"


def _axes(sweep: dict[str, Any], prefix: str = "") -> dict[str, list[Any]]:
    """Nested sections of lists as dotted keys: {env: {num_users: [1, 8]}} -> {'env.num_users': [1, 8]}."""
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
