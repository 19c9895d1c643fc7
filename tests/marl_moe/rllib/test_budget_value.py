"""Learning where users have a budget: what critics bootstrap from hangs on the budget alone."""

from collections.abc import Callable
from dataclasses import replace
from math import exp
from typing import Any

import pytest
import torch

from envs import WorldConfig
from envs.observation import column_names
from marl_moe.rllib.algorithm import WorldSac

Make = Callable[..., Any]


@pytest.fixture
def limited(patchy_world: WorldConfig) -> WorldConfig:
    return replace(patchy_world, energy_budget_j=1.0)


def test_critics_learn_what_the_slot_brings_and_the_value_of_what_it_leaves(
    make_learner: Make, transitions: Make, limited: WorldConfig
) -> None:
    """The losses of a batch by hand: of the twin critics, and of the value of a slot."""
    learner, batch = make_learner(limited), transitions(limited, 16)
    module = learner.module["shared"].unwrapped()
    with torch.no_grad():
        for parameter in (*module.target_later.parameters(), *module.target_critic.parameters()):
            parameter += 0.1
    output = module.forward_train(batch)
    total = learner.compute_loss_for_module(
        module_id="shared", config=learner.config, batch=batch, fwd_out=output
    )
    logged, log_alpha = learner._last["shared"], learner.curr_log_alpha["shared"].item()
    wanted = learner.config.target_entropy_ratio * output["action_mask"].sum(-1).log().mean()
    others = logged["critic_loss"] + logged["actor_loss"]
    others = others + log_alpha * (logged["entropy"] - wanted)
    alpha, of_critics, of_value = exp(log_alpha), 0.0, 0.0
    with torch.no_grad():
        for row in range(16):
            seen, following = batch["obs"][row][None], batch["new_obs"][row][None]
            target = batch["rewards"][row] + batch["discounts"][row] * module.target_later(
                following
            )
            q = module.critic(seen)[:, 0]
            log_pi = module.logits(seen)[0].log_softmax(dim=-1)
            value = (log_pi.exp() * (q.amin(dim=0) - alpha * log_pi)).sum()
            of_critics += float(((q[:, batch["actions"][row]] - target) ** 2).sum()) / 16
            of_value += float((module.later(seen) - value) ** 2) / 16
    assert float(logged["critic_loss"]) == pytest.approx(of_critics, rel=1e-4)
    assert float(total.detach() - others) == pytest.approx(of_value, rel=1e-3)


def test_what_follows_a_slot_hangs_on_budgets_and_the_episode_alone(
    make_learner: Make, transitions: Make, limited: WorldConfig
) -> None:
    module = make_learner(limited).module["shared"].unwrapped()
    seen = transitions(limited, 1)["obs"]
    seen = seen.clone().requires_grad_()
    module.later(seen).sum().backward()
    moves = {
        name
        for name, slope in zip(column_names(limited), seen.grad[0].tolist(), strict=True)
        if slope
    }
    assert moves == {"energy_left", "credits_left", "episode_left", "rest"}


def test_it_learns_and_its_target_follows_by_tau(
    make_learner: Make, transitions: Make, limited: WorldConfig
) -> None:
    learner, batch = make_learner(limited), transitions(limited, 64)
    module = learner.module["shared"].unwrapped()
    before = [parameter.detach().clone() for parameter in module.later.parameters()]
    for begun, target in zip(before, module.target_later.parameters(), strict=True):
        torch.testing.assert_close(begun, target)
    losses = learner.compute_losses(
        fwd_out={"shared": module.forward_train(batch)}, batch={"shared": batch}
    )
    learner.apply_gradients(learner.compute_gradients(losses))
    tau = learner.config.tau
    for begun, now, target in zip(
        before, module.later.parameters(), module.target_later.parameters(), strict=True
    ):
        assert not torch.equal(begun, now)
        torch.testing.assert_close(target, begun + tau * (now - begun))


def test_without_a_budget_there_is_no_such_network(
    make_learner: Make, patchy_world: WorldConfig
) -> None:
    module = make_learner(patchy_world).module["shared"].unwrapped()
    assert not any("later" in name for name, _ in module.named_parameters())


@pytest.mark.parametrize(("gamma", "worth"), [(0.0, 0.0), (1.0, 0.3 * 5.0 * 8)])
def test_a_discount_that_is_given_after_the_world_decides_what_a_budget_is_worth(
    limited: WorldConfig, gamma: float, worth: float
) -> None:
    config = WorldSac.get_default_config().world(
        replace(limited, episode_slots=8), {"name": "none"}, {"shared": [0, 1]}, {}
    )
    config.training(gamma=gamma).validate()
    model = config.rl_module_spec.rl_module_specs["shared"].model_config
    assert model["budget_worth"] == pytest.approx(worth)
