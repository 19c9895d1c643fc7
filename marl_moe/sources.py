"""Sources of a user's own modules: found in the folders of experiments, kept, run from memory."""

import sys
from dataclasses import dataclass
from importlib.abc import ExecutionLoader, MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import decode_source, spec_from_loader
from pathlib import Path
from typing import Any

SUFFIX = ".py"
OURS = ("envs", "experiments", "marl_moe", "mechanisms", "paper_figures")


@dataclass(frozen=True)
class Source:
    """Source of a module that was imported from a folder.

    Attributes:
        module: dotted name that it is imported by.
        root: folder that its name is relative to.
        path: the file; of a package, that of its `__init__`, which need not exist.
        text: its bytes.
        is_package: whether it is a package.
    """

    module: str
    root: Path
    path: Path
    text: bytes
    is_package: bool


class Finder(MetaPathFinder):
    """Finds modules in the folders of experiments, and keeps the bytes that it read.

    It comes before Python's own finders, and leaves to them what is installed elsewhere.

    Attributes:
        roots: folders that are looked in.
        sources: by module, what was read or has arrived.
        named: modules that were named, in their order; a dictionary without values.
    """

    def __init__(self) -> None:
        self.roots: list[Path] = []
        self.sources: dict[str, Source] = {}
        self.named: dict[str, None] = {}

    def find_spec(self, fullname: str, path: Any, target: Any = None) -> ModuleSpec | None:
        """Return the spec of a module that is a user's own, None of any other."""
        if fullname not in self.sources:
            source = self._read(fullname)
            if source is None:
                return None
            self.sources[fullname] = source
        source = self.sources[fullname]
        spec = spec_from_loader(fullname, _Loader(source), is_package=source.is_package)
        if spec is not None and source.is_package:
            spec.submodule_search_locations = []  # so that no other finder looks below it
        return spec

    def is_stale(self, source: Source) -> bool:
        """Return whether the folders hold another module of that name."""
        now = self._look(source.module)
        return now is not None and now.text != source.text

    def _read(self, module: str) -> Source | None:
        package = module.rpartition(".")[0]
        if package and package not in self.sources:
            return None
        source = self._look(module)
        return None if source is None or (not package and self.is_elsewhere(module)) else source

    def _look(self, module: str) -> Source | None:
        for root in self.roots:
            place = root.joinpath(*module.split("."))
            if place.with_name(f"{place.name}{SUFFIX}").is_file():
                file = place.with_name(f"{place.name}{SUFFIX}")
                return Source(module, root, file, file.read_bytes(), is_package=False)
            init = place / f"__init__{SUFFIX}"
            if init.is_file():
                return Source(module, root, init, init.read_bytes(), is_package=True)
            if place.is_dir() and any(place.glob(f"*{SUFFIX}")):
                return Source(module, root, init, b"", is_package=True)
        return None

    def is_elsewhere(self, module: str) -> bool:
        """Return whether a module of that name is installed, or Python's own.

        A file in the working folder, which Python finds too, is not.
        """
        if module in OURS or module in sys.stdlib_module_names:
            return True
        here = [Path.cwd(), *self.roots]
        for finder in sys.meta_path:
            spec = None if finder is self else finder.find_spec(module, None)
            if spec is not None and spec.origin is not None:  # a mere folder has no origin
                folder = Path(spec.origin).resolve().parent
                return folder not in here and folder.parent not in here
        return False


class _Loader(ExecutionLoader):
    """Runs the bytes of a source, never what a folder may hold beside them."""

    def __init__(self, source: Source) -> None:
        self.source = source

    def get_filename(self, fullname: str) -> str:
        """Return the path of the file, for tracebacks."""
        return str(self.source.path)

    def get_source(self, fullname: str) -> str:
        """Return the text."""
        return decode_source(self.source.text)

    def is_package(self, fullname: str) -> bool:
        """Return whether it is a package."""
        return self.source.is_package


FINDER = Finder()  # of this process, as sys.modules is
