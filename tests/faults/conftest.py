"""Fixtures of faults: runs, one of them unbroken, disks of any size, and a real Ray cluster."""

import logging
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import pytest
import torch
import yaml

from .command import marl_moe

PATIENCE_S = 300.0  # with what should be quick, on a machine that may be busy
EPOCHS = 6
STORE = 80 * 2**20  # bytes of a node's object store


class Nodes:
    """A head without cores, and worker nodes that come and go."""

    def __init__(self) -> None:
        from ray.cluster_utils import Cluster

        self._cluster = Cluster(
            initialize_head=True,
            head_node_args={
                "num_cpus": 0,
                "object_store_memory": STORE,
                "include_dashboard": False,
            },
        )
        self.address: str = self._cluster.address

    def add(self, cores: int) -> Any:
        return self._cluster.add_node(num_cpus=cores, object_store_memory=STORE)

    def kill(self, node: Any) -> None:
        """Kill a node at once, with all of its processes, as by a power cut."""
        processes = [
            psutil.Process(info.process.pid)
            for infos in node.all_processes.values()
            for info in infos
        ]
        workers = [child for process in processes for child in process.children(recursive=True)]
        self._cluster.remove_node(node, allow_graceful=False)
        for worker in workers:
            if worker.is_running():
                worker.kill()

    def list(self) -> list[dict[str, Any]]:
        return self._cluster.global_state.node_table()

    def stop(self) -> None:
        self._cluster.shutdown()


@pytest.fixture
def nodes(monkeypatch: pytest.MonkeyPatch) -> Iterator[Nodes]:
    """Yield a cluster in a folder of its own, where Ray writes down how to join it."""
    import ray

    ray.shutdown()
    # Not tmp_path: sockets' paths must be short.
    folder = tempfile.mkdtemp(prefix="ray_", dir="/tmp")
    monkeypatch.setenv("RAY_TMPDIR", folder)
    made = Nodes()
    yield made
    ray.shutdown()
    made.stop()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def four_cores() -> None:
    """Start Ray with room for remote runners and learners, after ending any other."""
    import ray

    from marl_moe.experiment.training import cluster

    cluster.quieten_ray()
    if not ray.is_initialized() or ray.cluster_resources().get("CPU", 0) < 4:
        ray.shutdown()
        ray.init(
            num_cpus=4, include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR
        )


@pytest.fixture
def write(tiny_experiment: dict[str, Any], tmp_path: Path) -> Callable[..., Path]:
    """Write the tiny experiment with other sections of `algorithm`, and other keys beside."""

    def write(algorithm: dict[str, Any] | None = None, **keys: Any) -> Path:
        path = tmp_path / "tiny.yaml"
        path.write_text(
            yaml.safe_dump(
                tiny_experiment
                | {"figures": ["policies"]}
                | {"algorithm": tiny_experiment["algorithm"] | (algorithm or {})}
                | keys
            )
        )
        return path

    return write


@pytest.fixture
def command(tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Start `marl-moe` in a process of its own, killed at the end if it still runs."""
    started: list[subprocess.Popen[str]] = []

    def start(*arguments: str, **environment: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-m", "marl_moe", *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=os.environ | {"OMP_NUM_THREADS": "1"} | environment,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        if process.poll() is None:
            process.kill()
            process.communicate()


@pytest.fixture
def run(command: Callable[..., subprocess.Popen[str]], tmp_path: Path) -> Callable[..., str]:
    """Run `marl-moe` to its end, and return what it printed."""

    def run(*arguments: str, code: int = 0, **environment: str) -> str:
        process = command(*arguments, **environment)
        printed, complaint = process.communicate(timeout=PATIENCE_S)
        assert process.returncode == code, printed + complaint
        return printed + complaint

    return run


@pytest.fixture(scope="session")
def wait_until() -> Callable[[Callable[[], Any]], None]:
    """Wait until something is so; fails after `PATIENCE_S`."""

    def wait(happened: Callable[[], Any]) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while not happened():
            assert time.monotonic() < deadline, "waited in vain"
            time.sleep(0.05)

    return wait


@pytest.fixture(scope="session")
def runners_alive() -> Callable[[], int]:
    """Return a counter of the env runners that are ready."""

    def count() -> int:
        import ray

        actors = ray._private.state.actors().values()
        return sum(
            (actor["ActorClassName"], actor["State"]) == ("WorldRunner", "ALIVE")
            for actor in actors
        )

    return count


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def source(tiny_experiment: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return an experiment of one seed of six epochs, with a checkpoint after each."""
    algorithm = tiny_experiment["algorithm"] | {
        "stop": {"training_iteration": EPOCHS},
        "checkpointing": {"checkpoint_frequency": 1},
    }
    path = tmp_path_factory.mktemp("source") / "tiny.yaml"
    path.write_text(
        yaml.safe_dump(
            tiny_experiment | {"seeds": 1, "algorithm": algorithm, "figures": ["policies"]}
        )
    )
    return path


@pytest.fixture(scope="session")
def whole(source: Path, tmp_path_factory: pytest.TempPathFactory, ray_started: None) -> Path:
    """Return the folder of an unbroken run of it."""
    out = tmp_path_factory.mktemp("whole")
    result = marl_moe("run", source, "--out", out)
    assert result.exit_code == 0, result.output
    return out / "tiny"


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Callable[..., Path]]:
    """Mount a disk in memory of so many bytes, or mount again the one that is there."""
    folder = tmp_path / "disk"
    folder.mkdir()

    def mount(options: str) -> Path:
        command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
        try:
            done = subprocess.run(command, capture_output=True, text=True, check=False)
        except FileNotFoundError:
            pytest.skip("no `mount` on this machine")
        if done.returncode:
            pytest.skip(
                "mounting is not permitted here (`unshare -rm make faults` may be): "
                f"{done.stderr.strip()}"
            )
        return folder

    yield mount
    with suppress(FileNotFoundError):
        while (
            subprocess.run(
                ["umount", "--lazy", str(folder)], capture_output=True, check=False
            ).returncode
            == 0
        ):
            pass
