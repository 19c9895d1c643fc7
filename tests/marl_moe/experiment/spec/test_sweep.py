"""Sweeps: the grid of their points, what each sets, and how it is shown."""

import json
from typing import Any

import pytest

from marl_moe.errors import SpecError
from marl_moe.experiment.spec.labels import folder_of
from marl_moe.experiment.spec.reading import parse_experiment
from marl_moe.experiment.spec.sweep import sweep_points

Yaml = dict[str, Any]


def test_a_sweep_is_the_grid_of_its_lists(tiny_experiment: Yaml) -> None:
    sweep = {"env": {"num_users": [1, 2]}, "mechanism": {"name": ["none", "posted_price"]}}
    spec = parse_experiment(tiny_experiment | {"sweep": sweep}, "tiny")
    points = {
        point.label: (point.spec.env.num_users, point.spec.mechanism.name)
        for point in sweep_points(spec)
    }
    assert points == {
        f"env.num_users={users} mechanism.name={name}": (users, name)
        for users in (1, 2)
        for name in ("none", "posted_price")
    }


def test_a_sweep_that_is_a_list_has_its_points_and_no_grid(tiny_experiment: Yaml) -> None:
    settings = [
        {"env.num_users": 1, "env.num_experts": 9},
        {"env": {"num_users": 2}, "mechanism": {"name": "none"}},
    ]
    spec = parse_experiment(tiny_experiment | {"sweep": settings}, "tiny")
    points = sweep_points(spec)
    assert [point.settings for point in points] == settings
    assert [point.label for point in points] == [
        "env.num_users=1 env.num_experts=9",
        "env.num_users=2 mechanism=none",
    ]
    worlds = [(point.spec.env.num_users, point.spec.env.num_experts) for point in points]
    assert worlds == [(1, 9), (2, 6)]
    with pytest.raises(SpecError, match=r"sweep.cluster: all jobs"):
        parse_experiment(tiny_experiment | {"sweep": [{"cluster.namespace": "a"}]}, "tiny")


def test_a_section_with_a_name_takes_the_place_of_all_and_one_without_changes_its_keys(
    tiny_experiment: Yaml,
) -> None:
    sections = [
        {"name": "ppo"},
        {"label": "network=mlp", "rl_module": {"model_config": {"network": "mlp"}}},
        {"label": "long", "name": "sac", "stop": {"training_iteration": 7}},
    ]
    sweep = {
        "algorithm": sections,
        "env": {"channel": [{"split": "min_delay"}, {"label": "wide", "bandwidth_hz": 2e3}]},
    }
    spec = parse_experiment(tiny_experiment | {"sweep": sweep}, "tiny")
    points = {point.label: point.spec for point in sweep_points(spec)}
    first = ["algorithm=ppo", "algorithm=sac network=mlp", "algorithm=sac long"]
    then = ["env.channel.split=min_delay", "env.channel=wide"]
    assert list(points) == [f"{one} {other}" for one in first for other in then]
    base = tiny_experiment["algorithm"]
    ppo, mlp, long = (points[f"{label} env.channel=wide"].algorithm for label in first)
    assert (ppo.stop.training_iteration, ppo.sections()) == (
        100,
        {},
    )  # the defaults, nothing of the base
    assert mlp.sections()["training"] == base["training"]
    assert mlp.sections()["rl_module"] == {"model_config": {"network": "mlp", "hidden": 8}}
    assert (long.stop.training_iteration, long.sections()) == (7, {})
    assert points["algorithm=ppo env.channel=wide"].env.channel.bandwidth_hz == 2000
    assert points["algorithm=ppo env.channel=wide"].env.channel.split == "equal"


@pytest.mark.parametrize(
    ("sweep", "said"),
    [
        ({"algorithm": [{"label": 3, "name": "ppo"}]}, "sweep.algorithm: label: should be words"),
        ({"algorithm": [{"label": "", "name": "ppo"}]}, "sweep.algorithm: label: should be words"),
        ({"algorithm": [{"label": {}, "name": "ppo"}]}, "sweep.algorithm: label: should be words"),
        (
            {"algorithm": [{"label": {"start": ["a", "b"]}, "name": "ppo"}]},
            "sweep.algorithm: label: should be words",
        ),
        (
            {"algorithm": [{"name": "ppo"}, {"name": "ppo"}]},
            "algorithm=ppo: two points have this label",
        ),
        (
            {"env.num_users.x": [3]},
            "sweep.env.num_users.x: env.num_users is 2, which has no keys; give it some, or leave "
            "this key out",
        ),
        ({"env": {"num_users": 3}}, "sweep.env.num_users: should be a list of values, got 3"),
        ({"env": {"num_users": []}}, "sweep.env.num_users: should be a list of values"),
        ({"env": {"num_users": [1, 0]}}, "env.num_users"),
        ({"env": {"num_usres": [1, 2]}}, "did you mean 'num_users'?"),
        ([{"env.num_usres": 1}], "did you mean 'num_users'?"),
        ([{"env.num_users": 1}, {}], "sweep: a point should set a key"),
        ([{"env.num_users": 1}] * 2, "env.num_users=1: two points have this label"),
    ],
)
def test_a_sweep_over_what_is_no_list_no_key_or_no_value_is_refused(
    tiny_experiment: Yaml, sweep: Yaml, said: str
) -> None:
    spec = parse_experiment(tiny_experiment | {"sweep": sweep}, "tiny")
    with pytest.raises(SpecError, match=said.replace("?", r"\?")):
        sweep_points(spec)


def test_without_a_sweep_there_is_one_point_that_sets_nothing(tiny_experiment: Yaml) -> None:
    spec = parse_experiment(tiny_experiment, "tiny")
    assert sweep_points(spec) == [("", {}, spec)]


VALUES = [
    ("env.num_users", 3, "env.num_users=3"),
    ("env.experts.unit_cost", [0.0, 1.0], "env.experts.unit_cost=[0.0, 1.0]"),
    ("env.allow_abandon", False, "env.allow_abandon=False"),
    ("env.experts.words_per_second", None, "env.experts.words_per_second=None"),
    ("env.information", "type", "env.information=type"),
    ("mechanism", {"name": "budgeted_price", "budget": 8}, "mechanism=budgeted_price budget=8"),
    ("env.channel", {"snr_db": [5, 20]}, "env.channel.snr_db=[5, 20]"),
    (
        "env",
        {"channel": {"split": "equal", "ber": "none"}},
        "env.channel.split=equal env.channel.ber=none",
    ),
    ("env.requests", {"label": "a = b", "num_topics": 3}, "env.requests=a = b"),
    ("env.requests", {"label": 'δ/"1" [red]', "num_topics": 3}, 'env.requests=δ/"1" [red]'),
    ("mechanism", {"label": " ", "name": "none"}, "mechanism=none  "),
    (
        "algorithm",
        {"label": {"network": "pointer", "start": "scratch", "n": 2}},
        "algorithm=sac network=pointer start=scratch n=2",
    ),
    (
        "algorithm",
        {"name": "sac", "stop": {"training_iteration": 3}},
        "algorithm=sac stop.training_iteration=3",
    ),
    ("mechanism", {}, "mechanism=posted_price"),
    ("env.channel", {}, "env.channel={}"),
]


@pytest.mark.parametrize(("key", "value", "label"), VALUES, ids=str)
def test_any_value_comes_through_as_it_was_given(
    tiny_experiment: Yaml, key: str, value: Any, label: str
) -> None:
    sweep = {key: [value], "env.episode_slots": [10, 11]}
    points = sweep_points(parse_experiment(tiny_experiment | {"sweep": sweep}, "tiny"))
    assert [point.settings for point in points] == [
        {key: value, "env.episode_slots": slots} for slots in (10, 11)
    ]
    for point in points:
        assert list(point.settings) == [key, "env.episode_slots"]
        assert json.loads(json.dumps(point.settings)) == point.settings
        assert point.spec.sweep == {}
        slots = point.settings["env.episode_slots"]
        assert point.label == f"{label} env.episode_slots={slots}"
        assert folder_of(point.label)
    assert [point.spec.env.episode_slots for point in points] == [10, 11]


def test_a_label_of_words_by_name_is_shown_as_the_same_words_in_one_text(
    tiny_experiment: Yaml,
) -> None:
    labels = [{"network": "mlp", "start": "scratch"}, "network=mlp start=fine_tuned"]
    sweep = {"algorithm": [{"label": label} for label in labels]}
    points = sweep_points(parse_experiment(tiny_experiment | {"sweep": sweep}, "tiny"))
    assert [point.label for point in points] == [
        "algorithm=sac network=mlp start=scratch",
        "algorithm=sac network=mlp start=fine_tuned",
    ]
    sweep = {"algorithm": [{"label": {"network": "mlp"}}, {"label": "network=mlp"}]}
    with pytest.raises(SpecError, match="two points have this label"):
        sweep_points(parse_experiment(tiny_experiment | {"sweep": sweep}, "tiny"))


def test_a_folder_s_name_fits_file_systems_that_count_bytes() -> None:
    name = folder_of("env=" + "\N{CJK UNIFIED IDEOGRAPH-65E5}" * 100)
    assert len(name.encode()) <= 143
    assert name != folder_of("env=" + "\N{CJK UNIFIED IDEOGRAPH-65E5}" * 101)
