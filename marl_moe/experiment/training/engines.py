"""The engine of each algorithm that an experiment can name."""

from marl_moe.experiment.spec.algorithm import AlgorithmSpec
from marl_moe.experiment.training.engine import Engine
from marl_moe.experiment.training.sac_engine import SacEngine
from marl_moe.experiment.training.stock_engine import StockEngine

RLLIB_SAC_METRICS = {
    "critic_loss": ("qf_loss", "qf_twin_loss"),
    "actor_loss": ("policy_loss",),
    "temperature": ("alpha_value",),
    "q_mean": ("qf_mean",),
}
PPO_METRICS = {
    "critic_loss": ("vf_loss_unclipped",),
    "actor_loss": ("policy_loss",),
    "entropy": ("entropy",),
}
DQN_METRICS = {"critic_loss": ("qf_loss",), "q_mean": ("qf_mean",)}

ENGINES: dict[str, Engine] = {
    "sac": SacEngine(),
    "rllib_sac": StockEngine("rllib_sac", RLLIB_SAC_METRICS),
    "ppo": StockEngine("ppo", PPO_METRICS),
    "dqn": StockEngine("dqn", DQN_METRICS),
}


def engine_of(algorithm: AlgorithmSpec) -> Engine:
    """Return the engine that trains the algorithm of an experiment."""
    return ENGINES[algorithm.name]
