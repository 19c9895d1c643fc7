"""YAML as the core schema of YAML 1.2.2 has it (section 10.3.2), merge keys, encodings, empties."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from marl_moe.errors import SpecError
from marl_moe.experiment.spec.reading import load_experiment
from marl_moe.experiment.spec.yaml_loader import parse_yaml, read_yaml, written_yaml
from marl_moe.whole_file import write_text

Write = Callable[[dict[str, Any] | str], Path]


@pytest.mark.parametrize(
    ("word", "value"),
    [
        ("010", 10),
        ("0o10", 8),
        ("0x1F", 31),
        ("-12", -12),
        ("1e3", 1000.0),
        ("1e-3", 1e-3),
        ("1.", 1.0),
        (".5", 0.5),
        ("True", True),
        ("FALSE", False),
        ("~", None),
        ("Null", None),
        ("1:30", "1:30"),
        ("1_000", "1_000"),
        ("0b1", "0b1"),
        ("yes", "yes"),
        ("on", "on"),
        ("No", "No"),
        ("tRUE", "tRUE"),
        ("2001-01-01", "2001-01-01"),
        ("=", "="),
        ("<<", "<<"),
        ("'010'", "010"),
        ("!!str 8", "8"),
        ("!!float 1", 1.0),
    ],
)
def test_a_word_has_the_type_that_yaml_1_2_gives_it(word: str, value: Any) -> None:
    parsed = parse_yaml(word, "x.yaml")
    assert parsed == value
    assert type(parsed) is type(value)


@pytest.mark.parametrize(
    "text", ["!!int 1:30", "!!bool yes", "!!binary aGk=", "!!set {a}", "!!timestamp 2001-01-01"]
)
def test_a_tag_of_another_schema_is_refused(text: str) -> None:
    with pytest.raises(SpecError, match=r"x\.yaml, line 1: not YAML: "):
        parse_yaml(text, "x.yaml")


def test_what_is_written_is_read_as_the_same_values() -> None:
    words = ["010", "0o10", "1e3", "1:30", "on", "~", "<<", "=", "2001-01-01", "0x1", ".inf", "ü"]
    values = {"words": words, "numbers": [1e-5, 1e20, -3, True, None]}
    assert parse_yaml(written_yaml(values), "x.yaml") == values


def test_a_section_that_is_merged_in_gives_the_keys_that_are_not_set(
    write_experiment: Write,
) -> None:
    text = """
name: merged
mechanism: &base {name: budgeted_price, budget: 4}
sweep:
  mechanism:
    - *base
    - {<<: *base, budget: 8}
    - {<<: [{budget: 16}, *base]}
"""
    spec = load_experiment(str(write_experiment(text)))
    assert isinstance(spec.sweep, dict)
    assert spec.sweep["mechanism"] == [
        {"name": "budgeted_price", "budget": budget} for budget in (4, 8, 16)
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{a: 1, a: 2}", "key 'a' is given twice"),
        ("{1: a, '1': b}", "key '1' is given twice"),
        ("- &a {n: 1}\n- {<<: *a, n: 2, n: 3}", "key 'n' is given twice"),
        ("- &a {n: 1}\n- {<<: *a, <<: *a}", "<< takes a list of sections"),
        ("- &a {<<: *a}", "<< holds the section that it is in"),
        ("{<<: 3}", "<< should hold a section"),
        ("{true: 1}", "a key should be a word"),
        ("%YAML 1.1\n---\na: 1", "%YAML 1.1: this reads YAML 1.2"),
        ("a: 1\n---\nb: 2", "line 2: not YAML: a second document begins here"),
        ("a:\n\t- 1", "line 2: not YAML: a tab; YAML indents with spaces"),
    ],
)
def test_what_is_ambiguous_is_refused_with_its_line(text: str, said: str) -> None:
    with pytest.raises(SpecError) as error:
        parse_yaml(text, "x.yaml")
    assert said in str(error.value)


def test_sections_merged_in_again_and_again_are_refused_before_they_fill_memory() -> None:
    keys = ", ".join(f"k{number}: 1" for number in range(200))
    lines = [f"- &x0 {{{keys}}}"]
    lines += [f"- &x{n} {{<<: *x{n - 1}, j{n}: 1}}" for n in range(1, 200)]
    with pytest.raises(SpecError, match="<< stands for more keys than any experiment"):
        parse_yaml("\n".join(lines), "x.yaml")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_a_file_is_read_by_its_own_encoding_whatever_the_machine_is_set_to(
    tmp_path: Path, encoding: str
) -> None:
    text = 'name: "x"\r\nfigures: []  # Größe\r\nmechanism: {name: "ü"}\r\n'
    assert read_yaml(text.encode(encoding), "x.yaml")["mechanism"] == {"name": "ü"}


def test_a_file_in_another_encoding_is_refused_with_its_line() -> None:
    with pytest.raises(SpecError, match=r"^x.yaml, line 2: not UTF-8; save it as UTF-8$"):
        read_yaml("a: 1\nb: ü\n".encode("latin-1"), "x.yaml")


def test_what_is_written_is_utf_8_under_any_locale(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("locale.getencoding", lambda: "ascii")
    write_text(tmp_path / "x.txt", "ü")
    assert (tmp_path / "x.txt").read_bytes() == "ü".encode()


@pytest.mark.parametrize("text", ["", "# nothing\n", "---\n", "\n\n"])
def test_a_file_that_holds_nothing_is_refused_as_empty(write_experiment: Write, text: str) -> None:
    with pytest.raises(SpecError, match="got NoneType: it is empty"):
        load_experiment(str(write_experiment(text)))


@pytest.mark.parametrize(
    "section",
    [
        *("imports", "env", "mechanism", "algorithm", "metrics", "evaluation", "audit", "cluster"),
        *("sweep", "search", "figures", "sizes", "env.channel", "algorithm.training"),
        *("algorithm.stop", "algorithm.pretraining", "evaluation.env", "sizes.small"),
    ],
)
def test_a_section_of_which_every_key_is_commented_out_has_its_defaults(
    write_experiment: Write, section: str
) -> None:
    text = "name: x\n"
    for depth, part in enumerate(section.split(".")):
        text += f"{'  ' * depth}{part}:\n"
    spec = load_experiment(str(write_experiment(f"{text}    # a: 1\n")))
    default = load_experiment(str(write_experiment("name: x\n"))).as_dict()
    if section == "sizes.small":
        default["sizes"] = {"small": {}}
    if section == "algorithm.training":
        default["algorithm"]["training"] = {}
    assert spec.as_dict() == default


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("evaluation: null", "evaluation: "),
        ("seeds:", "seeds"),
        ("evaluation: {policies: }", "evaluation.policies: "),
        (
            "env: {experts: {words_per_second: }}",
            "env.experts.words_per_second: is empty; write null",
        ),
        ("audit: {agents: }", "audit.agents: is empty; write null"),
    ],
)
def test_null_that_cannot_be_and_null_that_may_not_be_meant_are_refused_by_their_key(
    write_experiment: Write, text: str, said: str
) -> None:
    with pytest.raises(SpecError) as error:
        load_experiment(str(write_experiment(f"name: x\n{text}\n")))
    assert said in str(error.value)


def test_null_that_is_written_out_is_null(write_experiment: Write) -> None:
    text = "name: x\nalgorithm: null\nenv: {experts: {words_per_second: ~}}\n"
    spec = load_experiment(str(write_experiment(text)))
    assert spec.algorithm is None
    assert spec.env.experts.words_per_second is None
    assert json.loads(json.dumps(spec.as_dict()))["algorithm"] is None
