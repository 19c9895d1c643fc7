"""The update of SAC against the equations of its paper, transition by transition in plain loops."""

import copy
import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from ray.rllib.policy.sample_batch import MultiAgentBatch, SampleBatch
from torch import Tensor

from envs import WorldConfig
from marl_moe.policies.columns import columns_of
from marl_moe.policies.networks import NetworkConfig
from marl_moe.rllib.config import WorldSacConfig

PLAIN = columns_of(WorldConfig(), allocates=False)

Batch = dict[str, Tensor]
Make = Callable[..., Any]
RATIO, SIZE = 0.3, 16


@pytest.fixture(params=["pointer", "mlp"])
def learner(request: pytest.FixtureRequest, make_learner: Make, patchy_world: WorldConfig) -> Any:
    """Return a learner whose targets and temperature are away from where they start."""
    torch.manual_seed(0)
    learner = make_learner(
        patchy_world,
        network={"network": request.param, "prior": 1.0},  # so that no choice is next to certain
        target_entropy_ratio=RATIO,
    )
    module = learner.module["shared"].unwrapped()
    with torch.no_grad():
        learner.curr_log_alpha["shared"].fill_(-0.7)
        for parameter in (*module.target_critic.parameters(), *module.actor.parameters()):
            parameter += 0.3 * torch.randn_like(parameter)
    return learner


@pytest.fixture
def batch(patchy_world: WorldConfig, transitions: Make) -> Batch:
    """Transitions whose masks differ, some with nothing allowed but to abandon."""
    batch = transitions(patchy_world, SIZE)
    counts = [len(allowed(observation, True)) for observation in batch["obs"]]
    assert 1 in counts
    assert len(set(counts)) >= 3
    return batch


def allowed(observation: Tensor, allow_abandon: bool) -> list[int]:
    """Return the actions that an observation allows."""
    experts = observation[len(PLAIN.user) :].reshape(-1, len(PLAIN.expert))
    usable = [e for e, features in enumerate(experts) if features[0] == 1]
    return [*usable, len(experts)] if allow_abandon or not usable else usable


def policy(module: Any, observation: Tensor) -> dict[int, Tensor]:
    """Probability of each allowed action."""
    scores = module.actor(observation[None])[0, 0]
    actions = allowed(observation, module.network.allow_abandon)
    total = sum(scores[a].exp() for a in actions)
    return {a: scores[a].exp() / total for a in actions}


def losses_by_hand(learner: Any, batch: Batch) -> dict[str, Tensor]:
    """Critic, actor and temperature loss, one transition after the other."""
    module = learner.module["shared"].unwrapped()
    log_alpha = learner.curr_log_alpha["shared"]
    alpha = log_alpha.exp()
    critic, actor, temperature = 0.0, 0.0, 0.0
    for i in range(len(batch["obs"])):
        seen, following = batch["obs"][i], batch["new_obs"][i]
        q_target = module.target_critic(following[None])[:, 0]
        value = sum(
            p * (min(q_target[0, a], q_target[1, a]) - alpha * p.log())
            for a, p in policy(module, following).items()
        )
        target = (batch["rewards"][i] + batch["discounts"][i] * value).detach()
        q = module.critic(seen[None])[:, 0]
        critic += sum((q[copy, batch["actions"][i]] - target) ** 2 for copy in range(2)) / len(
            batch["obs"]
        )

        pi = policy(module, seen)
        actor += sum(p * (alpha * p.log() - min(q[0, a], q[1, a])) for a, p in pi.items()) / len(
            batch["obs"]
        )
        entropy = -sum(p * p.log() for p in pi.values()).detach()
        temperature += log_alpha * (entropy - RATIO * math.log(len(pi))) / len(batch["obs"])
    return {"critic": critic, "actor": actor, "temperature": temperature}


def loss(learner: Any, batch: Batch) -> Tensor:
    module = learner.module["shared"].unwrapped()
    forward = module.forward_train(batch)
    return learner.compute_loss_for_module(
        module_id="shared", config=learner.config, batch=batch, fwd_out=forward
    )


def update(learner: Any, batch: Batch, size: int = SIZE) -> None:
    """Update as the algorithm does, with any number of minibatches of `size`."""
    batches = MultiAgentBatch({"shared": SampleBatch(batch)}, env_steps=len(batch["obs"]))
    learner.update(
        batch=batches,
        minibatch_size=size,
        num_epochs=1,
        timesteps={"num_env_steps_sampled_lifetime": 0},
    )


def test_the_losses_are_those_of_the_equations(learner: Any, batch: Batch) -> None:
    expected = {name: value.item() for name, value in losses_by_hand(learner, batch).items()}
    total = loss(learner, batch).item()
    learner.after_gradient_based_update(timesteps={})
    logged = {
        name: float(learner.metrics.peek(("shared", name)))
        for name in ("critic_loss", "actor_loss")
    }
    assert logged["critic_loss"] == pytest.approx(expected["critic"], rel=1e-4)
    assert logged["actor_loss"] == pytest.approx(expected["actor"], rel=1e-4)
    assert total == pytest.approx(sum(expected.values()), rel=1e-4)
    assert abs(expected["temperature"]) > 1e-2


def test_forbidding_to_abandon_leaves_it_out_of_every_sum(
    make_learner: Make, transitions: Make, patchy_world: WorldConfig
) -> None:
    world = replace(patchy_world, allow_abandon=False)
    batch = transitions(world, SIZE)
    learner = make_learner(world, target_entropy_ratio=RATIO)
    expected = sum(value.item() for value in losses_by_hand(learner, batch).values())
    assert loss(learner, batch).item() == pytest.approx(expected, rel=1e-4)


def test_one_backward_pass_gives_the_gradients_of_three(learner: Any, batch: Batch) -> None:
    module = learner.module["shared"].unwrapped()
    parameters = {
        "critic": list(module.critic.parameters()),
        "actor": list(module.actor.parameters()),
        "temperature": [learner.curr_log_alpha["shared"]],
    }
    separate = {
        name: torch.autograd.grad(losses_by_hand(learner, batch)[name], owned)
        for name, owned in parameters.items()
    }
    learner.compute_gradients({"shared": loss(learner, batch)})
    for name, owned in parameters.items():
        for parameter, expected in zip(owned, separate[name], strict=True):
            torch.testing.assert_close(parameter.grad, expected, rtol=1e-3, atol=1e-5)
    assert all(parameter.grad is None for parameter in module.target_critic.parameters())


@pytest.mark.parametrize(("ratio", "bias", "direction"), [(0.9, 12.0, 1), (0.1, 0.0, -1)])
def test_the_temperature_rises_below_the_entropy_wanted_and_falls_above_it(
    make_learner: Make,
    batch: Batch,
    patchy_world: WorldConfig,
    ratio: float,
    bias: float,
    direction: int,
) -> None:
    learner = make_learner(patchy_world, target_entropy_ratio=ratio, actor_lr=1e-9)
    actor, before = (
        learner.module["shared"].unwrapped().actor,
        learner.curr_log_alpha["shared"].item(),
    )
    with torch.no_grad():
        for parameter in actor.parameters():
            parameter.zero_()
        # Abandoning is next to certain, or as likely as any other action.
        actor.abandon_out.bias.fill_(bias)
    update(learner, batch)
    assert direction * (learner.curr_log_alpha["shared"].item() - before) > 1e-5


def test_an_even_choice_among_the_allowed_actions_is_exactly_the_entropy_of_ratio_one(
    make_learner: Make, batch: Batch, patchy_world: WorldConfig
) -> None:
    learner = make_learner(patchy_world, network={"prior": 0}, target_entropy_ratio=1.0)
    with torch.no_grad():
        for parameter in learner.module["shared"].unwrapped().actor.parameters():
            parameter.zero_()
    learner.compute_gradients({"shared": loss(learner, batch)})
    assert learner.curr_log_alpha["shared"].grad.item() == pytest.approx(0, abs=1e-6)


def test_each_update_draws_the_targets_towards_the_critics_by_tau(
    make_learner: Make, batch: Batch, patchy_world: WorldConfig
) -> None:
    learner = make_learner(patchy_world, tau=0.25, critic_lr=0.01)
    module = learner.module["shared"].unwrapped()
    for _ in range(3):
        target = copy.deepcopy(module.target_critic.state_dict())
        update(learner, batch)
        for name, critic in module.critic.state_dict().items():
            expected = 0.75 * target[name] + 0.25 * critic
            torch.testing.assert_close(
                module.target_critic.state_dict()[name], expected, rtol=1e-5, atol=1e-7
            )
            assert not torch.equal(critic, target[name])


def test_targets_begin_as_the_critics(make_learner: Make, patchy_world: WorldConfig) -> None:
    module = make_learner(patchy_world).module["shared"].unwrapped()
    for critic, target in zip(
        module.critic.parameters(), module.target_critic.parameters(), strict=True
    ):
        torch.testing.assert_close(critic, target, rtol=0, atol=0)


def test_both_critics_the_actor_and_the_temperature_learn_and_each_critic_its_own_way(
    learner: Any, batch: Batch
) -> None:
    module = learner.module["shared"].unwrapped()
    before = {name: value.clone() for name, value in module.state_dict().items()}
    temperature = learner.curr_log_alpha["shared"].item()
    update(learner, batch)
    moved = {name: value - before[name] for name, value in module.state_dict().items()}
    for name in (name for name in moved if name.startswith("critic.") and name.endswith("weight")):
        assert moved[name][0].abs().max() > 1e-4
        assert moved[name][1].abs().max() > 1e-4
        assert not torch.allclose(moved[name][0], moved[name][1])
    assert all(
        moved[name].abs().max() > 1e-4
        for name in moved
        if name.startswith("actor.") and "weight" in name
    )
    assert learner.curr_log_alpha["shared"].item() != temperature


def test_a_first_step_is_adams_learning_rate_against_the_sign_of_the_gradient(
    learner: Any, batch: Batch
) -> None:
    module = learner.module["shared"].unwrapped()
    gradient = torch.autograd.grad(
        losses_by_hand(learner, batch)["critic"], list(module.critic.parameters())
    )
    before = [parameter.detach().clone() for parameter in module.critic.parameters()]
    update(learner, batch)
    for parameter, start, slope in zip(module.critic.parameters(), before, gradient, strict=True):
        clear = slope.abs() > 1e-3
        torch.testing.assert_close(
            (parameter - start)[clear], -1e-3 * slope.sign()[clear], rtol=1e-2, atol=1e-6
        )


def test_several_minibatches_in_one_call_are_learned_one_by_one_in_order(
    make_learner: Make, transitions: Make, patchy_world: WorldConfig
) -> None:
    together, one_by_one = (make_learner(patchy_world, critic_lr=0.01) for _ in range(2))
    one_by_one.set_state(together.get_state())
    batch = transitions(patchy_world, 3 * SIZE)
    update(together, batch)
    for first in range(0, 3 * SIZE, SIZE):
        update(one_by_one, {name: column[first : first + SIZE] for name, column in batch.items()})
    expected = one_by_one.module["shared"].unwrapped().state_dict()
    for name, value in together.module["shared"].unwrapped().state_dict().items():
        torch.testing.assert_close(value, expected[name], rtol=1e-5, atol=1e-7)


def test_the_prior_of_an_actor_is_the_inverse_of_the_first_temperature() -> None:
    assert NetworkConfig(num_experts=3).prior == 1 / WorldSacConfig().initial_alpha


def test_the_actor_is_averaged_over_its_updates_by_weights_that_grow_as_their_eighth_power(
    make_learner: Make, batch: Batch, patchy_world: WorldConfig
) -> None:
    """Against the sum itself: update t counts prod of (1 - w_s) over s > t, times w_t."""
    learner = make_learner(patchy_world, actor_lr=0.01)
    module = learner.module["shared"].unwrapped()
    actors = []
    for _ in range(6):
        update(learner, batch)
        actors.append([parameter.detach().clone() for parameter in module.actor.parameters()])
    share = [9 / (t + 8) for t in range(1, 7)]
    counts = [share[t] * math.prod(1 - later for later in share[t + 1 :]) for t in range(6)]
    # In closed form they are in proportion to t (t + 1) ... (t + 7).
    rising = [math.prod(range(t, t + 8)) for t in range(1, 7)]
    assert counts == pytest.approx([one / sum(rising) for one in rising])
    for number, average in enumerate(module.average.module.parameters()):
        expected = sum(count * actor[number] for count, actor in zip(counts, actors, strict=True))
        torch.testing.assert_close(average, expected, rtol=1e-5, atol=1e-7)
        assert not torch.equal(average, actors[-1][number])
