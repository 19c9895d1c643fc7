"""RLlib callbacks that put NaN into a training, named by dotted paths in an experiment."""

from typing import Any

import torch
from ray.rllib.callbacks.callbacks import RLlibCallback

AT: int | None = 3  # at the end of this iteration; None: never


class PoisonedWeight(RLlibCallback):
    """The first weight of the learner becomes NaN."""

    def on_train_result(self, *, algorithm: Any, result: dict[str, Any], **kwargs: Any) -> None:
        """RLlib calls this at the end of each iteration."""
        if result["training_iteration"] == AT:
            module = algorithm.learner_group._learner.module["shared"].unwrapped()
            with torch.no_grad():
                next(module.parameters()).view(-1)[0] = torch.nan


class PoisonedReplay(RLlibCallback):
    """All rewards that the replay holds become NaN."""

    def on_train_result(self, *, algorithm: Any, result: dict[str, Any], **kwargs: Any) -> None:
        """RLlib calls this at the end of each iteration."""
        if result["training_iteration"] == AT:
            algorithm.local_replay_buffer._reward[:] = torch.nan
