"""Results for other programs: the JSON layout of InstaDeep's marl-eval.

The layout is described by Gorsane et al. (2022, arXiv 2209.10485).
"""

from collections.abc import Sequence
from typing import Any, cast

import numpy as np
import pandas as pd

from paper_figures.settings import distinct
from paper_figures.sweeps import by_task, with_variants
from paper_figures.tables import LEARNED, CannotDraw, Tables, require
from paper_figures.variants import Variant

METRICS = (  # columns of both "training" and "evaluation"
    "gain",
    "utility",
    "qos",
    "charge",
    "energy_j",
    "transferred",
    "rejected",
    "share_of_equilibrium",
)
Steps = dict[tuple[str, Variant, str], pd.DataFrame]  # by task (its settings), policy and seed


def marl_eval(tables: Tables, experiment: str, further: Sequence[str] = ()) -> dict[str, Any]:
    """Return the results of a run in the layout of marl-eval.

    A task is a sweep point without its settings of `algorithm`, or the experiment's name where
    nothing else is swept. An algorithm trained in several ways is as many policies, `sac
    network=mlp` one of them. `absolute_metrics` are the values of the evaluation's episodes; those
    without one (no request was completed) are left out. Steps are epochs of training, of the
    exploring policy, counted in slots of all worlds. marl-eval asks for the same number of them
    everywhere: as many as the shortest training has, evenly spaced and the last among them. A
    policy that does not learn has the mean of its episodes at each step of the algorithm beside it,
    at slot 0 where nothing was trained. Metrics are those of `METRICS` that have a value in every
    run and step.

    Args:
        tables: of a run.
        experiment: its name.
        further: columns of "training" and "evaluation" that are metrics too.

    Returns:
        {experiment: {task: {policy: {seed_k: {step_i: {step_count, metric: [value]},
        absolute_metrics: {...}}}}}}.

    Raises:
        CannotDraw: policies were not evaluated at the same tasks and with the same seeds, or one
            that learned lacks its training.
    """
    evaluation = by_task(require(tables, "evaluation", ("seed", "point", "policy", "episode")))
    _require_same_seeds(evaluation)
    runs = evaluation.groupby(["settings", "point", "policy", "seed"], sort=False)
    training = _steps(tables)
    metrics = [
        name
        for name in (*METRICS, *further)
        if name in evaluation
        and runs[name].count().all()
        and all(name in steps and steps[name].notna().all() for steps in training.values())
    ]
    names = _names(list(evaluation["policy"].unique()))
    exported: dict[str, Any] = {}
    for (settings, point, policy, seed), episodes in runs:
        which = cast(Variant, policy)
        means = episodes[metrics].mean()
        steps = _steps_of(which, training, (str(settings), str(point), str(seed)), means)
        run: dict[str, Any] = {}
        for number, (_, step) in enumerate(steps.iterrows(), start=1):
            values = {name: [float(step[name])] for name in metrics}
            run[f"step_{number}"] = {"step_count": int(step["env_steps"])} | values
        run["absolute_metrics"] = {name: episodes[name].dropna().to_list() for name in metrics}
        policies = exported.setdefault(str(point) or experiment, {})
        policies.setdefault(names[which], {})[f"seed_{seed}"] = run
    return {experiment: exported}


def _names(policies: list[Variant]) -> dict[Variant, str]:
    """Return a name for each policy that tells it from the others.

    marl-eval joins names by commas, so none may hold one.
    """
    texts = distinct(which.text.replace(",", ";") for which in policies)
    return dict(zip(policies, texts, strict=True))


def _require_same_seeds(evaluation: pd.DataFrame) -> None:
    """Raise CannotDraw unless each policy was evaluated with all seeds at all tasks."""
    seeds = set(evaluation["seed"])
    for (point, policy), rows in evaluation.groupby(["point", "policy"], sort=False):
        absent = sorted(seeds - set(rows["seed"]))
        if absent:
            name = cast(Variant, policy).text
            raise CannotDraw(
                f"table 'evaluation' has no rows of policy '{name}' with seed "
                f"{', '.join(map(str, absent))} at sweep point '{point}'; marl-eval compares "
                "policies over the same seeds"
            )


def _steps(tables: Tables) -> Steps:
    """Return the epochs that become steps: the same number of each training."""
    if "training" not in tables or tables["training"].empty:
        return {}
    training = require(tables, "training", ("seed", "point", "algorithm", "epoch"))
    training = with_variants(training, "algorithm")
    trained = training.groupby(["settings", "algorithm", "seed"], sort=False)
    num_steps = int(trained.size().min())
    steps: Steps = {}
    for (settings, algorithm, seed), epochs in trained:
        back = np.linspace(0, len(epochs) - 1, num_steps).round().astype(int)  # from the last epoch
        chosen = len(epochs) - 1 - back[::-1]
        key = (str(settings), cast(Variant, algorithm), str(seed))
        steps[key] = epochs.sort_values("epoch").iloc[chosen]
    return steps


def _steps_of(
    policy: Variant, training: Steps, run: tuple[str, str, str], means: pd.Series
) -> pd.DataFrame:
    """Return the steps of a policy in a run.

    Args:
        policy: the policy.
        training: the steps of all trainings.
        run: the task's settings and text, and the seed.
        means: of the metrics over the run's episodes.

    Returns:
        The steps of its training, or `means` at each step of the first algorithm of that task and
        seed.

    Raises:
        CannotDraw: it learned, and its training is missing.
    """
    settings, point, seed = run
    learned = Variant(policy.learned, policy.way)
    if (settings, learned, seed) in training:
        return training[settings, learned, seed]
    if learned.policy in LEARNED:
        raise CannotDraw(
            f"table 'training' has no rows of '{learned.text}' with seed {seed} at sweep point "
            f"'{point}'"
        )
    env_steps = pd.Series([0])
    for (trained_at, _, trained_with), steps in training.items():
        if (trained_at, trained_with) == (settings, seed):
            env_steps = steps["env_steps"]
            break
    return pd.DataFrame({"env_steps": env_steps} | means.to_dict())
