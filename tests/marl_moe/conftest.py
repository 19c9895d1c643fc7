"""Small worlds and small networks for all tests of the package."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from envs import ChannelConfig, ExpertConfig, RequestConfig, WorldConfig
from marl_moe.metrics import METRICS
from marl_moe.text.embedding import Embedding

from .metrics_of_mine import register_metrics

Yaml = dict[str, Any]


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def _one_after_another(one_core: None) -> None:
    """Do jobs in this process, but where a test asks for more cores: each costs seconds to start.

    On a machine of one core so it is anyway.
    """


@pytest.fixture(scope="session")
def patchy_world() -> WorldConfig:
    """Return a world with masks of all kinds: experts come and go, users are idle at times."""
    return WorldConfig(
        num_users=3,
        num_experts=5,
        episode_slots=12,
        requests=RequestConfig(arrival_probability=0.6),
        channel=ChannelConfig(process="gauss_markov", correlation=0.9),
        experts=ExpertConfig(availability_probability=0.5, max_concurrent=2, unit_cost=(0.0, 0.5)),
    )


@pytest.fixture
def write_experiment(tmp_path: Path) -> Callable[[Yaml | str], Path]:
    """Write an experiment, as YAML or as it stands, to `experiment.yaml`."""

    def write(experiment: Yaml | str) -> Path:
        path = tmp_path / "experiment.yaml"
        path.write_text(experiment if isinstance(experiment, str) else yaml.safe_dump(experiment))
        return path

    return write


@pytest.fixture
def quick(tiny_experiment: Yaml, write_experiment: Callable[[Yaml | str], Path]) -> Path:
    """Return the tiny experiment without training."""
    return write_experiment(tiny_experiment | {"algorithm": None, "seeds": 1})


@pytest.fixture
def metrics(monkeypatch: pytest.MonkeyPatch) -> None:
    """Register the metrics of `metrics_of_mine` for a test."""
    monkeypatch.setattr(METRICS, "_factories", dict(METRICS._factories))
    register_metrics()


@pytest.fixture(scope="session")
def embedding() -> Embedding:
    """MiniLM, loaded once; it remembers what it has embedded."""
    return Embedding()


@pytest.fixture
def shared_embedding(embedding: Embedding, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let commands embed with the MiniLM of the tests, which is loaded and knows the banks."""
    for module in ("assembly", "embedding"):
        monkeypatch.setattr(f"marl_moe.text.{module}.Embedding", lambda: embedding)
