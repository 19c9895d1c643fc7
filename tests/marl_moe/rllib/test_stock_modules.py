"""Masked modules of RLlib's stock algorithms: masks, finite losses and our network in SAC."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

import mechanisms
from envs import World, WorldConfig
from marl_moe.experiment.spec.experiment import ExperimentSpec
from marl_moe.experiment.training.configuration import algorithm_config
from marl_moe.experiment.training.engines import ENGINES
from marl_moe.experiment.training.loop import train
from marl_moe.policies.columns import columns_of
from marl_moe.policies.learned import LearnedPolicy
from marl_moe.policies.masks import NEVER, action_mask
from marl_moe.policies.networks import NetworkConfig
from marl_moe.rllib.stock import STOCK
from marl_moe.rllib.stock_modules import columns_in
from marl_moe.rllib.stock_policy import StockPolicy

PLAIN = columns_of(WorldConfig(), allocates=False)

pytestmark = pytest.mark.usefixtures("ray_started")
ALGORITHMS = tuple(STOCK)


@pytest.mark.parametrize("name", ALGORITHMS)
def test_masked_actions_are_never_drawn_though_the_networks_favour_them(
    patchy_world: WorldConfig, name: str
) -> None:
    config_class = STOCK[name]
    extras = {"twin_q": True, "dueling": False, "double_q": True, "num_atoms": 1, "epsilon": 1.0}
    torch.manual_seed(0)
    module = config_class.build_module(
        5,
        {
            "fcnet_hiddens": [4],
            "allow_abandon": True,
            "user_features": PLAIN.user,
            "expert_features": PLAIN.expert,
            **extras,
        },
    )
    head = module.af if name == "dqn" else module.pi
    with torch.no_grad():
        for parameter in head.parameters():
            parameter *= 50
    policy = StockPolicy(
        name, {"shared": module}, {"shared": [0, 1, 2]}, 5, PLAIN, 0, np.random.default_rng(0)
    )
    world = World(patchy_world, num_worlds=100, seed=0)
    chosen = set()
    while not world.done:
        actions = policy.act(world.slot)
        assert np.take_along_axis(world.slot.mask, actions[..., None], axis=-1).all()
        chosen |= set(actions.ravel().tolist())
        world.step(actions)
    assert len(chosen) > 2


def test_sacs_losses_stay_finite_though_probabilities_round_to_zero(
    build_stock: Callable[..., Any],
) -> None:
    learner = build_stock("rllib_sac").learner_group._learner
    module = learner.module["shared"].unwrapped()
    with torch.no_grad():
        for parameter in module.pi.parameters():
            parameter *= 1e4
    seen = torch.zeros(8, module.observation_space.shape[0])
    columns = columns_in(module.model_config)
    seen[4:, len(columns.user) :: len(columns.expert)] = (
        1  # all experts may be chosen in half of the rows
    )
    seen.requires_grad_()
    output = module.forward_train({"obs": seen, "new_obs": seen})
    for suffix in ("", "_next"):
        probabilities, logarithms = (
            output[f"action_probs{suffix}"],
            output[f"action_log_probs{suffix}"],
        )
        assert (probabilities[~action_mask(seen, True, columns)] == 0).all()
        assert (probabilities == 0).sum() > 4 * 6
        (probabilities * logarithms).sum().backward(retain_graph=True)
        assert logarithms.min() >= 2 * NEVER
    gradients = [parameter.grad for parameter in module.pi.parameters()]
    assert all(gradient.isfinite().all() for gradient in gradients)


def test_sac_with_our_pointer_network_trains_all_of_it_and_acts_as_those_weights_do(
    stock_spec: Callable[..., ExperimentSpec], tmp_path: Path
) -> None:
    model = {"model_config": {"network": "pointer", "hidden": 8}}
    spec = stock_spec("rllib_sac", rl_module=model)
    algorithm = algorithm_config(spec, seed=0).build_algo()
    module = algorithm.learner_group._learner.module["shared"].unwrapped()
    before = {name: value.clone() for name, value in module.state_dict().items()}
    for _ in range(2):
        algorithm.train()
    after = module.state_dict()
    algorithm.stop()
    # pi, qf, qf_twin and the targets of both critics: five networks of the same parameters, and
    # none stands still.
    network = NetworkConfig(num_experts=6, network="pointer", hidden=8).actor()
    assert len(after) == 5 * len(network.state_dict())
    assert not [name for name, value in after.items() if torch.equal(value, before[name])]
    assert not torch.equal(
        after["qf.network.expert_in.weight"], after["qf_twin.network.expert_in.weight"]
    )

    train(spec, 0, tmp_path)
    assert spec.algorithm is not None
    policy = ENGINES[spec.algorithm.name].load(tmp_path)
    weights = load_file(tmp_path / "policy.safetensors")
    prefix = "shared/pi.network."
    network.load_state_dict({name.removeprefix(prefix): weight for name, weight in weights.items()})
    ours = LearnedPolicy("sac", {"shared": network}, NetworkConfig(6, hidden=8), {"shared": [0, 1]})
    world = World(spec.env, num_worlds=5, seed=3, mechanism=mechanisms.make("posted_price"))
    while not world.done:
        actions = policy.act(world.slot)
        assert np.array_equal(actions, ours.act(world.slot))
        world.step(actions)
