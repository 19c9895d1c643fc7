"""Rows of `training.parquet` from RLlib's results."""

from typing import Any

import numpy as np

from marl_moe.experiment.progress import Row
from marl_moe.experiment.records import TRAINING
from marl_moe.rllib.failures import TrainingError

AGENT_MEANS = ("gain", "qos", "charge", "energy_j", "transferred", "rejected", "platform_balance")
SLOT_MEANS = ("unit_price", "participation")
LEARNER_METRICS: dict[
    str, dict[str, tuple[str, ...]]
] = {  # RLlib's names of a column's summands, by algorithm
    "sac": {
        name: (name,) for name in ("critic_loss", "actor_loss", "temperature", "entropy", "q_mean")
    },
    "rllib_sac": {
        "critic_loss": ("qf_loss", "qf_twin_loss"),
        "actor_loss": ("policy_loss",),
        "temperature": ("alpha_value",),
        "q_mean": ("qf_mean",),
    },
    "ppo": {
        "critic_loss": ("vf_loss_unclipped",),
        "actor_loss": ("policy_loss",),
        "entropy": ("entropy",),
    },
    "dqn": {"critic_loss": ("qf_loss",), "q_mean": ("qf_mean",)},
}
LEARNER_COLUMNS = tuple(LEARNER_METRICS["sac"])
_SCALARS = (*AGENT_MEANS, *SLOT_MEANS, *LEARNER_COLUMNS, "utility", "share_of_equilibrium")


def tensorboard_scalars(row: Row, episode_slots: int) -> dict[str, float]:
    """What TensorBoard is told of an epoch: finite columns of its row, the mean return of a user's
    episode in credits, and the rates since training began, 1/s."""
    told = {
        "return": row["gain"] * episode_slots,
        "agent_steps_per_second": row["agent_steps"] / row["seconds"],
        "updates_per_second": row["updates"] / row["seconds"],
    }
    return {name: row[name] for name in _SCALARS if np.isfinite(row[name])} | told


def training_row(
    result: dict[str, Any],
    config: Any,
    seed: int,
    algorithm: str,
    epoch: int,
    seconds: float,
    equilibrium: float,
) -> Row:
    """The row of one epoch; NaN where the algorithm has no such thing.

    Args:
        result: of `algorithm.train()`.
        config: the algorithm's configuration.
        seed: of the training run.
        algorithm: name of what learns.
        epoch: from 1.
        seconds: since training began.
        equilibrium: gain of the equilibrium that the epoch's gain is a share of, NaN without.

    Raises TrainingError where no env runner was left to report.
    """
    from marl_moe.rllib.algorithm import NUM_ENV_STEPS_LOST, NUM_UPDATES_LIFETIME

    if "env_runners" not in result:
        raise TrainingError(
            f"epoch {epoch}: no env runner returned anything; are all remote ones dead?"
        )
    runners = result["env_runners"]
    modules = [
        metrics
        for module, metrics in result.get("learners", {}).items()
        if module != "__all_modules__"
    ]
    row: Row = {
        "seed": seed,
        "point": "",
        "algorithm": algorithm,
        "epoch": epoch,
        "env_steps": int(runners["num_env_steps_sampled_lifetime"]),
        "agent_steps": int(sum(runners["num_agent_steps_sampled_lifetime"].values())),
        "updates": _updates(result.get(NUM_UPDATES_LIFETIME), config, modules),
        "seconds": seconds,
        "utility": runners["utility"] / runners["num_requests"]
        if runners["num_requests"]
        else np.nan,
    }
    row |= {name: runners[name] / runners["num_agent_slots"] for name in AGENT_MEANS}
    row |= {name: runners[name] / runners["num_slots"] for name in SLOT_MEANS}
    row["lost_slots"] = float(result.get(NUM_ENV_STEPS_LOST, np.nan))
    row["share_of_equilibrium"] = row["gain"] / equilibrium
    for column in LEARNER_COLUMNS:
        keys = LEARNER_METRICS[algorithm].get(column, ())
        values = [
            sum(float(metrics[key]) for key in keys)
            for metrics in modules
            if keys and keys[0] in metrics
        ]
        row[column] = float(np.mean(values)) if values else np.nan
    assert set(row) == set(TRAINING)
    return row


def not_finite(row: Row, before: Row | None) -> str | None:
    """The first of the metrics of learning that is not finite in an epoch's row, given the row
    before it.

    RLlib reports NaN for a metric of an epoch without an update, as before learning.
    """
    learnt = row["updates"] > (before["updates"] if before else 0)
    reported = LEARNER_METRICS[row["algorithm"]]
    return next(
        (name for name in reported if np.isinf(row[name]) or (learnt and np.isnan(row[name]))), None
    )


def _updates(counted: int | None, config: Any, modules: list[dict[str, Any]]) -> int:
    """Gradient updates so far; RLlib itself counts the steps trained on, of the first module here."""
    if counted is not None or not modules:
        return int(counted or 0)
    an_update = (config.minibatch_size or config.train_batch_size_per_learner) * max(
        1, config.num_learners
    )
    return round(modules[0].get("num_module_steps_trained_lifetime", 0) / an_update)
