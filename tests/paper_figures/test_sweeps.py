"""Axes, tasks and variants of a sweep, from the settings of its points."""

import json
from typing import Any

import pandas as pd
import pytest

from paper_figures import CannotDraw
from paper_figures.settings import Settings
from paper_figures.sweeps import axes, once_a_task, task, with_axes
from paper_figures.variants import variant


def column(points: list[Settings]) -> pd.Series:
    return pd.Series([json.dumps(point) for point in points])


@pytest.mark.parametrize(
    ("settings", "shared", "way"),
    [
        ({}, {}, ""),
        ({"algorithm.name": "ppo"}, {}, ""),
        (
            {"env.num_users": 4, "algorithm.name": "ppo", "mechanism": {"name": "vcg"}, "slots": 8},
            {"env.num_users": 4, "mechanism": {"name": "vcg"}, "slots": 8},
            "",
        ),
        (
            {"algorithm": {"name": "ppo", "training": {"lr": 0.1}}, "env.num_users": 4},
            {"env.num_users": 4},
            "lr=0.1",
        ),
        (
            {
                "algorithm": {"name": "sac", "label": {"network": "mlp", "start": "scratch"}},
                "env.num_users": 4,
            },
            {"env.num_users": 4},
            "network=mlp start=scratch",
        ),
        (
            {
                "algorithm.training.gamma": 0.3,
                "algorithm.name": "sac",
                "algorithm.seed": 1,
            },
            {},
            "gamma=0.3 seed=1",
        ),
        ({"algorithm": {"name": "sac"}}, {}, ""),
        ({"algorithm": None}, {}, ""),
    ],
)
def test_a_point_is_a_task_and_an_algorithm_trained_in_some_way(
    settings: Settings, shared: Settings, way: str
) -> None:
    assert json.loads(task(json.dumps(settings))) == shared
    assert variant("sac", settings).text == f"sac {way}".strip()
    assert variant("ppo_stochastic", settings).text == f"ppo_stochastic {way}".strip()
    assert variant("greedy", settings).text == "greedy"  # which does not learn


def test_the_key_of_most_values_is_the_axis_and_numbers_are_in_order() -> None:
    points = [
        {"env.channel.split": split, "env.channel.bandwidth_hz": hz}
        for split in ("equal", "min_delay")
        for hz in (500, 250, 8000)
    ]
    other, axis = axes(column(points))
    assert (axis.key, axis.values, axis.numbers) == (
        "env.channel.bandwidth_hz",
        [250, 500, 8000],
        [250, 500, 8000],
    )
    assert (other.key, other.values, other.numbers) == (
        "env.channel.split",
        ["equal", "min_delay"],
        None,
    )
    assert axis.label == "Band of an edge device (Hz)"


@pytest.mark.parametrize(
    ("values", "names"),
    [
        ([[0.0, 1.0], [0.0, 9.0]], ["[0.0, 1.0]", "[0.0, 9.0]"]),
        (["a b", "a=b", "env.c=d e"], ["a b", "a=b", "env.c=d e"]),
        ([True, False], ["True", "False"]),
        ([True, 1], ["True", "1"]),
        ([None, "None"], ["null", '"None"']),
        (["1", 1], ['"1"', "1"]),
        ([float("inf"), 1.0], ["inf", "1.0"]),
        (
            [{"name": "fisher", "budget": 8}, {"name": "fisher", "budget": [8]}],
            ["fisher budget=8", "fisher budget=[8]"],
        ),
        ([{"label": "a=b"}, {"label": {"a": "b"}}], ['{"label": "a=b"}', '{"label": {"a": "b"}}']),
    ],
)
def test_values_that_are_no_numbers_are_kept_apart_in_their_order_and_named_apart(
    values: list[Any], names: list[str]
) -> None:
    settings = column([{"env.key": value} for value in [*values, values[0]]])
    [axis] = axes(settings)
    assert axis.numbers is None
    assert axis.names == names
    rows = with_axes(pd.DataFrame({"settings": settings}), [axis])
    assert rows["env.key"].to_list() == [*range(len(values)), 0]


@pytest.mark.parametrize("keys", [("env.num_users", "env.cost"), ("env.cost", "env.num_users")])
def test_of_as_many_values_numbers_are_the_axis_wherever_they_stand(keys: tuple[str, str]) -> None:
    values = {"env.num_users": [1, 2], "env.cost": [[0.0, 1.0], [0.0, 9.0]]}
    first, second = keys
    points = [{first: a, second: b} for a in values[first] for b in values[second]]
    other, axis = axes(column(points))
    assert (other.key, axis.key) == ("env.cost", "env.num_users")


def test_sections_that_differ_in_one_key_have_that_for_axis_and_others_stay_whole() -> None:
    [axis] = axes(column([{"env": {"channel": {"split": s}, "a": 1}} for s in ("equal", "x")]))
    assert (axis.key, axis.values, axis.label) == (
        "env.channel.split",
        ["equal", "x"],
        "Band shared",
    )
    both = [{"b": 1, "c": 2}, {"b": 2, "c": 3}]
    [axis] = axes(column([{"env.a": section} for section in both]))
    assert (axis.key, axis.values, axis.names) == ("env.a", both, ["b=1 c=2", "b=2 c=3"])


def test_points_of_several_sweeps_are_refused() -> None:
    with pytest.raises(CannotDraw, match=r"has sweep point 'env\.b=1' without 'env\.a'"):
        axes(column([{"env.a": 1, "env.b": 1}, {"env.b": 1}]))


def test_tasks_whose_texts_are_alike_stay_apart() -> None:
    table = pd.DataFrame(
        {
            "settings": column([{"env.a": "1"}, {"env.a": 1}]),
            "point": "env.a=1",
            "policy": "greedy",
            "seed": 0,
            "episode": 0,
        }
    )
    assert once_a_task(table)["point"].to_list() == ["env.a=1", "env.a=1 (2)"]
