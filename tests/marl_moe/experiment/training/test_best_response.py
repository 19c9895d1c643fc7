"""The best response of one agent: what it begins with, how often it learns, what it may change."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from envs.roles.levers import ROLES
from marl_moe.experiment.progress import Progress
from marl_moe.experiment.spec.experiment import ExperimentSpec
from marl_moe.experiment.spec.reading import parse_experiment
from marl_moe.experiment.training.best_response import best_response
from marl_moe.experiment.training.loop import train
from marl_moe.policies.learned_sides import LearnedSide
from marl_moe.policies.weights import read_weights
from marl_moe.rllib import finite

pytestmark = pytest.mark.usefixtures("ray_started")
EPOCHS = 2
# Two users, six edge devices, two worlds of ten slots and five intervals.
TRANSITIONS = {"users": 2 * 10, "edge_devices": 2 * 4, "platform": 2 * 4}  # of one agent, an epoch
INTENSITY = {"users": 2.0 * 2, "edge_devices": 8.0 * 6, "platform": 64.0 * 1}  # of all of its role


@pytest.fixture(scope="module")
def spec(tiny_experiment: dict[str, Any]) -> ExperimentSpec:
    roles = {"edge_devices": "sac", "platform": "sac"}
    raw = tiny_experiment | {
        "env": tiny_experiment["env"] | {"market": {"interval": 2}},
        "algorithm": tiny_experiment["algorithm"] | {"roles": roles},
        "evaluation": {"episodes": 2, "policies": [], "best_response_epochs": EPOCHS},
    }
    return parse_experiment(raw, "tiny")


@pytest.fixture(scope="module")
def folder(spec: ExperimentSpec, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder in which a training left its policies."""
    folder = tmp_path_factory.mktemp("trained")
    train(spec, seed=0, folder=folder)
    return folder


@pytest.mark.parametrize("role", ROLES)
def test_an_agent_alone_begins_as_its_role_and_learns_as_often_as_all_of_it_did(
    spec: ExperimentSpec, folder: Path, role: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = read_weights(folder / "networks.safetensors")["shared" if role == "users" else role]
    seen: list[dict[str, Any]] = []
    results: list[dict[str, Any]] = []

    def trained(algorithm: Any) -> dict[str, Any]:
        seen.append(next(iter(algorithm.networks().values())))
        results.append(algorithm.train())
        return results[-1]

    monkeypatch.setattr(finite, "trained", trained)
    policy = best_response(spec, 0, role, folder, Progress())
    assert len(results) == EPOCHS
    for name, value in begun.items():
        if not name.startswith("log"):
            np.testing.assert_array_equal(seen[0][name], value)
    expected = int(INTENSITY[role] * TRANSITIONS[role] * EPOCHS / 16)
    last = results[-1]
    updates = last.get("num_updates_lifetime")
    if role != "users":
        assert isinstance(policy, LearnedSide)
        assert updates is None
        updates = last["num_side_updates_lifetime"][role]
    assert updates == pytest.approx(expected, abs=1)
    changed = seen[1]
    assert any((changed[name] != value).any() for name, value in begun.items())
