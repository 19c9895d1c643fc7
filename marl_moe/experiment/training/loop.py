"""The loop of training on RLlib: one seed of an experiment, epoch by epoch."""

import time
from pathlib import Path
from typing import Any

import numpy as np

import mechanisms
from marl_moe.errors import DivergedError, TrainingError
from marl_moe.experiment.progress import Progress, Row
from marl_moe.experiment.spec.experiment import ExperimentSpec
from marl_moe.experiment.spec.rllib_sections import first_line
from marl_moe.experiment.study.tuning import equilibrium_gain
from marl_moe.experiment.training.cluster import nodes, start_ray
from marl_moe.experiment.training.configuration import algorithm_config
from marl_moe.experiment.training.engine import Engine
from marl_moe.experiment.training.engines import engine_of
from marl_moe.experiment.training.interrupts import HeldInterrupt
from marl_moe.experiment.training.resources import bundles_of, check_fits
from marl_moe.experiment.training.resumption import Resumption
from marl_moe.experiment.training.rows import not_finite, tensorboard_scalars, training_row
from marl_moe.extras import check_training
from marl_moe.policies.equilibrium import Nash

PRETRAINING = "pretraining"  # folder of that training, within the one of the training that follows


def train(
    spec: ExperimentSpec, seed: int, folder: Path, progress: Progress | None = None
) -> list[Row]:
    """Train with one seed and save the policy into `folder`.

    A training that was killed goes on from the last checkpoint in `folder`, to the weights and rows
    that it would have had; RLlib's stock algorithms begin again. The checkpoint that is left at the
    end holds the rows alone. A pretraining comes first, as a training of its own in a folder of its
    own.

    Args:
        spec: the experiment.
        seed: seed of everything random.
        folder: where the policy, the checkpoint and the TensorBoard events go.
        progress: called with each row of `training.parquet` as it comes, and with the number of
            epochs kept from before.

    Returns:
        The rows, those of the pretraining not among them. The policy is read by the engine.

    Raises:
        CheckpointError: there is a checkpoint that training cannot go on from.
        KeyboardInterrupt: after Ctrl-C, at the end of the epoch, with a checkpoint written.
        MissingExtraError: RLlib or PyTorch is not installed.
        SpecError: Ray does not have the resources that the experiment needs.
        TrainingError: a process died that training cannot do without, a weight or a loss is no
            longer finite, or a metric or a callback failed; the last checkpoint is kept, and
            nothing was written since.
    """
    assert spec.algorithm is not None
    progress = progress or Progress()
    check_training(f"algorithm {spec.algorithm.name}")
    engine = engine_of(spec.algorithm)
    resumption = Resumption(spec, folder, engine.resumable)
    rows, state = resumption.read()
    if state is None and len(rows) < spec.algorithm.stop.training_iteration:
        rows = []  # it was over, and is to be longer: without a state it begins again
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
            engine.begin_with(algorithm, folder / PRETRAINING)
        _train_on(spec, seed, engine, algorithm, rows, resumption, folder, progress)
        engine.save(algorithm, spec, rows[-1]["env_steps"] if rows else 0, folder)
        if rows:
            keeps = spec.algorithm.stop.keep_checkpoint
            resumption.write(rows, algorithm.get_state() if keeps else None)
    except RayError as error:
        cause = getattr(error, "cause", None) or error
        raise TrainingError(
            f"seed {seed}: a process that training cannot do without failed: "
            f"{type(cause).__name__}: {first_line(cause)}"
        ) from error
    finally:
        algorithm.stop()
    return rows


def _train_on(
    spec: ExperimentSpec,
    seed: int,
    engine: Engine,
    algorithm: Any,
    rows: list[Row],
    resumption: Resumption,
    folder: Path,
    progress: Progress,
) -> None:
    """Train the epochs after those of `rows`, and append theirs."""
    from marl_moe.experiment.training.events import TrainingEvents
    from marl_moe.rllib.callbacks import logged
    from marl_moe.rllib.finite import NotFiniteError, trained

    assert spec.algorithm is not None
    equilibrium = np.nan
    alone = not spec.algorithm.roles.learning  # else prices are others than an equilibrium's
    if alone and spec.evaluation.entry(Nash.name) is not None:
        equilibrium = equilibrium_gain(
            spec.env, mechanisms.make(**spec.mechanism.parameters()), seed
        )
    kept_seconds, first_step = 0.0, 0
    if rows:
        kept_seconds, first_step = rows[-1]["seconds"], rows[-1]["agent_steps"] + 1
    with TrainingEvents(folder / "tensorboard", first_step) as events, HeldInterrupt() as interrupt:
        began = time.perf_counter() - kept_seconds
        for epoch in range(len(rows) + 1, spec.algorithm.stop.training_iteration + 1):
            try:
                result = trained(algorithm)
                seconds = time.perf_counter() - began
                row = training_row(
                    result,
                    algorithm.config,
                    seed,
                    engine,
                    epoch,
                    seconds,
                    equilibrium,
                    logged(algorithm, result),
                )
                metric = not_finite(row, rows[-1] if rows else None, engine)
                if metric is not None:
                    raise NotFiniteError(metric)
            except NotFiniteError as error:
                raise DivergedError(
                    f"{folder}: epoch {epoch}: {error} is not finite, nothing of this epoch is "
                    "kept; the same settings lead here again, lower learning rates "
                    "(algorithm.training) may not"
                ) from None
            rows.append(row)
            events.add(tensorboard_scalars(row, spec.env.episode_slots), row["agent_steps"])
            progress.on_epoch(row)
            stops = interrupt.came or progress.is_stopping()
            if resumption.is_due(algorithm, rows, stops):
                resumption.write(rows, algorithm.get_state())
            if stops:
                raise KeyboardInterrupt
