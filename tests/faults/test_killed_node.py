"""Nodes of a Ray cluster that die during a run, and one that does not see the run's folder."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from marl_moe.experiment.progress import Progress, Row
from marl_moe.experiment.run.continuation import continue_run, run_experiment
from marl_moe.experiment.run.creation import create_run
from marl_moe.experiment.run.folder import RunFolder
from marl_moe.experiment.spec.reading import load_experiment

pytestmark = pytest.mark.faults
EPOCHS, WORLDS, SLOTS = 8, 2, 10


def facts(folder: Path, name: str) -> pd.DataFrame:
    """Return a table without what depends on the clock."""
    table = pd.read_parquet(folder / f"{name}.parquet")
    return table.drop(columns=[column for column in table if "seconds" in column])


def at_epochs(then: dict[int, Callable[[], None]], seed: int = 0) -> Progress:
    """Does something once, when an epoch of a seed is first told of."""
    left = dict(then)

    def on_epoch(row: Row) -> None:
        if row["seed"] == seed:
            left.pop(row["epoch"], lambda: None)()

    return Progress(on_epoch=on_epoch)


def test_a_run_outlives_a_node_counts_what_was_lost_and_uses_the_node_that_comes_in_its_place(
    nodes: Any,
    write: Callable[..., Path],
    tmp_path: Path,
    wait_until: Callable[..., None],
    runners_alive: Callable[[], int],
) -> None:
    """The killed runner, on one of two nodes of one core, has nowhere to go without another."""
    algorithm = {
        "stop": {"training_iteration": EPOCHS},
        "env_runners": {
            "num_env_runners": 2,
            "num_envs_per_env_runner": WORLDS,
            "rollout_fragment_length": 5,
        },
        "fault_tolerance": {
            "restart_failed_env_runners": True,
            "env_runner_health_probe_timeout_s": 5,
        },
    }
    spec = load_experiment(
        str(write(algorithm, seeds=1, figures=[])), [f"cluster.address='{nodes.address}'"]
    )
    _, victim = nodes.add(cores=1), nodes.add(cores=1)

    def another() -> None:
        # Ray takes some seconds to see that a node is dead.
        wait_until(lambda: runners_alive() == 1)
        nodes.add(cores=1)
        wait_until(lambda: runners_alive() == 2)

    run = run_experiment(spec, tmp_path, at_epochs({2: lambda: nodes.kill(victim), 5: another}))
    training = facts(run.folder, "training")
    lost = training["lost_slots"]
    assert lost[:5].tolist() == [0, 0, 20, 20, 20]
    assert lost.iloc[-1] == 0
    assert (
        training["env_steps"].diff().fillna(training["env_steps"]) + lost == 2 * WORLDS * SLOTS
    ).all()


def test_a_job_whose_node_dies_goes_on_elsewhere_to_the_records_of_an_unbroken_run(
    nodes: Any, write: Callable[..., Path], tmp_path: Path
) -> None:
    """Two seeds on two nodes of one core: the one whose node is killed waits for the other's."""
    algorithm = {
        "stop": {"training_iteration": EPOCHS},
        "checkpointing": {"checkpoint_frequency": 1},
    }
    source = str(write(algorithm, figures=[]))
    spec = load_experiment(source, [f"cluster.address='{nodes.address}'"])
    victim, _ = nodes.add(cores=1), nodes.add(cores=1)
    folder = create_run(spec, tmp_path).path
    kept: list[int] = []
    told: list[int] = []
    watched = at_epochs({3: lambda: nodes.kill(victim)})

    def on_epoch(row: Row) -> None:
        told.append(row["epoch"])
        watched.on_epoch(row)

    run = RunFolder.read(folder, nodes.address)
    continue_run(run, Progress(on_kept=kept.append, on_epoch=on_epoch))

    whole = continue_run(
        create_run(load_experiment(source, ["cluster.max_concurrent_trials=1"]), tmp_path)
    ).folder
    for name in ("training", "evaluation", "market"):
        pd.testing.assert_frame_equal(facts(folder, name), facts(whole, name), check_exact=True)
    assert len(kept) == 3  # twice by the job that was begun again
    # So the bar ends at its end, whatever was trained again.
    assert len(told) == 2 * EPOCHS - sum(kept)


@pytest.fixture
def node_without_the_folder(nodes: Any, tmp_path: Path) -> Iterator[None]:
    """Add a node with an empty file system where the results are, as without a shared one."""
    (tmp_path / "results").mkdir()
    start = (
        f"mount -t tmpfs none {tmp_path / 'results'} && exec "
        f"{Path(sys.executable).with_name('ray')} start --block "
        f"--address {nodes.address} --num-cpus 2 --object-store-memory 80000000"
    )
    process = subprocess.Popen(
        ["unshare", "--mount", "sh", "-c", start],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    yield
    process.terminate()
    process.wait()


@pytest.mark.skipif(
    subprocess.run(["unshare", "--mount", "true"], capture_output=True).returncode != 0,
    reason="needs root",
)
def test_a_node_that_does_not_see_the_run_folder_is_named_with_what_to_do(
    nodes: Any,
    node_without_the_folder: None,
    write: Callable[..., Path],
    run: Callable[..., str],
    tmp_path: Path,
    wait_until: Callable[..., None],
) -> None:
    source = str(write(figures=[]))
    wait_until(lambda: len([node for node in nodes.list() if node["Alive"]]) == 2)
    there = ("--address", nodes.address, "--out", str(tmp_path / "results"))
    printed = run("run", source, *there, code=2)
    assert f"{tmp_path / 'results' / 'tiny'}: the node " in printed
    assert "does not see this folder" in printed
    assert "cluster.max_concurrent_trials: 1" in printed
    run("run", source, *there, "--set", "cluster.max_concurrent_trials=1")
    assert len(facts(tmp_path / "results" / "tiny-2", "training")) == 4
