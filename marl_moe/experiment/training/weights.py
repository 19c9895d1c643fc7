"""Weights of what acts, taken from RLlib's learner."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor


def learner_weights(algorithm: Any) -> dict[str, dict[str, "Tensor"]]:
    """Return the parameters of each module that acting needs, by module and name."""
    from torch import as_tensor

    state = algorithm.learner_group.get_state(components="learner/rl_module", inference_only=True)
    return {
        module_id: {name: as_tensor(value) for name, value in module.items()}
        for module_id, module in state["learner"]["rl_module"].items()
    }
