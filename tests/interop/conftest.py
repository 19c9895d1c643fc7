"""A world with masks of all kinds, and one torch thread."""

import pytest
import torch

from envs import ChannelConfig, ExpertConfig, RequestConfig, WorldConfig


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def patchy_world() -> WorldConfig:
    """Return a world in which a random action is masked about half the time."""
    return WorldConfig(
        num_users=3,
        num_experts=5,
        episode_slots=12,
        requests=RequestConfig(arrival_probability=0.6),
        channel=ChannelConfig(process="gauss_markov", correlation=0.9),
        experts=ExpertConfig(availability_probability=0.5),
    )
