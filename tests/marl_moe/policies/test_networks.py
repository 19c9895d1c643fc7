"""Networks against the same sums written out expert by expert, and masks against the world's."""

import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import mechanisms
from envs import World, WorldConfig
from marl_moe.policies.columns import columns_of
from marl_moe.policies.masks import action_mask, masked_logits
from marl_moe.policies.networks import NetworkConfig, PointerNetwork, carried_over

PLAIN = columns_of(WorldConfig(), allocates=False)


def observations(num_experts: int, batch: int = 4, seed: int = 0) -> Tensor:
    return torch.randn(
        batch, PLAIN.size(num_experts), generator=torch.Generator().manual_seed(seed)
    )


def blocks(observation: Tensor) -> tuple[Tensor, list[Tensor]]:
    """Return one user's features, and those of each expert."""
    own = len(PLAIN.user)
    return observation[:own], list(observation[own:].split(len(PLAIN.expert)))


def by_hand(network: PointerNetwork, observation: Tensor) -> list[float]:
    """Score one user's actions by the network's first copy, one expert after the other."""

    def linear(layer: nn.Module, values: Tensor) -> Tensor:
        product = layer.weight[0].T @ values
        return product if layer.bias is None else product + layer.bias[0, 0]

    user, experts = blocks(observation)
    first = [
        torch.relu(linear(network.expert_in, torch.cat([e, user, torch.ones(1)]))) for e in experts
    ]
    context = sum(first) / len(first)
    second = [
        torch.relu(linear(network.expert_hidden, f) + linear(network.context_hidden, context))
        for f in first
    ]
    abandon = linear(network.abandon_out, torch.relu(linear(network.abandon_hidden, context)))
    return [*(linear(network.expert_out, s).item() for s in second), abandon.item()]


@pytest.mark.parametrize("num_experts", [1, 5, 30])
def test_one_pointer_network_scores_any_number_of_experts_as_written_out_by_hand(
    num_experts: int,
) -> None:
    torch.manual_seed(1)
    network = PointerNetwork(copies=1, config=NetworkConfig(3, hidden=8))
    seen = observations(num_experts)
    expected = [by_hand(network, observation) for observation in seen]
    torch.testing.assert_close(network(seen)[0], torch.tensor(expected), rtol=1e-4, atol=1e-5)


def test_permuting_the_experts_permutes_their_scores_and_leaves_abandoning() -> None:
    network = PointerNetwork(copies=2, config=NetworkConfig(3, hidden=16))
    seen = observations(num_experts=7)
    order = torch.randperm(7, generator=torch.Generator().manual_seed(3))
    shuffled = []
    for observation in seen:
        user, experts = blocks(observation)
        shuffled.append(torch.cat([user, *(experts[e] for e in order)]))
    before, after = network(seen), network(torch.stack(shuffled))
    torch.testing.assert_close(after[..., :7], before[..., order], rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(after[..., 7], before[..., 7], rtol=1e-4, atol=1e-5)
    assert before[..., :7].std(dim=-1).min() > 1e-3  # the scores do differ from expert to expert


@pytest.mark.parametrize("network", ["pointer", "mlp"])
def test_twins_score_as_two_separate_networks_of_the_same_weights(network: Any) -> None:
    config = NetworkConfig(num_experts=5, network=network, hidden=8)
    twins = config.build(copies=2)
    seen = observations(5)
    for copy in range(2):
        single = config.build(copies=1)
        single.load_state_dict(
            {name: weight[copy : copy + 1] for name, weight in twins.state_dict().items()}
        )
        torch.testing.assert_close(twins(seen)[copy], single(seen)[0], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("network", ["pointer", "mlp"])
def test_twins_begin_as_different_networks(network: Any) -> None:
    scores = NetworkConfig(num_experts=5, network=network).build(copies=2)(observations(5))
    assert (scores[0] - scores[1]).abs().min() > 1e-4


@pytest.mark.parametrize("allow_abandon", [True, False])
@pytest.mark.parametrize("mechanism", ["none", "posted_price"])
def test_the_mask_read_from_an_observation_is_the_worlds(
    patchy_world: WorldConfig, mechanism: str, allow_abandon: bool
) -> None:
    config = WorldConfig(**patchy_world.as_dict() | {"allow_abandon": allow_abandon})
    world = World(config, num_worlds=8, seed=2, mechanism=mechanisms.make(mechanism))
    rng = np.random.default_rng(0)
    kinds = set()
    while not world.done:
        seen = torch.from_numpy(world.slot.observation).flatten(0, 1)
        mask = action_mask(seen, allow_abandon, columns_of(config, allocates=False)).numpy()
        np.testing.assert_array_equal(mask.reshape(8, 3, 6), world.slot.mask)
        kinds |= set(map(tuple, mask.tolist()))
        world.step(rng.integers(6, size=(8, 3)))
    assert len(kinds) > 10
    assert (False,) * 5 + (True,) in kinds


def test_an_excluded_action_has_probability_zero_and_no_gradient_is_infinite() -> None:
    network = PointerNetwork(copies=1, config=NetworkConfig(3, hidden=8))
    seen = observations(num_experts=3)
    mask = torch.tensor([[0, 1, 0, 1], [0, 0, 0, 1], [1, 1, 1, 1], [1, 0, 0, 0]]).bool()
    log_probability = torch.log_softmax(masked_logits(network, seen, mask), dim=-1)
    probability = log_probability.exp()
    assert torch.isfinite(log_probability).all()
    assert (probability[~mask] == 0).all()
    assert (probability[mask] > 0).all()
    torch.testing.assert_close(probability.sum(dim=-1), torch.ones(4))
    (probability * log_probability).sum().backward()
    assert all(torch.isfinite(parameter.grad).all() for parameter in network.parameters())


def test_allowed_actions_share_the_probability_as_a_softmax_over_them_alone() -> None:
    network = PointerNetwork(copies=1, config=NetworkConfig(3, hidden=8))
    seen = observations(num_experts=3, batch=1)
    mask = torch.tensor([[True, False, True, False]])
    scores = network(seen)[0, 0].tolist()
    expected = 1 / (1 + math.exp(scores[2] - scores[0]))
    probability = torch.softmax(masked_logits(network, seen, mask), dim=-1)
    assert probability[0, 0].item() == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"network": "transformer"}, "no network 'transformer'; valid: pointer, mlp"),
        ({"hidden": 0}, "hidden should be an integer of at least 1, got 0"),
        ({"hidden": 1.5}, "hidden should be an integer of at least 1, got 1.5"),
    ],
)
def test_an_impossible_network_is_refused_by_name(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        NetworkConfig(num_experts=3, **wrong)


@pytest.mark.parametrize("network", ["pointer", "mlp"])
def test_networks_carried_over_to_more_experts_score_those_they_know_as_before(
    network: str,
) -> None:
    """Further experts show only zeros here; among fewer again, what is left is as before."""
    few = NetworkConfig(5, network=network, hidden=8).build(copies=2)
    many = NetworkConfig(9, network=network, hidden=8).build(copies=2)
    fresh = many.state_dict()
    grown = {
        name: carried_over(network, f"critic.{name}", few.state_dict()[name], value)
        for name, value in fresh.items()
    }
    many.load_state_dict(grown)
    seen = observations(5)
    wider = torch.cat([seen, torch.zeros(len(seen), 4 * len(PLAIN.expert))], dim=-1)
    if network == "mlp":
        scores = many(wider)
        torch.testing.assert_close(scores[..., [0, 1, 2, 3, 4, 9]], few(seen))
        torch.testing.assert_close(grown["out.weight"][..., 5:9], fresh["out.weight"][..., 5:9])
    else:
        torch.testing.assert_close(many(observations(9)), few(observations(9)))
    small = NetworkConfig(5, network=network, hidden=8).build(copies=2)
    small.load_state_dict(
        {
            name: carried_over(network, f"actor.{name}", grown[name], value)
            for name, value in small.state_dict().items()
        }
    )
    torch.testing.assert_close(small(seen), few(seen))


def test_a_network_of_another_width_is_not_carried_over() -> None:
    narrow, wide = (
        NetworkConfig(5, network="mlp", hidden=hidden).build(copies=1).state_dict()
        for hidden in (8, 16)
    )
    for name in ("first.weight", "second.weight", "second.bias", "out.weight"):
        with pytest.raises(ValueError, match=name):
            carried_over("mlp", f"actor.{name}", narrow[name], wide[name])
