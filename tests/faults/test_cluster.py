"""Runs on a cluster of a head and two nodes: the same records as on this machine alone."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml

from marl_moe.experiment.run.size import describe_run
from marl_moe.experiment.spec.reading import load_experiment

from .command import TABLES, facts

pytestmark = pytest.mark.faults


def assert_same_records(folder: Path, expected: Path) -> None:
    for name in TABLES:
        pd.testing.assert_frame_equal(facts(folder, name), facts(expected, name), check_exact=True)
    policies = sorted(path.relative_to(expected) for path in expected.rglob("*.safetensors"))
    assert policies
    for path in policies:
        assert (folder / path).read_bytes() == (expected / path).read_bytes(), path


def test_a_sweep_on_two_nodes_leaves_the_records_of_this_machine_bit_for_bit(
    nodes: Any, write: Callable[..., Path], run: Callable[..., str], tmp_path: Path
) -> None:
    """Jobs with a local runner: two seeds at two points, four on two nodes of two cores."""
    source = str(write(sweep={"env": {"num_users": [1, 2]}}, figures=[]))
    nodes.add(cores=2)
    nodes.add(cores=2)
    printed = run("run", source, "--address", nodes.address, "--out", str(tmp_path / "there"))
    assert f"cluster  {nodes.address}: 3 nodes, 4 cores, 0 GPUs" in printed
    run("run", source, "--out", str(tmp_path / "here"), RAY_TMPDIR="/tmp")
    assert_same_records(tmp_path / "there" / "tiny", tmp_path / "here" / "tiny")
    experiment = (tmp_path / "there" / "tiny" / "experiment.yaml").read_text()
    assert yaml.safe_load(experiment)["cluster"]["address"] is None
    assert nodes.address not in experiment
    assert not list((tmp_path / "there" / "tiny").glob(".*"))


def test_jobs_with_runners_and_learners_leave_side_by_side_the_records_of_one_after_another(
    nodes: Any, write: Callable[..., Path], run: Callable[..., str], tmp_path: Path
) -> None:
    """Two remote env runners and two learners a job: five cores; ten are two jobs at once."""
    source = str(
        write(
            algorithm={
                "env_runners": {
                    "num_env_runners": 2,
                    "num_envs_per_env_runner": 2,
                    "rollout_fragment_length": 5,
                },
                "learners": {"num_learners": 2},
            },
            figures=[],
        )
    )
    nodes.add(cores=5)
    nodes.add(cores=5)
    at = ("--address", nodes.address)
    told = describe_run(load_experiment(source, [f"cluster.address='{nodes.address}'"]), Path())
    assert "2 jobs (sweep points x seeds), 2 side by side on the cluster" in told
    run("run", source, *at, "--out", str(tmp_path / "together"))
    run(
        "run",
        source,
        *at,
        "--out",
        str(tmp_path / "alone"),
        "--set",
        "cluster.max_concurrent_trials=1",
    )
    assert_same_records(tmp_path / "together" / "tiny", tmp_path / "alone" / "tiny")
    training = facts(tmp_path / "together" / "tiny", "training")
    assert (training["lost_slots"] == 0).all()
    # Epochs, runners, worlds, slots.
    assert training.groupby("seed")["env_steps"].max().tolist() == [2 * 2 * 2 * 10] * 2
