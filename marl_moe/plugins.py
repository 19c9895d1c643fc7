"""Code of a user's own: files and modules that an experiment names, and installed plugins.

A process has the code of one experiment at a time: `use` swaps it whole. `code()` takes it to other
processes, bytes and all, which import the same without seeing a folder.
"""

import sys
from collections.abc import Callable, Iterator, Mapping, Set
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

from marl_moe.errors import SpecError
from marl_moe.extras import hint
from marl_moe.sources import FINDER, OURS, Found, Source
from mechanisms.errors import described

GROUP = "marl_moe.plugins"  # of the entry points of installed packages
FIGURES = "paper_figures.registry"
# The registries whose parts may be of a user's own, by the module that holds each.
REGISTRIES = {
    "envs.channel.registry": "CHANNELS",
    "envs.codec.base": "CODECS",
    "envs.duty.base": "DUTIES",
    "envs.geometry.mobility.base": "MOBILITIES",
    "envs.geometry.path_loss.base": "PATH_LOSSES",
    "envs.geometry.placement.base": "PLACEMENTS",
    "marl_moe.metrics": "METRICS",
    "marl_moe.policies.base": "POLICIES",
    "marl_moe.policies.networks": "NETWORKS",
    "mechanisms.base": "MECHANISMS",
    FIGURES: "FIGURES",
}
Parts = dict[tuple[str, str], Any]  # what is registered, by the module of its registry and its name
_owned: Parts = {}  # by the code that is used now
_of_installed: dict[str, Parts] = {}  # by modules that are not of folders: Python runs them once


@dataclass
class Code:
    """All code of a user's own in this process; where it is unpickled, it is imported.

    Attributes:
        found: what the experiment names.
        parts: what a script or a notebook registered, which no other process could import.
    """

    found: Found
    parts: Parts

    def __bool__(self) -> bool:
        return bool(self.found.names or self.parts)

    def __reduce__(self) -> tuple[Callable[..., "Code"], tuple[Any, ...], Parts]:
        found = self.found
        # The parts come last: what they are made of has been imported then.
        return _arrived, (found.names, found.modules, dict(found.sources)), self.parts

    def __setstate__(self, parts: Parts) -> None:
        self.parts = parts
        for key, part in parts.items():
            _add(key, part)


def use(found: Found) -> None:
    """Import what an experiment names, and forget what another one had named.

    What is there already, from the same files, stays.

    Raises:
        SpecError: something cannot be imported; then nothing of it stays.
    """
    load_installed()
    if found == FINDER.found:
        return
    _forget()
    if FINDER not in sys.meta_path:
        sys.meta_path.insert(0, FINDER)
    for source in found.sources.values():
        _make_room(source)
    FINDER.found = found
    for name, module in zip(found.names, found.modules, strict=True):
        before, known = _parts(), sys.modules.keys() & REGISTRIES.keys()
        try:
            import_module(module)
        except (Exception, SystemExit) as error:
            message = f"imports: {Path(name).name}: {described(error)}{hint(error)}"
            _owned.update(_new(before, known))
            _forget()
            raise SpecError(message) from None
        new = _new(before, known)
        if module not in found.sources:
            new = _of_installed.setdefault(module, new)
            for key, part in new.items():
                _add(key, part)
        _owned.update(new)


def code() -> Code:
    """Return all code of a user's own in this process, to be handed to another."""
    parts = {}
    for (holder, name), part in _parts().items():
        if holder != FIGURES and not _is_ours(holder, part) and (holder, name) not in _owned:
            parts[holder, name] = part  # figures are drawn in one process
    return Code(FINDER.found, parts)


@contextmanager
def aside() -> Iterator[None]:
    """Let another experiment's code be used for a while, and then that of now again."""
    now = FINDER.found
    try:
        yield
    finally:
        use(now)


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
            remedy = hint(error) or (
                f"; repair it, or pip uninstall {package}: no experiment is read without it"
            )
            message = f"plugin {plugin.value} of {package}: {described(error)}{remedy}"
            raise SpecError(message) from None


def _arrived(
    names: tuple[str, ...], modules: tuple[str, ...], sources: Mapping[str, Source]
) -> Code:
    """Import code that came from another process, and return it."""
    found = Found(names, modules, sources)
    use(found)
    return Code(found, {})


def _make_room(source: Source) -> None:
    """Forget a module that a script had imported from this very file.

    Raises:
        SpecError: there is a module of that name, from elsewhere.
    """
    loaded = sys.modules.get(source.module)
    if loaded is None:
        return
    file = Path(getattr(loaded, "__file__", None) or "").resolve()
    if str(file) != source.path and source.text:
        raise SpecError(
            f"imports: {source.relative}: {source.module!r} is the name of another module; rename "
            "the file"
        )
    del sys.modules[source.module]


def _forget() -> None:
    """Remove the modules that are used now, and what they registered."""
    for (holder, name), part in _owned.items():
        if _parts().get((holder, name)) is part:
            del _registry(holder)[name]
    _owned.clear()
    for module in FINDER.found.sources:
        sys.modules.pop(module, None)
    FINDER.found = Found()


def _new(before: Parts, known: Set[str]) -> Parts:
    """Return what was registered since, but for what a registry had from the beginning.

    Args:
        before: what was registered then.
        known: registries that somebody had imported then.
    """
    return {
        key: part
        for key, part in _parts().items()
        if before.get(key) is not part and (key[0] in known or not _is_ours(key[0], part))
    }


def _is_ours(holder: str, part: Any) -> bool:
    written = part.plot if holder == FIGURES else part
    return str(getattr(written, "__module__", "")).partition(".")[0] in OURS


def _parts() -> Parts:
    """Return the parts of all kinds that are registered in this process."""
    parts = {}
    for holder in REGISTRIES:
        registry = _registry(holder)
        if registry is not None:
            for name, part in registry.items():
                parts[holder, name] = part
    return parts


def _add(key: tuple[str, str], part: Any) -> None:
    """Register a part that is not."""
    holder, name = key
    registry = _registry(holder)
    if registry is None or name in registry:
        return
    if holder == FIGURES:
        registry[name] = part
    else:
        registry.register(name)(part)


def _registry(holder: str) -> Any:
    """Return a registry, None where nobody has imported it."""
    module = sys.modules.get(holder)
    return None if module is None else getattr(module, REGISTRIES[holder])
