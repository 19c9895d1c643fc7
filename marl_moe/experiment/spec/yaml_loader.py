"""YAML as experiments are written in it: the core schema of YAML 1.2, no key given twice, no bombs.

PyYAML reads YAML 1.1, where 010 is 8, 1:30 is 90 and `on` is true. Here its scanner is kept and its
types are not: a word is what YAML 1.2.2, section 10.3.2, says it is.
"""

import codecs
import re
from collections.abc import Sequence
from typing import Any, ClassVar

import yaml

from marl_moe.errors import SpecError
from marl_moe.experiment.spec.yaml_values import DEEPEST, EMPTY, MOST_VALUES

LONGEST = 200_000  # letters of an experiment
MARKS = (  # byte order marks; that of UTF-32 begins as that of UTF-16 does
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
TAG = "tag:yaml.org,2002:"
MERGE = f"{TAG}merge"
# Type of a word, what words have it, and the letters that these begin with.
CORE: Sequence[tuple[str, str, str]] = (
    ("null", r"~|null|Null|NULL|", "~nN"),
    ("bool", r"true|True|TRUE|false|False|FALSE", "tTfF"),
    ("int", r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+", "-+0123456789"),
    (
        "float",
        r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?"
        r"|[-+]?(\.inf|\.Inf|\.INF)|\.nan|\.NaN|\.NAN",
        "-+.0123456789",
    ),
    ("merge", "<<", "<"),  # of no schema of 1.2, and what every reader of YAML knows
)
TYPES = {name: re.compile(rf"(?:{words})\Z") for name, words, _ in CORE}


class ExperimentLoader(yaml.SafeLoader):
    """SafeLoader with the types of YAML 1.2, without keys given twice and without deep nesting.

    What stands after a colon and is nothing at all is `EMPTY`.
    """

    yaml_implicit_resolvers = {}  # noqa: RUF012 - in place of those of YAML 1.1
    yaml_constructors: ClassVar[dict[str | None, Any]] = {}

    def __init__(self, stream: str) -> None:
        super().__init__(stream)
        self._depth = 0
        self._merged = 0
        self._merging: set[yaml.Node] = set()

    def process_directives(self) -> Any:
        """Process as SafeLoader does, but refuse another YAML than is read here."""
        directives = super().process_directives()
        if self.yaml_version not in (None, (1, 2)):
            version = ".".join(map(str, self.yaml_version))
            raise yaml.parser.ParserError(
                None,
                None,
                f"%YAML {version}: this reads YAML 1.2",
                self.peek_token().start_mark,
            )
        return directives

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

    def flatten_mapping(self, node: yaml.MappingNode) -> None:
        """Put the keys that `<<` stands for before those of the mapping itself.

        A key of its own takes the place of one that is merged in, and of several sections the first
        that has a key gives it. Each key is kept once, and all are counted: merged again and again,
        a few lines would stand for more keys than fit any memory.
        """
        if node in self._merging:
            raise _refused("<< holds the section that it is in", node)
        self._merging.add(node)
        own: dict[str, tuple[yaml.Node, yaml.Node]] = {}
        sections: list[yaml.Node] = []
        for key_node, value_node in node.value:
            key = _key_of(self, key_node)
            if key in own or (key_node.tag == MERGE and sections):
                advice = ": << takes a list of sections" if key_node.tag == MERGE else ""
                raise _refused(f"key {key!r} is given twice{advice}", key_node)
            if key_node.tag == MERGE:
                is_list = isinstance(value_node, yaml.SequenceNode)
                sections = value_node.value if is_list else [value_node]
            else:
                own[key] = (key_node, value_node)
        inherited: dict[str, tuple[yaml.Node, yaml.Node]] = {}
        for section in sections:
            if not isinstance(section, yaml.MappingNode):
                raise _refused("<< should hold a section, or a list of sections", node)
            self.flatten_mapping(section)
            for key_node, value_node in section.value:
                inherited.setdefault(_key_of(self, key_node), (key_node, value_node))
            self._merged += len(section.value)
            if self._merged > MOST_VALUES:
                raise _refused("<< stands for more keys than any experiment", node)
        node.value = list((inherited | own).values())
        self._merging.remove(node)


def _key_of(loader: ExperimentLoader, node: yaml.Node) -> str:
    """Return a key as JSON writes it, in which 1 and "1" are one."""
    key = loader.construct_object(node, deep=True) if node.tag != MERGE else "<<"
    if not isinstance(key, str) and type(key) is not int:
        raise _refused("a key should be a word; put it in quotes", node)
    return str(key)


def _refused(problem: str, node: yaml.Node) -> yaml.constructor.ConstructorError:
    return yaml.constructor.ConstructorError(None, None, problem, node.start_mark)


def _word(loader: ExperimentLoader, node: yaml.Node, kind: str) -> str:
    """Return the word of a type; one that is given by a tag, as `!!int 1:30`, need not be one."""
    if not isinstance(node, yaml.ScalarNode) or not TYPES[kind].match(node.value):
        shown = getattr(node, "value", "")
        raise _refused(f"{shown!r} is no {kind} of YAML 1.2", node)
    return str(node.value)


def _null(loader: ExperimentLoader, node: yaml.Node) -> Any:
    return EMPTY if _word(loader, node, "null") == "" else None


def _bool(loader: ExperimentLoader, node: yaml.Node) -> bool:
    return _word(loader, node, "bool").lower() == "true"


def _int(loader: ExperimentLoader, node: yaml.Node) -> int:
    word = _word(loader, node, "int")
    return int(word, 0) if word[:2] in ("0o", "0x") else int(word)


def _float(loader: ExperimentLoader, node: yaml.Node) -> float:
    if isinstance(node, yaml.ScalarNode) and TYPES["int"].match(node.value):
        return float(_int(loader, node))  # !!float 1
    return float(_word(loader, node, "float").lower().replace(".inf", "inf").replace(".nan", "nan"))


def _other(loader: ExperimentLoader, node: yaml.Node) -> Any:
    tag = node.tag.replace(TAG, "!!")
    holds = "numbers, text, true, false, null, lists and sections"
    raise _refused(f"{tag}: an experiment holds {holds}", node)


for _name, _words, _letters in CORE:
    ExperimentLoader.add_implicit_resolver(
        f"{TAG}{_name}", TYPES[_name], [*_letters, *([""] if _name == "null" else [])]
    )
for _name, _constructor in (
    ("null", _null),
    ("bool", _bool),
    ("int", _int),
    ("float", _float),
    ("str", yaml.SafeLoader.construct_yaml_str),
    ("seq", yaml.SafeLoader.construct_yaml_seq),
    ("map", yaml.SafeLoader.construct_yaml_map),
    ("merge", yaml.SafeLoader.construct_yaml_str),  # where it is a value
):
    ExperimentLoader.add_constructor(f"{TAG}{_name}", _constructor)
ExperimentLoader.add_constructor(None, _other)


class ExperimentDumper(yaml.SafeDumper):
    """SafeDumper that puts words in quotes which YAML 1.2 or 1.1 would read as something else."""


for _name, _words, _letters in CORE:
    ExperimentDumper.add_implicit_resolver(f"{TAG}{_name}", TYPES[_name], list(_letters))


def written_yaml(plain: dict[str, Any], comment: str = "") -> str:
    """Return plain values as YAML that reads as the same values.

    Args:
        plain: the values.
        comment: text at its head.
    """
    head = "".join(f"# {line}".rstrip() + "\n" for line in comment.splitlines())
    return head + yaml.dump(plain, Dumper=ExperimentDumper, sort_keys=False)


def read_yaml(content: bytes, where: str) -> Any:
    """Parse the YAML of a file into plain values.

    Raises:
        SpecError: it is no YAML; the line begins with `where`.
    """
    return parse_yaml(decoded(content, where), where)


def decoded(content: bytes, where: str) -> str:
    """Return the text of a file.

    It is UTF-8, or what its byte order mark says; never what the machine is set to.

    Raises:
        SpecError: it is not; the line begins with `where`.
    """
    encoding = next((name for mark, name in MARKS if content.startswith(mark)), "utf-8")
    try:
        return content.decode(encoding)
    except UnicodeDecodeError as error:
        letters = content.decode("latin-1")
        if not all(letter.isprintable() or letter.isspace() for letter in letters):
            raise SpecError(f"{where}: not a text file") from None
        line = content[: error.start].count(b"\n") + 1
        raise SpecError(f"{where}, line {line}: not UTF-8; save it as UTF-8") from None


def parse_yaml(text: str, where: str) -> Any:
    """Parse YAML into plain values, of which one that is left empty is `EMPTY`.

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
        if "'\\t'" in problem:
            problem = "a tab; YAML indents with spaces"
        elif problem == "but found another document":
            problem = "a second document begins here; an experiment is one"
        raise SpecError(f"{where}{line}: not YAML: {problem}") from None
    except RecursionError:
        raise SpecError(f"{where}: not YAML: nested too deeply") from None
    except (ValueError, OverflowError) as error:
        # A number of thousands of digits.
        raise SpecError(f"{where}: not YAML: {error}") from None
