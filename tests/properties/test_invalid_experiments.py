"""Whatever an experiment's own schema calls invalid is refused, and the message names the key.

The JSON Schema and `jsonschema`, which reads it, are the judge from outside; where a rule is of two
keys together it stands here.
"""

import copy
import inspect
from collections.abc import Iterator
from math import inf, nan
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st

import mechanisms
from marl_moe.errors import SpecError
from marl_moe.experiment.spec.experiment import experiment_schema
from marl_moe.experiment.spec.reading import load_experiment, parse_experiment
from marl_moe.experiment.training.configuration import check_algorithm

Yaml = dict[str, Any]
SCHEMA = experiment_schema()
WRONG: list[Any] = [
    *(None, True, "", "text", "3", 0, -1, 7, 2.5, 1e300, -1e300, 10**30, nan, inf, -inf),
    *([], [1], [nan, 1.0], [3, 1], ["a", "b"], [1, 2, 3], {}, {"a": 1}, {"label": "x"}),
]
BASE: Yaml = {"name": "base", "algorithm": {"name": "sac"}}


def schema_keys(
    schema: Yaml = SCHEMA, path: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], Yaml]]:
    """Path and schema of every key of the experiment, sections among them."""
    for name, part in schema.get("properties", {}).items():
        part = next((each for each in part.get("anyOf", ()) if "$ref" in each), part)
        if "$ref" in part:
            inner = SCHEMA["$defs"][part["$ref"].rpartition("/")[2]]
            yield (*path, name), schema["properties"][name]
            yield from schema_keys(inner, (*path, name))
        else:
            yield (*path, name), part


KEYS = dict(schema_keys())


def is_valid(value: Any, schema: Yaml) -> bool:
    return jsonschema.Draft202012Validator(schema | {"$defs": SCHEMA["$defs"]}).is_valid(value)


def with_key(path: tuple[str, ...], value: Any) -> Yaml:
    experiment = section = copy.deepcopy(BASE)
    for part in path[:-1]:
        if not isinstance(section.get(part), dict):
            section[part] = {}
        section = section[part]
    section[path[-1]] = value
    return experiment


def refusal(experiment: Any, folder: Path) -> str:
    """Return the loader's message on an experiment, which it must refuse."""
    file = folder / "wrong.yaml"
    file.write_text(yaml.safe_dump(experiment))
    with pytest.raises(SpecError) as error:
        load_experiment(str(file))
    return str(error.value)


def has_number_that_is_none(value: Any) -> bool:
    return any(
        number != number or number in (inf, -inf)
        for number in (value if isinstance(value, list) else [value])
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("wrong")


def test_a_value_that_the_schema_refuses_is_refused_by_the_name_of_its_key(folder: Path) -> None:
    refused = set()

    @settings(max_examples=max(400, settings().max_examples))
    @given(st.sampled_from(list(KEYS)), st.sampled_from(WRONG))
    def refuses(path: tuple[str, ...], value: Any) -> None:
        if is_valid(value, KEYS[path]) and not has_number_that_is_none(value):
            return
        assert path[-1] in refusal(with_key(path, value), folder).partition(": ")[2]
        refused.add(path)

    refuses()
    assert len(refused) > len(KEYS) / 2


def test_a_number_beyond_its_limits_is_refused_by_the_name_of_its_key(folder: Path) -> None:
    for path, schema in KEYS.items():
        for part in schema.get("anyOf", [schema]):
            beyond = [
                part[limit] + step
                for limit, step in (("minimum", -1), ("maximum", 1))
                if limit in part
            ]
            beyond += [
                part[limit] for limit in ("exclusiveMinimum", "exclusiveMaximum") if limit in part
            ]
            if path[0] == "env" and part.get("type") in ("number", "integer"):
                beyond += [1e13, -1e13, 1e-13] if part["type"] == "number" else [2**130]
            for value in beyond:
                assert path[-1] in refusal(with_key(path, value), folder).partition(": ")[2], (
                    path,
                    value,
                )


def test_an_unknown_key_is_refused_by_its_name_wherever_it_stands(folder: Path) -> None:
    @settings(max_examples=max(100, settings().max_examples // 4))
    @given(st.sampled_from(sorted({path[:-1] for path in KEYS})), st.from_regex(r"\A[a-z]{3,12}\Z"))
    @example(("env", "channel"), "bandwith")
    def refuses(section: tuple[str, ...], key: str) -> None:
        if (*section, key) not in KEYS and section != ("mechanism",):
            assert key in refusal(with_key((*section, key), 1), folder).partition(": ")[2]

    refuses()


CONTRADICTIONS: dict[str, Yaml] = {
    "private_probability": {
        "env": {"requests": {"num_transferred": 1, "private_probability": 0.5}}
    },
    "num_transferred": {"env": {"requests": {"num_transferred": 9, "num_subtasks": 8}}},
    "access": {"env": {"channel": {"access": "total_power", "split": "min_delay"}}},
    "ber: snr": {"env": {"channel": {"access": "total_power", "ber": "snr"}}},
    "modulation": {"env": {"channel": {"modulation": "qam16", "ber": "qam"}}},
    "noise_scaling": {"env": {"channel": {"noise_scaling": True}}},
    "speed_m_s": {
        "env": {"channel": {"process": "gauss_markov", "correlation": 0.5, "speed_m_s": 1.0}}
    },
    "correlation": {"env": {"channel": {"process": "iid", "correlation": 0.5}}},
    "pool_seed": {"env": {"experts": {"pool_seed": 1, "resample": "episode"}}},
    "unit_cost": {"env": {"experts": {"unit_cost": [3.0, 0.5]}}},
    "market_study": {"kind": "market_study", "algorithm": {"name": "sac"}},
    "policies": {"algorithm": {"policies": {"a": [0], "b": [0]}}},
    "training_iteration": {"algorithm": {"stop": {"training_iteration": 0}}},
    "pretraining": {"algorithm": {"name": "ppo", "pretraining": {"env": {"num_experts": 3}}}},
    "algorithm.pretraining.env.num_experts": {
        "algorithm": {"pretraining": {"env": {"num_experts": 0}}}
    },
    "evaluation.env.num_users": {"evaluation": {"env": {"num_users": "two"}}},
    "evaluation.env.channel.bandwith": {"evaluation": {"env": {"channel": {"bandwith": 1}}}},
    "seeds": {"seeds": [1, 1]},
    "sizes.fast": {"sizes": {"fast": {"env": {"num_users": 0}}}},
    "sizes": {"sizes": {"../fast": {}}},
    "Windows": {"name": "con"},
    "name": {"name": "a" * 300},
    "a/b": {"algorithm": {"policies": {"a/b": [0]}}},
}


@pytest.mark.parametrize("key", CONTRADICTIONS)
def test_what_contradicts_itself_is_refused_by_name(folder: Path, key: str) -> None:
    assert key in refusal({"name": "base"} | CONTRADICTIONS[key], folder).partition(": ")[2]


@pytest.mark.parametrize("name", mechanisms.names())
def test_a_parameter_that_a_mechanism_refuses_is_named(folder: Path, name: str) -> None:
    kinds = {"price": (0, 2.5), "budget": (0, 2.5), "types": (3,), "bandwidth": (True,)}
    for parameter in [*inspect.signature(type(mechanisms.make(name))).parameters, "budgett"]:
        for value in WRONG:
            takes = kinds.get(parameter, ())
            if (
                value is None
                or any(type(value) is type(fine) for fine in takes)
                or isinstance(value, list)
            ):
                continue
            if type(value) in (int, float) and {type(fine) for fine in takes} & {float}:
                continue
            said = refusal({"name": "base", "mechanism": {"name": name, parameter: value}}, folder)
            assert parameter in said.partition(": ")[2]


@pytest.mark.parametrize("name", ["sac", "rllib_sac", "ppo", "dqn"])
def test_any_value_of_any_key_of_rllibs_is_taken_or_refused_by_a_line(
    folder: Path, tiny_experiment: Yaml, name: str
) -> None:
    keys = {
        "training": (
            "gamma",
            "tau",
            "n_step",
            "lr",
            "actor_lr",
            "grad_clip",
            "replay_buffer_config",
            "num_epochs",
        ),
        "env_runners": (
            "num_env_runners",
            "num_envs_per_env_runner",
            "rollout_fragment_length",
            "batch_mode",
        ),
        "learners": (
            "num_learners",
            "num_gpus_per_learner",
            "num_cpus_per_learner",
            "local_gpu_idx",
        ),
        "reporting": ("min_time_s_per_iteration", "min_sample_timesteps_per_iteration"),
        "rl_module": ("model_config",),
        "debugging": ("log_level",),
    }

    @settings(max_examples=max(60, settings().max_examples // 4))
    @given(st.data())
    def answers(data: st.DataObject) -> None:
        section = data.draw(st.sampled_from(list(keys)))
        key, value = data.draw(st.sampled_from(keys[section])), data.draw(st.sampled_from(WRONG))
        experiment = tiny_experiment | {"algorithm": {"name": name, section: {key: value}}}
        said = ""
        try:
            check_algorithm(parse_experiment(experiment, "any.yaml"))
        except SpecError as error:
            said = str(error)
        assert len(said.splitlines()) <= 1
        assert not said or "algorithm" in said

    answers()
