"""A network of a user's own: registered, checked, trained, saved and loaded like ours."""

import json
import re
from collections.abc import Callable, Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor, nn
from typer.testing import CliRunner

from envs import World, WorldConfig
from marl_moe.cli import app
from marl_moe.errors import RecordError
from marl_moe.policies.learned import LearnedPolicy, load_policy, save_policy
from marl_moe.policies.network_checks import check_network
from marl_moe.policies.networks import (
    NETWORKS,
    CopiedLinear,
    NetworkConfig,
    carried_over,
    register,
)


class Linear(nn.Module):
    """A linear score of each expert's features; abandoning scores a constant."""

    any_number_of_experts = True

    def __init__(self, copies: int, config: NetworkConfig, slope: float = 1.0) -> None:
        super().__init__()
        self.of_user, self.slope = config.num_user_features, slope
        self.features = config.num_expert_features
        self.expert = CopiedLinear(copies, self.features, 1)
        self.abandon = nn.Parameter(torch.zeros(copies, 1, 1))

    def forward(self, observation: Tensor) -> Tensor:
        experts = observation[:, self.of_user :].unflatten(1, (-1, self.features))
        scores = self.expert(experts.flatten(0, 1)[None]).unflatten(1, experts.shape[:2])
        abandon = self.abandon.expand(-1, len(observation), -1)
        return torch.cat([self.slope * scores.squeeze(-1), abandon], dim=-1)


class OfEachExpert(Linear):
    """Linear, with a bias for each expert: for one number of them, and it does not say more."""

    any_number_of_experts = False

    def __init__(self, copies: int, config: NetworkConfig) -> None:
        super().__init__(copies, config)
        self.of_expert = nn.Parameter(torch.zeros(copies, 1, config.num_experts + 1))

    def forward(self, observation: Tensor) -> Tensor:
        return super().forward(observation) + self.of_expert


class Deep(nn.Module):
    """As many layers as it is told."""

    def __init__(self, copies: int, config: NetworkConfig, depth: int = 1) -> None:
        super().__init__()
        self.layers = nn.ModuleList()
        for _ in range(depth):
            self.layers.append(nn.Linear(2, 2))


class Flat(Linear):
    def forward(self, observation: Tensor) -> Tensor:
        return super().forward(observation)[0]


OWN = {"linear": Linear, "of_each_expert": OfEachExpert, "deep": Deep, "flat": Flat}


@pytest.fixture(autouse=True)
def _registered() -> Iterator[None]:
    for name, network in OWN.items():
        register(name)(network)
    yield
    for name in OWN:
        del NETWORKS._factories[name]


def saved(folder: Path, world: WorldConfig, **keys: Any) -> LearnedPolicy:
    torch.manual_seed(0)
    network = NetworkConfig.of(world, allocates=False, **keys)
    actor = network.actor().requires_grad_(False)
    users = list(range(world.num_users))
    save_policy(folder, {"shared": actor.state_dict()}, network, {"shared": users})
    return LearnedPolicy("sac", {"shared": actor}, network, {"shared": users})


def test_a_saved_policy_is_loaded_with_the_networks_own_parameters(
    small_world: WorldConfig, tmp_path: Path
) -> None:
    policy = saved(tmp_path, small_world, network="linear", parameters={"slope": -2.0})
    written = json.loads((tmp_path / "policy.json").read_text())["network"]
    assert (written["network"], written["parameters"]) == ("linear", {"slope": -2.0})
    loaded = load_policy(tmp_path, "sac")
    slot = World(small_world, num_worlds=20, seed=1).slot
    np.testing.assert_array_equal(loaded.act(slot), policy.act(slot))
    assert len(np.unique(policy.act(slot))) > 2


@pytest.mark.parametrize(
    ("keys", "told"),
    [
        ({"network": "linaer"}, "no network 'linaer'; did you mean 'linear'?"),
        (
            {"network": "linear", "parameters": {"slop": 1}},
            "network 'linear' has no parameter 'slop'; did you mean 'slope'? Valid: slope",
        ),
        ({"network": "pointer", "parameters": {"slope": 1}}, "it takes none"),
        ({"network": "linear", "parameters": {"copies": 1}}, "has no parameter 'copies'"),
        ({"network": "linear", "parameters": [1]}, "parameters should be a section"),
    ],
)
def test_a_key_that_a_network_does_not_take_is_named(keys: dict[str, Any], told: str) -> None:
    with pytest.raises(ValueError, match=re.escape(told)):
        NetworkConfig(num_experts=5, **keys)


def test_a_network_that_does_not_score_every_action_is_refused() -> None:
    with pytest.raises(
        ValueError, match=r"scores \(2, 3, 6\) \(copies, B, actions\), got \(3, 6\)"
    ):
        check_network(NetworkConfig(5, network="flat"))
    with pytest.raises(ValueError, match="network 'linear': TypeError"):
        check_network(NetworkConfig(5, network="linear", parameters={"slope": "steep"}))


def test_checking_a_network_draws_nothing_from_the_global_generator() -> None:
    torch.manual_seed(3)
    expected = torch.rand(4)
    torch.manual_seed(3)
    check_network(NetworkConfig(5, network="pointer"))
    assert torch.equal(torch.rand(4), expected)


@pytest.mark.parametrize(
    ("network", "changed"),
    [
        ("pointer", {"hidden": 2**40}),
        ("mlp", {"num_experts": 2**40}),
        ("deep", {"parameters": {"depth": 10**12}}),
    ],
)
def test_a_file_that_asks_for_more_than_it_holds_is_refused_before_memory_is_taken(
    small_world: WorldConfig, tmp_path: Path, network: str, changed: dict[str, Any]
) -> None:
    saved(tmp_path, small_world, network=network)
    architecture = json.loads((tmp_path / "policy.json").read_text())
    architecture["network"] |= changed
    (tmp_path / "policy.json").write_text(json.dumps(architecture))
    with pytest.raises(RecordError, match=r"not what policy.safetensors are the weights of"):
        load_policy(tmp_path, "sac")


def test_a_network_that_does_not_say_so_acts_among_as_many_experts_as_it_was_trained_with(
    small_world: WorldConfig, tmp_path: Path
) -> None:
    more = WorldConfig(**small_world.as_dict() | {"num_experts": 9})
    policy = saved(tmp_path, small_world, network="of_each_expert")
    policy.act(World(small_world).slot)
    with pytest.raises(ValueError, match="trained with 6 experts cannot act among 9"):
        policy.act(World(more).slot)
    anywhere = saved(tmp_path, small_world, network="linear")
    assert anywhere.act(World(more).slot).shape == (1, 2)


def test_a_network_that_does_not_say_how_is_carried_over_where_it_fits_and_nowhere_else() -> None:
    few, many = (
        NetworkConfig(experts, network="of_each_expert").build(copies=1).state_dict()
        for experts in (5, 9)
    )
    fits = carried_over("of_each_expert", "actor.abandon", few["abandon"], many["abandon"])
    assert fits is few["abandon"]
    with pytest.raises(ValueError, match="'of_each_expert' does not say how, by carry_over"):
        carried_over("of_each_expert", "actor.of_expert", few["of_expert"], many["of_expert"])


def test_a_network_may_say_how_it_is_carried_over(monkeypatch: pytest.MonkeyPatch) -> None:
    def carry_over(name: str, trained: Tensor, fresh: Tensor) -> Tensor:
        assert name == "of_expert"
        return torch.cat([trained[..., :-1], fresh[..., 5:-1], trained[..., -1:]], dim=-1)

    monkeypatch.setattr(OfEachExpert, "carry_over", staticmethod(carry_over), raising=False)
    trained, fresh = torch.arange(6.0).expand(1, 1, 6), torch.full((1, 1, 10), -1.0)
    value = carried_over("of_each_expert", "actor.of_expert", trained, fresh)
    assert value[0, 0].tolist() == [0, 1, 2, 3, 4, -1, -1, -1, -1, 5]


@pytest.mark.usefixtures("one_core", "ray_started")
@pytest.mark.parametrize("algorithm", ["sac", "rllib_sac"])
def test_an_experiment_trains_it_and_plays_what_was_learned(
    tiny_experiment: dict[str, Any],
    write_experiment: Callable[[Any], Path],
    tmp_path: Path,
    algorithm: str,
) -> None:
    experiment = deepcopy(tiny_experiment) | {"seeds": 1, "figures": []}
    model = {"network": "linear", "hidden": 8, "parameters": {"slope": 2.0}}
    keys = {"name": algorithm, "stop": {"training_iteration": 1}}
    if algorithm == "sac":
        keys = experiment["algorithm"] | keys
    experiment["algorithm"] = keys | {"rl_module": {"model_config": model}}
    source = write_experiment(experiment)
    done = CliRunner().invoke(app, ["run", str(source), "--out", str(tmp_path / "out")])
    assert done.exit_code == 0, done.output
    folder = tmp_path / "out/tiny"
    before = pd.read_parquet(folder / "evaluation.parquet").query("policy == @algorithm")
    played = CliRunner().invoke(app, ["evaluate", str(folder), "--policy", algorithm])
    assert played.exit_code == 0, played.output
    assert f" {before['gain'].mean():.3f} " in played.stdout
    model["parameters"] = {"slop": 2.0}
    refused = CliRunner().invoke(
        app, ["run", str(write_experiment(experiment)), "--out", str(tmp_path / "none")]
    )
    assert refused.exit_code == 2
    assert "did you mean 'slope'?" in refused.stderr
    assert not (tmp_path / "none").exists()


def test_the_features_of_an_observation_are_those_of_ours() -> None:
    config = NetworkConfig(3, network="linear")
    seen, width = torch.randn(4, config.observation_size), config.num_expert_features
    network = config.build(copies=2)
    scores = network(seen)
    block = seen[:, config.num_user_features + width :][:, :width]
    expected = block @ network.expert.weight[1] + network.expert.bias[1]
    torch.testing.assert_close(scores[1, :, 1:2], expected)
