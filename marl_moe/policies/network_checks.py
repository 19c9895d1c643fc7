"""Checks of a network before memory is taken for it: that it scores every action, and its size."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn.modules.module import register_module_parameter_registration_hook

from marl_moe.policies.networks import NetworkConfig


def check_network(config: NetworkConfig) -> None:
    """Check that a network scores every action, without taking memory for its parameters.

    Raises:
        ValueError: it cannot be built, or its scores are not (copies, B, C + 1).
    """
    copies, batch = 2, 3
    size = config.observation_size
    expected = (copies, batch, config.num_experts + 1)
    with torch.device("meta"), torch.no_grad():
        try:
            scores = config.build(copies)(torch.empty(batch, size))
        except Exception as error:  # whatever a network of a user's own does
            told = f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"
            raise ValueError(f"network {config.network!r}: {told}") from error
    if not isinstance(scores, Tensor) or tuple(scores.shape) != expected:
        got = tuple(scores.shape) if isinstance(scores, Tensor) else type(scores).__name__
        raise ValueError(
            f"network {config.network!r} should map observations ({batch}, {size}) to scores "
            f"{expected} (copies, B, actions), got {got}"
        )


def build_within(config: NetworkConfig, most: int) -> nn.Module:
    """Build an actor, if its network has at most so many parameters.

    Raises:
        ValueError: it has more; it is raised before memory is taken for them.
    """
    with torch.device("meta"), _at_most(config, most):
        plan = config.build(copies=1)
    tensors = [*plan.parameters(), *plan.buffers()]
    if sum(tensor.numel() for tensor in tensors) > 2 * most:  # buffers may be left out of a file
        raise ValueError(f"{config} has larger buffers than parameters that are there")
    return config.actor()


@contextmanager
def _at_most(config: NetworkConfig, most: int) -> Iterator[None]:
    """Raise ValueError as soon as a module that is built has more parameters than `most`."""
    left = most

    def count(module: nn.Module, name: str, parameter: nn.Parameter | None) -> None:
        nonlocal left
        left -= 0 if parameter is None else max(parameter.numel(), 1)
        if left < 0:
            raise ValueError(f"{config} has more parameters than are there")

    hook = register_module_parameter_registration_hook(count)
    try:
        yield
    finally:
        hook.remove()
