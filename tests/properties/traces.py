"""Traces of any valid world: a file of channels for all, one of requests for each."""

from pathlib import Path
from typing import Any

import numpy as np

from envs import request_trace
from envs.channel import trace

EPISODES, SLOTS, USERS, EXPERTS = 2, 81, 6, 16  # experts that are added among them


def write_channel(folder: Path) -> str:
    """Write SNRs from end to end of what a wild world has, dB."""
    path = folder / "channel.parquet"
    if not path.exists():
        rng = np.random.default_rng(0)
        trace.write(path, rng.uniform(-60, 60, (EPISODES, SLOTS, USERS, EXPERTS)))
    return str(path)


def write_requests(folder: Path, requests: dict[str, Any], seed: int) -> str:
    """Write requests that a section `env.requests` takes: of as many subtasks, words and needs."""
    rng, shape = np.random.default_rng(seed), (EPISODES, SLOTS, USERS)
    limits = {name: requests[name] for name in ("num_subtasks", "num_topics")}
    for name in ("words", "compute_need"):  # a range, or the number that is always drawn
        limits[name] = np.max(requests[name])
    num_subtasks = limits["num_subtasks"]
    path = folder / f"{'-'.join(map(str, limits.values()))}-{seed}.csv"
    pending = rng.random(shape) < rng.choice([0.1, 0.7, 1.0])
    completes = np.arange(1, SLOTS + 1) % num_subtasks == 0
    request_trace.write(
        path,
        weight=rng.uniform(0.1, 1, shape) / num_subtasks * pending,
        words=limits["words"] * rng.uniform(0.01, 1, shape),
        compute_need=limits["compute_need"] * rng.uniform(0.01, 1, shape),
        topic=rng.integers(limits["num_topics"], size=shape),
        completes=np.broadcast_to(completes[:, None], shape),
    )
    return str(path)
