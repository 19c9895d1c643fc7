"""Training that comes to NaN or infinity stops there, says at what, and keeps what was good."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from marl_moe.experiment.training.checkpoint import read_checkpoint

from .command import assert_same_run, complaint, marl_moe, partials

pytestmark = [pytest.mark.faults, pytest.mark.usefixtures("ray_started", "one_core")]
SEED_FOLDER = Path("checkpoints") / "seed_0"


@pytest.fixture
def poisoned(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[str], tuple[Path, str]]:
    """Run the experiment with a callback of `poison`; return its folder and its last line."""
    monkeypatch.syspath_prepend(str(Path(__file__).parent))

    def run(callback: str, *settings: str) -> tuple[Path, str]:
        changes = (f"algorithm.callbacks.callbacks_class=poison.{callback}", *settings)
        arguments = [word for change in changes for word in ("--set", change)]
        return tmp_path / "tiny", complaint(
            marl_moe("run", source, "--out", tmp_path, *arguments), 1
        )

    return run


def numbers(state: Any) -> list[Any]:
    """All floats of a nested state."""
    if isinstance(state, dict):
        return [number for part in state.values() for number in numbers(part)]
    if isinstance(state, list | tuple):
        return [number for part in state for number in numbers(part)]
    return (
        [state]
        if isinstance(state, float) or getattr(state, "dtype", np.dtype(int)).kind == "f"
        else []
    )


def test_a_weight_that_becomes_nan_stops_training_before_anything_of_that_epoch_is_written(
    poisoned: Callable[..., tuple[Path, str]],
    read_scalars: Callable[[Path], list[tuple[str, int, float]]],
    whole: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    folder, line = poisoned("PoisonedWeight")
    assert line.startswith(
        f"{folder / SEED_FOLDER}: epoch 3: module shared: actor.expert_in.weight is not finite"
    )
    assert "learning rates (algorithm.training)" in line
    assert line.endswith(f"to continue: marl-moe resume {folder}")
    assert {path.name for path in folder.iterdir()} == {
        "experiment.yaml",
        "environment.json",
        "checkpoints",
    }
    kept = read_checkpoint(folder / SEED_FOLDER)
    assert kept is not None
    assert kept["rows"]["epoch"].tolist() == [1, 2]
    assert all(np.isfinite(number).all() for number in numbers(kept["algorithm"]["learner_group"]))
    assert {step for _, step, _ in read_scalars(folder / SEED_FOLDER / "tensorboard")} == {40, 80}

    monkeypatch.setattr("poison.AT", None)  # what did it is gone
    assert marl_moe("resume", folder, "--trust").exit_code == 0
    assert_same_run(folder, whole)


def test_what_a_loss_that_is_not_finite_came_of_is_named(
    poisoned: Callable[..., tuple[Path, str]],
) -> None:
    folder, line = poisoned("PoisonedReplay")
    assert line.startswith(
        f"{folder / SEED_FOLDER}: epoch 4: module shared: rewards of the batch is not finite"
    )


@pytest.mark.parametrize(
    ("algorithm", "weight"),
    [
        ("ppo", "encoder.actor_encoder.net.mlp.0.weight"),
        ("dqn", "encoder.net.mlp.0.weight"),
        ("rllib_sac", "pi_encoder.net.mlp.0.weight"),
    ],
)
def test_rllibs_own_algorithms_stop_too(
    poisoned: Callable[..., tuple[Path, str]], algorithm: str, weight: str
) -> None:
    folder, line = poisoned("PoisonedWeight", f"algorithm.name={algorithm}", *OUR_SECTIONS)
    assert line.startswith(
        f"{folder / SEED_FOLDER}: epoch 3: module shared: {weight} is not finite"
    )
    assert not (folder / "training.parquet").exists()


OUR_SECTIONS = [
    f"algorithm.{section}={{}}"
    for section in ("checkpointing", "env_runners", "rl_module", "training")
]


@pytest.mark.parametrize("algorithm", ["sac", "ppo"])
def test_an_absurd_learning_rate_ends_with_a_line_and_no_table(
    source: Path, tmp_path: Path, algorithm: str
) -> None:
    rate = {"sac": "algorithm.training.critic_lr=1e30", "ppo": "algorithm.training={lr: 1e30}"}[
        algorithm
    ]
    settings = [f"algorithm.name={algorithm}", *(OUR_SECTIONS if algorithm != "sac" else ()), rate]
    arguments = [word for setting in settings for word in ("--set", setting)]
    line = complaint(marl_moe("run", source, "--out", tmp_path, *arguments), 1)
    assert f"{tmp_path / 'tiny' / SEED_FOLDER}: epoch 1: module shared: " in line
    assert "is not finite" in line
    assert not list(tmp_path.rglob("*.parquet"))
    assert not list(tmp_path.rglob("*.safetensors"))
    assert partials(tmp_path) == []


def test_one_of_two_seeds_side_by_side_is_named(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.cpu_count", lambda: 2)
    changes = ("--seeds", "2", "--set", "algorithm.training.critic_lr=1e30")
    line = complaint(marl_moe("run", source, "--out", tmp_path, *changes), 1)
    assert line.startswith(f"{tmp_path / 'tiny' / 'checkpoints' / 'seed_'}")
    assert "epoch 1: module shared: critic_loss is not finite" in line
