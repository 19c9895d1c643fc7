"""Checkpoints of training: when one is due."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from marl_moe.experiment.spec.reading import parse_experiment
from marl_moe.experiment.training.engines import engine_of
from marl_moe.experiment.training.resumption import LEAST_TRANSITIONS, TRAINED_PER_HELD, Resumption

BATCH = 100


def algorithm_of(held: int, frequency: int | None = None) -> Any:
    """Stand in for an algorithm: its configuration, and the transitions in its replay."""
    config = SimpleNamespace(
        checkpoint_frequency=frequency,
        total_train_batch_size=BATCH,
        env_config={"module_users": {"a": [0], "b": [1]}},
    )
    return SimpleNamespace(config=config, local_replay_buffer=range(held))


def rows_of(epochs: int, updates: int) -> list[dict[str, Any]]:
    return [
        {"epoch": epoch + 1, "updates": updates * (epoch + 1) // epochs} for epoch in range(epochs)
    ]


@pytest.fixture
def resumption(tiny_experiment: dict[str, Any], tmp_path: Path) -> Resumption:
    return Resumption(parse_experiment(tiny_experiment, "tiny"), tmp_path, resumable=True)


def test_by_default_a_checkpoint_is_due_once_three_times_the_transitions_held_were_trained_on(
    resumption: Resumption,
) -> None:
    held = 5 * LEAST_TRANSITIONS
    assert TRAINED_PER_HELD == 3
    enough = 3 * held // (2 * BATCH)  # updates: each trains two modules
    assert not resumption.is_due(algorithm_of(held), rows_of(7, enough - 1))
    assert resumption.is_due(algorithm_of(held), rows_of(7, enough))
    resumption.write(rows_of(7, enough), algorithm_state={})
    assert not resumption.is_due(algorithm_of(held), rows_of(8, enough + enough - 1))
    assert resumption.is_due(algorithm_of(held), rows_of(8, enough + enough))


def test_a_small_replay_is_not_written_at_every_turn(resumption: Resumption) -> None:
    enough = LEAST_TRANSITIONS // (2 * BATCH)
    assert not resumption.is_due(algorithm_of(held=10), rows_of(3, enough - 1))
    assert resumption.is_due(algorithm_of(held=10), rows_of(3, enough))


def test_updates_before_a_resume_do_not_count_again(
    resumption: Resumption, tiny_experiment: dict[str, Any], tmp_path: Path
) -> None:
    enough = LEAST_TRANSITIONS // (2 * BATCH)
    resumption.write(rows_of(3, enough), algorithm_state={})
    resumed = Resumption(parse_experiment(tiny_experiment, "tiny"), tmp_path, resumable=True)
    assert resumed.read() == (rows_of(3, enough), {})
    assert not resumed.is_due(algorithm_of(held=10), rows_of(4, enough + 1))


def test_a_frequency_counts_epochs(resumption: Resumption) -> None:
    assert [
        resumption.is_due(algorithm_of(10**6, frequency=3), rows_of(n, 1)) for n in range(1, 7)
    ] == [
        *(False, False, True),
        *(False, False, True),
    ]


@pytest.mark.parametrize("name", ["rllib_sac", "ppo", "dqn"])
def test_rllibs_stock_algorithms_have_none_on_the_way(
    tiny_experiment: dict[str, Any], tmp_path: Path, name: str
) -> None:
    spec = parse_experiment(tiny_experiment | {"algorithm": {"name": name}}, "tiny")
    assert spec.algorithm is not None
    resumption = Resumption(spec, tmp_path, engine_of(spec.algorithm).resumable)
    assert not resumption.is_due(algorithm_of(1), rows_of(3, 10**6))
