"""Weights of what acts, taken from RLlib's learner."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor

    from marl_moe.policies.weights import Weights


def learner_weights(algorithm: Any) -> dict[str, dict[str, "Tensor"]]:
    """Return the parameters of each module that acting needs, by module and name."""
    from torch import as_tensor

    state = algorithm.learner_group.get_state(components="learner/rl_module", inference_only=True)
    return {
        module_id: {name: as_tensor(value) for name, value in module.items()}
        for module_id, module in state["learner"]["rl_module"].items()
    }


def average_actors(networks: "Weights") -> dict[str, dict[str, "Tensor"]]:
    """Return the parameters of each module's average actor, which plays after training of ours.

    Args:
        networks: what `WorldSac.networks` returns.
    """
    from marl_moe.rllib.module import AVERAGE_ACTOR

    return {
        module_id: {
            name.removeprefix(AVERAGE_ACTOR): value
            for name, value in module.items()
            if name.startswith(AVERAGE_ACTOR)
        }
        for module_id, module in networks.items()
    }
