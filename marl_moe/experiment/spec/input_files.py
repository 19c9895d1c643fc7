"""Files that an experiment names: found beside the file that names them, kept by a name of its own.

In a file of YAML a path is relative to that file; what is given on the command line or in Python
is relative to the working folder. A run of which a policy is compared may be in either, since runs
are made in the working folder. An experiment that was read names a table by its place in a run
folder, `inputs/table.json`, whatever folder it is read in, and knows where that name is found.
Tables are those of competence, and what a part names by its key `path`, a `placement` or a `codec`.
Other parameters of parts are values here, whether they are paths or not.
"""

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from envs.competence_table import MEASURED
from marl_moe.experiment.spec.labels import folder_of
from marl_moe.experiment.spec.search import SPACES
from marl_moe.experiment.spec.wording import GROUPS

INPUTS = "inputs"  # in a run folder: copies of the files
DIGESTS = "SHA256SUMS"  # in it: what `sha256sum --check` reads
# Keys below `env` that name a file.
TABLES = (("experts", "competence"), ("channel", "trace"), ("requests", "trace"))
Inputs = Mapping[str, str]  # name -> path of the file


def located(raw: dict[str, Any], folder: Path, at: str = "") -> dict[str, Any]:
    """Return sections in which the paths of files are those from the working folder.

    Args:
        raw: the sections, in which they are those from `folder`.
        folder: that folder.
        at: dotted key of the sections, nothing for a whole experiment.
    """

    def path(value: str, keys: tuple[str, ...]) -> str:
        if not _names_run(keys):
            return str(folder / value)
        run = str(folder / value) if (folder / value).exists() else value
        # In a sweep it is part of a label, which is the same wherever it is read.
        return os.path.abspath(run) if keys[0] == "sweep" else run

    located: dict[str, Any] = _changed(raw, tuple(filter(None, at.split("."))), path)
    return located


def named(raw: dict[str, Any]) -> tuple[dict[str, Any], Inputs]:
    """Return an experiment that calls its tables by names, and where these are found.

    Args:
        raw: the experiment, which calls them by their paths.
    """
    names: dict[str, str] = {}
    taken = {DIGESTS.lower()}

    def name(path: str, keys: tuple[str, ...]) -> str:
        if _names_run(keys):
            return path
        file = Path(path)
        if path not in names:
            numbers = ("", *(f"-{number}" for number in range(2, len(names) + 4)))
            free = (folder_of(f"{file.stem}{number}{file.suffix}") for number in numbers)
            names[path] = next(name for name in free if name.lower() not in taken)
            taken.add(names[path].lower())
        return f"{INPUTS}/{names[path]}"

    renamed: dict[str, Any] = _changed(raw, (), name)
    return renamed, {f"{INPUTS}/{name}": path for path, name in names.items()}


def replaced(raw: dict[str, Any], paths: Mapping[str, str]) -> dict[str, Any]:
    """Return an experiment in which tables are called otherwise.

    Args:
        raw: the experiment.
        paths: what each is called, by what it is called now; others stay.
    """
    changed: dict[str, Any] = _changed(raw, (), lambda value, _: paths.get(value, value))
    return changed


def with_runs_from(raw: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Return an experiment that names runs of its policies by their paths from a folder."""

    def path(value: str, keys: tuple[str, ...]) -> str:
        if not _names_run(keys) or os.path.isabs(value):
            return value
        return Path(os.path.relpath(value, folder)).as_posix()

    changed: dict[str, Any] = _changed(raw, (), path)
    return changed


def as_written(raw: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Return an experiment that names runs as its file does, which `located` had them found from.

    Args:
        raw: the experiment, read in that folder.
        folder: the folder, absolute.
    """
    begin = f"{folder}/"

    def path(value: str, keys: tuple[str, ...]) -> str:
        return value.removeprefix(begin) if _names_run(keys) else value

    written: dict[str, Any] = _changed(raw, (), path)
    return written


def _changed(
    value: Any, keys: tuple[str, ...], change: Callable[[str, tuple[str, ...]], str]
) -> Any:
    """Return a value in which each path of a file is changed.

    Args:
        value: the value.
        keys: keys that lead to it.
        change: is given a path, and the keys that lead to it.
    """
    if isinstance(value, Mapping):
        return {
            key: _changed(part, (*keys, *str(key).split(".")), change)
            for key, part in value.items()
        }
    if isinstance(value, list):
        return [_changed(part, keys, change) for part in value]
    if isinstance(value, str) and (_names_run(keys) or (_names_table(keys) and value != MEASURED)):
        return change(value, keys)
    return value


def _names_table(keys: tuple[str, ...]) -> bool:
    while keys and keys[-1] in SPACES:
        keys = keys[:-1]
    is_placement = keys[-2:] == ("placement", "path") and not {"geometry", *GROUPS}.isdisjoint(keys)
    is_codec = keys[-2:] == ("codec", "path")
    return "env" in keys and (keys[-2:] in TABLES or is_placement or is_codec)


def _names_run(keys: tuple[str, ...]) -> bool:
    return keys[-3:] == ("evaluation", "policies", "run")
