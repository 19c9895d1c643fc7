"""Experiments as YAML: what is read, what is refused, and in which words."""

import copy
from collections.abc import Callable
from pathlib import Path
from shutil import copytree
from typing import Any

import pytest
import yaml

from marl_moe.errors import SpecError
from marl_moe.experiment.run.input_copies import copy_inputs
from marl_moe.experiment.spec.files import shipped_experiments
from marl_moe.experiment.spec.reading import load_experiment
from marl_moe.experiment.spec.sweep import sweep_points
from marl_moe.experiment.training.configuration import algorithm_config

Yaml = dict[str, Any]
Write = Callable[[Yaml | str], Path]


def changed(experiment: Yaml, key: str, value: Any) -> Yaml:
    """Return a copy with one dotted key set."""
    experiment = section = copy.deepcopy(experiment)
    *parents, last = key.split(".")
    for parent in parents:
        section = section.setdefault(parent, {})
    section[last] = value
    return experiment


def complaint(path: Path | str, overrides: tuple[str, ...] = ()) -> str:
    """Return the one line that refuses an experiment."""
    with pytest.raises(SpecError) as refusal:
        load_experiment(str(path), overrides)
    lines = str(refusal.value).splitlines()
    assert len(lines) == 1
    return lines[0]


def test_shipped_experiments_load_and_are_what_rllib_takes() -> None:
    shipped = shipped_experiments()
    assert {"case_study", "quickstart"} <= set(shipped)
    for name, path in shipped.items():
        spec = load_experiment(name)
        assert spec.name == name == path.stem
        for point in sweep_points(spec):
            if point.spec.algorithm is not None:
                algorithm_config(point.spec, seed=0)


def test_a_key_of_the_file_arrives_where_it_belongs(
    tiny_experiment: Yaml, write_experiment: Write
) -> None:
    spec = load_experiment(str(write_experiment(tiny_experiment)))
    assert spec.env.requests.num_topics == 2
    assert spec.evaluation.episodes == 3
    assert spec.mechanism.parameters() == {"name": "posted_price"}
    config = algorithm_config(spec, seed=3)
    assert config.num_steps_sampled_before_learning_starts == 20
    assert config.num_envs_per_env_runner == 2
    assert config.seed == 3


@pytest.mark.parametrize(
    ("key", "nearest"),
    [
        ("mechanisms", "mechanism"),
        ("env.num_user", "num_users"),
        ("env.channel.bandwith_hz", "bandwidth_hz"),
        ("env.experts.unit_costs", "unit_cost"),
        ("algorithm.trainin", "training"),
        ("algorithm.stop.training_iterations", "training_iteration"),
        ("evaluation.episode", "episodes"),
    ],
)
def test_a_misspelt_key_is_named_with_its_file_and_the_nearest_key(
    tiny_experiment: Yaml, write_experiment: Write, key: str, nearest: str
) -> None:
    path = write_experiment(changed(tiny_experiment, key, {}))
    line = complaint(path)
    *section, last = key.split(".")
    assert line.startswith(f"{path}: {'.'.join(section) or last}")
    assert f"unknown {last!r}; did you mean {nearest!r}?" in line


@pytest.mark.parametrize(
    ("key", "value", "limit"),
    [
        ("env.channel.bandwidth_hz", -5, "greater than 0"),
        ("env.num_experts", 0, "greater than or equal to 1"),
        ("env.experts.availability_probability", 1.2, "less than or equal to 1"),
        ("env.num_users", "8", "integer"),
        ("env.num_users", 2.5, "integer"),
        ("env.num_users", True, "integer"),
        ("env.channel.bandwidth_hz", "1000", "number"),
        ("env.channel.snr_db", [20, 5], "lower bound 20.0 is above the upper bound 5.0"),
        ("env.information", "knwon", "'known'"),
        ("env.channel", {"correlation": 0.9}, "process: iid"),
        ("seeds", 0, "at least 1"),
        ("seeds", [3, 3], "distinct"),
        ("kind", "trian", "'train'"),
        ("name", "../elsewhere", "match pattern"),
        ("evaluation.episodes", 0, "greater than or equal to 1"),
        ("evaluation.policies", ["gredy"], "did you mean 'greedy'?"),
        ("mechanism.bugdet", 3, "no parameter 'bugdet'"),
        ("algorithm.name", "sca", "'sac'"),
        ("algorithm.training", 5, "should hold keys"),
    ],
)
def test_an_impossible_value_is_named_with_its_file_and_the_limit(
    tiny_experiment: Yaml, write_experiment: Write, key: str, value: Any, limit: str
) -> None:
    path = write_experiment(changed(tiny_experiment, key, value))
    line = complaint(path)
    section = key.rpartition(".")[0]
    assert line.startswith(f"{path}: {section}")
    assert key.rpartition(".")[2] in line
    assert limit in line


def test_an_unknown_mechanism_is_named_with_the_nearest(
    tiny_experiment: Yaml, write_experiment: Write
) -> None:
    path = write_experiment(changed(tiny_experiment, "mechanism.name", "posted_prize"))
    assert complaint(path).startswith(
        f"{path}: mechanism: no mechanism 'posted_prize'; did you mean 'posted_price'?"
    )


@pytest.mark.parametrize("number", [".nan", ".inf", "-.inf"])
@pytest.mark.parametrize(
    "key", ["env.channel.sigma_db", "algorithm.training.gamma", "env.channel.snr_db"]
)
def test_only_finite_numbers_are_taken(
    tiny_experiment: Yaml, write_experiment: Write, key: str, number: str
) -> None:
    path = write_experiment(tiny_experiment)
    value = f"[0, {number}]" if key.endswith("snr_db") else number
    line = complaint(path, (f"{key}={value}",))
    assert line.startswith(f"{path}: {key}: should be a finite number")


@pytest.mark.parametrize(
    "groups",
    [{"a": [0]}, {"a": [0, 1], "b": [1]}, {"a": [0, 1, 2]}, {"a": [0, 1], "b": []}, {"a": [1, 2]}],
    ids=["one left out", "one twice", "one too many", "an empty group", "counted from 1"],
)
def test_groups_that_are_no_partition_of_the_users_are_refused(
    tiny_experiment: Yaml, write_experiment: Write, groups: dict[str, list[int]]
) -> None:
    line = complaint(write_experiment(changed(tiny_experiment, "algorithm.policies", groups)))
    assert "policies should name each of the users 0..1 in one group" in line


def test_groups_that_are_a_partition_are_taken(
    tiny_experiment: Yaml, write_experiment: Write
) -> None:
    path = write_experiment(changed(tiny_experiment, "algorithm.policies", {"a": [1], "b": [0]}))
    algorithm = load_experiment(str(path)).algorithm
    assert algorithm is not None
    assert algorithm.module_users(2) == {"a": [1], "b": [0]}


def test_several_mistakes_are_a_line_each(tiny_experiment: Yaml, write_experiment: Write) -> None:
    wrong = changed(changed(tiny_experiment, "env.num_users", -1), "evaluation.episode", 3)
    with pytest.raises(SpecError) as refusal:
        load_experiment(str(write_experiment(wrong)))
    lines = str(refusal.value).splitlines()
    assert len(lines) == 2
    assert "env.num_users" in lines[0]
    assert "evaluation.episode" in lines[1]


def test_a_missing_name_is_missed(tiny_experiment: Yaml, write_experiment: Write) -> None:
    path = write_experiment({key: value for key, value in tiny_experiment.items() if key != "name"})
    assert complaint(path).startswith(f"{path}: name: ")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("name: x\nenv: {num_users: 3\nseeds: 1\n", ", line 3: not YAML: "),
        ("name: x\n\tseeds: 1\n", ", line 2: not YAML: "),
        ("- a\n- b\n", ": should hold the sections of an experiment, got list"),
        ("", ": should hold the sections of an experiment, got NoneType"),
    ],
)
def test_what_is_no_experiment_is_refused_where_it_goes_wrong(
    write_experiment: Write, text: str, said: str
) -> None:
    path = write_experiment(text)
    assert complaint(path).startswith(f"{path}{said}")


def test_a_file_that_is_no_text_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "picture.yaml"
    path.write_bytes(b"\x89PNG\xff\xfe")
    assert complaint(path) == f"{path}: not a text file"


def test_a_file_that_does_not_exist_is_named_with_the_nearest_shipped_experiment() -> None:
    assert complaint("case_stduy.yaml") == (
        "case_stduy.yaml: no such file, and no shipped experiment of that name; did you mean "
        "'case_study'?"
    )


def test_set_overrides_keys_at_every_depth_and_makes_the_sections_it_needs(
    write_experiment: Write,
) -> None:
    path = write_experiment({"name": "bare", "env": {"num_users": 5}})
    spec = load_experiment(
        str(path),
        [
            "env.num_users=8",
            "env.channel.bandwidth_hz=500",
            "seeds=[2, 3]",
            "algorithm.training.actor_lr=1e-3",
        ],
    )
    assert (spec.env.num_users, spec.env.channel.bandwidth_hz, spec.seed_list()) == (
        8,
        500.0,
        [2, 3],
    )
    assert spec.algorithm is not None
    assert spec.algorithm.sections()["training"] == {"actor_lr": 0.001}


@pytest.mark.parametrize("override", ["env.num_users", "=3", "name.first=3", "env.num_users=[1"])
def test_a_malformed_override_is_quoted(
    tiny_experiment: Yaml, write_experiment: Write, override: str
) -> None:
    assert complaint(write_experiment(tiny_experiment), (override,)).startswith(f"--set {override}")


@pytest.mark.parametrize("written", ["1e-3", "1E-3", "0.001", "1.0e-3", ".1e-2"])
def test_a_number_may_be_written_with_an_exponent(
    tiny_experiment: Yaml, write_experiment: Write, written: str
) -> None:
    spec = load_experiment(
        str(write_experiment(tiny_experiment)), [f"env.experts.cost_slope=[{written}, 1]"]
    )
    assert spec.env.experts.cost_slope == (0.001, 1)


def test_words_that_look_a_little_like_numbers_stay_words(write_experiment: Write) -> None:
    assert load_experiment(str(write_experiment("name: 2e3x\n"))).name == "2e3x"


@pytest.mark.parametrize("name", [None, *shipped_experiments()])
def test_an_experiment_written_out_loads_as_the_same(
    tiny_experiment: Yaml, write_experiment: Write, name: str | None, tmp_path: Path
) -> None:
    if name is not None and shipped_experiments()[name].parent.name == name:  # a scenario's folder
        copytree(shipped_experiments()[name].parent, tmp_path, dirs_exist_ok=True)
    spec = load_experiment(name or str(write_experiment(tiny_experiment)))
    spec = copy_inputs(spec, tmp_path)
    written = spec.to_yaml()
    assert load_experiment(str(write_experiment(written))) == spec
    assert yaml.safe_load(written)["env"]["channel"]["target_ber"] == 1e-4  # defaults are there


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("training.gama", 0.9, "algorithm.training.gama: unknown 'gama'; did you mean 'gamma'?"),
        (
            "env_runners.num_env_runner",
            2,
            "algorithm.env_runners.num_env_runner: unknown 'num_env_runner'; did you mean "
            "'num_env_runners'?",
        ),
        (
            "rl_module.model_config.hiden",
            8,
            "algorithm.rl_module.model_config.hiden: unknown 'hiden'",
        ),
        (
            "rl_module.model_config",
            8,
            "algorithm.rl_module.model_config: should hold network, hidden",
        ),
        (
            "rl_module.model_config.network",
            "pointr",
            "no network 'pointr'; did you mean 'pointer'? Valid: pointer, mlp",
        ),
        ("env_runners.num_envs_per_env_runner", 0, "num_envs_per_env_runner"),
        ("debugging.seed", 3, "algorithm.debugging.seed: seeds are set by the key 'seeds'"),
        ("training.n_step", 0, "training.n_step should be an integer of at least 1, got 0"),
        ("training.gamma", 7, "training.gamma should lie in 0..1, got 7"),
        (
            "training.gamma",
            "high",
            "algorithm.training.gamma: should be a number or null, got 'high'",
        ),
        (
            "training.replay_buffer_config",
            5,
            "algorithm.training.replay_buffer_config: should be a section or null",
        ),
        (
            "training.replay_buffer_config",
            {"size": 5},
            "training.replay_buffer_config should hold a capacity",
        ),
        (
            "env_runners.num_env_runners",
            "two",
            "algorithm.env_runners.num_env_runners: should be a number or null",
        ),
        (
            "env_runners.num_env_runners",
            [2],
            "algorithm.env_runners.num_env_runners: should be a number or null",
        ),
        (
            "env_runners.explore",
            1,
            "algorithm.env_runners.explore: should be true or false or null, got 1",
        ),
    ],
)
def test_what_rllib_does_not_take_is_a_line_too(
    tiny_experiment: Yaml, write_experiment: Write, key: str, value: Any, said: str
) -> None:
    spec = load_experiment(
        str(write_experiment(changed(tiny_experiment, f"algorithm.{key}", value)))
    )
    with pytest.raises(SpecError) as refusal:
        algorithm_config(spec, seed=0)
    assert said in str(refusal.value)
    assert len(str(refusal.value).splitlines()) == 1
