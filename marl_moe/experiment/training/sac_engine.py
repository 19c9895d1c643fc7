"""Our SAC on RLlib as an engine."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from envs.roles.levers import EDGE_DEVICES
from marl_moe.errors import SpecError
from marl_moe.experiment.spec.experiment import ExperimentSpec
from marl_moe.experiment.spec.rllib_sections import check_model_config
from marl_moe.experiment.training.engine import LEARNER_COLUMNS
from marl_moe.experiment.training.weights import average_actors
from marl_moe.extras import PYTORCH, check_training
from marl_moe.policies.base import NETWORKS
from marl_moe.policies.sides import HEDGE, OTHER_SIDES

if TYPE_CHECKING:
    from marl_moe.policies.learned import LearnedPolicy


class SacEngine:
    """Our SAC, which continues from its state bit for bit or from networks trained before."""

    name = "sac"
    resumable = True

    def __init__(self) -> None:
        self.learner_metrics: Mapping[str, tuple[str, ...]] = {
            column: (column,) for column in LEARNER_COLUMNS
        }

    def config(
        self, spec: ExperimentSpec, model_config: Any, deviation: tuple[str, str] | None = None
    ) -> Any:
        """See `Engine`.

        Args:
            spec: the experiment.
            model_config: its key `algorithm.rl_module.model_config`.
            deviation: role of the one agent that learns, and folder of the policies that all others
                play; None: everybody learns who does in the experiment.
        """
        from marl_moe.policies.networks import GIVEN
        from marl_moe.rllib.algorithm import WorldSac
        from marl_moe.rllib.config import Side
        from marl_moe.rllib.deviation import DeviationKeys

        assert spec.algorithm is not None
        check_model_config(model_config, GIVEN)
        users = spec.algorithm.module_users(spec.env.num_users)
        mechanism, roles = spec.mechanism.parameters(), spec.algorithm.roles
        sides = {
            role: Side(roles.learner(role), getattr(roles, f"{role}_training_intensity"))
            for role in OTHER_SIDES
        }
        try:
            defaults = WorldSac.get_default_config()
            alone = None if deviation is None else DeviationKeys(*deviation)
            return defaults.world(
                spec.env, mechanism, users, model_config, spec.metrics, sides, alone
            )
        except (TypeError, ValueError) as error:
            raise SpecError(f"algorithm.rl_module.model_config: {error}") from None

    def begin_with(self, algorithm: Any, folder: Path) -> None:
        """See `Engine`."""
        from marl_moe.policies.weights import read_weights

        algorithm.begin_with(read_weights(folder / NETWORKS))

    def save(self, algorithm: Any, spec: ExperimentSpec, env_steps: int, folder: Path) -> None:
        """See `Engine`."""
        from marl_moe.policies.learned import save_policy
        from marl_moe.policies.learned_sides import save_sides
        from marl_moe.policies.networks import NetworkConfig
        from marl_moe.policies.role_networks import RoleNetworkConfig
        from marl_moe.policies.weights import write_weights

        assert spec.algorithm is not None
        module_specs = algorithm.config.rl_module_spec.rl_module_specs
        users = spec.algorithm.module_users(spec.env.num_users)
        network = NetworkConfig(**module_specs[next(iter(users))].model_config)
        networks = algorithm.networks()
        actors = average_actors(networks)
        write_weights(folder / NETWORKS, networks)
        save_policy(folder, {module_id: actors[module_id] for module_id in users}, network, users)
        if spec.algorithm.roles.learning:
            sides = [role for role in OTHER_SIDES if role in module_specs]
            hedge = None
            if spec.algorithm.roles.edge_devices == HEDGE:
                hedge = algorithm.env_runner.sides.hedge.mix
            save_sides(
                folder,
                spec.env.roles,
                {role: RoleNetworkConfig(**module_specs[role].model_config) for role in sides},
                {role: actors[role] for role in sides},
                {} if hedge is None else {EDGE_DEVICES: hedge},
            )

    def load(self, folder: Path) -> "LearnedPolicy":
        """See `Engine`; Ray is not needed."""
        check_training(f"policy {self.name}", *PYTORCH)
        from marl_moe.policies.learned import load_policy

        return load_policy(folder, self.name)
