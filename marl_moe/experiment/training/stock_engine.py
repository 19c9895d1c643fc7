"""RLlib's stock algorithms as engines."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from marl_moe.experiment.spec.experiment import ExperimentSpec
from marl_moe.experiment.spec.rllib_sections import check_model_config
from marl_moe.experiment.training.cluster import quieten_ray
from marl_moe.experiment.training.engine import TrainedPolicy
from marl_moe.experiment.training.weights import learner_weights
from marl_moe.extras import check_training


class StockEngine:
    """One of RLlib's algorithms: a training that was interrupted begins again.

    Args:
        name: name of the algorithm in an experiment.
        learner_metrics: see `Engine`.
    """

    resumable = False

    def __init__(self, name: str, learner_metrics: Mapping[str, tuple[str, ...]]) -> None:
        self.name = name
        self.learner_metrics = learner_metrics

    def config(self, spec: ExperimentSpec, model_config: Any) -> Any:
        """See `Engine`."""
        from marl_moe.rllib.stock import STOCK, stock_config

        assert spec.algorithm is not None
        check_model_config(model_config, STOCK[self.name].model_keys)
        users = spec.algorithm.module_users(spec.env.num_users)
        mechanism = spec.mechanism.parameters()
        config = stock_config(self.name, spec.env, mechanism, users, spec.metrics)
        return config.rl_module(model_config=model_config)

    def begin_with(self, algorithm: Any, folder: Path) -> None:
        """See `Engine`; an experiment that would need it is refused when it is read."""
        raise NotImplementedError(f"{self.name} is RLlib's own and starts from nothing")

    def save(self, algorithm: Any, spec: ExperimentSpec, env_steps: int, folder: Path) -> None:
        """See `Engine`."""
        from marl_moe.rllib.stock_policy import save_stock_policy

        assert spec.algorithm is not None
        save_stock_policy(
            folder,
            self.name,
            learner_weights(algorithm),
            algorithm.config.model_config,
            spec.algorithm.module_users(spec.env.num_users),
            spec.env.num_candidates,
            env_steps,
        )

    def load(self, folder: Path) -> TrainedPolicy:
        """See `Engine`."""
        check_training(f"policy {self.name}")
        quieten_ray()
        from marl_moe.rllib.stock_policy import load_stock_policy

        return load_stock_policy(folder, self.name)
