"""Roles of a market in an experiment: what is read, what is refused, and in which words."""

from typing import Any

import pytest
import yaml

from marl_moe.errors import SpecError
from marl_moe.experiment.spec.experiment import ExperimentSpec
from marl_moe.experiment.spec.policies import PolicyOfRoles
from marl_moe.experiment.spec.reading import parse_experiment
from marl_moe.experiment.spec.sweep import sweep_points
from marl_moe.experiment.training.configuration import algorithm_config
from marl_moe.rllib.config import Side

Yaml = dict[str, Any]
BOTH = {"edge_devices": "sac", "platform": "sac"}
RESPONSES = {"best_response_epochs": 2}


def parse(roles: Yaml | None = None, **sections: Any) -> ExperimentSpec:
    """Read an experiment of 3 users and 4 edge devices who are paid."""
    experiment = {
        "name": "x",
        "env": {"num_users": 3, "num_experts": 4},
        "mechanism": {"name": "posted_price"},
        "algorithm": {"name": "sac", "roles": roles or {}},
    }
    for name, keys in sections.items():
        both = isinstance(keys, dict) and isinstance(experiment.get(name), dict)
        experiment[name] = {**experiment[name], **keys} if both else keys  # type: ignore[dict-item]
    return parse_experiment(experiment, "x.yaml")


def refusal(roles: Yaml | None = None, **sections: Any) -> str:
    with pytest.raises(SpecError) as refused:
        parse(roles, **sections)
    (line,) = str(refused.value).splitlines()
    return line


def entries(*policies: Any) -> Yaml:
    return {"policies": list(policies)}


def test_without_a_word_users_alone_learn() -> None:
    algorithm = parse().algorithm
    assert algorithm is not None
    assert algorithm.roles.learning == []
    assert algorithm.roles.model_dump() == {
        "users": "sac",
        "edge_devices": "truthful",
        "platform": "fixed",
        "edge_devices_training_intensity": 8.0,
        "platform_training_intensity": 64.0,
    }


@pytest.mark.parametrize(
    ("roles", "sides"),
    [
        (BOTH, {"edge_devices": Side("sac", 8.0), "platform": Side("sac", 64.0)}),
        (
            BOTH | {"edge_devices_training_intensity": 0.5, "platform_training_intensity": 3},
            {"edge_devices": Side("sac", 0.5), "platform": Side("sac", 3.0)},
        ),
        ({"platform": "sac"}, {"platform": Side("sac", 64.0)}),
        ({"edge_devices": "hedge"}, {}),
    ],
)
def test_who_learns_and_how_much_arrives_where_it_belongs(
    roles: Yaml, sides: dict[str, Side]
) -> None:
    spec = parse(roles)
    config = algorithm_config(spec, seed=0)
    assert config.sides == sides
    nobody = {"edge_devices": "truthful", "platform": "fixed"}
    learners = {role: roles.get(role, idle) for role, idle in nobody.items()}
    assert config.env_config["roles"] == learners
    assert set(config.rl_module_spec.rl_module_specs) == {"shared", *sides}
    assert parse_experiment(spec.as_dict(), "again") == spec


@pytest.mark.parametrize("name", ["ppo", "dqn", "rllib_sac"])
def test_sides_are_learned_beside_sac_alone(name: str) -> None:
    told = refusal({"platform": "sac"}, algorithm={"name": name})
    assert f"algorithm: roles.platform: is learned beside sac alone, not {name}" in told


@pytest.mark.parametrize(
    ("roles", "sections", "told"),
    [
        (
            BOTH,
            {"mechanism": {"name": "none"}},
            "algorithm.roles.edge_devices: nothing is decided under mechanism none; name one that "
            "pays",
        ),
        (
            {"edge_devices": "hedge"},
            {"algorithm": {"env_runners": {"num_env_runners": 1}}},
            "algorithm: roles.edge_devices: hedge learns in one process; leave "
            "env_runners.num_env_runners out",
        ),
        (
            {"edge_devices": "hedge", "edge_devices_training_intensity": 3.0},
            {},
            "algorithm: roles.edge_devices_training_intensity has no effect with edge_devices: "
            "hedge; leave it out",
        ),
        (
            {"platform_training_intensity": 3.0},
            {},
            "roles.platform_training_intensity has no effect with platform: fixed; leave it out",
        ),
        (
            BOTH | {"platform_training_intensity": 0},
            {},
            "algorithm.roles.platform_training_intensity: Input should be greater than 0, got 0",
        ),
        (
            {"platfrom": "sac"},
            {},
            "algorithm.roles.platfrom: unknown 'platfrom'; did you mean 'platform'?",
        ),
        ({"platform": "hedge"}, {}, "algorithm.roles.platform: Input should be 'fixed' or 'sac'"),
        (
            {"edge_devices": "fixed"},
            {},
            "algorithm.roles.edge_devices: Input should be 'truthful', 'sac' or 'hedge', got ",
        ),
        ({"users": "greedy"}, {}, "algorithm.roles.users: Input should be 'sac', got 'greedy'"),
        (
            {"edge_devices": "sac"},
            {"env": {"experts": {"cost_report": "scaled"}}},
            "env.experts.cost_report: should be truthful where edge devices learn what to report "
            "(algorithm.roles), got scaled",
        ),
        (
            {"edge_devices": "hedge"},
            {"evaluation": {"env": {"experts": {"cost_report": "strategic"}}}},
            "evaluation.env.experts.cost_report: should be truthful where edge devices learn",
        ),
        (
            {"platform": "sac"},
            {"evaluation": {"env": {"roles": {"margins": [0.0, 1.0]}}}},
            "evaluation.env.roles: what roles learn among are the choices of env",
        ),
        (
            {"platform": "sac"},
            {"algorithm": {"pretraining": {"env": {"roles": {"margins": [0.0, 1.0]}}}}},
            "algorithm.pretraining.env.roles",
        ),
        (
            {},
            {"evaluation": RESPONSES | {"env": {"roles": {"margins": [0.0, 1.0]}}}},
            "evaluation.env.roles",
        ),
        (
            {},
            {"algorithm": {"policies": {"platform": [0, 1, 2]}}},
            "policies: platform is the name of a role, and of no group of users",
        ),
        (
            {},
            {"algorithm": {"policies": {"a": [0], "edge_devices": [1, 2]}}},
            "policies: edge_devices is the name of a role, and of no group of users",
        ),
    ],
)
def test_a_mistake_in_roles_is_named_with_what_would_be_right(
    roles: Yaml, sections: Yaml, told: str
) -> None:
    assert told in refusal(roles, **sections)


def test_what_is_not_of_those_who_learn_may_be() -> None:
    parse({"platform": "sac"}, env={"experts": {"cost_report": "scaled"}})
    parse({"platform_training_intensity": 64.0})  # as it is written out
    parse(BOTH, algorithm={"env_runners": {"num_env_runners": 1}})
    parse(BOTH, algorithm={"policies": {"users": [0, 1, 2]}})


@pytest.mark.parametrize(
    ("sections", "told"),
    [
        ({"algorithm": None}, "nothing learns without an algorithm"),
        ({"algorithm": {"name": "ppo"}}, "is of algorithm sac with policies: shared, got ppo"),
        (
            {"algorithm": {"policies": "independent"}},
            "is of algorithm sac with policies: shared, got sac with independent",
        ),
        (
            {"algorithm": {"policies": {"a": [0], "b": [1, 2]}}},
            "is of algorithm sac with policies: shared, got sac with {'a': [0], 'b': [1, 2]}",
        ),
        ({"algorithm": None, "kind": "market_study"}, "nothing learns without an algorithm"),
        ({"evaluation": {"best_response_epochs": -1}}, "greater than or equal to 0, got -1"),
    ],
)
def test_best_responses_are_of_one_policy_that_sac_learned(sections: Yaml, told: str) -> None:
    line = refusal({}, **({"evaluation": RESPONSES} | sections))
    assert "evaluation.best_response_epochs: " in line
    assert told in line
    parse({}, evaluation=RESPONSES)


@pytest.mark.parametrize(
    ("entry", "told"),
    [
        ({"users": "gredy", "as": "x"}, "users: unknown 'gredy'; did you mean 'greedy'?"),
        ({"users": "sacc", "as": "x"}, "users: unknown 'sacc'; did you mean 'sac'?"),
        ({"users": 3, "as": "x"}, "evaluation.policies.0.users: Input should be a valid string"),
        (
            {"users": "greedy", "edge_devices": "truthfull"},
            "evaluation.policies.0.edge_devices: Input should be 'learned' or 'truthful'",
        ),
        (
            {"users": "greedy", "platform": "truthful"},
            "evaluation.policies.0.platform: Input should be 'learned' or 'fixed', got 'truthful'",
        ),
        ({"users": "greedy", "name": "greedy"}, "one of the keys name, run, import and users"),
        ({"users": "greedy"}, "as: 'greedy' is the name of another policy"),
        ({"users": "sac"}, "the learned policy is named 'sac' too; give each a name by 'as'"),
        (
            {"users": "sac", "platform": "fixed", "as": "greedy"},
            "as: 'greedy' is the name of another policy",
        ),
        (
            {"users": "greedy", "platfrom": "fixed"},
            "unknown 'platfrom'; did you mean 'platform'?",
        ),
    ],
)
def test_a_mistake_in_who_plays_each_role_is_named(entry: Yaml, told: str) -> None:
    assert told in refusal(BOTH, evaluation=entries(entry))


def test_names_of_users_are_those_of_the_experiment_and_entries_are_named_apart() -> None:
    entry = {"users": "sac", "edge_devices": "truthful"}
    assert "evaluation.policies: users: unknown 'sac'" in refusal(
        None, algorithm=None, evaluation=entries(entry)
    )
    parse(None, algorithm=None, evaluation=entries(entry | {"users": "greedy"}))
    told = refusal(BOTH, evaluation=entries(entry, entry))
    assert "'sac, truthful' is listed twice; leave one out" in told
    other = {"users": "greedy", "as": "sac, truthful"}
    told = refusal(BOTH, evaluation=entries(entry, other))
    assert "another policy is named 'sac, truthful' too; give each a name by 'as'" in told


def test_who_plays_each_role_is_written_down_as_it_is_read_again() -> None:
    spec = parse(
        BOTH,
        evaluation=entries(
            "greedy",
            {"users": "sac", "edge_devices": "truthful", "platform": "fixed", "as": "sac alone"},
            {"users": "sac_stochastic", "platform": "fixed"},
            {"users": "crowd", "edge_devices": "truthful"},
        ),
    )
    named = ["greedy", "sac alone", "sac_stochastic, fixed", "crowd, truthful"]
    assert [entry.shown_as for entry in spec.evaluation.policies] == named
    written = yaml.safe_load(spec.to_yaml())
    assert written["evaluation"]["policies"][1:] == [
        {"users": "sac", "edge_devices": "truthful", "platform": "fixed", "as": "sac alone"},
        {
            "users": "sac_stochastic",
            "edge_devices": "learned",
            "platform": "fixed",
            "as": "sac_stochastic, fixed",
        },
        {
            "users": "crowd",
            "edge_devices": "truthful",
            "platform": "learned",
            "as": "crowd, truthful",
        },
    ]
    again = parse_experiment(written, "again")
    assert again == spec
    assert isinstance(again.evaluation.entry("sac alone"), PolicyOfRoles)


def test_roles_can_be_swept() -> None:
    swept = {"algorithm": {"roles": {"edge_devices": ["truthful", "hedge", "sac"]}}}
    learning = []
    for point in sweep_points(parse({"platform": "sac"}, sweep=swept)):
        assert point.spec.algorithm is not None
        learning.append(point.spec.algorithm.roles.learning)
    assert learning == [["platform"], *[["edge_devices", "platform"]] * 2]
