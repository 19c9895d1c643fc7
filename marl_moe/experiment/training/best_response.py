"""Training of one agent alone against policies that stay: the best response that SAC finds."""

from pathlib import Path
from typing import Any

from envs.roles.levers import ROLES, USERS, num_agents
from marl_moe.errors import DivergedError, TrainingError
from marl_moe.experiment.progress import Progress
from marl_moe.experiment.spec.experiment import ExperimentSpec
from marl_moe.experiment.spec.rllib_sections import first_line
from marl_moe.experiment.training.cluster import start_ray
from marl_moe.experiment.training.configuration import algorithm_config
from marl_moe.experiment.training.weights import average_actors
from marl_moe.policies.base import NETWORKS, Policy
from marl_moe.policies.sides import RolePolicy
from marl_moe.seeds import deviation_seed

BestResponse = Policy | RolePolicy


def best_response(
    spec: ExperimentSpec, seed: int, role: str, folder: Path, progress: Progress
) -> BestResponse:
    """Train one agent of a role alone, and return what it plays.

    It begins with the networks of its role, where that learned by SAC, and every episode is an
    agent drawn by lot; all others play the policies in `folder`, by their likeliest actions.

    Args:
        spec: the experiment, whose `evaluation.best_response_epochs` are trained.
        seed: of the job.
        role: `users`, `edge_devices` or `platform`.
        folder: where training left the policies.
        progress: stops it between epochs.

    Raises:
        TrainingError: a process died that it cannot do without.
        DivergedError: a weight or a loss is no longer finite.
        KeyboardInterrupt: it is to stop.
    """
    from ray.exceptions import RayError

    from marl_moe.policies.weights import read_weights
    from marl_moe.rllib.deviation import DEVIATOR
    from marl_moe.rllib.finite import NotFiniteError, trained

    assert spec.algorithm is not None
    start_ray(spec.cluster)
    config = algorithm_config(spec, deviation_seed(seed, ROLES.index(role)), (role, str(folder)))
    # What it begins with has learned; and alone it should be trained as often as all of its role.
    agents = num_agents(role, spec.env.num_users, spec.env.num_experts)
    config.training(
        num_steps_sampled_before_learning_starts=0,
        training_intensity=config.training_intensity * agents,
    )
    config.sides = {
        own: side._replace(training_intensity=side.training_intensity * agents)
        for own, side in config.sides.items()
    }
    algorithm = config.build_algo()
    module_id = DEVIATOR if role == USERS else role
    try:
        begun = read_weights(folder / NETWORKS)
        networks = {DEVIATOR: begun[_shared(spec)]} if role == USERS else begun
        if module_id in networks:
            algorithm.begin_with(networks)
        for _ in range(spec.evaluation.best_response_epochs):
            if progress.is_stopping():
                raise KeyboardInterrupt
            trained(algorithm)
        return _policy(algorithm, module_id, role)
    except NotFiniteError as error:
        raise DivergedError(f"{folder}: best response of {role}: {error} is not finite") from None
    except RayError as error:
        raise TrainingError(f"best response of {role}: {first_line(error)}") from error
    finally:
        algorithm.stop()


def _shared(spec: ExperimentSpec) -> str:
    assert spec.algorithm is not None
    return next(iter(spec.algorithm.module_users(spec.env.num_users)))


def _policy(algorithm: Any, module_id: str, role: str) -> BestResponse:
    """Return the policy of the actor that was trained."""
    from marl_moe.policies.learned import LearnedPolicy
    from marl_moe.policies.learned_sides import LearnedSide
    from marl_moe.policies.networks import NetworkConfig
    from marl_moe.policies.role_networks import RoleNetworkConfig

    keys = algorithm.config.rl_module_spec.rl_module_specs[module_id].model_config
    kind: Any = NetworkConfig if role == USERS else RoleNetworkConfig
    network = kind(**keys)
    actor = network.actor()
    actor.load_state_dict(average_actors(algorithm.networks())[module_id])
    actor.requires_grad_(False).eval()
    if role == USERS:
        return LearnedPolicy("best_response", {module_id: actor}, network, {module_id: []})
    return LearnedSide(actor, network)
