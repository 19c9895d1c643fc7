"""Experiments read from YAML, overridden by key, and answered with a line for each mistake."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from marl_moe.errors import SpecError, unknown_key
from marl_moe.experiment.spec.experiment import ExperimentSpec
from marl_moe.experiment.spec.imports import (
    IMPORTS,
    OF_ONES_OWN,
    TRUST,
    file_that_names,
    imports_of,
)
from marl_moe.experiment.spec.section import merged, valid_keys
from marl_moe.experiment.spec.yaml_loader import check_values, parse_yaml
from marl_moe.plugins import use
from marl_moe.sources import find
from mechanisms.registry import UnknownNameError, nearest


def load_experiment(
    source: str,
    overrides: Sequence[str] = (),
    size: str | None = None,
    imports: Sequence[Path] = (),
    changes: Mapping[str, Any] | None = None,
    code: Path | None = None,
) -> ExperimentSpec:
    """Read an experiment from a file, or by the name of one that is shipped; import its code.

    Args:
        source: path of a YAML file, or a name such as `case_study`.
        overrides: `key.key=value`, value in YAML, as of `--set`; they come after what the size
            changes.
        size: one of the file's `sizes`, which changes the keys that it holds and is added to the
            name.
        imports: files of code to import beside those that the experiment names.
        changes: sections in place of the file's, merged.
        code: folder of the files that the experiment names; None: that of the file, or in a run
            folder `imports`.

    Raises:
        SpecError: a line for each thing wrong.
    """
    path = find_experiment(source)
    raw = merged(read_sections(path), dict(changes or {}))
    if code is None:
        code = path.parent / IMPORTS if (path.parent / TRUST).is_file() else path.parent
    if imports:
        listed = raw.get("imports") or []
        more = [str(file.absolute()) for file in imports]
        raw["imports"] = [*listed, *more] if isinstance(listed, list) else listed
    raw = with_imports(raw, code, str(path))
    if size is not None:
        raw = _sized(raw, size, path)
    if overrides:
        for override in overrides:
            _override(raw, override)
        raw = with_imports(raw, code, str(path))
    return parse_experiment(raw, str(path), path.parent)


def read_sections(path: Path) -> dict[str, Any]:
    """Read the sections of an experiment as its YAML gives them.

    Raises:
        SpecError: it is no YAML of sections.
    """
    try:
        raw = parse_yaml(path.read_text(), str(path))
    except UnicodeDecodeError:
        raise SpecError(f"{path}: not a text file") from None
    if not isinstance(raw, dict):
        raise SpecError(
            f"{path}: should hold the sections of an experiment, got {type(raw).__name__}"
        )
    check_values(raw, str(path))
    return raw


def with_imports(raw: dict[str, Any], folder: Path, where: str) -> dict[str, Any]:
    """Import the code that an experiment names, and return the experiment with the files' paths.

    Args:
        raw: the experiment.
        folder: folder that its files are beside.
        where: begins messages.

    Raises:
        SpecError: something that is named cannot be imported.
    """
    check_values(raw, where)
    try:
        found = find(imports_of(raw, folder), folder)
        use(found)
    except SpecError as error:
        raise SpecError(f"{where}: {error}") from None
    return raw | {"imports": list(found.names)} if found.names else raw


def _sized(raw: dict[str, Any], size: str, path: Path) -> dict[str, Any]:
    """Return the experiment at one of its sizes.

    Raises:
        SpecError: it has no such size; the message names those that it has.
    """
    where = str(path)
    sizes = parse_experiment(raw, where, path.parent).sizes
    if size not in sizes:
        there_are = unknown_key(size, list(sizes)) if sizes else "the file has no sizes"
        raise SpecError(f"{where}: --size {size}: {there_are}")
    return merged(raw, sizes[size]) | {"name": f"{raw['name']}_{size}", "sizes": {}}


def parse_experiment(raw: dict[str, Any], where: str, folder: Path | None = None) -> ExperimentSpec:
    """Check an experiment given as nested dictionaries; its imports were imported before.

    Args:
        raw: the experiment.
        where: begins messages.
        folder: folder whose files may hold what is named and not found.

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
            sized = merged(raw, changes) | {"sizes": {}}
            parse_experiment(sized, f"{where}: sizes.{size}", folder)
        return spec
    except ValidationError as error:
        raise SpecError("\n".join(_lines(error, where, folder))) from None


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


def _lines(error: ValidationError, where: str, folder: Path | None) -> list[str]:
    """Return a line for each mistake: file, key, what is wrong and what would be right.

    All names that a file beside the experiment holds and nobody imported are one mistake.
    """
    lines = []
    not_imported: dict[str, list[str]] = {}
    for mistake in error.errors():
        path = [
            str(part)
            for part in mistake["loc"]
            if not str(part).startswith(("dict[", "list[", "literal[", "entry["))
        ]
        key = ".".join(path) or "experiment"
        if mistake["type"] in ("extra_forbidden", "unexpected_keyword_argument"):
            message = (
                unknown_key(path[-1], valid_keys(ExperimentSpec, path[:-1])) + " (unknown key)"
            )
        else:
            given = mistake["input"]
            shown = "" if isinstance(given, dict) else f", got {given!r}"
            message = mistake["msg"].removeprefix("Value error, ") + shown
            cause = mistake.get("ctx", {}).get("error")
            if isinstance(cause, UnknownNameError):
                file = file_that_names(cause.name, folder)
                if file is not None:
                    not_imported.setdefault(file, []).append(repr(cause.name))
                    continue
                message += f"; {OF_ONES_OWN}"
        lines.append(f"{where}: {key}: {message}")
    for file, names in not_imported.items():
        named = ", ".join(dict.fromkeys(names))
        lines.append(
            f"{where}: imports: {file} beside it names {named}, and is not imported: add "
            f"imports: [{file}]"
        )
    return list(dict.fromkeys(lines))
