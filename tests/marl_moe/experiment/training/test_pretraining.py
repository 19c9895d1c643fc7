"""Training that begins with networks trained in other worlds."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from marl_moe.errors import SpecError
from marl_moe.experiment.progress import Progress
from marl_moe.experiment.run.continuation import run_experiment
from marl_moe.experiment.run.training_job import TrainingJob
from marl_moe.experiment.spec.experiment import ExperimentSpec
from marl_moe.experiment.spec.reading import parse_experiment
from marl_moe.experiment.training.loop import PRETRAINING, train
from marl_moe.policies.base import NETWORKS, WEIGHTS
from marl_moe.policies.weights import read_weights

pytestmark = pytest.mark.usefixtures("ray_started")
Yaml = dict[str, Any]
Build = Callable[..., ExperimentSpec]


@pytest.fixture
def build(tiny_experiment: Yaml) -> Build:
    """The tiny experiment among 9 experts, pretrained among 6: `build(epochs, network, **keys)`."""

    def make(epochs: int, network: str = "pointer", **keys: Any) -> ExperimentSpec:
        algorithm = tiny_experiment["algorithm"] | {
            "rl_module": {"model_config": {"network": network, "hidden": 8}},
            "stop": {"training_iteration": epochs},
            "pretraining": {"env": {"num_experts": 6}, "stop": {"training_iteration": 2}},
            "checkpointing": {"checkpoint_frequency": 1},
        }
        experiment = tiny_experiment | {
            "seeds": 1,
            "env": tiny_experiment["env"] | {"num_experts": 9},
        }
        return parse_experiment(experiment | {"algorithm": algorithm | keys}, "tiny")

    return make


def networks(folder: Path) -> dict[str, np.ndarray]:
    return {
        name: value.numpy() for name, value in read_weights(folder / NETWORKS)["shared"].items()
    }


def test_without_further_training_a_pointer_network_acts_as_it_was_pretrained(
    build: Build, tmp_path: Path
) -> None:
    """Zero-shot either way: pretrained and taken over, or trained and evaluated elsewhere."""
    taken_over = run_experiment(build(0), tmp_path)
    plain = build(2, pretraining=None).as_dict()
    plain["env"]["num_experts"], plain["evaluation"]["env"] = 6, {"num_experts": 9}
    elsewhere = run_experiment(parse_experiment(plain, "elsewhere"), tmp_path)
    columns = ["policy", "episode", "gain", "utility", "charge"]
    np.testing.assert_array_equal(taken_over.results[columns], elsewhere.results[columns])
    weights = [
        next(run.folder.rglob("seed_0/policy.safetensors")).read_bytes()
        for run in (taken_over, elsewhere)
    ]
    assert weights[0] == weights[1]


def test_what_plays_is_the_average_of_the_actor_and_not_its_last_weights(
    build: Build, tmp_path: Path
) -> None:
    train(build(2, pretraining=None), 0, tmp_path)
    kept, (played,) = networks(tmp_path), read_weights(tmp_path / WEIGHTS).values()
    differs = []
    for name, value in played.items():
        np.testing.assert_array_equal(value.numpy(), kept[f"average.module.{name}"])
        differs.append(not np.array_equal(value.numpy(), kept[f"actor.{name}"]))
    assert any(differs)


def test_training_begins_with_all_that_was_learnt(build: Build, tmp_path: Path) -> None:
    """Before its first update it holds actor, its average, critics and all else, bit for bit."""
    never = {"train_batch_size_per_learner": 16, "num_steps_sampled_before_learning_starts": 10_000}
    rows = train(build(1, training=never), 0, tmp_path / "never")
    assert [row["updates"] for row in rows] == [0]
    train(build(1), 0, tmp_path)
    pretrained = networks(tmp_path / PRETRAINING)
    fresh = networks(tmp_path / "never")  # nothing was ever learnt there, in pretraining neither
    before, after = networks(tmp_path / "never" / PRETRAINING), networks(tmp_path)
    for name, value in fresh.items():
        np.testing.assert_array_equal(value, before[name], err_msg=name)
    moved = [name for name, value in pretrained.items() if not np.array_equal(value, before[name])]
    assert {name.split(".")[0] for name in moved} == {
        "actor",
        "average",
        "critic",
        "target_critic",
        "log_alpha",
    }
    step = max(
        np.abs(after[name] - pretrained[name]).max() for name in moved if name.startswith("actor")
    )
    from_nothing = max(
        np.abs(pretrained[name] - before[name]).max() for name in moved if name.startswith("actor")
    )
    assert 0 < step < from_nothing  # a third as many updates


@pytest.mark.parametrize("network", ["pointer", "mlp"])
def test_a_run_killed_in_pretraining_and_again_after_it_ends_where_an_unbroken_one_does(
    build: Build, tmp_path: Path, network: str
) -> None:
    spec = build(2, network)
    whole = train(spec, 0, tmp_path / "whole")
    epochs: list[int] = []

    def stop_after(last: int) -> Progress:
        def on_epoch(row: dict[str, Any]) -> None:
            epochs.append(row["epoch"])
            if len(epochs) == last:
                raise KeyboardInterrupt

        return Progress(on_epoch=on_epoch)

    for last in (2, 5):  # within the pretraining's second epoch, and within the last one
        with pytest.raises(KeyboardInterrupt):
            train(spec, 0, tmp_path / "broken", stop_after(last))
    kept: list[int] = []
    rows = train(spec, 0, tmp_path / "broken", Progress(on_kept=kept.append))
    timeless = [{name: value for name, value in row.items() if name != "seconds"} for row in rows]
    np.testing.assert_equal(timeless, [{name: row[name] for name in timeless[0]} for row in whole])
    assert [row["epoch"] for row in rows] == [1, 2]
    assert sum(kept) == 3
    for folder in ("", PRETRAINING):
        one, other = networks(tmp_path / "whole" / folder), networks(tmp_path / "broken" / folder)
        for name, value in one.items():
            np.testing.assert_array_equal(value, other[name], err_msg=name)


def test_progress_counts_the_epochs_of_both(build: Build, tmp_path: Path) -> None:
    told: list[int] = []
    spec = build(1)
    train(spec, 0, tmp_path, Progress(on_epoch=lambda row: told.append(row["epoch"])))
    assert told == [1, 2, 1]
    assert TrainingJob("", {}, 0, spec, tmp_path).steps == 3


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"name": "ppo"}, "pretraining is for sac; ppo is"),
        (
            {"pretraining": None},
            "stop.training_iteration should be at least 1 where nothing was trained before",
        ),
        ({"pretraining": {"env": {"num_expert": 6}}}, "algorithm.pretraining.env.num_expert: "),
        (
            {"pretraining": {"env": {}, "stop": {"training_iteration": 0}}},
            "pretraining.stop.training_iteration",
        ),
        (
            {"pretraining": {"env": {"num_users": 3}}, "policies": "independent"},
            "independent policies of 3 users",
        ),
    ],
)
def test_a_pretraining_that_cannot_be_is_refused(build: Build, keys: Yaml, said: str) -> None:
    with pytest.raises(SpecError, match=said):
        build(0, **keys)
