"""Experiments read from YAML, overridden by key, and answered with a line for each mistake."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic.fields import FieldInfo

from marl_moe.errors import SpecError, unknown_key
from marl_moe.experiment.spec.experiment import ExperimentSpec
from marl_moe.experiment.spec.imported import load_imported
from marl_moe.experiment.spec.section import merged
from marl_moe.experiment.spec.yaml_loader import check_values, parse_yaml
from mechanisms.registry import nearest


def load_experiment(
    source: str,
    overrides: Sequence[str] = (),
    size: str | None = None,
    run_code: bool = True,
) -> ExperimentSpec:
    """Read an experiment from a file, or by the name of one that is shipped.

    Args:
        source: path of a YAML file, or a name such as `case_study`.
        overrides: `key.key=value`, value in YAML, as of `--set`; they come after what the size
            changes.
        size: one of the file's `sizes`, which changes the keys that it holds and is added to the
            name.
        run_code: import the files and modules that it names.

    Raises:
        SpecError: a line for each thing wrong.
    """
    path = find_experiment(source)
    try:
        raw = parse_yaml(path.read_text(), str(path))
    except UnicodeDecodeError:
        raise SpecError(f"{path}: not a text file") from None
    if not isinstance(raw, dict):
        raise SpecError(
            f"{path}: should hold the sections of an experiment, got {type(raw).__name__}"
        )
    if size is not None:
        raw = _sized(raw, size, str(path))
    for override in overrides:
        _override(raw, override)
    if run_code:
        load_imported(raw, path.parent)
    return parse_experiment(raw, str(path))


def _sized(raw: dict[str, Any], size: str, where: str) -> dict[str, Any]:
    """Return the experiment at one of its sizes.

    Raises:
        SpecError: it has no such size; the message names those that it has.
    """
    sizes = parse_experiment(raw, where).sizes
    if size not in sizes:
        there_are = unknown_key(size, list(sizes)) if sizes else "the file has no sizes"
        raise SpecError(f"{where}: --size {size}: {there_are}")
    return merged(raw, sizes[size]) | {"name": f"{raw['name']}_{size}", "sizes": {}}


def parse_experiment(raw: dict[str, Any], where: str) -> ExperimentSpec:
    """Check an experiment given as nested dictionaries.

    Raises:
        SpecError: a line for each mistake, which begins with `where`.
    """
    check_values(raw, where)
    if raw.get("kind") == "market_study":
        raw = {"algorithm": None} | raw
    try:
        # By JSON, which is strict: no string passes for a number, and lists may still be tuples.
        spec = TypeAdapter(ExperimentSpec).validate_json(json.dumps(raw), strict=True)
        for size, changes in spec.sizes.items():
            parse_experiment(merged(raw, changes) | {"sizes": {}}, f"{where}: sizes.{size}")
        return spec
    except ValidationError as error:
        raise SpecError("\n".join(_lines(error, where))) from None


def find_experiment(source: str) -> Path:
    """Find the file of that path, or of a shipped experiment of that name.

    Raises:
        SpecError: there is none.
    """
    path = Path(source)
    if path.is_file():
        return path
    shipped = shipped_experiments()
    if source in shipped:
        return shipped[source]
    raise SpecError(
        f"{source}: no such file, and no shipped experiment of that name; "
        f"{nearest(path.stem, shipped)}"
    )


def shipped_experiments() -> dict[str, Path]:
    """Return the experiments that come with the package, name -> file."""
    # Beside the packages, in a checkout and in a wheel alike.
    folder = Path(__file__).parents[3] / "experiments"
    return {path.stem: path for path in sorted(folder.glob("*.yaml"))}


def _override(raw: dict[str, Any], override: str) -> None:
    key, equals, value = override.partition("=")
    if not equals or not key.strip():
        raise SpecError(f"--set {override}: should read key.key=value")
    *parents, last = key.strip().split(".")
    section = raw
    for parent in parents:
        section = section.setdefault(parent, {})
        if not isinstance(section, dict):
            raise SpecError(f"--set {override}: {parent!r} is a value, not a section")
    section[last] = parse_yaml(value, f"--set {override}")


def _lines(error: ValidationError, where: str) -> list[str]:
    """Return a line for each mistake: file, key, what is wrong and what would be right."""
    lines = []
    for mistake in error.errors():
        path = [
            str(part)
            for part in mistake["loc"]
            if not str(part).startswith(("dict[", "list[", "literal[", "entry["))
        ]
        key = ".".join(path) or "experiment"
        if mistake["type"] in ("extra_forbidden", "unexpected_keyword_argument"):
            message = unknown_key(path[-1], _valid_keys(path[:-1])) + " (unknown key)"
        else:
            given = mistake["input"]
            shown = "" if isinstance(given, dict) else f", got {given!r}"
            message = mistake["msg"].removeprefix("Value error, ") + shown
        lines.append(f"{where}: {key}: {message}")
    return list(dict.fromkeys(lines))


def _valid_keys(path: Sequence[str]) -> list[str]:
    """Return the keys of the section at `path`."""
    section: Any = ExperimentSpec
    for part in path:
        annotation = _fields(section)[part].annotation
        kinds = (annotation, *get_args(annotation))
        section = next(kind for kind in kinds if isinstance(kind, type))
    return list(_fields(section))


def _fields(section: Any) -> Mapping[str, FieldInfo]:
    """Return the fields of a section, a model or a dataclass of pydantic."""
    if issubclass(section, BaseModel):
        return section.model_fields
    fields: Mapping[str, FieldInfo] = section.__pydantic_fields__
    return fields
