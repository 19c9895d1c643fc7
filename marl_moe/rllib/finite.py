"""Training stops at the first number that is not finite, and says which one."""

from typing import Any

import torch
from ray.rllib.core.columns import Columns
from torch import Tensor

BATCH = {
    Columns.OBS: "observations",
    Columns.NEXT_OBS: "next observations",
    Columns.REWARDS: "rewards",
}


class NotFiniteError(ArithmeticError):
    """Error that names what is not finite, as `module shared: critic.first.weight`."""


def trained(algorithm: Any) -> dict[str, Any]:
    """Run one iteration of any of RLlib's algorithms.

    Args:
        algorithm: the algorithm.

    Returns:
        Its result.

    Raises:
        NotFiniteError: the iteration left a weight that is not finite, or failed over one.
    """
    try:
        result: dict[str, Any] = algorithm.train()
    except Exception as error:
        if isinstance(error, NotFiniteError):  # of a remote learner, with the traceback there
            raise NotFiniteError(str(getattr(error, "cause", error))) from None
        _check_weights(algorithm)  # distributions raise over them first, without their names
        raise
    _check_weights(algorithm)
    return result


def check_loss(
    loss: Tensor, learner: Any, batch: dict[str, Any], losses: dict[str, dict[str, Tensor]]
) -> None:
    """Check that a loss is finite.

    Args:
        loss: a scalar.
        learner: RLlib's learner, before its weights have changed.
        batch: columns of the batch by module and name.
        losses: parts of the loss by module and name.

    Raises:
        NotFiniteError: the loss is not finite. It names the first weight, column or part of the
            loss that is not finite either.
    """
    if torch.isfinite(loss):
        return
    columns = {
        f"module {module_id}: {name} of the batch": columns[column]
        for module_id, columns in batch.items()
        for column, name in BATCH.items()
    }
    named = {
        f"module {module_id}: {name}": part
        for module_id, parts in losses.items()
        for name, part in parts.items()
    }
    raise NotFiniteError(_first(weights_of(learner) | columns | named) or "loss")


def weights_of(learner: Any) -> dict[str, Tensor]:
    """Return the parameters of all modules of a learner, and the log temperatures of SAC."""
    modules = {
        module_id: learner.module[module_id].unwrapped()
        for module_id in learner.module.keys()  # noqa: SIM118 - RLlib's module is no dict
    }
    weights = {
        f"module {module_id}: {name}": parameter
        for module_id, module in modules.items()
        for name, parameter in module.named_parameters()
    }
    temperatures = getattr(learner, "curr_log_alpha", {})
    return weights | {
        f"module {module_id}: log_alpha": value for module_id, value in temperatures.items()
    }


def _check_weights(algorithm: Any) -> None:
    results = algorithm.learner_group.foreach_learner(lambda learner: _first(weights_of(learner)))
    for result in results:
        name = result.get() if result.ok else None
        if name:
            raise NotFiniteError(name)


def _first(named: dict[str, Tensor]) -> str | None:
    return next((name for name, value in named.items() if not torch.isfinite(value).all()), None)
