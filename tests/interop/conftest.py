"""A world with masks of all kinds, one torch thread, and Ray where a test file needs it."""

import logging
from collections.abc import Iterator

import pytest
import torch

from envs import ChannelConfig, ExpertConfig, RequestConfig, WorldConfig


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def patchy_world() -> WorldConfig:
    """Experts come and go and users are idle at times: a random action is masked about half the time."""
    return WorldConfig(
        num_users=3,
        num_experts=5,
        episode_slots=12,
        requests=RequestConfig(arrival_probability=0.6),
        channel=ChannelConfig(process="gauss_markov", correlation=0.9),
        experts=ExpertConfig(availability_probability=0.5),
    )


@pytest.fixture(scope="module")
def ray_started() -> Iterator[None]:
    """Ray in this process; ended with the test file that started it."""
    import ray

    ran = ray.is_initialized()
    if not ran:
        ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR)
    yield
    if not ran:
        ray.shutdown()
