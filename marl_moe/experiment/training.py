"""Training a policy on RLlib as an experiment asks, epoch by epoch."""

import time
from dataclasses import fields
from pathlib import Path
from typing import Any, Protocol

import numpy as np

import mechanisms
from marl_moe.experiment.cluster import nodes, quieten_ray, start_ray
from marl_moe.experiment.progress import Progress, Row
from marl_moe.experiment.resources import bundles_of, check_fits
from marl_moe.experiment.resumption import Resumption
from marl_moe.experiment.rllib_sections import apply_section, check_model_config, first_line
from marl_moe.experiment.spec import ExperimentSpec, SpecError
from marl_moe.experiment.training_events import TrainingEvents
from marl_moe.experiment.training_rows import not_finite, tensorboard_scalars, training_row
from marl_moe.experiment.tuning import equilibrium_gain
from marl_moe.policies.equilibrium import Nash
from marl_moe.policies.heuristics import Policy
from marl_moe.policies.learned import load_policy, save_policy
from marl_moe.policies.networks import NetworkConfig
from marl_moe.policies.weights import read_weights, write_weights
from marl_moe.rllib.failures import TrainingError

NETWORKS = "networks.safetensors"  # what a training in other worlds may begin with
PRETRAINING = "pretraining"  # folder of that training, within the one of the training that follows


class TrainedPolicy(Policy, Protocol):
    """A policy that training leaves behind: deterministic, and stochastic on demand."""

    def stochastic(self, rng: np.random.Generator) -> Policy:
        """The same, drawing its actions; named apart."""


def algorithm_config(spec: ExperimentSpec, seed: int) -> Any:
    """RLlib's configuration of an experiment.

    Raises SpecError for a key or a value that RLlib, or our part of it, does not take.
    """
    quieten_ray()
    assert spec.algorithm is not None
    sections = {section: dict(keys) for section, keys in spec.algorithm.sections().items()}
    if "seed" in sections.get("debugging", {}):
        raise SpecError("algorithm.debugging.seed: seeds are set by the key 'seeds'")
    model_config = sections.get("rl_module", {}).pop("model_config", {})
    config = (
        _sac_config(spec, model_config)
        if spec.algorithm.name == "sac"
        else _stock_config(spec, model_config)
    )
    for section, keys in sections.items():
        apply_section(config, section, keys)
    config.debugging(seed=seed)
    try:
        config.validate()
    except Exception as error:  # RLlib raises whatever it stumbles over
        raise SpecError(f"algorithm: {first_line(error)}") from None
    return config


def check_algorithm(spec: ExperimentSpec) -> None:
    """Raise SpecError where RLlib, or our part of it, does not take what the experiment passes on
    to it.
    """
    for phase in (spec, spec.pretraining()):
        if phase is not None and phase.algorithm is not None:
            algorithm_config(phase, seed=0)


def train(
    spec: ExperimentSpec, seed: int, folder: Path, progress: Progress | None = None
) -> list[Row]:
    """Train with one seed and save the policy into `folder`.

    A training that was killed goes on from the last checkpoint in `folder`, to the weights and rows
    that it would have had; RLlib's stock algorithms begin again. What is left at the end is a
    checkpoint of the rows alone. A pretraining comes first, as a training of its own in a folder of
    its own.

    Args:
        spec: the experiment.
        seed: seed of everything random.
        folder: where the policy, the checkpoint and the TensorBoard events go.
        progress: told each row of `training.parquet` as it comes, and of the epochs kept from
            before.

    Returns:
        The rows, those of the pretraining not among them. The policy is read by `load_trained`.

    Raises CheckpointError where there is a checkpoint that training cannot go on from; SpecError
    where Ray has not what the experiment asks for; TrainingError where a process died that training
    cannot do without, or a weight or a loss is no longer finite: the last checkpoint is kept, and
    nothing was written since.
    """
    assert spec.algorithm is not None
    progress = progress or Progress()
    resumption = Resumption(spec, folder)
    rows, state = resumption.read()
    progress.on_kept(len(rows))
    pretraining = spec.pretraining()
    if pretraining is not None:
        train(pretraining, seed, folder / PRETRAINING, progress)
    if rows and state is None:
        return rows
    start_ray(spec.cluster)
    from ray.exceptions import RayError

    config = algorithm_config(spec, seed)
    check_fits(bundles_of(config)[1:], nodes())
    algorithm = config.build_algo()
    try:
        if state is not None:
            algorithm.set_state(state)
            del state
        elif pretraining is not None:
            algorithm.begin_with(read_weights(folder / PRETRAINING / NETWORKS))
        _train_on(spec, seed, algorithm, rows, resumption, folder, progress)
        _save(spec, algorithm, rows[-1]["env_steps"] if rows else 0, folder)
    except RayError as error:
        cause = getattr(error, "cause", None) or error
        what = f"{type(cause).__name__}: {first_line(cause)}"
        raise TrainingError(
            f"seed {seed}: a process that training cannot do without failed: {what}"
        ) from error
    finally:
        algorithm.stop()
    if rows:
        resumption.write(rows, algorithm_state=None)
    return rows


def _train_on(
    spec: ExperimentSpec,
    seed: int,
    algorithm: Any,
    rows: list[Row],
    resumption: Resumption,
    folder: Path,
    progress: Progress,
) -> None:
    """Train the epochs after those of `rows`, and append theirs."""
    from marl_moe.rllib.finite import NotFiniteError, trained

    assert spec.algorithm is not None
    equilibrium = np.nan
    if Nash.name in spec.evaluation.policies:
        equilibrium = equilibrium_gain(
            spec.env, mechanisms.make(**spec.mechanism.parameters()), seed
        )
    kept_seconds, first_step = (
        (rows[-1]["seconds"], rows[-1]["agent_steps"] + 1) if rows else (0.0, 0)
    )
    with TrainingEvents(folder / "tensorboard", first_step) as events:
        began = time.perf_counter() - kept_seconds
        for epoch in range(len(rows) + 1, spec.algorithm.stop.training_iteration + 1):
            try:
                result = trained(algorithm)
                seconds = time.perf_counter() - began
                row = training_row(
                    result, algorithm.config, seed, spec.algorithm.name, epoch, seconds, equilibrium
                )
                if name := not_finite(row, rows[-1] if rows else None):
                    raise NotFiniteError(name)
            except NotFiniteError as error:
                raise TrainingError(
                    f"{folder}: epoch {epoch}: {error} is not finite, nothing of this epoch is "
                    "kept; the same settings "
                    "lead here again, lower learning rates (algorithm.training) may not"
                ) from None
            rows.append(row)
            events.add(tensorboard_scalars(row, spec.env.episode_slots), row["agent_steps"])
            progress.on_epoch(row)
            if resumption.is_due(algorithm, rows):
                resumption.write(rows, algorithm.get_state())


def load_trained(spec: ExperimentSpec, folder: Path) -> TrainedPolicy:
    """The policy that `train` saved into `folder`. Raises FileNotFoundError where there is none."""
    assert spec.algorithm is not None
    if spec.algorithm.name == "sac":
        return load_policy(folder, spec.algorithm.name)
    quieten_ray()
    from marl_moe.rllib.stock_policy import load_stock_policy

    return load_stock_policy(folder, spec.algorithm.name)


def _sac_config(spec: ExperimentSpec, model_config: Any) -> Any:
    """Our SAC, before the experiment's sections."""
    from marl_moe.rllib.algorithm import WorldSacConfig

    assert spec.algorithm is not None
    given = ("num_experts", "allow_abandon", "num_expert_features")  # by the world
    check_model_config(
        model_config, [field.name for field in fields(NetworkConfig) if field.name not in given]
    )
    users = spec.algorithm.module_users(spec.env.num_users)
    try:
        return WorldSacConfig().world(spec.env, spec.mechanism.parameters(), users, model_config)
    except (TypeError, ValueError) as error:
        raise SpecError(f"algorithm.rl_module.model_config: {error}") from None


def _stock_config(spec: ExperimentSpec, model_config: Any) -> Any:
    """One of RLlib's algorithms, before the experiment's sections."""
    from marl_moe.rllib.stock import STOCK, stock_config

    assert spec.algorithm is not None
    check_model_config(model_config, STOCK[spec.algorithm.name].model_keys)
    users = spec.algorithm.module_users(spec.env.num_users)
    config = stock_config(spec.algorithm.name, spec.env, spec.mechanism.parameters(), users)
    return config.rl_module(model_config=model_config)


def _save(spec: ExperimentSpec, algorithm: Any, env_steps: int, folder: Path) -> None:
    """Write weights and architecture of what acts, from the learner."""
    import torch

    assert spec.algorithm is not None
    state = algorithm.learner_group.get_state(components="learner/rl_module", inference_only=True)
    modules = {
        module_id: {key: torch.as_tensor(value) for key, value in module.items()}
        for module_id, module in state["learner"]["rl_module"].items()
    }
    users = spec.algorithm.module_users(spec.env.num_users)
    if spec.algorithm.name == "sac":
        network = next(iter(algorithm.config.rl_module_spec.rl_module_specs.values())).model_config
        prefix = "actor."
        actors = {
            module_id: {
                key.removeprefix(prefix): value
                for key, value in module.items()
                if key.startswith(prefix)
            }
            for module_id, module in modules.items()
        }
        write_weights(folder / NETWORKS, algorithm.networks())
        save_policy(folder, actors, NetworkConfig(**network), users)
    else:
        from marl_moe.rllib.stock_policy import save_stock_policy

        config = algorithm.config.model_config
        save_stock_policy(
            folder, spec.algorithm.name, modules, config, users, spec.env.num_candidates, env_steps
        )
