"""What an experiment imports: what its key `imports` lists, and what it names in other places."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from marl_moe.errors import SpecError
from marl_moe.experiment.spec.policies import IMPORT, IMPORTED
from marl_moe.sources import SUFFIX, module_of

OF_ONES_OWN = "a part of your own is found where imports names its file"
IMPORTS = "imports"  # in a run folder: copies of the files that were imported
TRUST = "trust.json"  # in a run folder: SHA-256 of these, and signatures
MOST_FILES = 200  # beside an experiment, that are searched for a name


def imports_of(raw: dict[str, Any], folder: Path) -> list[str]:
    """Return the code that an experiment names: its imports, callbacks beside it, and policies.

    Args:
        raw: the experiment as its YAML gives it.
        folder: folder that its files are beside.

    Raises:
        SpecError: `imports` is no list of names.
    """
    listed = raw.get("imports") or []
    if not isinstance(listed, list) or not all(isinstance(name, str) for name in listed):
        raise SpecError(f"imports: should be a list of files and modules, got {listed!r}")
    listed = list({str((folder / name).resolve()): name for name in listed}.values())
    names = {module_of(name): name for name in listed}
    if len(names) < len(listed):
        raise SpecError(f"imports: two of {', '.join(listed)} would be one module; rename a file")
    for path in _callbacks(raw):
        top, _, inner = path.partition(".")
        if (folder / f"{top}{SUFFIX}").is_file():
            names.setdefault(top, f"{top}{SUFFIX}")
        elif (folder / top).is_dir() and inner:
            names.setdefault(path.rpartition(".")[0], path.rpartition(".")[0])
    for section in _sections(raw):
        source = section.get(IMPORT)
        if isinstance(source, str) and (named := IMPORTED.match(source)):
            names.setdefault(module_of(named["module"]), named["module"])
    return list(names.values())


def file_that_names(name: str, folder: Path | None) -> str | None:
    """Return the file beside an experiment that holds a name in quotes, None where there is none.

    Args:
        name: the name that no part has.
        folder: folder of the experiment; None where it is in no file.
    """
    files = [] if folder is None else sorted(folder.glob(f"*{SUFFIX}"))
    for path in filter(Path.is_file, files[:MOST_FILES]):
        text = path.read_text(encoding="utf-8", errors="replace")
        if f'"{name}"' in text or f"'{name}'" in text:
            return path.name
    return None


def _sections(value: Any) -> Iterator[dict[str, Any]]:
    """Yield every section of an experiment, those of its sweep and sizes among them."""
    if isinstance(value, dict):
        yield value
    for inner in value.values() if isinstance(value, dict) else value:
        if isinstance(inner, dict | list):
            yield from _sections(inner)


def _callbacks(raw: dict[str, Any]) -> Iterator[str]:
    """Yield the dotted paths of an experiment's callbacks."""
    values = [
        value
        for section in _sections(raw)
        for key, value in section.items()
        if "callbacks" in str(key).split(".")
    ]
    while values:
        value = values.pop(0)
        if isinstance(value, dict | list):
            values = [*(value.values() if isinstance(value, dict) else value), *values]
        elif isinstance(value, str):
            yield value
