"""Random draws for `array_step.py`: those of a `World`, or torch's own on its device."""

from typing import Any

import numpy as np
import torch

from envs.channel.draws import standard_normal

Array = Any  # of either library


class NumPyDraws:
    """Draws of a `World`'s streams: for the channel in single precision, for requests in double."""

    def __init__(self, channel: np.random.Generator, requests: np.random.Generator) -> None:
        self._channel, self._requests = channel, requests

    def normal(self, *shape: int) -> Array:
        return standard_normal(self._channel, shape)

    def uniform(self, *shape: int) -> Array:
        return self._channel.random(shape, np.float32)

    def uniform_double(self, *shape: int) -> Array:
        return self._requests.random(shape)


class TorchDraws:
    """The same from torch, on its device."""

    def __init__(self, seed: int, device: str) -> None:
        self._on = {"generator": torch.Generator(device).manual_seed(seed), "device": device}

    def normal(self, *shape: int) -> Array:
        return torch.randn(shape, **self._on)

    def uniform(self, *shape: int) -> Array:
        return torch.rand(shape, **self._on)

    def uniform_double(self, *shape: int) -> Array:
        return torch.rand(shape, dtype=torch.float64, **self._on)
