"""Rows of `training.parquet` from RLlib's results."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from envs.slot import RECORDED
from marl_moe.experiment.progress import Row
from marl_moe.experiment.records.columns import SIDES, TAKEN, TRAINING
from marl_moe.experiment.training.engine import LEARNER_COLUMNS, Engine
from marl_moe.policies.sides import HEDGE, OTHER_SIDES, SAC
from mechanisms import PartError

SLOT_MEANS = ("unit_price", "participation")
SIDE_METRICS = ("critic_loss", "temperature", "entropy")  # of a side that learns by SAC
OF_JOB = ("point", "settings")  # columns that a job adds to the rows of its training
_SCALARS = (*RECORDED, *SIDES, *SLOT_MEANS, *LEARNER_COLUMNS, "utility", "share_of_equilibrium")


def tensorboard_scalars(row: Row, episode_slots: int) -> dict[str, float]:
    """Return the scalars of an epoch for TensorBoard.

    They are the finite columns of its row, those of metrics and callbacks among them, the mean
    return of a user's episode in credits, and the rates since training began, 1/s.
    """
    names = (*_SCALARS, *(name for name in row if name not in TRAINING))
    scalars = {name: row[name] for name in names if np.isfinite(row[name])}
    scalars["return"] = row["gain"] * episode_slots
    scalars["agent_steps_per_second"] = row["agent_steps"] / row["seconds"]
    scalars["updates_per_second"] = row["updates"] / row["seconds"]
    return scalars


def training_row(
    result: dict[str, Any],
    config: Any,
    seed: int,
    engine: Engine,
    epoch: int,
    seconds: float,
    equilibrium: float,
    logged: Mapping[str, float] | None = None,
) -> Row:
    """Return the row of one epoch; NaN where the algorithm has no such thing.

    Args:
        result: of `algorithm.train()`.
        config: the algorithm's configuration.
        seed: of the training run.
        engine: the engine of the algorithm.
        epoch: from 1.
        seconds: since training began.
        equilibrium: gain of the equilibrium that the epoch's gain is a share of, NaN without.
        logged: what callbacks logged in the epoch, by column.

    Returns:
        The row, without the columns `OF_JOB`.

    Raises:
        TrainingError: no env runner was left to report.
        PartError: callbacks logged what is a column already.
    """
    from marl_moe.rllib.algorithm import NUM_ENV_STEPS_LOST, NUM_UPDATES_LIFETIME
    from marl_moe.rllib.metrics import metric_means

    if "env_runners" not in result:
        raise PartError(
            f"epoch {epoch}: no env runner returned anything; are all remote ones dead?"
        )
    runners = result["env_runners"]
    learners = dict(result.get("learners", {}))
    learners.pop("__all_modules__", None)
    sides = {role: learners.pop(role, {}) for role in OTHER_SIDES}
    modules = list(learners.values())
    row: Row = {
        "seed": seed,
        "algorithm": engine.name,
        "epoch": epoch,
        "env_steps": int(runners["num_env_steps_sampled_lifetime"]),
        "agent_steps": int(sum(runners["num_agent_steps_sampled_lifetime"].values())),
        "updates": _updates(result.get(NUM_UPDATES_LIFETIME), config, modules),
        "seconds": seconds,
        "utility": np.nan,
    }
    if runners["num_requests"]:
        row["utility"] = runners["utility"] / runners["num_requests"]
    row |= {name: runners[name] / runners["num_agent_slots"] for name in RECORDED}
    row |= {name: runners[name] / runners["num_slots"] for name in SLOT_MEANS}
    row["lost_slots"] = float(result.get(NUM_ENV_STEPS_LOST, np.nan))
    row["share_of_equilibrium"] = row["gain"] / equilibrium if equilibrium else np.nan
    for column in LEARNER_COLUMNS:
        keys = engine.learner_metrics.get(column, ())
        values = [
            sum(float(metrics[key]) for key in keys)
            for metrics in modules
            if keys and keys[0] in metrics
        ]
        row[column] = float(np.mean(values)) if values else np.nan
    row |= _of_sides(result, runners, sides, config)
    assert set(row) == set(TRAINING) - set(OF_JOB)
    row |= metric_means(runners, config.env_config["metrics"])
    taken = sorted(set(logged or ()) & (TAKEN | set(row)))
    if taken:
        raise PartError(
            f"epoch {epoch}: callbacks log {', '.join(map(repr, taken))}, which is recorded "
            "already; log it under another name"
        )
    return row | dict(logged or {})


def _of_sides(
    result: dict[str, Any], runners: dict[str, Any], sides: dict[str, Any], config: Any
) -> Row:
    """Return the columns of edge devices and the platform, NaN of those that do not learn."""
    row: Row = dict.fromkeys(SIDES, np.nan)
    learners = set(config.env_config.get("roles", {}).values())
    if not learners & {SAC, HEDGE}:
        return row
    from marl_moe.rllib.algorithm import NUM_SIDE_UPDATES_LIFETIME
    from marl_moe.rllib.runner_sides import ROLE_MEANS, SUMS

    sums = runners[SUMS]
    for name in ROLE_MEANS:
        row[name] = sums[name] / sums["intervals"] if sums["intervals"] else np.nan
    updates = result.get(NUM_SIDE_UPDATES_LIFETIME, {})
    for role in config.sides:
        row[f"{role}_updates"] = float(updates.get(role, 0))
        for metric in SIDE_METRICS:
            row[f"{role}_{metric}"] = float(sides[role].get(metric, np.nan))
    return row


def not_finite(row: Row, before: Row | None, engine: Engine) -> str | None:
    """Return the first metric of learning that is not finite in an epoch's row, None without one.

    RLlib reports NaN for a metric of an epoch without an update, as before learning.

    Args:
        row: of the epoch.
        before: of the epoch before, None for the first.
        engine: the engine of the algorithm.
    """
    learnt = row["updates"] > (before["updates"] if before else 0)
    for name in engine.learner_metrics:
        if np.isinf(row[name]) or (learnt and np.isnan(row[name])):
            return name
    return None


def _updates(counted: int | None, config: Any, modules: list[dict[str, Any]]) -> int:
    """Return the gradient updates so far.

    RLlib itself counts the steps trained on, of the first module here.
    """
    if counted is not None or not modules:
        return int(counted or 0)
    an_update = (config.minibatch_size or config.train_batch_size_per_learner) * max(
        1, config.num_learners
    )
    return round(modules[0].get("num_module_steps_trained_lifetime", 0) / an_update)
