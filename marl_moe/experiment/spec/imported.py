"""Code that `import` of an entry names: a file beside the experiment, or a module."""

import sys
from collections.abc import Callable, Iterable
from importlib import import_module
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

from marl_moe.errors import SpecError, unknown_key
from marl_moe.experiment.spec.policies import (
    IMPORT,
    IMPORTED,
    ImportedPolicy,
    PolicyEntry,
    module_name,
)
from marl_moe.policies.base import Policy
from marl_moe.whole_file import write_text
from mechanisms.registry import nearest


def imported_class(entry: ImportedPolicy, folder: Path) -> Callable[..., Policy]:
    """Return the class that an entry names.

    Args:
        entry: the entry.
        folder: where its file is, if it names one that was not imported before.

    Raises:
        SpecError: there is no such file, module or class, or the class has no `act`.
    """
    module = load(entry.module, folder)
    found = vars(module).get(entry.attribute)
    if found is None:
        classes = [name for name, value in vars(module).items() if hasattr(value, "act")]
        raise SpecError(f"import: {entry.module}: {unknown_key(entry.attribute, classes)}")
    if not callable(found) or not callable(getattr(found, "act", None)):
        raise SpecError(f"import: {entry.source}: should be a class with act(slot)")
    factory: Callable[..., Policy] = found
    return factory


def load(source: str, folder: Path) -> ModuleType:
    """Import a file in a folder, or a module by its dotted name.

    Raises:
        SpecError: there is none, it fails, or its name is that of another module.
    """
    name = module_name(source)
    try:
        if not source.endswith(".py"):
            return import_module(name)
        path = (folder / source).resolve()
        loaded = sys.modules.get(name)
        if loaded is not None and (not path.is_file() or _same(loaded, path)):
            return loaded
        if not path.is_file():
            there_are = nearest(source, sorted(file.name for file in folder.glob("*.py")))
            raise SpecError(f"import: {path}: no such file; {there_are}")
        if loaded is not None and Path(getattr(loaded, "__file__", None) or "").name != path.name:
            raise SpecError(f"import: {source}: there is a module {name!r} already; rename it")
        spec = spec_from_file_location(name, path)
        assert spec is not None
        assert spec.loader is not None
        module = sys.modules[name] = module_from_spec(spec)
        spec.loader.exec_module(module)
    except SpecError:
        raise
    except Exception as error:  # whatever the code does when it is imported
        raise SpecError(f"import: {source}: {type(error).__name__}: {error}") from error
    return module


def load_imported(raw: dict[str, Any], folder: Path) -> None:
    """Import what an experiment names, before it is checked.

    Args:
        raw: the experiment as its YAML has it.
        folder: the folder of the YAML.

    Raises:
        SpecError: see `load`.
    """
    section = raw.get("evaluation")
    entries = section.get("policies") if isinstance(section, dict) else None
    for entry in entries if isinstance(entries, list) else ():
        named = IMPORTED.match(str(entry.get(IMPORT))) if isinstance(entry, dict) else None
        if named is not None:
            load(named["module"], folder)


def copy_imported(folder: Path, entries: Iterable[PolicyEntry]) -> None:
    """Copy the files that entries name beside the experiment in its run folder."""
    for entry in entries:
        if isinstance(entry, ImportedPolicy) and entry.module.endswith(".py"):
            file = load(entry.module, Path()).__file__
            write_text(folder / entry.module, Path(str(file)).read_text())


def _same(loaded: ModuleType, path: Path) -> bool:
    file = Path(getattr(loaded, "__file__", None) or "")
    return file.is_file() and file.read_bytes() == path.read_bytes()
