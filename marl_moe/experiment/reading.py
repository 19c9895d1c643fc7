"""Experiments read from YAML, overridden by key, and answered with a line for each mistake."""

import json
import re
from collections.abc import Hashable, Sequence
from dataclasses import fields, is_dataclass
from difflib import get_close_matches
from math import isfinite
from pathlib import Path
from typing import Any, get_args

import yaml
from pydantic import BaseModel, TypeAdapter, ValidationError

from marl_moe.experiment.spec import ExperimentSpec, SpecError, merged, unknown_key


def load_experiment(
    source: str, overrides: Sequence[str] = (), size: str | None = None
) -> ExperimentSpec:
    """Read an experiment from a file, or by the name of one that is shipped.

    Args:
        source: path of a YAML file, or a name such as `case_study`.
        overrides: `key.key=value`, value in YAML, as of `--set`; they come after what the size
            changes.
        size: one of the file's `sizes`, which changes the keys that it holds and is added to the
            name.

    Raises:
        SpecError: a line for each thing wrong.
    """
    path = find_experiment(source)
    try:
        raw = _parse(path.read_text(), str(path))
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
    return parse_experiment(raw, str(path))


def _sized(raw: dict[str, Any], size: str, where: str) -> dict[str, Any]:
    """The experiment at one of its sizes.

    Raises SpecError, naming those that there are, for another.
    """
    sizes = parse_experiment(raw, where).sizes
    if size not in sizes:
        there_are = unknown_key(size, list(sizes)) if sizes else "the file has no sizes"
        raise SpecError(f"{where}: --size {size}: {there_are}")
    return merged(raw, sizes[size]) | {"name": f"{raw['name']}_{size}", "sizes": {}}


def parse_experiment(raw: dict[str, Any], where: str) -> ExperimentSpec:
    """Check an experiment given as nested dictionaries.

    Raises SpecError, whose lines begin with `where`.
    """
    _check_values(raw, where)
    if raw.get("kind") == "market_study":
        raw = {"algorithm": None} | raw
    try:
        # Through JSON for its strictness: no string passes for a number, and lists may still be
        # tuples.
        spec = TypeAdapter(ExperimentSpec).validate_json(json.dumps(raw), strict=True)
        for size, changes in spec.sizes.items():
            parse_experiment(merged(raw, changes) | {"sizes": {}}, f"{where}: sizes.{size}")
        return spec
    except ValidationError as error:
        raise SpecError("\n".join(_lines(error, where))) from None


def find_experiment(source: str) -> Path:
    """The file of that path, or of a shipped experiment of that name.

    Raises SpecError if there is none.
    """
    path = Path(source)
    if path.is_file():
        return path
    shipped = shipped_experiments()
    if source in shipped:
        return shipped[source]
    hint = get_close_matches(path.stem, shipped, n=1, cutoff=0.5)
    nearest = f"; did you mean {hint[0]!r}?" if hint else ""
    raise SpecError(f"{source}: no such file, and no shipped experiment of that name{nearest}")


def shipped_experiments() -> dict[str, Path]:
    """Experiments that come with the package, name -> file."""
    folder = (
        Path(__file__).parents[2] / "experiments"
    )  # beside the packages, in a checkout and in a wheel alike
    return {path.stem: path for path in sorted(folder.glob("*.yaml"))}


LONGEST = 200_000  # letters of an experiment
MOST_VALUES = 20_000  # in an experiment, each alias counted as often as it stands
DEEPEST = 50  # sections in sections
DIGITS = 40
LARGEST_WHOLE = 10**DIGITS


class _Loader(yaml.SafeLoader):
    """YAML 1.2 numbers (1e-3 is one, which PyYAML's YAML 1.1 takes for a string), and no key given
    twice.
    """

    def __init__(self, stream: str) -> None:
        super().__init__(stream)
        self._depth = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        """As SafeLoader's, but no deeper than any experiment."""
        self._depth += 1
        if self._depth > DEEPEST:
            raise yaml.composer.ComposerError(
                None, None, "nested too deeply", self.peek_event().start_mark
            )
        node = super().compose_node(parent, index)
        self._depth -= 1
        return node

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """As SafeLoader's, but a key given twice is an error rather than the last one winning."""
        seen: set[Any] = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if not isinstance(key, Hashable):
                raise yaml.constructor.ConstructorError(
                    None, None, "a key should be a word", key_node.start_mark
                )
            if key in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"key {key!r} is given twice", key_node.start_mark
                )
            seen.add(key)
        return super().construct_mapping(node, deep)

    def flatten_mapping(self, node: yaml.MappingNode) -> None:
        """As SafeLoader's, but `<<` takes one section: of several, which hold several each, there
        is no end.
        """
        merged_in = [value for key, value in node.value if key.tag == "tag:yaml.org,2002:merge"]
        if len(merged_in) > 1 or not all(
            isinstance(value, yaml.MappingNode) for value in merged_in
        ):
            raise yaml.constructor.ConstructorError(
                None, None, "<< should hold one section", node.start_mark
            )
        super().flatten_mapping(node)


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"^[-+]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)[eE][-+]?[0-9]+$"),
    list("-+0123456789."),
)


def _parse(text: str, where: str) -> Any:
    if len(text) > LONGEST:
        raise SpecError(f"{where}: longer than any experiment, {LONGEST:,} letters")
    try:
        return yaml.load(text, _Loader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark else ""
        problem = str(getattr(error, "problem", None) or error).partition("\n")[0]
        raise SpecError(f"{where}{line}: not YAML: {problem}") from None
    except (
        ValueError,
        OverflowError,
    ) as error:  # a date that there is not, a number of thousands of digits
        raise SpecError(f"{where}: not YAML: {error}") from None


def _check_values(raw: dict[str, Any], where: str) -> None:
    """Refuse what JSON has no way to write, in every section: those passed on to RLlib too.

    That is .nan and .inf, dates, bytes and sets, and text that is no Unicode. Aliases in aliases
    may stand for more values than fit any memory: those are counted.
    """
    left = MOST_VALUES

    def check(value: Any, key: str, depth: int) -> None:
        nonlocal left
        left -= 1
        if left < 0 or depth > DEEPEST:
            raise SpecError(
                f"{where}: {key.partition('.')[0]}: holds more values than any experiment, or none "
                "but itself"
            )
        if isinstance(value, dict):
            for name, part in value.items():
                if not isinstance(name, str) and type(name) is not int:
                    raise SpecError(
                        f"{where}: {key or 'experiment'}: the key {name!r} should be a word; put "
                        "it in quotes"
                    )
                check(str(name), f"{key}.{name}" if key else str(name), depth + 1)
                check(part, f"{key}.{name}" if key else str(name), depth + 1)
        elif isinstance(value, list | tuple):
            for part in value:
                check(part, key, depth + 1)
        elif isinstance(value, float):
            if not isfinite(value):
                raise SpecError(f"{where}: {key}: should be a finite number, got {value}")
        elif isinstance(value, str):
            if not value.isascii() and any("\ud800" <= letter <= "\udfff" for letter in value):
                raise SpecError(f"{where}: {key!a}: should be text, got {value!a}")
        elif isinstance(value, int):
            if abs(value) >= LARGEST_WHOLE:
                raise SpecError(f"{where}: {key}: should be a number of at most {DIGITS} digits")
        elif value is not None:
            raise SpecError(
                f"{where}: {key}: should be a number, text, list or section, got a "
                f"{type(value).__name__}"
            )

    check(raw, "", 0)


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
    section[last] = _parse(value, f"--set {override}")


def _lines(error: ValidationError, where: str) -> list[str]:
    """One line a mistake: file, key, what is wrong and what would be right."""
    lines = []
    for mistake in error.errors():
        path = [
            str(part)
            for part in mistake["loc"]
            if not str(part).startswith(("dict[", "list[", "literal["))
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
    """The keys of the section at `path`."""
    section: Any = ExperimentSpec
    for part in path:
        types = (
            section.model_fields if issubclass(section, BaseModel) else section.__pydantic_fields__
        )
        annotation = types[part].annotation
        section = next(t for t in (annotation, *get_args(annotation)) if isinstance(t, type))
    return (
        [f.name for f in fields(section)] if is_dataclass(section) else list(section.model_fields)
    )
