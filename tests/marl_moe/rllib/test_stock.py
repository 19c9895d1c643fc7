"""Training by RLlib's stock algorithms: every grouping, seeds, metrics and counts."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from ray.rllib.callbacks.callbacks import RLlibCallback

import mechanisms
from marl_moe.experiment.spec.experiment import ExperimentSpec
from marl_moe.experiment.study.evaluation import evaluate
from marl_moe.experiment.training.configuration import algorithm_config
from marl_moe.experiment.training.engine import LEARNER_COLUMNS
from marl_moe.experiment.training.engines import ENGINES
from marl_moe.experiment.training.rows import training_row
from marl_moe.rllib.callbacks import RecordedCallbacks
from marl_moe.rllib.stock import STOCK
from marl_moe.rllib.stock_metrics import WorldMetrics

pytestmark = pytest.mark.usefixtures("ray_started")
GROUPS = {"late": [1], "early": [0]}
ALGORITHMS = tuple(STOCK)


@pytest.mark.parametrize(
    "policies", ["shared", "independent", GROUPS], ids=["shared", "independent", "groups"]
)
@pytest.mark.parametrize("name", ALGORITHMS)
def test_each_algorithm_trains_and_is_evaluated_with_every_grouping(
    trained: Callable[..., Any], name: str, policies: Any
) -> None:
    run = trained(name, policies)
    # An iteration is as many env steps as 4 episodes have slots, 2 users act in each.
    assert [(row["epoch"], row["env_steps"], row["agent_steps"]) for row in run.rows] == [
        (1, 40, 80),
        (2, 80, 160),
    ]
    for row in run.rows:
        has = {column for column in LEARNER_COLUMNS if column in ENGINES[name].learner_metrics}
        assert {column for column in LEARNER_COLUMNS if np.isfinite(row[column])} == has
        paid = ("gain", "utility", "qos", "charge", "energy_j", "unit_price", "participation")
        for column in paid:
            assert np.isfinite(row[column])
        assert row["rejected"] == 0
        assert row["platform_balance"] == pytest.approx(0)
    policy = run.policy()
    assert all(
        weight.isfinite().all()
        for module in policy.modules.values()
        for weight in module.parameters()
    )
    for acting, called in (
        (policy, name),
        (policy.stochastic(np.random.default_rng(0)), f"{name}_stochastic"),
    ):
        scores, market, _ = evaluate(
            acting, run.spec.env, mechanisms.make("posted_price"), 0, episodes=3
        )
        assert scores["policy"].tolist() == [called] * 3
        assert np.isfinite(scores["gain"]).all()
        assert (scores["rejected"] == 0).all()
        assert len(market) == 3 * 2 * 6


@pytest.mark.parametrize("name", ALGORITHMS)
def test_a_seed_repeats_rows_and_weights_and_another_does_not(
    trained: Callable[..., Any], name: str
) -> None:
    first, again, other = trained(name), trained(name, fresh=True), trained(name, seed=1)

    def facts(run: Any) -> list[dict[str, str]]:
        return [
            {key: repr(value) for key, value in row.items() if key not in ("seconds", "seed")}
            for row in run.rows
        ]

    assert facts(first) == facts(again)
    assert facts(first) != facts(other)
    weights = [(run.folder / "policy.safetensors").read_bytes() for run in (first, again, other)]
    assert weights[0] == weights[1]
    assert weights[0] != weights[2]


def test_metrics_are_the_sums_of_what_the_runner_collected(build_stock: Callable[..., Any]) -> None:
    costs = {"unit_cost": [0.5, 3.0]}  # at which some do not take part
    algorithm = build_stock("ppo", env={"episode_slots": 5, "experts": costs})
    runner = algorithm.env_runner
    episodes = runner.sample() + runner.sample()
    metrics = {
        name: value.peek() for name, value in runner.get_metrics().items() if hasattr(value, "peek")
    }
    reward = sum(
        sum(one.get_rewards()) for episode in episodes for one in episode.agent_episodes.values()
    )
    assert metrics["num_slots"] == sum(episode.env_steps() for episode in episodes)
    assert metrics["num_agent_slots"] == sum(episode.agent_steps() for episode in episodes)
    assert metrics["gain"] == pytest.approx(reward)
    assert 0 < metrics["participation"] < metrics["num_slots"]


@pytest.mark.parametrize("name", ALGORITHMS)
def test_updates_are_counted_as_the_optimisers_count_them(
    build_stock: Callable[..., Any], name: str
) -> None:
    algorithm = build_stock(name, policies=GROUPS)
    for _ in range(2):
        row = training_row(algorithm.train(), algorithm.config, 0, ENGINES[name], 1, 0.0, np.nan)
    optimisers = algorithm.learner_group._learner._optimizer_parameters
    steps = {int(state["step"]) for optimiser in optimisers for state in optimiser.state.values()}
    assert steps == {row["updates"]}
    assert row["updates"] > 1


def test_a_callback_of_the_user_is_called_beside_ours(
    stock_spec: Callable[..., ExperimentSpec],
) -> None:
    users = {"callbacks_class": "ray.rllib.callbacks.callbacks.RLlibCallback"}
    config = algorithm_config(stock_spec("ppo", callbacks=users), seed=0)
    ours, recorded = config.callbacks_class
    assert (ours, recorded.func) == (WorldMetrics, RecordedCallbacks)
    assert recorded.args == (RLlibCallback,)


@pytest.mark.parametrize("name", ["dqn", "rllib_sac"])
def test_replay_is_seeded_by_the_run(build_stock: Callable[..., Any], name: str) -> None:
    draws = [build_stock(name).local_replay_buffer.rng.random(3).tolist() for _ in range(2)]
    assert draws[0] == draws[1]
