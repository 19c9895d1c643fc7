"""Training a policy on RLlib as an experiment asks, epoch by epoch."""

import inspect
import logging
import os
import time
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np

from marl_moe.experiment.progress import Row
from marl_moe.experiment.records import TRAINING
from marl_moe.experiment.spec import ExperimentSpec, SpecError, unknown_key
from marl_moe.policies.learned import LearnedPolicy, load_policy, save_policy
from marl_moe.policies.networks import NetworkConfig

AGENT_MEANS = ("gain", "qos", "charge", "energy_j", "transferred", "rejected", "platform_balance")
SLOT_MEANS = ("unit_price", "participation")
LEARNER_METRICS = ("critic_loss", "actor_loss", "temperature", "entropy", "q_mean")


def algorithm_config(spec: ExperimentSpec, seed: int) -> Any:
    """RLlib's configuration of an experiment.

    Raises SpecError for a key or a value that RLlib, or our SAC, does not take.
    """
    _quieten_ray()
    from marl_moe.rllib.algorithm import WorldSacConfig

    assert spec.algorithm is not None
    sections = spec.algorithm.sections()
    network = dict(sections.get("rl_module", {})).pop("model_config", {})
    _check_network(network)
    if "seed" in sections.get("debugging", {}):
        raise SpecError("algorithm.debugging.seed: seeds are set by the key 'seeds'")
    config = WorldSacConfig()
    try:
        config.world(spec.env, spec.mechanism.parameters(), spec.algorithm.module_users(spec.env.num_users), network)
    except (TypeError, ValueError) as error:
        raise SpecError(f"algorithm.rl_module.model_config: {error}") from None
    for section, keys in sections.items():
        passed = {key: value for key, value in keys.items() if (section, key) != ("rl_module", "model_config")}
        _apply(config, section, passed)
    config.debugging(seed=seed)
    try:
        config.validate()
    except (ValueError, AssertionError) as error:
        first_line = str(error).strip().splitlines()[0]
        raise SpecError(f"algorithm: {first_line}") from None
    return config


def check_algorithm(spec: ExperimentSpec) -> None:
    """Raise SpecError where RLlib, or our SAC, does not take what the experiment passes on to it."""
    if spec.algorithm is not None:
        algorithm_config(spec, seed=0)


def train(
    spec: ExperimentSpec, seed: int, folder: Path, on_epoch: Callable[[Row], None] = lambda row: None
) -> tuple[list[Row], LearnedPolicy]:
    """Train with one seed and save the policy into `folder`.

    Args:
        spec: the experiment.
        seed: seed of everything random.
        folder: where the policy and the TensorBoard events go.
        on_epoch: told each row of `training.parquet` as it comes.

    Returns:
        The rows, and the policy (deterministic).
    """
    from tensorboardX import SummaryWriter

    assert spec.algorithm is not None
    start_ray()
    config = algorithm_config(spec, seed)
    algorithm = config.build_algo()
    rows: list[Row] = []
    try:
        with SummaryWriter(str(folder / "tensorboard")) as events:
            began = time.perf_counter()
            for epoch in range(1, spec.algorithm.stop.training_iteration + 1):
                result = algorithm.train()
                row = _row(result, seed, spec.algorithm.name, epoch, time.perf_counter() - began)
                rows.append(row)
                for name in (*AGENT_MEANS, *SLOT_MEANS, *LEARNER_METRICS, "utility"):
                    if np.isfinite(row[name]):
                        events.add_scalar(name, row[name], row["agent_steps"])
                on_epoch(row)
        network, weights = _actors(algorithm)
    finally:
        algorithm.stop()
    save_policy(folder, weights, network, spec.algorithm.module_users(spec.env.num_users))
    return rows, load_policy(folder, spec.algorithm.name)


def start_ray() -> None:
    """Start Ray on this machine if it is not running in this process yet."""
    _quieten_ray()
    import ray

    if not ray.is_initialized():
        ray.init(include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR)


def _check_network(network: Any) -> None:
    valid = [field.name for field in fields(NetworkConfig) if field.name not in ("num_experts", "allow_abandon")]
    if not isinstance(network, dict):
        raise SpecError(f"algorithm.rl_module.model_config: should hold {', '.join(valid)}, got {network!r}")
    for key in network:
        if key not in valid:
            raise SpecError(f"algorithm.rl_module.model_config.{key}: {unknown_key(key, valid)} (unknown key)")


def _apply(config: Any, section: str, keys: dict[str, Any]) -> None:
    """Call RLlib's method for a section; the first wrong key becomes a SpecError."""
    method = getattr(config, section)
    known: list[str] = []
    for owner in type(config).__mro__:
        if section in vars(owner):
            known += [
                name
                for name, parameter in inspect.signature(vars(owner)[section]).parameters.items()
                if parameter.kind is parameter.KEYWORD_ONLY and not name.startswith("_")
            ]
    for key in keys:
        if key not in known:
            raise SpecError(f"algorithm.{section}.{key}: {unknown_key(key, known)} (unknown key)")
    try:
        method(**keys)
    except Exception as error:
        raise SpecError(f"algorithm.{section}: {str(error).strip().splitlines()[0]}") from None


def _row(result: dict[str, Any], seed: int, algorithm: str, epoch: int, seconds: float) -> Row:
    """A row of `training.parquet` from RLlib's result."""
    from marl_moe.rllib.algorithm import NUM_UPDATES_LIFETIME

    runners, learners = result["env_runners"], result.get("learners", {})
    modules = [metrics for module, metrics in learners.items() if module != "__all_modules__"]
    row = {
        "seed": seed,
        "point": "",
        "algorithm": algorithm,
        "epoch": epoch,
        "env_steps": int(runners["num_env_steps_sampled_lifetime"]),
        "agent_steps": int(sum(runners["num_agent_steps_sampled_lifetime"].values())),
        "updates": int(result.get(NUM_UPDATES_LIFETIME, 0)),
        "seconds": seconds,
        "utility": runners["utility"] / runners["num_requests"] if runners["num_requests"] else np.nan,
    }
    row |= {name: runners[name] / runners["num_agent_slots"] for name in AGENT_MEANS}
    row |= {name: runners[name] / runners["num_slots"] for name in SLOT_MEANS}
    for name in LEARNER_METRICS:
        values = [float(metrics[name]) for metrics in modules if name in metrics]
        row[name] = float(np.mean(values)) if values else np.nan
    assert set(row) == set(TRAINING)
    return row


def _actors(algorithm: Any) -> tuple[NetworkConfig, dict[str, dict[str, Any]]]:
    """Network and weights of the actors, from the learner."""
    import torch

    state = algorithm.learner_group.get_state(components="learner/rl_module", inference_only=True)
    modules = state["learner"]["rl_module"]
    prefix = "actor."
    weights = {
        module_id: {
            key.removeprefix(prefix): torch.as_tensor(value) for key, value in module.items() if key.startswith(prefix)
        }
        for module_id, module in modules.items()
    }
    spec = next(iter(algorithm.config.rl_module_spec.rl_module_specs.values()))
    return NetworkConfig(**spec.model_config), weights


def _quieten_ray() -> None:
    """Import RLlib with its notices off the terminal; what fails still raises."""
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    import ray.rllib  # noqa: F401 - importing it sets the levels that are set again below

    logging.getLogger("ray").setLevel(logging.ERROR)
    logging.getLogger("ray.rllib").setLevel(logging.ERROR)
