"""Sources of a user's own modules: found without running them, and run from memory."""

import ast
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from hashlib import sha256
from importlib.abc import ExecutionLoader, MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import decode_source, spec_from_loader
from pathlib import Path
from typing import Any

from marl_moe.errors import SpecError
from mechanisms.registry import nearest

SUFFIX = ".py"
OURS = ("envs", "experiments", "marl_moe", "mechanisms", "paper_figures")


@dataclass(frozen=True)
class Source:
    """Source of a module that lies in a folder.

    Attributes:
        module: dotted name that it is imported by.
        path: the file; of a package that of its `__init__`, which need not exist.
        relative: its path below the folder that its name is relative to.
        text: its bytes.
        is_package: whether it is a package.
    """

    module: str
    path: str
    relative: str
    text: bytes
    is_package: bool


@dataclass(frozen=True)
class Found:
    """What an experiment imports, found and not yet run.

    Attributes:
        names: as the experiment names it, files by absolute paths.
        modules: the module of each name.
        sources: by module, those that lie in folders, and all that they import from there.
    """

    names: tuple[str, ...] = ()
    modules: tuple[str, ...] = ()
    sources: Mapping[str, Source] = field(default_factory=dict)

    def digests(self) -> dict[str, str]:
        """Return the SHA-256 of each source by its relative path."""
        sources = sorted(self.sources.values(), key=lambda source: source.relative)
        return {source.relative: sha256(source.text).hexdigest() for source in sources}


def module_of(name: str) -> str:
    """Return the module that a name of `imports` is imported as."""
    return Path(name).stem if name.endswith(SUFFIX) else name


def find(names: Sequence[str], folder: Path) -> Found:
    """Find what an experiment names, and all that it imports from the same folders, at any depth.

    Args:
        names: files, with `.py`, and dotted names of modules.
        folder: where files and modules are looked for; modules may be installed too.

    Raises:
        SpecError: a file is not there, or has the name of another module.
    """
    files = {name: _file(name, folder) for name in names if name.endswith(SUFFIX)}
    roots = list(dict.fromkeys([*(file.parent for file in files.values()), folder.resolve()]))
    sources: dict[str, Source] = {}
    waiting = [module_of(name) for name in names]
    while waiting:
        module = waiting.pop(0)
        source = None if module in sources else _look(module, roots)
        if source is not None:
            sources[module] = source
            waiting += _imported(source)
    for name, file in files.items():
        if sources[module_of(name)].path != str(file):
            raise SpecError(f"imports: {name}: another file of that name is imported; rename it")
    return Found(
        tuple(str(files.get(name, name)) for name in names),
        tuple(map(module_of, names)),
        sources,
    )


def _file(name: str, folder: Path) -> Path:
    file = (folder / name).resolve()
    if not file.is_file():
        beside = sorted(path.name for path in folder.glob(f"*{SUFFIX}") if path.is_file())
        there_are = nearest(name, beside) if beside else f"there is no {SUFFIX} file there"
        raise SpecError(f"imports: {name}: no such file beside the experiment; {there_are}")
    if not file.stem.isidentifier():
        raise SpecError(f"imports: {name}: should be named as a Python module is, as mine.py")
    return file


def _look(module: str, roots: Sequence[Path]) -> Source | None:
    """Return the source of a module in the first of the folders that has it.

    Raises:
        SpecError: another folder has another of that name, or it is that of an installed module.
    """
    top = module.partition(".")[0]
    if top in OURS and not any((root / f"{top}{SUFFIX}").is_file() for root in roots):
        return None  # in a checkout our packages lie beside
    found = [source for root in roots if (source := _read(module, root)) is not None]
    if not found:
        return None
    if any(source.text != found[0].text for source in found):
        raise SpecError(
            f"imports: {found[0].path} and {found[1].path} would be one module; rename one"
        )
    if "." not in module and _is_elsewhere(module, roots):
        raise SpecError(
            f"imports: {found[0].relative}: {module!r} is the name of another module; rename the "
            "file"
        )
    return found[0]


def _read(module: str, root: Path) -> Source | None:
    place = root.joinpath(*module.split("."))
    init = place / f"__init__{SUFFIX}"
    file = place.with_name(f"{place.name}{SUFFIX}")
    is_package = not file.is_file()
    if is_package:
        if not init.is_file() and not (place.is_dir() and any(place.glob(f"*{SUFFIX}"))):
            return None
        file = init
    text = file.read_bytes() if file.is_file() else b""
    return Source(module, str(file), file.relative_to(root).as_posix(), text, is_package)


def _is_elsewhere(module: str, roots: Sequence[Path]) -> bool:
    """Return whether a module of that name is installed, or Python's own.

    A file in the working folder, which Python finds too, is not.
    """
    if module in OURS or module in sys.stdlib_module_names:
        return True
    here = [*roots]
    with suppress(FileNotFoundError):  # the working folder may be gone
        here.append(Path.cwd())
    for finder in sys.meta_path:
        spec = None if finder is FINDER else finder.find_spec(module, None)
        if spec is not None and spec.origin is not None:  # a mere folder has no origin
            folder = Path(spec.origin).resolve().parent
            return folder not in here and folder.parent not in here
    return False


def _imported(source: Source) -> Iterator[str]:
    """Yield the modules that a source may import, at any depth, and the packages that it is in."""
    package = source.module if source.is_package else source.module.rpartition(".")[0]
    if package:
        yield package
    try:
        tree = ast.parse(source.text)
    except (SyntaxError, ValueError, RecursionError):
        return  # told where it is run
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield from _with_packages(alias.name)
        elif isinstance(node, ast.ImportFrom):
            origin = node.module or ""
            if node.level:
                parts = package.split(".")
                base = ".".join(parts[: len(parts) - node.level + 1])
                origin = f"{base}.{origin}".strip(".")
            yield from _with_packages(origin)
            for alias in node.names:
                yield f"{origin}.{alias.name}"


def _with_packages(module: str) -> Iterator[str]:
    parts = module.split(".") if module else []
    for count in range(1, len(parts) + 1):
        yield ".".join(parts[:count])


class Finder(MetaPathFinder):
    """Finds the modules of one experiment at a time, before Python's own finders do.

    Attributes:
        found: what it finds.
    """

    def __init__(self) -> None:
        self.found = Found()

    def find_spec(self, fullname: str, path: Any, target: Any = None) -> ModuleSpec | None:
        """Return the spec of a module that is a user's own, None of any other."""
        source = self.found.sources.get(fullname)
        if source is None:
            return None
        spec = spec_from_loader(fullname, _Loader(source), is_package=source.is_package)
        if spec is not None and source.is_package:
            spec.submodule_search_locations = []  # so that no other finder looks below it
        return spec


class _Loader(ExecutionLoader):
    """Runs the bytes of a source, never what a folder may hold beside them."""

    def __init__(self, source: Source) -> None:
        self.source = source

    def get_filename(self, fullname: str) -> str:
        """Return the path of the file, for tracebacks."""
        return self.source.path

    def get_source(self, fullname: str) -> str:
        """Return the text."""
        return decode_source(self.source.text)

    def is_package(self, fullname: str) -> bool:
        """Return whether it is a package."""
        return self.source.is_package


FINDER = Finder()  # of this process, as sys.modules is
