"""Env runners and learners in processes of their own, killed while they train."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import psutil
import pytest

from envs import WorldConfig
from marl_moe.errors import TrainingError
from marl_moe.experiment.progress import Progress, Row
from marl_moe.experiment.run.continuation import continue_run
from marl_moe.experiment.run.creation import create_run
from marl_moe.experiment.run.folder import RunFolder
from marl_moe.experiment.spec.reading import load_experiment
from marl_moe.terminal.summary import lost_line

pytestmark = [pytest.mark.faults, pytest.mark.usefixtures("four_cores")]
RUNNERS, WORLDS, SLOTS, FRAGMENT, EPOCHS = 2, 2, 10, 5, 5
DUE = RUNNERS * WORLDS * SLOTS  # slots an epoch
RUNNER, LEARNER = "ray::WorldRunner", "ray::_WrappedExecutable"


def processes(name: str) -> list[psutil.Process]:
    """Those of Ray that run an actor of that name, begun by this process."""
    found = []
    for process in psutil.Process().children(recursive=True):
        try:
            if (process.cmdline() or [""])[0].startswith(name):
                found.append(process)
        except psutil.NoSuchProcess:
            continue
    return found


def kill(name: str, how_many: int) -> None:
    victims = processes(name)[:how_many]
    assert len(victims) == how_many
    for process in victims:
        process.kill()
    psutil.wait_procs(victims)


def after(then: dict[int, Callable[[], None]]) -> Progress:
    """Does something when an epoch is told of."""

    def on_epoch(row: Row) -> None:
        then.get(row["epoch"], lambda: None)()

    return Progress(on_epoch=on_epoch)


@pytest.fixture
def run_folder(write: Callable[..., Path], tmp_path: Path) -> Callable[..., Path]:
    """Return a maker of runs, not begun, of one seed: `run_folder(fault_tolerance, learners=0)`."""

    def make(fault_tolerance: dict[str, Any], learners: int = 0) -> Path:
        sizes = {
            "num_env_runners": RUNNERS,
            "num_envs_per_env_runner": WORLDS,
            "rollout_fragment_length": FRAGMENT,
        }
        algorithm = {
            "stop": {"training_iteration": EPOCHS},
            "env_runners": sizes,
            "learners": {"num_learners": learners},
            "fault_tolerance": fault_tolerance,
            "checkpointing": {"checkpoint_frequency": 1},
        }
        return create_run(
            load_experiment(str(write(algorithm, seeds=1, figures=[]))), tmp_path
        ).path

    return make


def training_of(folder: Path) -> pd.DataFrame:
    return pd.read_parquet(folder / "training.parquet")


def test_a_killed_runner_is_replaced_and_the_slots_that_it_did_not_send_are_counted(
    run_folder: Callable[..., Path],
    wait_until: Callable[..., None],
    runners_alive: Callable[[], int],
) -> None:
    folder = run_folder({"restart_failed_env_runners": True})
    then = {2: lambda: kill(RUNNER, 1), 3: lambda: wait_until(lambda: runners_alive() == RUNNERS)}
    continue_run(RunFolder.read(folder), after(then))
    training = training_of(folder)
    lost = training["lost_slots"]
    # It died before its first fragment of the third epoch.
    assert lost.tolist() == [0, 0, WORLDS * SLOTS, 0, 0]
    assert (training["env_steps"].diff().fillna(training["env_steps"]) + lost == DUE).all()
    assert (
        lost_line(training)
        == "20 of 200 slots in 1 epochs: env runners were dead or silent (lost_slots)"
    )


def test_where_all_runners_are_killed_training_waits_for_those_that_are_restarted(
    run_folder: Callable[..., Path],
) -> None:
    folder = run_folder({"restart_failed_env_runners": True})
    continue_run(RunFolder.read(folder), after({2: lambda: kill(RUNNER, RUNNERS)}))
    training = training_of(folder)
    assert len(training) == EPOCHS
    assert 0 < training["lost_slots"].sum() < DUE
    assert training["env_steps"].iloc[-1] + training["lost_slots"].sum() == EPOCHS * DUE


@pytest.mark.parametrize(
    ("fault_tolerance", "said"),
    [
        (
            {"restart_failed_env_runners": False, "ignore_env_runner_failures": True},
            r"all env runners are dead, and fault_tolerance\.restart_failed_env_runners is false",
        ),
        (
            {"max_num_env_runner_restarts": 0, "env_runner_restore_timeout_s": 1},
            r"none was back within fault_tolerance\.env_runner_restore_timeout_s \(1 s\)",
        ),
    ],
    ids=["not to be restarted", "not back in time"],
)
def test_where_all_runners_are_dead_for_good_training_ends_with_what_to_do(
    run_folder: Callable[..., Path], fault_tolerance: dict[str, Any], said: str
) -> None:
    folder = run_folder(fault_tolerance)
    with pytest.raises(TrainingError, match=said):
        continue_run(RunFolder.read(folder), after({2: lambda: kill(RUNNER, RUNNERS)}))
    if "ignore_env_runner_failures" in fault_tolerance:
        trained: list[int] = []
        continue_run(
            RunFolder.read(folder), Progress(on_epoch=lambda row: trained.append(row["epoch"]))
        )
        assert trained == [3, 4, 5]


def test_a_killed_learner_ends_training_and_resume_goes_on_to_the_rows_of_an_unbroken_run(
    run_folder: Callable[..., Path],
) -> None:
    broken, whole = run_folder({}, learners=2), run_folder({}, learners=2)
    with pytest.raises(TrainingError, match="a process that training cannot do without failed"):
        continue_run(RunFolder.read(broken), after({3: lambda: kill(LEARNER, 1)}))
    continue_run(RunFolder.read(broken))
    continue_run(RunFolder.read(whole))
    pd.testing.assert_frame_equal(
        training_of(broken).drop(columns="seconds"),
        training_of(whole).drop(columns="seconds"),
        check_exact=True,
    )


def test_a_runner_that_takes_a_dead_ones_place_has_the_weights_learned_and_worlds_that_none_had(
    sac_config: Callable[..., Any], small_world: WorldConfig
) -> None:
    algorithm = sac_config(small_world, runners=2).build_algo()

    def of_runners(what: Callable[[Any], Any]) -> list[Any]:
        return list(algorithm.env_runner_group.foreach_env_runner(what, local_env_runner=False))

    try:
        born = of_runners(lambda runner: runner._seen)
        algorithm.train()
        kill(RUNNER, 2)
        algorithm.train()
        algorithm.restore_env_runners(algorithm.env_runner_group)
        learned = algorithm.learner_group.get_state()["learner"]["rl_module"]["shared"]
        for state in of_runners(lambda runner: runner.get_state()["rl_module"]["shared"]):
            for name, value in state.items():
                if name.startswith("actor."):
                    np.testing.assert_array_equal(np.asarray(value), np.asarray(learned[name]))
        again = of_runners(lambda runner: (runner.make_env(0), runner._seen)[1])
        later = of_runners(lambda runner: (runner.make_env(algorithm_steps), runner._seen)[1])
    finally:
        algorithm.stop()
    assert all(np.array_equal(one, other) for one, other in zip(born, again, strict=True))
    assert not any(np.array_equal(one, other) for one, other in zip(born, later, strict=True))


algorithm_steps = math.prod((2, 3, SLOTS))
