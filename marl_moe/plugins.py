"""Code of a user's own: files and modules that an experiment names, and installed plugins.

A file is imported under its stem, from its bytes; so is what it imports from its own folder. The
bytes go with the code to every process (`Code`), which imports the same without seeing the folder.
"""

import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path
from traceback import walk_tb
from typing import Any

from marl_moe.errors import SpecError
from marl_moe.sources import FINDER, OURS, SUFFIX, Source
from mechanisms.registry import Registry, nearest

GROUP = "marl_moe.plugins"  # of the entry points of installed packages
# The registries whose parts may be of a user's own, by the module that holds each.
REGISTRIES = {
    "envs.channel": "CHANNELS",
    "marl_moe.metrics": "METRICS",
    "marl_moe.policies.base": "POLICIES",
    "marl_moe.policies.networks": "NETWORKS",
    "mechanisms.base": "MECHANISMS",
    "paper_figures.registry": "FIGURES",
}
Part = tuple[str, str, Any]  # module of the registry, name, factory


@dataclass(frozen=True)
class Code:
    """All code of a user's own in this process; where it is unpickled, it is imported.

    Attributes:
        modules: names of the modules that were named, in their order.
        sources: those of them that came from folders, and what they imported from there.
        parts: parts that a script or a notebook registered, which no other process could import.
    """

    modules: tuple[str, ...]
    sources: tuple[Source, ...]
    parts: tuple[Part, ...]

    def __bool__(self) -> bool:
        return bool(self.modules or self.parts)

    def __reduce__(self) -> tuple[Callable[..., "Code"], tuple[Any, ...]]:
        return _arrived, (self.modules, self.sources, self.parts)


def load(names: Sequence[str], folder: Path) -> list[str]:
    """Import what an experiment names, and forget what another one had named.

    What is there already stays, unless a file has changed.

    Args:
        names: files, with `.py`, and dotted names of modules.
        folder: where the experiment is; files and modules are looked for in `folder/imports`, where
            there is such a folder, and in `folder`, modules elsewhere too.

    Returns:
        The names, each file by its absolute path.

    Raises:
        SpecError: for the first name that names nothing, or cannot be imported.
    """
    load_installed()
    roots = [root.resolve() for root in (folder / "imports", folder) if root.is_dir()]
    files = {name: _file(name, roots) for name in names if name.endswith(SUFFIX)}
    FINDER.roots = list(dict.fromkeys([*(path.parent for path in files.values()), *roots]))
    same = set(FINDER.named) == set(map(module_of, names))
    if not same or any(map(FINDER.is_stale, FINDER.sources.values())):
        _forget([*FINDER.sources])
        FINDER.named.clear()
    for name in names:
        if name in files:
            _import_file(name, files[name])
        else:
            _import(name, name)
    return [str(files.get(name, name)) for name in names]


def sources_of(names: Iterable[str]) -> list[Source]:
    """Return the sources of what `load` imported under these names.

    Raises:
        SpecError: something else was imported since.
    """
    if set(FINDER.named) != set(map(module_of, names)):
        raise SpecError("imports: another experiment was read since: read this one again")
    return list(FINDER.sources.values())


def module_of(name: str) -> str:
    """Return the module that a name of `imports` is imported as."""
    return Path(name).stem if name.endswith(SUFFIX) else name


def code() -> Code:
    """Return all code of a user's own in this process, to be handed to another."""
    parts = []
    for holder, name, factory in _parts():
        module = getattr(factory, "__module__", "")
        known = module in FINDER.sources or module.partition(".")[0] in OURS
        if not known and holder != "paper_figures.registry":  # figures are drawn in one process
            parts.append((holder, name, factory))
    return Code(tuple(FINDER.named), tuple(FINDER.sources.values()), tuple(parts))


@contextmanager
def aside() -> Iterator[None]:
    """Let another experiment's code be imported for a while, and then return to that of now."""
    now = code()
    try:
        yield
    finally:
        _arrived(now.modules, now.sources, now.parts)


@cache
def load_installed() -> None:
    """Import the plugins of installed packages, once in a process.

    Raises:
        SpecError: one cannot be imported.
    """
    for plugin in entry_points(group=GROUP):
        try:
            plugin.load()
        except Exception as error:
            package = plugin.dist.name if plugin.dist is not None else "a package"
            raise SpecError(f"plugin {plugin.value} of {package}: {_told(error)}") from None


def _arrived(
    modules: tuple[str, ...], sources: tuple[Source, ...], parts: tuple[Part, ...]
) -> Code:
    """Import code that came from another process, and return it."""
    load_installed()
    texts = {source.module: source.text for source in sources}
    if texts != {source.module: source.text for source in FINDER.sources.values()}:
        _forget([*FINDER.sources])
        FINDER.sources = {source.module: source for source in sources}
    FINDER.named.clear()
    for module in modules:
        _import(module, module)
    for holder, name, factory in parts:
        registry = _registry(holder)
        if registry is not None and name not in registry:
            registry.register(name)(factory)
    return Code(modules, sources, parts)


def _file(name: str, roots: Sequence[Path]) -> Path:
    for root in roots:
        if (root / name).is_file():
            return (root / name).resolve()
    beside = sorted(path.name for root in roots for path in root.glob(f"*{SUFFIX}"))
    there_are = nearest(name, beside) if beside else f"there is no {SUFFIX} file there"
    raise SpecError(f"imports: {name}: no such file beside the experiment; {there_are}")


def _import_file(name: str, file: Path) -> None:
    module = file.stem
    if not module.isidentifier():
        raise SpecError(f"imports: {name}: should be named as a Python module is, as mine.py")
    its_file = Path(getattr(sys.modules.get(module), "__file__", None) or "").resolve()
    if module not in FINDER.sources and its_file == file:
        _forget([module])  # a script had imported it: from now on it is ours to hand on
    if module not in FINDER.sources and (module in sys.modules or FINDER.is_elsewhere(module)):
        raise SpecError(
            f"imports: {name}: {module!r} is the name of another module; rename the file"
        )
    _import(name, module)
    if FINDER.sources[module].text != file.read_bytes():
        raise SpecError(f"imports: {name}: another file of that name is imported; rename the file")


def _import(name: str, module: str) -> None:
    """Import a module, or leave no trace of it.

    Raises:
        SpecError: it cannot be imported; the message begins with `imports: NAME`.
    """
    if FINDER not in sys.meta_path:
        sys.meta_path.insert(0, FINDER)
    before = set(FINDER.sources)
    try:
        import_module(module)
    except (Exception, SystemExit) as error:
        message = f"imports: {name}: {_told(error)}"
        _forget(FINDER.sources.keys() - before)
        raise SpecError(message) from None
    FINDER.named[module] = None


def _forget(modules: Iterable[str]) -> None:
    """Remove modules, and every part that one of them registered."""
    gone = set(modules)
    for holder, name, factory in list(_parts()):
        if getattr(factory, "__module__", None) in gone:
            registry = _registry(holder)
            if isinstance(registry, Registry):
                registry.forget(name)
            elif registry is not None:
                del registry[name]
    for module in gone:
        sys.modules.pop(module, None)
        FINDER.sources.pop(module, None)
        FINDER.named.pop(module, None)


def _parts() -> Iterator[Part]:
    """Yield the parts of all kinds that are registered in this process."""
    for holder in REGISTRIES:
        registry = _registry(holder)
        if registry is not None:
            for name, factory in registry.items():
                yield holder, name, getattr(factory, "plot", factory)


def _registry(holder: str) -> Any:
    """Return a registry, None where nobody has imported it."""
    module = sys.modules.get(holder)
    return None if module is None else getattr(module, REGISTRIES[holder])


def _told(error: BaseException) -> str:
    """Return an error of a user's code in a line, with the place in that code."""
    place = ""
    own = {str(source.path) for source in FINDER.sources.values()}
    for frame, line in walk_tb(error.__traceback__):
        if frame.f_code.co_filename in own:
            place = f" (line {line} of {frame.f_code.co_filename})"
    message = str(error)
    if isinstance(error, SyntaxError):
        message, place = error.msg, f" (line {error.lineno} of {error.filename})"
    return f"{type(error).__name__}: {message.strip().partition(chr(10))[0]}{place}"
