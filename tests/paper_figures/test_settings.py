"""Settings are read as data, and their texts tell them apart."""

import json
from itertools import combinations
from typing import Any

import pandas as pd
import pytest

from paper_figures import CannotDraw
from paper_figures.settings import (
    TEXT,
    Section,
    Settings,
    distinct,
    identity,
    point_text,
    read,
    section,
    value_text,
)
from paper_figures.tables import require

VALUES: list[Any] = [
    *(1, 1.0, True, "1", "True", "true", None, "None", "null"),
    *(
        [1],
        [1, 2],
        "[1, 2]",
        [[1], 2],
        "a b",
        "a=b",
        "a b=c",
        "",
        {},
        [],
        {"a": 1},
        {"a": {"b": 1}},
    ),
]


def test_values_of_other_types_or_forms_have_other_identities() -> None:
    for one, other in combinations(VALUES, 2):
        assert identity(one) != identity(other), (one, other)
    assert identity({"a": 1, "b": 2}) == identity({"b": 2, "a": 1})


@pytest.mark.parametrize("value", VALUES)
def test_a_value_is_read_as_the_sweep_gave_it(value: object) -> None:
    settings = read(json.dumps({"env.key": value}))
    assert identity(settings["env.key"]) == identity(value)


@pytest.mark.parametrize(
    ("key", "value", "name", "parameters"),
    [
        ("env.num_users", 4, "", [("env.num_users", 4)]),
        ("env.unit_cost", [0.0, 1.0], "", [("env.unit_cost", [0.0, 1.0])]),
        ("mechanism", {"name": "fisher", "budget": 8}, "fisher", [("mechanism.budget", 8)]),
        ("mechanism", {"name": "vcg"}, "vcg", []),
        ("env.channel", {"split": "equal"}, "", [("env.channel.split", "equal")]),
        (
            "algorithm",
            {"name": "ppo", "training": {"lr": 0.1, "model": {}}},
            "ppo",
            [("algorithm.training.lr", 0.1), ("algorithm.training.model", {})],
        ),
        (
            "algorithm",
            {"label": {"network": "mlp", "start": "scratch"}, "name": "sac", "seed": 1},
            "sac",
            [("network", "mlp"), ("start", "scratch")],
        ),
        ("algorithm", {"label": "any text = at all"}, "", [(TEXT, "any text = at all")]),
    ],
)
def test_a_section_has_a_name_and_the_words_of_its_label_or_else_its_keys(
    key: str, value: object, name: str, parameters: list[tuple[str, object]]
) -> None:
    assert section(key, value) == Section(name, parameters)


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({}, ""),
        ({"env.num_users": 8}, "env.num_users=8"),
        (
            {"mechanism": {"name": "budgeted_price", "budget": 8}, "env.a": None},
            "mechanism=budgeted_price budget=8 env.a=None",
        ),
        ({"env.channel": {"split": "equal"}}, "env.channel.split=equal"),
        ({"env.a": {"label": {"b": 1}, "c": 2}}, "env.a=b=1"),
        (
            {"algorithm": {"label": "any text = at all", "name": "sac"}},
            "algorithm=sac any text = at all",
        ),
    ],
)
def test_settings_are_put_on_a_line_as_runs_label_their_points(
    settings: Settings, text: str
) -> None:
    assert point_text(settings) == text


def test_a_section_is_put_on_a_line_by_name_and_parameters() -> None:
    assert value_text({"name": "fisher", "budget": 8}) == "fisher budget=8"
    assert value_text({"split": "equal", "noise": {"dbm": 1}}) == "split=equal dbm=1"
    assert value_text("a = b") == "a = b"


def test_texts_that_stood_before_are_numbered() -> None:
    assert distinct(["a", "b", "a", "a", "a (2)"]) == ["a", "b", "a (2)", "a (3)", "a (2) (2)"]


@pytest.mark.parametrize("text", ["[1]", "env.num_users=8", "", None, float("nan"), 8])
def test_a_table_whose_settings_are_no_json_of_a_dictionary_is_refused(text: object) -> None:
    table = pd.DataFrame({"gain": [1.0], "settings": [text]})
    with pytest.raises(CannotDraw, match="'evaluation' has settings that cannot be read in column"):
        require({"evaluation": table}, "evaluation", ["gain"])


def test_a_table_of_an_older_version_is_refused_with_the_column_and_the_way_out() -> None:
    table = pd.DataFrame({"gain": [1.0], "point": [""]})
    with pytest.raises(
        CannotDraw, match=r"table 'market' has no column 'settings'.*older version.*run .*again"
    ):
        require({"market": table}, "market", ["gain"])
