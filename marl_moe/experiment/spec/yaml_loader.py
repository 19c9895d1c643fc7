"""YAML as experiments are written in it: numbers of YAML 1.2, no key given twice, no bombs."""

import re
from collections.abc import Hashable
from math import isfinite
from typing import Any

import yaml

from marl_moe.errors import SpecError

LONGEST = 200_000  # letters of an experiment
MOST_VALUES = 20_000  # in an experiment, each alias counted as often as it stands
DEEPEST = 50  # sections in sections
DIGITS = 40
LARGEST_WHOLE = 10**DIGITS


class ExperimentLoader(yaml.SafeLoader):
    """SafeLoader with YAML 1.2 numbers, without keys given twice and without deep nesting.

    1e-3 is a number in YAML 1.2; PyYAML's YAML 1.1 takes it for a string.
    """

    def __init__(self, stream: str) -> None:
        super().__init__(stream)
        self._depth = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        """Compose as SafeLoader does, but no deeper than any experiment."""
        self._depth += 1
        if self._depth > DEEPEST:
            raise yaml.composer.ComposerError(
                None, None, "nested too deeply", self.peek_event().start_mark
            )
        node = super().compose_node(parent, index)
        self._depth -= 1
        return node

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """Construct as SafeLoader does, but refuse a key given twice."""
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
        """Merge as SafeLoader does, but let `<<` take one section.

        Several, which hold several each, may stand for more keys than fit any memory.
        """
        merged_in = [value for key, value in node.value if key.tag == "tag:yaml.org,2002:merge"]
        if len(merged_in) > 1 or not all(
            isinstance(value, yaml.MappingNode) for value in merged_in
        ):
            raise yaml.constructor.ConstructorError(
                None, None, "<< should hold one section", node.start_mark
            )
        super().flatten_mapping(node)


ExperimentLoader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"^[-+]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)[eE][-+]?[0-9]+$"),
    list("-+0123456789."),
)


def parse_yaml(text: str, where: str) -> Any:
    """Parse YAML into plain values.

    Raises:
        SpecError: it is no YAML; the line begins with `where`.
    """
    if len(text) > LONGEST:
        raise SpecError(f"{where}: longer than any experiment, {LONGEST:,} letters")
    try:
        return yaml.load(text, ExperimentLoader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark else ""
        problem = str(getattr(error, "problem", None) or error).partition("\n")[0]
        raise SpecError(f"{where}{line}: not YAML: {problem}") from None
    except (ValueError, OverflowError) as error:
        # A date that there is not, a number of thousands of digits.
        raise SpecError(f"{where}: not YAML: {error}") from None


def check_values(raw: dict[str, Any], where: str) -> None:
    """Refuse what JSON has no way to write, in every section: those passed on to RLlib too.

    That is .nan and .inf, dates, bytes and sets, and text that is no Unicode. Aliases in aliases
    may stand for more values than fit any memory: those are counted.

    Raises:
        SpecError: for the first such value, by its key.
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
                inner = f"{key}.{name}" if key else str(name)
                check(str(name), inner, depth + 1)
                check(part, inner, depth + 1)
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
