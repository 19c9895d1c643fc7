"""Results for other programs: the JSON layout of InstaDeep's marl-eval (Gorsane et al.

2022, arXiv 2209.10485).
"""

from typing import Any

import numpy as np
import pandas as pd

from paper_figures.sweeps import by_task, named, task
from paper_figures.tables import LEARNED, CannotDraw, Tables, require

# Columns of both "training" and "evaluation".
METRICS = (
    "gain",
    "utility",
    "qos",
    "charge",
    "energy_j",
    "transferred",
    "rejected",
    "share_of_equilibrium",
)
Steps = dict[tuple[str, str, str], pd.DataFrame]  # by task, algorithm (`sweeps.named`) and seed


def marl_eval(tables: Tables, experiment: str) -> dict[str, Any]:
    """{experiment: {task: {policy: {seed_k: {step_i: {step_count, metric: [value]},
    absolute_metrics: {...}}}}}}.

    A task is a sweep point without its settings of `algorithm`, or the experiment's name where
    nothing else is swept. An algorithm trained in several ways is as many policies, `sac
    network=mlp` one of them. `absolute_metrics` are the values of the evaluation's episodes; those
    without one (no request was completed) are left out. Steps are epochs of training, of the
    exploring policy, counted in slots of all worlds. marl-eval asks for the same number of them
    everywhere: as many as the shortest training has, evenly spaced and the last among them. A
    policy that does not learn has the mean of its episodes at each step of the algorithm beside it,
    at slot 0 where nothing was trained. Metrics are those of `METRICS` that have a value in every
    run and step.

    Raises CannotDraw, a ValueError, that says what is missing: policies are to be evaluated at the
    same tasks and with the same seeds, and those that learned to have their training.
    """
    evaluation = by_task(require(tables, "evaluation", ("seed", "point", "policy", "episode")))
    runs = evaluation.groupby(["point", "policy", "seed"], sort=False)
    training = _steps(tables)
    metrics = [
        name
        for name in METRICS
        if name in evaluation
        and runs[name].count().all()
        and all(name in steps and steps[name].notna().all() for steps in training.values())
    ]
    seeds = set(evaluation["seed"])
    for (point, policy), rows in evaluation.groupby(["point", "policy"], sort=False):
        if absent := sorted(seeds - set(rows["seed"])):
            raise CannotDraw(
                f"table 'evaluation' has no rows of policy '{policy}' with seed "
                f"{', '.join(map(str, absent))} at sweep "
                f"point '{point}'; marl-eval compares policies over the same seeds"
            )

    exported: dict[str, Any] = {}
    for (point, policy, seed), episodes in runs:
        steps = _steps_of(str(policy), training, str(point), str(seed), episodes[metrics].mean())
        run: dict[str, Any] = {
            f"step_{number}": {"step_count": int(step["env_steps"])}
            | {name: [float(step[name])] for name in metrics}
            for number, (_, step) in enumerate(steps.iterrows(), start=1)
        }
        run["absolute_metrics"] = {name: episodes[name].dropna().to_list() for name in metrics}
        policies = exported.setdefault(str(point) or experiment, {})
        policies.setdefault(policy, {})[f"seed_{seed}"] = run
    return {experiment: exported}


def _steps(tables: Tables) -> Steps:
    """The epochs that become steps: the same number of each training."""
    if "training" not in tables or tables["training"].empty:
        return {}
    training = tables["training"]
    names = [named(*key) for key in zip(training["algorithm"], training["point"], strict=True)]
    trained = training.groupby([training["point"].map(task), pd.Index(names), "seed"], sort=False)
    num_steps = int(trained.size().min())
    steps: Steps = {}
    for (point, algorithm, seed), epochs in trained:
        back = np.linspace(0, len(epochs) - 1, num_steps).round().astype(int)  # from the last epoch
        steps[str(point), str(algorithm), str(seed)] = epochs.sort_values("epoch").iloc[
            len(epochs) - 1 - back[::-1]
        ]
    return steps


def _steps_of(
    policy: str, training: Steps, point: str, seed: str, means: pd.Series
) -> pd.DataFrame:
    """The steps of a policy: its training's, or `means` at each step of the first algorithm of that
    task and seed.
    """
    learned = policy.replace("_stochastic", "", 1)
    if (point, learned, seed) in training:
        return training[point, learned, seed]
    if learned.partition(" ")[0] in LEARNED:
        raise CannotDraw(
            f"table 'training' has no rows of '{learned}' with seed {seed} at sweep point '{point}'"
        )
    beside = (
        steps["env_steps"] for (at, _, of), steps in training.items() if (at, of) == (point, seed)
    )
    return pd.DataFrame({"env_steps": next(beside, pd.Series([0]))} | means.to_dict())
