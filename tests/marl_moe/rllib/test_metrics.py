"""Metrics in training: the same means from our runners and RLlib's stock ones."""

from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from envs import WorldConfig
from marl_moe.experiment.spec.reading import parse_experiment
from marl_moe.experiment.training.loop import train
from marl_moe.rllib.env_runner import WorldRunner
from marl_moe.rllib.metrics import metric_means
from mechanisms import PartError

Yaml = dict[str, Any]
RUNNERS = [("sac", 0), ("ppo", 0)]  # for remote ones see test_callbacks


@pytest.fixture
def trained_rows(
    ray_started: None,
    metrics: None,
    tiny_experiment: Yaml,
    tiny_algorithm: Callable[..., Yaml],
    tmp_path: Path,
) -> Callable[..., list[Yaml]]:
    """Return a trainer: `trained_rows("ppo", 2, ["late"])` trains with 2 remote env runners."""

    def rows(name: str, runners: int, names: list[str], epochs: int = 2) -> list[Yaml]:
        sections = {"metrics": names, "algorithm": tiny_algorithm(name, epochs, runners)}
        band = {"channel": {"bandwidth_hz": 400.0}}  # so narrow that airtime is left over
        sections["env"] = tiny_experiment["env"] | band
        if name == "sac":  # random, so that some are late
            sections["algorithm"]["rl_module"] = {"model_config": {"hidden": 8, "prior": 0}}
        return train(parse_experiment(tiny_experiment | sections, "tiny"), 0, tmp_path)

    return rows


@pytest.mark.parametrize(("name", "runners"), RUNNERS)
def test_a_metric_that_repeats_a_recorded_field_is_that_column_of_training(
    trained_rows: Callable[..., list[Yaml]], name: str, runners: int
) -> None:
    rows = trained_rows(name, runners, ["qos_again", "late", "utilisation", "backlog"])
    assert [row["epoch"] for row in rows] == [1, 2]
    for row in rows:
        assert row["qos_again"] == pytest.approx(row["qos"], rel=1e-12)
        assert 0 < row["late"] < 1
        # 2 users and 6 experts: as many experts serve as users transfer, less those that share one
        assert 0 < row["utilisation"] <= row["transferred"] * 2 / 6 + 1e-12
        assert row["backlog"] > 0


@pytest.mark.parametrize(("name", "runners"), [("sac", 0), ("sac", 1), ("ppo", 0)])
def test_a_metric_that_fails_later_ends_training_with_that_epoch_and_is_named(
    trained_rows: Callable[..., list[Yaml]], name: str, runners: int
) -> None:
    """A remote env runner that raised would be restarted for ever."""
    with pytest.raises(PartError, match="metric 'fails_later' returned an infinite value"):
        trained_rows(name, runners, ["fails_later"])


def test_means_of_a_runner_are_those_of_the_same_world_stepped_by_hand(
    sac_config: Callable[..., Any], patchy_world: WorldConfig, metrics: None
) -> None:
    random = {"prior": 0}  # so that some are late
    config = sac_config(patchy_world, mechanism="posted_price", fragment=5, network=random)
    config.env_config["metrics"] = ["late", "utilisation"]
    runner = WorldRunner(config=config, worker_index=1)
    world = deepcopy(runner.world)
    delays: list[float] = []
    used: list[bool] = []
    fragments = [runner.sample() for _ in range(4)]
    result = {
        key: {name: stats.peek() for name, stats in entry.items()}
        for key, entry in runner.get_metrics().items()
        if key.startswith("metric_")
    }
    for fragment in fragments:
        for actions in fragment.action[fragment.starts]:
            played = world.step(actions)[2]
            delays += played.delay_s[played.transferred].tolist()
            used += (played.load > 0).ravel().tolist()
        if world.done:
            world.reset()
    means = metric_means(result, ["late", "utilisation"])
    assert means["late"] == pytest.approx(np.mean(np.array(delays) > 6), rel=1e-12)
    assert means["utilisation"] == pytest.approx(np.mean(used), rel=1e-12)
    assert 0 < means["late"] < 1


def test_metrics_change_nothing_of_what_a_runner_collects(
    sac_config: Callable[..., Any], patchy_world: WorldConfig, metrics: None
) -> None:
    def rewards(names: list[str]) -> Any:
        config = sac_config(patchy_world, mechanism="posted_price", fragment=5)
        config.env_config["metrics"] = names
        runner = WorldRunner(config=config, worker_index=1)
        return np.concatenate([runner.sample().reward for _ in range(4)])

    np.testing.assert_array_equal(rewards(["late", "qos_again"]), rewards([]))
