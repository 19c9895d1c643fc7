"""The environment registered by name: what it is, whose worlds it plays, and what it refuses."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ray.rllib.algorithms.ppo import PPOConfig
from ray.rllib.env.env_context import EnvContext
from ray.rllib.env.multi_agent_env import MultiAgentEnv

import mechanisms
from envs import WorldConfig, edge_experts_v0
from marl_moe.errors import MissingExtraError
from marl_moe.rllib import make_edge_experts, register_envs
from marl_moe.rllib.stock_env import EdgeExpertsEnv

SMALL = {"num_users": 2, "num_experts": 5, "episode_slots": 6, "requests": {"num_topics": 2}}


def first(env: MultiAgentEnv, seed: int) -> Any:
    """Return what user 0 sees first."""
    return env.reset(seed=seed)[0]["user_0"].tolist()


def ppo(**env_config: Any) -> PPOConfig:
    return (
        PPOConfig()
        .environment("edge_experts_v0", env_config=SMALL | env_config)
        .multi_agent(policies={"shared"}, policy_mapping_fn=lambda agent, episode, **_: "shared")
        .env_runners(num_env_runners=0)
        .rl_module(model_config={"fcnet_hiddens": [8]})
        .training(train_batch_size_per_learner=12, minibatch_size=12, num_epochs=1)
        .debugging(seed=3, log_level="ERROR")
    )


def test_the_environment_is_that_of_pettingzoo_with_the_same_spaces_and_rewards() -> None:
    env = make_edge_experts(SMALL | {"mechanism": {"name": "posted_price", "price": 2.0}})
    mechanism = mechanisms.make("posted_price", price=2.0)
    parallel = edge_experts_v0.parallel_env(WorldConfig(**SMALL), mechanism)
    assert env.possible_agents == parallel.possible_agents == ["user_0", "user_1"]
    for agent in env.possible_agents:
        assert env.observation_spaces[agent] == parallel.observation_space(agent)
        assert env.action_spaces[agent] == parallel.action_space(agent)
    assert env.parallel.world.mechanism == mechanism
    stock = EdgeExpertsEnv(
        {"world": SMALL, "mechanism": {"name": "none"}, "metrics": [], "seed": 4}
    )
    registered = make_edge_experts(SMALL | {"seed": 4})
    assert first(stock, 9) == first(registered, 9)
    actions = dict.fromkeys(env.possible_agents, 1)
    for _ in range(SMALL["episode_slots"]):
        both = stock.step(actions), registered.step(actions)
        np.testing.assert_equal(*both)
    assert both[0][3]["__all__"]
    assert not both[0][2]["__all__"]


def test_worlds_repeat_by_seed_and_differ_between_runners_and_between_seeds_of_runs() -> None:
    def seen(seed: int, runner: int, reset: int) -> Any:
        return first(make_edge_experts(EnvContext(SMALL | {"seed": seed}, runner)), reset)

    assert seen(0, 1, 5) == seen(0, 1, 5)
    # RLlib gives environment 1 of runner 1 and environment 0 of runner 2 the same seed.
    drawn = [seen(0, 1, 5), seen(0, 2, 5), seen(1, 1, 5), seen(0, 1, 6)]
    assert len({tuple(values) for values in drawn}) == len(drawn)


@pytest.mark.parametrize(
    ("env_config", "said"),
    [
        ({"num_usres": 3}, r"^env_config.num_usres: unknown 'num_usres'; did you mean 'num_users'"),
        ({"mechanisms": "none"}, r"^env_config.mechanisms: unknown .* did you mean 'mechanism'"),
        (
            {"channel": {"proces": "iid"}},
            r"^env_config.channel.proces: unknown 'proces'; did you mean 'process'",
        ),
        ({"num_users": 0}, r"^env_config.num_users: .* greater than or equal to 1, got 0$"),
        ({"channel": 3}, r"^env_config.channel: .*, got 3$"),
        ({"mechanism": "posted_prise"}, r"^env_config.mechanism: .* did you mean 'posted_price'"),
        ({"mechanism": 3}, r"^env_config.mechanism: should be a name, or .*, got 3$"),
        ({"seed": -1}, r"^env_config.seed: should be an integer of at least 0, got -1$"),
    ],
)
def test_a_key_or_value_that_cannot_be_is_named_in_one_line(
    env_config: dict[str, Any], said: str
) -> None:
    with pytest.raises(ValueError, match=said) as refusal:
        make_edge_experts(SMALL | env_config)
    assert "\n" not in str(refusal.value)


def test_importing_the_function_does_not_import_ray() -> None:
    code = "import sys; from marl_moe.rllib import register_envs; assert 'ray' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.usefixtures("ray_started")
# Of the algorithm that was refused, which RLlib closes before it has environments.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_stock_ppo_learns_in_it_by_name_and_repeats() -> None:
    register_envs()
    returns = []
    for _ in range(2):
        algorithm = ppo(mechanism="posted_price").build_algo()
        results = [algorithm.train() for _ in range(2)]
        returns.append([result["env_runners"]["episode_return_mean"] for result in results])
        loss = results[-1]["learners"]["shared"]["total_loss"]
        assert np.isfinite(loss)
        algorithm.stop()
    assert returns[0] == returns[1]
    assert returns[0][0] != returns[0][1]
    with pytest.raises(ValueError, match=r"env_config.num_usres: unknown"):
        ppo(num_usres=3).build_algo()


@pytest.mark.usefixtures("ray_started")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.filterwarnings("ignore::UserWarning:gymnasium.*")
def test_stock_ppo_learns_a_policy_for_each_role_of_the_market() -> None:
    register_envs()
    roles = ("user", "edge", "platform")
    algorithm = (
        ppo(mechanism="posted_price", market={"interval": 2})
        .environment("edge_market_v0")
        .multi_agent(
            policies=set(roles), policy_mapping_fn=lambda agent, episode, **_: agent.split("_")[0]
        )
        .build_algo()
    )
    before = algorithm.get_module("platform").get_state()
    result = algorithm.train()
    after = algorithm.get_module("platform").get_state()
    algorithm.stop()
    for role in roles:
        assert np.isfinite(result["learners"][role]["total_loss"])
    assert any((before[name] != after[name]).any() for name in before)


@pytest.mark.usefixtures("ray_started")
# Tune imports RLlib's DreamerV3, which makes an environment of its own.
@pytest.mark.filterwarnings("ignore::UserWarning:gymnasium.*")
def test_ray_tune_finds_it_by_the_same_name(tmp_path: Path) -> None:
    from ray import tune

    register_envs()
    config = ppo(num_users=tune.grid_search([2]))
    tuner = tune.Tuner(
        "PPO",
        param_space=config,
        run_config=tune.RunConfig(
            storage_path=str(tmp_path), stop={"training_iteration": 1}, verbose=0
        ),
    )
    grid = tuner.fit()
    assert not grid.errors
    users = [result.config["env_config"]["num_users"] for result in grid]
    assert users == [2]
    for result in grid:
        assert np.isfinite(result.metrics["env_runners"]["episode_return_mean"])
        assert result.metrics["num_env_steps_sampled_lifetime"] == 12


def test_registering_without_rllib_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("marl_moe.extras.installed", lambda *modules: False)
    with pytest.raises(
        MissingExtraError, match=r"register_envs .* pip install 'marl-moe\[train\]'"
    ):
        register_envs()
