"""Peak memory of a run whose replay holds 200,000 agent transitions, in processes of their own.

Our replay stores an observation once, though it is the next one of the transition before; what
storing both would take is computed from its sizes. RLlib's stock SAC is measured too when asked
for: filling its replay takes minutes.
"""

import resource
import sys
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path

import pandas as pd
from contention import contention_spec, contention_world
from matplotlib.figure import Figure
from report import Measurement, Told, bars, say_nothing, single
from time_to_quality import Cell, Setting

from envs.observation import observation_size
from marl_moe.experiment.training.cluster import start_ray
from marl_moe.experiment.training.configuration import algorithm_config

CAPACITY = 200_000  # agent transitions
NUM_USERS = 16
# Few updates a transition: the peak does not depend on their number, the time does.
LEARNS_LITTLE = Setting(
    learning_rate=1e-3,
    gamma=0.5,
    target_entropy_ratio=0.1,
    replay_ratio=0.1,
    num_envs=16,
    warm_up=2000,
)
MEBIBYTE = 2**20


def measure(
    capacity: int = CAPACITY, stock: bool = False, told: Told = say_nothing
) -> list[Measurement]:
    """Measure peaks in MiB: before the replay fills, once full, and with observations twice."""
    rows = []
    for engine in ("ours", "rllib") if stock else ("ours",):
        told(f"{engine}, filling a replay of {capacity:,} agent transitions")
        floor, peak = in_a_process_of_its_own(engine, capacity)
        rows += [
            single("memory", f"{engine}, replay begun", "peak", "MiB", floor / MEBIBYTE),
            single("memory", f"{engine}, replay of {capacity:,}", "peak", "MiB", peak / MEBIBYTE),
        ]
        if engine == "ours":
            both = peak + capacity * observation_size(contention_world()) * 4
            variant = f"{engine}, next observations stored too (computed)"
            rows.append(single("memory", variant, "peak", "MiB", both / MEBIBYTE))
    return rows


def draw(table: pd.DataFrame) -> Figure:
    """Draw the peaks."""
    return bars(table[table["benchmark"] == "memory"], "Peak resident memory (MiB)")


def in_a_process_of_its_own(engine: str, capacity: int) -> tuple[int, int]:
    """Peak resident bytes of a run after its first iteration, and once its replay is full."""
    context = get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_run, args=(engine, capacity, sender))
    process.start()
    sender.close()
    try:
        floor, peak = receiver.recv()
    except EOFError:
        raise RuntimeError(f"the run of {engine} that was to be measured died, see above") from None
    finally:
        process.join()
    return floor, peak


def _run(engine: str, capacity: int, sender: Connection) -> None:
    """Train until the replay is full, and send both peaks."""
    section = LEARNS_LITTLE.algorithm(
        Cell(engine, "pointer"), NUM_USERS, contention_world().num_experts
    )
    held = capacity if engine == "ours" else capacity // NUM_USERS  # RLlib counts env steps
    section["training"]["replay_buffer_config"] = {"capacity": held}
    if engine == "ours":
        section["training"]["replay_buffer_config"]["type"] = "EpisodeReplayBuffer"
    start_ray()
    algorithm = algorithm_config(contention_spec(section, num_users=NUM_USERS), seed=0).build_algo()
    collected, floor = 0, 0
    while collected < capacity:
        result = algorithm.train()
        collected = sum(result["env_runners"]["num_agent_steps_sampled_lifetime"].values())
        floor = floor or peak_bytes()
    sender.send((floor, peak_bytes()))
    algorithm.stop()


def peak_bytes() -> int:
    """Most memory this process had resident so far.

    Linux tells `getrusage` of a new process the peak of its parent if that is higher, /proc does
    not.
    """
    status = Path("/proc/self/status")
    if status.exists():
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM:"))
        return int(line.split()[1]) * 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
