"""The cluster section: its values, what is kept of them, and a cluster that does not answer."""

import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from ray.runtime_env import RuntimeEnv
from typer.testing import CliRunner

from marl_moe.cli import app
from marl_moe.errors import SpecError
from marl_moe.experiment.spec.cluster import RUNTIME_ENV_KEYS, ClusterSpec
from marl_moe.experiment.spec.reading import load_experiment
from marl_moe.experiment.training import cluster
from marl_moe.experiment.training.cluster import address_of, start_ray

Write = Callable[[dict[str, Any] | str], Path]


@pytest.fixture
def joined(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Settings that Ray is started with; nothing is started."""
    told: dict[str, Any] = {}
    monkeypatch.setattr("ray.is_initialized", lambda: False)
    monkeypatch.setattr("ray.init", lambda **settings: told.update(settings))
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    return told


@pytest.fixture
def unused_address() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{probe.getsockname()[1]}"


def test_the_keys_of_a_runtime_environment_are_rays() -> None:
    assert set(RUNTIME_ENV_KEYS) < RuntimeEnv.known_fields


@pytest.mark.parametrize(
    ("section", "said"),
    [
        ({"address": "ray://head:10001"}, "address: ray:// (Ray Client) does not carry RLlib"),
        ({"address": "head"}, "address: should be host:port, auto, local or null, got 'head'"),
        ({"adress": "auto"}, "did you mean 'address'?"),
        (
            {"runtime_env": {"work_dir": "."}},
            "runtime_env: unknown key 'work_dir'; valid: working_dir, py_modules",
        ),
        ({"runtime_env": ["pip"]}, "runtime_env: should be a section {key: value, ...}"),
        (
            {"max_concurrent_trials": 0},
            "max_concurrent_trials: Input should be greater than or equal to 1",
        ),
    ],
)
def test_a_section_that_cannot_be_is_refused_by_its_key(
    tiny_experiment: dict[str, Any], write_experiment: Write, section: dict[str, Any], said: str
) -> None:
    with pytest.raises(SpecError) as refused:
        load_experiment(str(write_experiment(tiny_experiment | {"cluster": section})))
    assert f"experiment.yaml: cluster{'.' if 'Input' in said else ''}" in str(refused.value)
    assert said in str(refused.value)


@pytest.mark.parametrize(
    "section",
    [
        {"env_vars": ["WANDB_API_KEY=hunter2"]},
        {"env_vars": {"WANDB_API_KEY": "hunter2"}},
        {"runtime_env": {"env_vars": {"WANDB_API_KEY": "hunter2"}}},
    ],
    ids=str,
)
def test_a_variable_with_its_value_is_refused_and_the_value_not_repeated(
    tiny_experiment: dict[str, Any], write_experiment: Write, section: dict[str, Any]
) -> None:
    with pytest.raises(SpecError, match="env_vars") as refused:
        load_experiment(str(write_experiment(tiny_experiment | {"cluster": section})))
    assert "hunter2" not in str(refused.value)


def test_a_sweep_over_clusters_is_refused(
    tiny_experiment: dict[str, Any], write_experiment: Write
) -> None:
    with pytest.raises(SpecError, match=r"sweep\.cluster: all jobs of a run share one Ray"):
        load_experiment(
            str(write_experiment(tiny_experiment | {"sweep": {"cluster": {"address": ["auto"]}}}))
        )


def test_values_of_variables_come_from_the_commands_environment(
    joined: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HOME", "/models")
    start_ray(
        ClusterSpec(
            address="auto",
            namespace="mine",
            env_vars=["HF_HOME"],
            runtime_env={"excludes": ["*.png"]},
        )
    )
    assert (joined["address"], joined["namespace"]) == ("auto", "mine")
    assert joined["runtime_env"] == {"excludes": ["*.png"], "env_vars": {"HF_HOME": "/models"}}
    monkeypatch.delenv("HF_HOME")
    with pytest.raises(SpecError, match=r"cluster\.env_vars: HF_HOME is not set"):
        start_ray(ClusterSpec(env_vars=["HF_HOME"]))


def test_without_an_address_no_cluster_is_joined_but_the_one_that_ray_address_names(
    joined: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ray alone would join whatever was last begun on this machine, even one that is gone."""
    start_ray()
    assert joined["address"] == "local"
    monkeypatch.setenv("RAY_ADDRESS", "auto")
    assert address_of(ClusterSpec()) == "auto"
    assert address_of(ClusterSpec(address="local")) is None
    start_ray()
    assert joined["address"] == "auto"


def test_an_address_where_nobody_answers_is_one_line_and_leaves_no_folder(
    tiny_experiment: dict[str, Any],
    write_experiment: Write,
    tmp_path: Path,
    unused_address: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("ray.is_initialized", lambda: False)
    path = write_experiment(tiny_experiment)
    out = tmp_path / "results"
    result = CliRunner().invoke(
        app, ["run", str(path), "--address", unused_address, "--out", str(out)]
    )
    assert result.exit_code == 1
    assert f"cluster.address {unused_address}: no Ray cluster answers there" in result.stderr
    assert "--address local takes this machine" in result.stderr
    assert not out.exists()


def test_a_run_keeps_no_address_so_that_it_goes_on_wherever_it_is_resumed(
    tiny_experiment: dict[str, Any],
    write_experiment: Write,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Begun on a cluster that is gone when it is resumed."""
    from marl_moe.experiment.run.creation import create_run

    section = {"address": "gone:6379", "max_concurrent_trials": 1}
    experiment = tiny_experiment | {
        "cluster": section,
        "algorithm": None,
        "seeds": 1,
        "figures": [],
    }
    with monkeypatch.context() as patch:
        patch.setattr("marl_moe.experiment.run.creation.start_ray", lambda cluster: None)
        folder = create_run(load_experiment(str(write_experiment(experiment))), tmp_path).path
    written = yaml.safe_load((folder / "experiment.yaml").read_text())["cluster"]
    assert written == ClusterSpec(max_concurrent_trials=1).model_dump()
    result = CliRunner().invoke(app, ["resume", str(folder)])
    assert result.exit_code == 0, result.output
    result = CliRunner().invoke(app, ["resume", str(folder), "--address", "nonsense"])
    assert result.exit_code == 2
    assert "--address: should be host:port" in result.stderr
    assert cluster.address_of(load_experiment(str(folder / "experiment.yaml")).cluster) is None
