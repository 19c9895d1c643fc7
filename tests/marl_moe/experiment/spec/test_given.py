"""Keys given for a run: each has an effect, or what overrides it is named."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

import marl_moe.api
from marl_moe.cli import app
from marl_moe.errors import SpecError
from marl_moe.experiment.spec.files import shipped_experiments
from marl_moe.experiment.spec.reading import load_experiment
from marl_moe.experiment.spec.sweep import sweep_points

Yaml = dict[str, Any]
Write = Callable[[Yaml | str], Path]
NOTHING_LEARNS: Yaml = {
    "name": "x",
    "algorithm": None,
    "evaluation": {"episodes": 1, "policies": ["greedy"]},
}
STUDY: Yaml = {"name": "x", "kind": "market_study"}
NAMED = {"sweep": {"mechanism": [{"name": "none"}, {"name": "posted_price", "price": 2.0}]}}
USERS = {"sweep": {"env.num_users": [1, 2]}}
SEARCHED = {"search": {"algorithm.training.gamma": {"uniform": [0, 0.9]}}}


@pytest.mark.parametrize(
    ("experiment", "given", "names"),
    [
        (USERS, ["env.num_users=16"], "sweep.env.num_users"),
        ({"sweep": {"env": {"num_users": [1]}}}, ["env.num_users=16"], "sweep.env.num_users"),
        ({"sweep": [{"seeds": 1}, {"env.num_users": 2}][1:]}, ["env.num_users=3"], "sweep.env.num"),
        (USERS, ["env={num_users: 4}"], "sweep.env.num_users"),
        ({"sweep": {"env": [{"num_users": 2}]}}, ["env.num_users=3"], "sweep.env"),
        (NAMED, ["mechanism.price=3"], "sweep.mechanism"),
        (NAMED, ["mechanism.name=posted_price"], "sweep.mechanism"),
        ({"sweep": {"mechanism.name": ["none"]}}, ["mechanism={name: none}"], "sweep.mechanism.na"),
        (SEARCHED, ["algorithm.training.gamma=0.5"], "search.algorithm.training.gamma"),
        (
            {"search": {"algorithm.training": {"choice": [{"gamma": 0.1}]}}},
            ["algorithm.training.gamma=0.5"],
            "search.algorithm.training",
        ),
        ({}, ["env.num_users=2", "env.num_users=3"], "--set env.num_users=2, --set env.num_users"),
        ({}, ["env.num_users=2", "env={num_experts: 9}"], "--set env.num_users=2, --set env={num"),
        ({}, ["env={num_users: 3}", "env.num_users=2"], "--set env={num_users: 3}, --set env.num"),
        ({}, ["audit.markets=3"], "audit is read by kind: market_study alone"),
        (STUDY, ["evaluation.episodes=3"], "market_study reads audit, and no evaluation"),
        (STUDY, ["algorithm.training.gamma=0.3"], "market_study has no algorithm"),
        (NOTHING_LEARNS, ["algorithm.training.gamma=0.3"], "algorithm is null, which has no keys"),
        (
            NOTHING_LEARNS | {"evaluation": {"env": {"num_users": 4}}},
            ["env.num_users=2"],
            "evaluation.env.num_users overrides it",
        ),
        ({"sizes": {"a": {"seeds": 2}}}, ["sizes.a.seeds=3"], "set the key itself"),
        ({}, ["seeds="], "--set seeds=: there is no value"),
    ],
)
def test_a_key_that_something_else_overrides_is_refused_and_named(
    write_experiment: Write, experiment: Yaml, given: list[str], names: str
) -> None:
    path = write_experiment({"name": "x"} | experiment)
    with pytest.raises(SpecError) as error:
        load_experiment(str(path), given)
    assert names in str(error.value)
    assert given[0] in str(error.value) or "algorithm" in names


def test_the_command_names_the_sweep_that_overrides_a_key_of_a_shipped_experiment() -> None:
    result = CliRunner().invoke(app, ["run", "contention", "--set", "env.num_users=16"])
    assert result.exit_code == 2
    assert "sweep.env.num_users" in result.output


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (["--seeds", "2", "--set", "seeds=3"], "--set seeds=3, --seeds 2"),
        (["--address", "auto", "--set", "cluster.address=local"], "--address auto"),
    ],
)
def test_an_option_that_sets_the_key_of_another_is_refused(
    write_experiment: Write, options: list[str], named: str
) -> None:
    result = CliRunner().invoke(app, ["run", str(write_experiment(NOTHING_LEARNS)), *options])
    assert result.exit_code == 2
    assert named in result.output.replace("\n", " ")


@pytest.mark.parametrize(
    ("sweep", "said"),
    [
        ({"env.num_users": [1], "env": {"num_users": [2]}}, "sweep.env.num_users: is given twice"),
        (
            {"env.requests.num_subtasks": [2], "env.requests": [{"num_subtasks": 4}]},
            "sweep.env.requests.num_subtasks: sweep.env.requests sets it too",
        ),
        (
            {"env.requests": [{"num_subtasks": 4}], "env.requests.num_subtasks": [2]},
            "sweep.env.requests: sweep.env.requests.num_subtasks sets it too",
        ),
        (
            {"mechanism.price": [1], "mechanism": [{"name": "posted_price"}]},
            "sweep.mechanism.price: sweep.mechanism sets it too",
        ),
        ([{"env.num_users": 1, "env": {"num_users": 2}}], "sweep.env.num_users: sweep.env sets"),
        ({"seeds": [1, 2]}, "sweep.seeds: all points of a run have the same seeds"),
        ({"name": ["a", "b"]}, "sweep.name: all points are one run"),
        ({"figures": [["policies"]]}, "sweep.figures: "),
        ([{"search.trials": 2}], "sweep.search: "),
        ({"audit.markets": [1, 2]}, "sweep.audit.markets: kind: train does not read it"),
    ],
)
def test_a_sweep_that_sets_what_cannot_differ_or_twice_is_refused(
    write_experiment: Write, sweep: Any, said: str
) -> None:
    with pytest.raises(SpecError) as error:
        load_experiment(str(write_experiment(json.dumps({"name": "x", "sweep": sweep}))))
    assert said in str(error.value)


def test_a_sweep_of_worlds_that_the_evaluation_overrides_is_refused_where_nothing_is_trained(
    write_experiment: Write,
) -> None:
    evaluation = {"env": {"num_users": 4}}
    experiment = NOTHING_LEARNS | USERS | {"evaluation": evaluation}
    with pytest.raises(SpecError, match=r"sweep\.env\.num_users: evaluation\.env\.num_users over"):
        load_experiment(str(write_experiment(experiment)))
    load_experiment(str(write_experiment({"name": "x", "evaluation": evaluation} | USERS)))


def test_two_keys_of_a_search_of_which_one_is_in_the_other_are_refused(
    write_experiment: Write,
) -> None:
    section = {"algorithm.training": {"choice": [{"tau": 0.1}]}} | SEARCHED["search"]
    with pytest.raises(SpecError, match=r"algorithm\.training\.gamma: algorithm\.training sets it"):
        load_experiment(str(write_experiment({"name": "x", "search": section})))


@pytest.mark.parametrize("swept", [{"env.num_users": [1, 2]}, {"env": {"num_users": [1, 2]}}])
@pytest.mark.parametrize("given", ["sweep.env.num_users=[16]", "sweep={env.num_users: [16]}"])
def test_a_key_of_a_sweep_takes_the_place_of_the_same_key_however_each_is_written(
    write_experiment: Write, swept: Yaml, given: str
) -> None:
    spec = load_experiment(str(write_experiment({"name": "x", "sweep": swept})), [given])
    assert [point.label for point in sweep_points(spec)] == ["env.num_users=16"]


@pytest.mark.parametrize("size", [{"env.num_users": [8]}, {"env": {"num_users": [8]}}])
def test_a_size_changes_a_key_of_the_sweep_however_each_is_written(
    write_experiment: Write, size: Yaml
) -> None:
    experiment = {"name": "x", "sizes": {"a": {"sweep": size}, "b": {"sweep": {}}}} | USERS
    path = str(write_experiment(experiment))
    labels = [point.label for point in sweep_points(load_experiment(path, size="a"))]
    assert labels == ["env.num_users=8"]
    assert [point.label for point in sweep_points(load_experiment(path, size="b"))] == [""]


def test_what_is_given_comes_after_the_size(write_experiment: Write) -> None:
    experiment = {"name": "x", "sizes": {"a": {"env": {"num_users": 2}, "seeds": 7}}}
    path = str(write_experiment(experiment))
    spec = load_experiment(path, ["env.num_users=3"], size="a", changes={"seeds": 1})
    assert (spec.env.num_users, spec.seeds) == (3, 1)


def test_keys_beside_swept_ones_are_taken(write_experiment: Write) -> None:
    swept = {"sweep": {"env": [{"num_users": 2}], "mechanism": [{"price": 2.0}]}}
    path = str(write_experiment({"name": "x", "mechanism": {"name": "posted_price"}} | swept))
    spec = load_experiment(path, ["env.num_experts=9", "mechanism={name: posted_price}"])
    (point,) = sweep_points(spec)
    assert (point.spec.env.num_users, point.spec.env.num_experts) == (2, 9)
    assert point.spec.mechanism.parameters() == {"name": "posted_price", "price": 2.0}


def test_changes_in_python_are_refused_as_on_the_command_line(tmp_path: Path) -> None:
    experiments = [NOTHING_LEARNS | USERS, str(tmp_path / "x.yaml")]
    (tmp_path / "x.yaml").write_text(yaml.safe_dump(experiments[0]))
    for experiment in experiments:
        with pytest.raises(SpecError, match=r"env\.num_users: sweep\.env\.num_users sets it"):
            marl_moe.api.run(experiment, out=tmp_path / "out", env={"num_users": 4})
    assert not (tmp_path / "out").exists()


def test_every_shipped_experiment_is_still_read_at_every_size() -> None:
    for name in shipped_experiments():
        for size in (None, *load_experiment(name).sizes):
            sweep_points(load_experiment(name, size=size))


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("env.bandwidth_hz=3", "'env.channel.bandwidth_hz'"),
        ("sweep.env.bandwidth_hz=[3]", "'env.channel.bandwidth_hz'"),
        ("search={bandwidth_hz: {uniform: [1, 2]}}", "'env.channel.bandwidth_hz'"),
        ("search={env.bandwidth_hz: {uniform: [1, 2]}}", "'env.channel.bandwidth_hz'"),
        ("num_users=3", "'env.num_users'"),
        ("gamma=0.3", "'algorithm.training.gamma'"),
        ("algorithm={gamma: 0.3}", "'algorithm.training.gamma'"),
        ("algorithm={training: {num_env_runners: 2}}", "'algorithm.env_runners.num_env_runners'"),
        ("algorithm={training: {num_learner: 2}}", "'algorithm.learners.num_learners'"),
        ("evaluation.env.bandwidth_hz=3", "'evaluation.env.channel.bandwidth_hz'"),
        ("algorithm={episodes: 3}", "'evaluation.episodes'"),
        (
            "algorithm={pretraining: {env: {snr_db: 3}}}",
            "'algorithm.pretraining.env.channel.snr_db",
        ),
        ("evaluation.markets=3", "'audit.markets'"),
        ("env.bandwith_hz=3", "'env.channel.bandwidth_hz'"),
        ("env.num_user=3", "'num_users'"),
    ],
)
def test_an_unknown_key_is_told_with_the_nearest_of_all_sections(
    write_experiment: Write, given: str, meant: str
) -> None:
    from marl_moe.experiment.run.size import describe_run

    with pytest.raises(SpecError) as error:
        describe_run(load_experiment(str(write_experiment({"name": "x"})), [given]), Path())
    assert f"did you mean {meant}" in str(error.value)


def test_an_unknown_key_in_python_is_told_with_the_nearest_of_all_sections(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r"did you mean 'env\.channel\.bandwidth_hz'"):
        marl_moe.api.run({"name": "x"}, out=tmp_path / "out", env={"bandwidth_hz": 3})
