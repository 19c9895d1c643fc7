"""Experiments from Python: begun, loaded, played again."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd

from marl_moe.errors import SpecError
from marl_moe.experiment.records.columns import TABLES
from marl_moe.experiment.run.compared_policies import named, trained_if_it_is_to_be
from marl_moe.experiment.run.creation import create_run
from marl_moe.experiment.run.folder import RunFolder
from marl_moe.experiment.run.training_job import TrainingJob, policy_names
from marl_moe.experiment.spec.empty import without_empty
from marl_moe.experiment.spec.experiment import ExperimentSpec
from marl_moe.experiment.spec.given import check_given, given_from_python
from marl_moe.experiment.spec.input_files import located
from marl_moe.experiment.spec.input_files import named as named_inputs
from marl_moe.experiment.spec.policies import snake_case
from marl_moe.experiment.spec.reading import (
    load_experiment,
    parse_experiment,
    patched,
    with_imports,
)
from marl_moe.experiment.spec.section import merged
from marl_moe.policies.base import Policy, made
from marl_moe.runs import Run, finished
from marl_moe.seeds import policy_generator

Experiment = str | Path | Mapping[str, Any] | ExperimentSpec


def run(
    experiment: Experiment,
    *,
    out: str | Path = "results",
    size: str | None = None,
    progress: bool = True,
    **changes: Any,
) -> Run:
    """Run an experiment: train, evaluate, record; what is printed is its progress alone.

    Args:
        experiment: a YAML file, the name of a shipped experiment, or its sections as a dictionary,
            whose files are beside the working folder.
        out: folder in which the run folder is made.
        size: one of the experiment's `sizes`.
        progress: whether to print how far it is.
        **changes: keys of the experiment in place of its own, as `seeds=3`; sections are merged, as
            `env={"num_users": 8}`.

    Raises:
        SpecError: a mistake in the experiment, a line each, before anything is written.
    """
    begun = create_run(_experiment(experiment, size, changes), Path(out))
    return finished(begun, progress)


def load(folder: str | Path, *, trust: bool = False) -> Run:
    """Return the run of a folder; the code that was copied into it is imported.

    Of a run that an older model of the world made there are tables and figures; it has no policies
    that play here, and is not resumed.

    Args:
        folder: the run folder.
        trust: whether to import code that comes from elsewhere, or was changed.

    Raises:
        SpecError: there is no whole experiment, or one with code from elsewhere.
    """
    return Run(RunFolder.read(Path(folder), trust=trust, to_play=False), trust)


def evaluate(
    run: Run,
    policies: Sequence[Any] | None = None,
    *,
    env: Mapping[str, Any] | None = None,
    episodes: int | None = None,
) -> pd.DataFrame:
    """Play policies in the evaluation worlds of a run, every policy in the same ones.

    Args:
        run: the run.
        policies: names, as in `evaluation.policies` of an experiment; objects with a `name` and
            `act(slot)`; or classes of such, which are made with a generator a seed. None: those of
            the run.
        env: keys of `env` that differ, in other worlds than those of the run.
        episodes: episodes a policy, seed and sweep point; None: as many as the run played.

    Returns:
        Rows as of `Run.evaluation`.

    Raises:
        SpecError: a policy does not exist or was not trained, or a key of `env` cannot be.
    """
    if policies is not None and (isinstance(policies, str) or not len(policies)):
        raise SpecError(f"policies: should be a list of policies, got {policies!r}")
    if env is not None and not isinstance(env, Mapping):
        raise SpecError(f"env: should be keys of the section env, got {env!r}")
    if episodes is not None and (type(episodes) is not int or episodes < 1):
        raise SpecError(f"episodes: should be a number of at least 1, got {episodes!r}")
    rows = []
    if not isinstance(run, Run):
        raise SpecError(f"run: should be a Run, as of marl_moe.load, got {run!r}")
    for job in run.jobs():
        if env is not None:
            changed = merged(job.spec.as_dict(), {"evaluation": {"env": dict(env)}})
            job = replace(job, spec=parse_experiment(changed, "evaluate", inputs=job.spec.inputs))
        chosen = policy_names(job.spec) if policies is None else policies
        played = [_policy(job, policy) for policy in chosen]
        for name, times in Counter(policy.name for policy in played).items():
            if times > 1:
                raise SpecError(f"policies: two policies are called {name!r}")
        rows.append(job.evaluate(played, episodes or job.spec.evaluation.episodes)["evaluation"])
    columns = [*TABLES["evaluation"], *run.spec.metrics]
    return pd.concat(rows, ignore_index=True)[columns]


def _policy(job: TrainingJob, policy: Any) -> Policy:
    """Return a policy that is given by its name, as an object, or as a class of such."""
    if isinstance(policy, str):
        return job.policy(policy)
    if not callable(getattr(policy, "act", None)):
        raise SpecError(f"policies: {policy!r} has no method act")
    kind = policy if isinstance(policy, type) else type(policy)
    name = getattr(policy, "name", None)
    name = name if isinstance(name, str) else snake_case(kind.__name__)
    if policy is kind:
        try:
            policy = made(kind, name, policy_generator(name, job.seed))
            policy = trained_if_it_is_to_be(policy, job.played, job.seed)
        except ValueError as error:
            raise SpecError(str(error)) from None
    return named(policy, name)


def _experiment(
    experiment: Experiment, size: str | None, changes: Mapping[str, Any]
) -> ExperimentSpec:
    if isinstance(experiment, str | Path):
        return load_experiment(str(experiment), size=size, changes=changes)
    if size is not None:
        raise SpecError("size: is for an experiment that is a file or shipped")
    question = ""
    if isinstance(experiment, ExperimentSpec):
        question, experiment = experiment.question, experiment.as_given()
    where = str(changes.get("name", experiment.get("name", "experiment")))
    raw, changes = (
        located(without_empty(part, ExperimentSpec, where), Path())
        for part in (experiment, changes)
    )
    raw = patched(raw, changes)
    check_given(given_from_python(changes), raw)
    raw, inputs = named_inputs(with_imports(raw, Path(), where))
    return parse_experiment(raw, where, Path(), inputs).asking(question)
