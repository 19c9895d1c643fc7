"""Training and comparing policies under a mechanism that allocates users to experts."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from safetensors.numpy import load_file
from typer.testing import CliRunner

import mechanisms
from envs import RequestConfig, World, WorldConfig
from marl_moe.cli import app
from marl_moe.policies import POLICIES
from marl_moe.policies.columns import columns_of
from marl_moe.policies.learned import load_policy

EXPERIMENT: dict[str, Any] = {
    "name": "allocated",
    "env": {
        "num_users": 4,
        "num_experts": 5,
        "episode_slots": 10,
        "requests": {"num_transferred": 1},
        "experts": {"unit_cost": [0.0, 1.0]},
    },
    "mechanism": {"name": "vcg"},
    "algorithm": {
        "stop": {"training_iteration": 2},
        "env_runners": {"num_envs_per_env_runner": 3},
        "training": {
            "num_steps_sampled_before_learning_starts": 50,
            "train_batch_size_per_learner": 16,
        },
    },
    "evaluation": {"episodes": 3, "policies": ["follow_assignment", "nash", "abandon"]},
}


def run(tmp_path: Path, **changes: Any) -> Path:
    source = tmp_path / "allocated.yaml"
    source.write_text(yaml.safe_dump(EXPERIMENT | changes))
    result = CliRunner().invoke(app, ["run", str(source), "--out", str(tmp_path)])
    assert result.exit_code == 0, result.output
    return tmp_path / "allocated"


def test_sac_sees_its_assignment_and_every_clearing_is_on_record(
    ray_started: None, tmp_path: Path
) -> None:
    folder = run(tmp_path)
    evaluation = pd.read_parquet(folder / "evaluation.parquet")
    market = pd.read_parquet(folder / "market.parquet")
    users = pd.read_parquet(folder / "market_users.parquet")
    assert (evaluation[["clearings", "failed_clearings"]] == [10, 0]).all(axis=None)
    assert len(market) == 5 * 3 * 10 * 5  # policies, episodes, slots, experts
    assert len(users) == 5 * 3 * 10 * 4
    assert users["assigned"].between(-1, 4).all()
    assert (users["assigned"] >= 0).mean() > 0.5
    np.testing.assert_allclose(market["welfare"], market["welfare_optimum"], rtol=1e-9, atol=1e-9)
    followed = users[(users["policy"] == "follow_assignment") & (users["assigned"] == -1)]
    assert (followed[["charge", "utility"]] == 0).all(axis=None)
    policy = folder / "checkpoints" / "seed_0"
    weights = load_file(policy / "policy.safetensors")
    config = WorldConfig(num_users=4, num_experts=5, requests=RequestConfig(num_transferred=1))
    columns = columns_of(config, allocates=True)
    assert (
        weights["shared/expert_in.weight"].shape[1] == len(columns.expert) + len(columns.user) + 1
    )
    lacks = (
        "sac: it cannot act under the mechanism 'posted_price' in this world, whose observations "
        "lack assigned of each expert, which it was trained on"
    )
    with pytest.raises(ValueError, match=lacks):
        load_policy(policy, "sac").act(
            World(config, mechanism=mechanisms.make("posted_price")).slot
        )
    load_policy(policy, "sac").act(World(config, mechanism=mechanisms.make("vcg")).slot)


@pytest.mark.parametrize("name", ["ppo", "rllib_sac"])
def test_stock_algorithms_see_it_too(name: str, ray_started: None, tmp_path: Path) -> None:
    small = {
        "ppo": {"train_batch_size_per_learner": 40},
        "rllib_sac": {"train_batch_size_per_learner": 16},
    }
    algorithm: dict[str, Any] = {
        "name": name,
        "stop": {"training_iteration": 1},
        "training": small[name],
    }
    if name == "rllib_sac":
        algorithm["rl_module"] = {"model_config": {"network": "pointer", "hidden": 8}}
    folder = run(tmp_path, algorithm=algorithm)
    assert set(pd.read_parquet(folder / "evaluation.parquet")["policy"]) >= {
        name,
        "follow_assignment",
    }


def test_following_takes_the_expert_assigned_and_otherwise_abandons_or_is_greedy() -> None:
    rng = np.random.default_rng(0)
    requests = RequestConfig(num_transferred=1, arrival_probability=0.7)
    for allow_abandon in (True, False):
        config = WorldConfig(
            num_users=5, num_experts=3, allow_abandon=allow_abandon, requests=requests
        )
        world = World(config, num_worlds=20, seed=0, mechanism=mechanisms.make("vcg"))
        while not world.done:
            assert world.slot.offer.allocation is not None
            assigned, pending = world.slot.offer.allocation.expert, world.requests.subtasks.pending
            actions = POLICIES["follow_assignment"](rng).act(world.slot)
            greedy = POLICIES["greedy"](rng).act(world.slot)
            otherwise = np.full_like(greedy, 3) if allow_abandon else np.where(pending, greedy, 3)
            np.testing.assert_array_equal(actions, np.where(assigned >= 0, assigned, otherwise))
            world.step(actions)


def test_a_failing_mechanism_is_counted_where_the_run_is_told(
    ray_started: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clear = mechanisms.PostedPrice.clear

    def failing(self: mechanisms.PostedPrice, market: mechanisms.Market) -> mechanisms.Outcome:
        if np.ptp(market.demand) > 0:  # any but the first clearing of an episode
            raise mechanisms.MechanismError("posted_price: no convergence")
        return clear(self, market)

    monkeypatch.setattr(mechanisms.PostedPrice, "clear", failing)
    source = tmp_path / "failing.yaml"
    experiment = EXPERIMENT | {
        "algorithm": None,
        "mechanism": {"name": "posted_price"},
        "name": "failing",
    }
    experiment["evaluation"] = {"episodes": 2, "policies": ["greedy"]}
    source.write_text(yaml.safe_dump(experiment))
    result = CliRunner().invoke(app, ["run", str(source), "--out", str(tmp_path)])
    assert result.exit_code == 0, result.output
    assert "clearings of the market failed; the last prices stood" in result.output
    market = pd.read_parquet(tmp_path / "failing" / "market.parquet")
    failed = market["status"] == "failed: posted_price: no convergence"
    np.testing.assert_array_equal(failed, market["slot"] > 0)
    evaluation = pd.read_parquet(tmp_path / "failing" / "evaluation.parquet")
    in_episode = market[failed & (market["expert"] == 0)].groupby("episode").size()
    np.testing.assert_array_equal(in_episode, evaluation["failed_clearings"])


def test_a_mechanism_that_never_answers_ends_the_run_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = tmp_path / "never.yaml"
    experiment = EXPERIMENT | {"algorithm": None, "name": "never"}
    source.write_text(yaml.safe_dump(experiment))
    clear = mechanisms.VCG.clear

    def refuse(self: mechanisms.VCG, market: mechanisms.Market) -> mechanisms.Outcome:
        if market.batch_shape == (1,):  # the world that is built to check the experiment
            return clear(self, market)
        raise mechanisms.MechanismError("vcg: no answer")

    monkeypatch.setattr(mechanisms.VCG, "clear", refuse)
    result = CliRunner().invoke(app, ["run", str(source), "--out", str(tmp_path)])
    assert result.exit_code == 1
    assert result.output.strip().splitlines()[-1] == "vcg: no answer"
