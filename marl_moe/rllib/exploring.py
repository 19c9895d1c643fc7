"""Exploration on env runners: actions drawn from an actor's distribution."""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray


def explored(module: Any, seen: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.int64]:
    """Sample an action for every observation, (..., D) -> (...), by the Gumbel-max trick.

    Args:
        module: an RLModule of ours, of RLlib's kind that may wrap one.
        seen: the observations.
        rng: draws.
    """
    batch = torch.from_numpy(np.ascontiguousarray(seen).reshape(-1, seen.shape[-1]))
    with torch.no_grad():
        logits = module.unwrapped().logits(batch).numpy()
    scores = logits + rng.gumbel(size=logits.shape)
    return np.asarray(scores.argmax(axis=-1).reshape(seen.shape[:-1]), np.int64)
