"""Experiments read from YAML, overridden by key, and answered with a line for each mistake."""

import json
from collections.abc import Callable, Mapping, Sequence
from functools import reduce
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from marl_moe.errors import SpecError, unknown_key
from marl_moe.experiment.records.secrets import redacted
from marl_moe.experiment.spec.algorithm import RLLIB_SECTIONS
from marl_moe.experiment.spec.changed_groups import check_groups
from marl_moe.experiment.spec.empty import without_empty
from marl_moe.experiment.spec.experiment import ExperimentSpec
from marl_moe.experiment.spec.files import extended, find_experiment, read_sections
from marl_moe.experiment.spec.given import Given, check_given, given_from_python
from marl_moe.experiment.spec.head_comment import head_comment
from marl_moe.experiment.spec.imports import (
    IMPORTS,
    OF_ONES_OWN,
    TRUST,
    file_that_names,
    imports_of,
)
from marl_moe.experiment.spec.input_files import Inputs, located, named, replaced
from marl_moe.experiment.spec.keys import UnknownKeyError, no_such_key, unknown_at
from marl_moe.experiment.spec.section import merged, valid_keys, without_keys
from marl_moe.experiment.spec.swept_keys import with_sweep
from marl_moe.experiment.spec.wording import too_few, worded
from marl_moe.experiment.spec.yaml_loader import parse_yaml
from marl_moe.experiment.spec.yaml_values import EMPTY, check_values
from marl_moe.plugins import use
from marl_moe.sources import find
from mechanisms.registry import UnknownNameError


def load_experiment(
    source: str,
    overrides: Sequence[str] = (),
    size: str | None = None,
    imports: Sequence[Path] = (),
    changes: Mapping[str, Any] | None = None,
    code: Path | None = None,
    options: Mapping[str, str] | None = None,
    read: Callable[[Path], dict[str, Any]] | None = None,
) -> ExperimentSpec:
    """Read an experiment from a file, or by the name of one that is shipped; import its code.

    Args:
        source: path of a YAML file, or a name such as `case_study`.
        overrides: `key.key=value`, value in YAML, as of `--set`; they come after what the size
            changes.
        size: one of the file's `sizes`, which changes the keys that it holds and is added to the
            name.
        imports: files of code to import beside those that the experiment names.
        changes: sections in place of the file's and of the size's, merged.
        code: folder of the files that the experiment names; None: that of the file, or in a run
            folder `imports`.
        options: further overrides, by the option that each was given as, such as `--seeds 3`.
        read: reads the sections of the file; None: `read_sections`.

    Raises:
        SpecError: a line for each thing wrong.
    """
    path = find_experiment(source)
    where = str(path)
    folder = path.parent if code is None else path.parent.absolute()
    raw = extended(located((read or read_sections)(path), folder), path)
    changes = located(without_empty(changes or {}, ExperimentSpec, where), Path())
    if code is None:
        code = path.parent / IMPORTS if (path.parent / TRUST).is_file() else path.parent
    listed = (changes if "imports" in changes else raw).get("imports", [])
    for file in imports:
        if file.suffix != ".py":
            raise SpecError(f"--import {file}: should be a .py file")
    raw["imports"] = listed
    if isinstance(listed, list):
        raw["imports"] = [*listed, *(str(file.absolute()) for file in imports)]
    raw = with_imports(raw, code, where)
    if size is not None:
        raw = _sized(raw, size, path)
    given = [
        *given_from_python(changes),
        *(given_as(f"--set {override}", override, where) for override in overrides),
        *(given_as(shown, override, where) for shown, override in (options or {}).items()),
    ]
    raw = patched(raw, {key: part for key, part in changes.items() if key != "imports"})
    for override in given[len(given_from_python(changes)) :]:
        _set(raw, override)
    if given:
        check_given(given, raw)
        raw = with_imports(raw, code, where)
    raw, inputs = named(raw)
    return parse_experiment(raw, where, path.parent, inputs).asking(redacted(head_comment(path)))


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
    return patched(raw, sizes[size]) | {"name": f"{raw['name']}_{size}", "sizes": {}}


def patched(raw: dict[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return an experiment with sections changed: within them, in sweep and search key by key."""
    changed = merged(raw, dict(changes))
    for section in ("sweep", "search"):
        if section in changes:
            changed[section] = with_sweep(raw.get(section), changes[section])
    return changed


def parse_experiment(
    raw: dict[str, Any],
    where: str,
    folder: Path | None = None,
    inputs: Inputs | None = None,
) -> ExperimentSpec:
    """Check an experiment given as nested dictionaries; its imports were imported before.

    Args:
        raw: the experiment.
        where: begins messages.
        folder: folder whose files may hold what is named and not found.
        inputs: where the files are that it calls by names.

    Raises:
        SpecError: a line for each mistake, which begins with `where`.
    """
    check_values(raw, where)
    raw = without_empty(raw, ExperimentSpec, where)
    if raw.get("kind") == "market_study":
        raw = {"algorithm": None} | raw
    try:
        # By JSON, which is strict: no string passes for a number, and lists may still be tuples.
        spec = TypeAdapter(ExperimentSpec).validate_json(
            json.dumps(_placed(raw, inputs or {})), strict=True
        )
        for size, changes in spec.sizes.items():
            sized = patched(raw, changes) | {"sizes": {}}
            parse_experiment(sized, f"{where}: sizes.{size}", folder)
        return spec.with_inputs(inputs) if inputs else spec
    except ValidationError as error:
        raise SpecError("\n".join(_lines(error, where, folder))) from None


def given_as(shown: str, override: str, where: str) -> Given:
    """Return what `key.key=value` gives, value in YAML.

    Args:
        shown: how it was given, such as `--set env.num_users=8`.
        override: the key and the value.
        where: begins messages on the value.

    Raises:
        SpecError: it does not read so, or the value can be none.
    """
    key, equals, text = override.partition("=")
    key = key.strip()
    if not equals or not all(key.split(".")):
        raise SpecError(f"{shown}: should read key.key=value")
    value = parse_yaml(text, shown)
    if value is EMPTY or (value is None and not text.strip()):
        raise SpecError(f"{shown}: there is no value; null is written out")
    *parents, last = key.split(".")
    check_values(reduce(lambda part, name: {name: part}, reversed(key.split(".")), value), where)
    without = without_empty({last: value}, ExperimentSpec, shown) if not parents else {last: value}
    return Given(shown, key, located(without, Path(), ".".join(parents)).get(last))


def _set(raw: dict[str, Any], given: Given) -> None:
    """Set a key to what is given, in a sweep however the key is written there.

    Raises:
        SpecError: it is of a group that there is not, or within a value.
    """
    check_groups(given.shown, given.key, given.value, raw, merges=False)
    *parents, last = given.key.split(".")
    section = raw
    if len(parents) > 1 and parents[0] in ("sweep", "search"):
        inner = raw.get(parents[0])
        name = ".".join(given.key.split(".")[1:])
        if isinstance(inner, dict) and name in inner:
            section, parents, last = inner, [], name
    for depth, parent in enumerate(parents, 1):
        section = section.setdefault(parent, {})
        if not isinstance(section, dict):
            raise SpecError(f"{given.shown}: {without_keys(parents[:depth], section)}")
    section[last] = given.value


def _placed(raw: dict[str, Any], inputs: Inputs) -> dict[str, Any]:
    """Return an experiment with the paths of its tables; points and draws have their names."""
    apart = {key: raw[key] for key in ("sweep", "search", "sizes") if key in raw}
    return replaced(raw, inputs) | apart if inputs else raw


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
        fewest = too_few(mistake)
        if fewest is not None:
            path.pop()
        key = ".".join(path) or "experiment"
        if fewest is not None:
            message = f"should have {fewest} entries, got {mistake['input']!r}"
        elif mistake["type"] in ("extra_forbidden", "unexpected_keyword_argument"):
            message = no_such_key(ExperimentSpec, path)
        else:
            given = mistake["input"]
            if isinstance(given, tuple):  # as a list of YAML is read
                given = list(given)
            shown = "" if isinstance(given, dict) else f", got {given!r}"
            says = worded(mistake, path) or mistake["msg"].removeprefix("Value error, ")
            message = says + shown
            cause = mistake.get("ctx", {}).get("error")
            if isinstance(cause, UnknownKeyError):
                rllibs = RLLIB_SECTIONS if path == ["algorithm"] else ()
                valid = [*valid_keys(ExperimentSpec, path), *rllibs]
                message = unknown_at(ExperimentSpec, [*path, cause.key], valid) + cause.advice
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
