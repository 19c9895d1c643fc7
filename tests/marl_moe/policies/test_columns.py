"""Columns by name: what a policy was trained on, and in which worlds it is refused."""

from pathlib import Path
from typing import Any

import pytest

from envs import World, WorldConfig
from envs.features import expert_features, user_features
from envs.observation import column_names, observation_size
from marl_moe.errors import RecordError
from marl_moe.experiment.spec.reading import parse_experiment
from marl_moe.policies import columns, networks
from marl_moe.policies.columns import ColumnNames, columns_of, difference
from marl_moe.policies.learned import LearnedPolicy, load_policy, save_policy
from marl_moe.policies.networks import NetworkConfig

SMALL = WorldConfig(num_users=2, num_experts=4)
TRAINED = ColumnNames(("pending", "words"), ("available", "backlog"))
DIFFERENCES = {
    "the same": (TRAINED, ""),
    "more of the user": (
        TRAINED._replace(user=("pending", "words", "energy_left", "episode_left")),
        "have energy_left, episode_left of the user, which it was not trained on",
    ),
    "less of each expert": (
        TRAINED._replace(expert=("available",)),
        "lack backlog of each expert, which it was trained on",
    ),
    "others": (
        ColumnNames(("pending", "words", "credits_left"), ("available", "airtime_backlog")),
        "have credits_left of the user and airtime_backlog of each expert, which it was not "
        "trained on, and lack backlog of each expert, which it was trained on",
    ),
    "another order": (
        TRAINED._replace(user=("words", "pending")),
        "have their columns in another order than it was trained on",
    ),
}


@pytest.mark.parametrize("case", DIFFERENCES)
def test_a_difference_names_the_columns(case: str) -> None:
    here, words = DIFFERENCES[case]
    assert difference(TRAINED, here) == words


@pytest.mark.parametrize("allocates", [False, True])
def test_the_names_are_those_of_the_observation(allocates: bool) -> None:
    names = columns_of(SMALL, allocates)
    listed = [f"expert_{c}.{name}" for c in range(4) for name in names.expert]
    assert column_names(SMALL, allocates) == [*names.user, *listed]
    assert names.size(4) == observation_size(SMALL, allocates)
    network = NetworkConfig.of(SMALL, allocates)
    assert (network.columns, network.observation_size) == (names, names.size(4))
    assert "assigned" in names.expert or not allocates


@pytest.fixture
def trained(tmp_path: Path) -> LearnedPolicy:
    network = NetworkConfig.of(SMALL, allocates=False, hidden=2)
    weights = {"shared": network.build(copies=1).state_dict()}
    save_policy(tmp_path, weights, network, {"shared": [0, 1]})
    return load_policy(tmp_path, "sac")


def with_budget(config: WorldConfig) -> tuple[Any, ...]:
    """Return the user's columns with one more, as of a budget over the episode."""
    first, *others = user_features(config)
    return (first, *others, first._replace(name="energy_left"))


def test_a_policy_acts_where_the_columns_are_those_it_was_trained_on(
    trained: LearnedPolicy,
) -> None:
    assert trained.network.columns == columns_of(SMALL, allocates=False)
    assert trained.act(World(SMALL).slot).shape == (1, 2)


def test_a_policy_is_refused_where_a_column_is_new(
    trained: LearnedPolicy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(columns, "user_features", with_budget)
    refused = (
        "sac: it cannot act under the mechanism 'none' in this world, whose observations have "
        "energy_left of the user, which it was not trained on"
    )
    with pytest.raises(ValueError, match=refused):
        trained.act(World(SMALL).slot)


def test_a_policy_whose_columns_are_no_names_is_damaged(tmp_path: Path) -> None:
    network = NetworkConfig.of(SMALL, allocates=False, hidden=2)
    save_policy(
        tmp_path, {"shared": network.build(copies=1).state_dict()}, network, {"shared": [0]}
    )
    file = tmp_path / "policy.json"
    text = file.read_text()
    begin = text.index("[", text.index('"user_features"'))
    end = text.index("]", begin) + 1
    for wrong in ('"pending"', "[1, 2]", "null"):
        file.write_text(text[:begin] + wrong + text[end:])
        with pytest.raises(RecordError, match="user_features should be names of columns"):
            load_policy(tmp_path, "sac")


@pytest.mark.parametrize("section", ["evaluation", "pretraining"])
def test_worlds_of_other_columns_are_refused_before_anything_is_trained(
    section: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def more_for_two(config: WorldConfig) -> tuple[Any, ...]:
        return with_budget(config) if config.num_users == 2 else user_features(config)

    monkeypatch.setattr(columns, "user_features", more_for_two)
    env = {"env": {"num_users": 2}}
    stop = {"training_iteration": 1}
    raw, refused = {
        "evaluation": (
            {"evaluation": env},
            "evaluation.env: what learns in env cannot act in its worlds, whose observations have "
            "energy_left of the user, which it was not trained on",
        ),
        "pretraining": (
            {"algorithm": {"pretraining": env | {"stop": stop}}},
            "algorithm.pretraining.env: what learns there cannot go on in env, whose "
            "observations lack energy_left of the user, which it was trained on",
        ),
    }[section]
    with pytest.raises(ValueError, match=refused):
        parse_experiment({"name": "other"} | raw, "FILE")
    nothing_learns = {"algorithm": None, "evaluation": env | {"policies": ["random"]}}
    assert parse_experiment({"name": "other"} | nothing_learns, "FILE")


def test_networks_begin_with_the_columns_of_a_plain_world() -> None:
    network = networks.NetworkConfig(num_experts=3)
    assert columns_of(WorldConfig(), allocates=False) == (
        network.user_features,
        network.expert_features,
    )
    expected = tuple(feature.name for feature in expert_features(WorldConfig(), False))
    assert NetworkConfig(3).expert_features == expected
