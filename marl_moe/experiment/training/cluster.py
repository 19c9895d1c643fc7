"""Ray: started on this machine, or joined where it runs, and the resources that it has."""

import logging
import os
import socket
import warnings
from typing import Any

from marl_moe.errors import SpecError
from marl_moe.experiment.spec.cluster import ClusterSpec
from marl_moe.experiment.spec.rllib_sections import first_line
from marl_moe.experiment.training.local_ray import set_token, temporary_folder
from marl_moe.extras import check_training

ANSWER_S = 5.0  # that a cluster is given to answer; Ray itself would try for minutes
# Set by `ray job submit`, and by users who would otherwise give it at each command.
RAY_ADDRESS = "RAY_ADDRESS"
Resources = dict[str, float]


def start_ray(cluster: ClusterSpec | None = None) -> None:
    """Start Ray on this machine, or join the cluster of that address, once in a process.

    Without an address that of the environment variable RAY_ADDRESS counts.

    Raises:
        SpecError: an environment variable that is to be handed on is not set, or Ray does not take
            the runtime environment.
        ConnectionError: no cluster answers.
        OSError: Ray does not start on this machine.
        MissingExtraError: RLlib or PyTorch is not installed.
    """
    quieten_ray()
    import ray

    if ray.is_initialized():
        return
    cluster = cluster or ClusterSpec()
    address = address_of(cluster) or "local"
    if ":" in address:
        _check_answers(address)
    runtime_env: dict[str, Any] = dict(cluster.runtime_env)
    if cluster.env_vars:
        runtime_env["env_vars"] = {name: _environment(name) for name in cluster.env_vars}
    own: dict[str, Any] = {}
    if address == "local":
        set_token()
        folder = temporary_folder()
        own = {"include_dashboard": False, "_temp_dir": folder and str(folder)}
    try:
        ray.init(
            address=address,
            namespace=cluster.namespace,
            runtime_env=runtime_env or None,
            log_to_driver=False,
            logging_level=logging.ERROR,
            **own,
        )
    except (ValueError, TypeError) as error:
        where = "cluster" if cluster.address or address == "local" else RAY_ADDRESS
        raise SpecError(f"{where}: {first_line(error)}") from None
    except (OSError, RuntimeError) as error:
        if address == "local":
            raise OSError(f"Ray does not start on this machine: {first_line(error)}") from error
        raise _no_answer(address, error) from None


def address_of(cluster: ClusterSpec) -> str | None:
    """Return the address of the cluster to run on, None for a Ray of this machine alone."""
    address = cluster.address or os.environ.get(RAY_ADDRESS)
    return None if address == "local" else address


def resources(cluster: ClusterSpec) -> Resources:
    """Return the resources of the cluster, which is joined, or else of this machine.

    They go by Ray's names (CPU, GPU, ...).
    """
    if address_of(cluster) is None:
        return {"CPU": os.cpu_count() or 1}
    start_ray(cluster)
    import ray

    return dict(ray.cluster_resources())


def nodes() -> list[Resources]:
    """Return the resources of each node of Ray that is alive."""
    import ray

    return [node["Resources"] for node in ray.nodes() if node["Alive"]]


def where(cluster: ClusterSpec) -> str:
    """Return the cluster in words, once it was joined."""
    import ray

    there = ray.cluster_resources()
    cores, gpus = there.get("CPU", 0), there.get("GPU", 0)
    return f"{address_of(cluster)}: {len(nodes())} nodes, {cores:g} cores, {gpus:g} GPUs"


def quieten_ray() -> None:
    """Import RLlib with its notices off the terminal; what fails still raises.

    Raises:
        MissingExtraError: RLlib or PyTorch is not installed.
    """
    check_training("Ray")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    import ray.rllib  # noqa: F401 - importing it sets the levels that are set again below

    warnings.filterwarnings(
        "ignore", message=".*Overriding environment rllib-multi-agent-env"
    )  # of each further build
    logging.getLogger("ray").setLevel(logging.ERROR)
    logging.getLogger("ray.rllib").setLevel(logging.ERROR)


def _environment(name: str) -> str:
    if name not in os.environ:
        raise SpecError(f"cluster.env_vars: {name} is not set in the environment of this command")
    return os.environ[name]


def _check_answers(address: str) -> None:
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), ANSWER_S).close()
    except OSError as error:
        raise _no_answer(address, error) from None


def _no_answer(address: str, error: Exception) -> ConnectionError:
    return ConnectionError(
        f"cluster.address {address}: no Ray cluster answers there ({str(error).splitlines()[0]}); "
        "--address names another, --address local takes this machine"
    )
