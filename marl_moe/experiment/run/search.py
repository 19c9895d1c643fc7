"""What a search came to: its settings by rank, what they cost, and the one that the run takes.

Everything is computed from the tables of the search, so that it is the same however often the
search was interrupted; `search.json` is written for readers and never read.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from math import isnan
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa

from marl_moe.errors import SpecError, unknown_key
from marl_moe.experiment.records.columns import TABLES
from marl_moe.experiment.records.point_columns import POINT
from marl_moe.experiment.records.tables import read_table
from marl_moe.experiment.run.folder import CHOSEN, EXPERIMENT, SEARCH, RunFolder
from marl_moe.experiment.run.training_job import policy_names
from marl_moe.experiment.spec.experiment import ExperimentSpec
from marl_moe.experiment.spec.input_files import with_runs_from
from marl_moe.experiment.spec.reading import load_experiment
from marl_moe.experiment.spec.search import SearchSpec
from marl_moe.experiment.spec.sweep import Point, Settings
from marl_moe.experiment.spec.trials import chosen_experiment
from marl_moe.experiment.spec.yaml_loader import written_yaml
from marl_moe.policies.base import STOCHASTIC
from marl_moe.whole_file import write_text
from paper_figures.statistics import mean_interval

RECORD = "search.json"
NO_METRICS = (*POINT, "num_users", "episode")


@dataclass(frozen=True)
class Score:
    """Mean of the metric with its 95 % interval over seeds, NaN where it has none.

    Attributes:
        num_seeds: seeds that the mean is over.
    """

    mean: float
    low: float
    high: float
    num_seeds: int


@dataclass(frozen=True)
class Trial:
    """One setting of a search.

    Attributes:
        number: its number in the order of the draws, from 1.
        settings: value of each searched key.
        score: its score with the seeds that choose; NaN where training diverged with one of them.
    """

    number: int
    settings: Settings
    score: Score


@dataclass(frozen=True)
class Budget:
    """What a search cost.

    Attributes:
        jobs: trials x sweep points x seeds.
        diverged: of these, those whose training diverged; nothing else here counts them.
        epochs: of training.
        env_steps: slots of all worlds of training.
        seconds: of training, summed over jobs, side by side or not.
        episodes: of evaluation.
    """

    jobs: int
    diverged: int
    epochs: int
    env_steps: int
    seconds: float
    episodes: int


@dataclass(frozen=True)
class SearchResult:
    """What a search came to.

    Attributes:
        search: its section.
        policies: those whose metric was compared; several where `algorithm.name` was searched.
        trials: by rank, the best first.
        budget: what they cost.
        judged: score of the best with the seeds of the experiment; None before the run is done.
    """

    search: SearchSpec
    policies: tuple[str, ...]
    trials: tuple[Trial, ...]
    budget: Budget
    judged: Score | None

    @property
    def best(self) -> Trial:
        """The trial whose setting the run takes."""
        return self.trials[0]

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for JSON, null for NaN."""
        trials = []
        for rank, trial in enumerate(self.trials, 1):
            known = {"rank": rank, "trial": trial.number, "settings": trial.settings}
            trials.append(known | _plain(trial.score))
        return {
            "metric": self.search.metric,
            "mode": self.search.mode,
            "policies": list(self.policies),
            "seeds": self.search.seed_list(),
            "budget": asdict(self.budget),
            "chosen": self.best.settings,
            "chosen_by": _plain(self.best.score),
            "judged": None if self.judged is None else _plain(self.judged),
            "trials": trials,
        }


def check_metric(spec: ExperimentSpec, points: Sequence[Point]) -> None:
    """Check that the metric of a search is one, and that its policy is played at every point.

    Raises:
        SpecError: it is not; the message has the nearest name.
    """
    assert spec.search is not None
    columns = [
        name
        for name, (kind, _) in TABLES["evaluation"].items()
        if name not in NO_METRICS and (pa.types.is_floating(kind) or pa.types.is_integer(kind))
    ]
    columns += spec.metrics
    if spec.search.metric not in columns:
        raise SpecError(f"search.metric: {unknown_key(spec.search.metric, columns)}")
    for point in points:
        played = policy_names(point.spec)
        if spec.search.policy not in (None, *played):
            names = policy_names(spec)
            raise SpecError(f"search.policy: {unknown_key(str(spec.search.policy), names)}")


def search_result(folder: Path, results: pd.DataFrame | None = None) -> SearchResult:
    """Return what the search of a run came to.

    Args:
        folder: the run folder.
        results: rows of the run's `evaluation.parquet`, once it is whole.

    Raises:
        SpecError: no setting has a score to choose by.
        RecordError: a table of the search was damaged.
    """
    spec = load_experiment(str(folder / EXPERIMENT))
    search = spec.search
    assert search is not None
    tried = RunFolder.read(folder / SEARCH)
    evaluation = _played(read_table(tried.path, "evaluation", tried.spec.metrics), spec)
    numbers: dict[str, int] = {}  # label of the point -> number of its trial
    drawn: dict[str, Settings] = {}
    keys = search.spaces()
    for point in tried.points:
        settings = {key: point.settings[key] for key in keys}
        drawn.setdefault(json.dumps(settings), settings)
        numbers[point.label] = len(drawn)
    by_trial = dict(iter(evaluation.groupby(evaluation["point"].map(numbers))))
    jobs = len(tried.jobs) // len(drawn)  # of one trial
    trials = []
    for number, settings in enumerate(drawn.values(), 1):
        rows = by_trial.get(number, evaluation.iloc[:0])
        done = len(rows[["point", "seed"]].drop_duplicates()) == jobs
        trials.append(Trial(number, settings, _score(rows if done else rows.iloc[:0], search)))
    trials.sort(key=lambda trial: _rank(trial.score, search))
    if isnan(trials[0].score.mean):
        raise SpecError(
            f"{tried.path}: no setting can be chosen: training diverged with each, or "
            f"{search.metric} has no value"
        )
    judged = None if results is None else _score(_played(results, spec), search)
    policies = tuple(evaluation["policy"].unique())
    return SearchResult(search, policies, tuple(trials), _budget(tried, evaluation), judged)


def choose(run: RunFolder) -> RunFolder:
    """Write the record of a search that is done, and the experiment with the best setting.

    Returns:
        The run of that experiment.

    Raises: as `search_result`.
    """
    result = write_search(run.path)
    chosen = chosen_experiment(run.spec, result.best.settings)
    kept = with_runs_from(chosen.as_kept().as_dict(), run.path)
    write_text(run.path / CHOSEN, written_yaml(kept, run.spec.question))
    return RunFolder.read(run.path, run.spec.cluster.address)


def write_search(folder: Path, results: pd.DataFrame | None = None) -> SearchResult:
    """Write `search.json` into a run folder; see `search_result`."""
    result = search_result(folder, results)
    text = json.dumps(result.as_dict(), indent=2, ensure_ascii=False, allow_nan=False)
    write_text(folder / RECORD, text + "\n")
    return result


def _played(evaluation: pd.DataFrame, spec: ExperimentSpec) -> pd.DataFrame:
    """Return the rows of the policy whose metric chooses."""
    assert spec.search is not None
    policy = evaluation["policy"]
    if spec.search.policy is not None:
        return evaluation[policy == spec.search.policy]
    compared = [entry.shown_as for entry in spec.evaluation.policies]
    return evaluation[~policy.isin(compared) & ~policy.str.endswith(STOCHASTIC)]


def _score(rows: pd.DataFrame, search: SearchSpec) -> Score:
    """Return the score of rows of one setting: sweep points count alike, seeds are repetitions."""
    if rows.empty:
        return Score(float("nan"), float("nan"), float("nan"), 0)
    means = rows.groupby(["point", "seed"], as_index=False)[search.metric].mean()
    score = mean_interval(means.assign(one=0), search.metric, ["one"]).iloc[0]
    return Score(score["mean"], score["low"], score["high"], int(score["num_seeds"]))


def _rank(score: Score, search: SearchSpec) -> tuple[bool, float]:
    """Return the key to sort by; of equals the first drawn stays first."""
    if isnan(score.mean):
        return True, 0.0
    return False, -score.mean if search.mode == "max" else score.mean


def _budget(tried: RunFolder, evaluation: pd.DataFrame) -> Budget:
    training = read_table(tried.path, "training", tried.spec.metrics)
    last = training.groupby(["point", "seed"])[["epoch", "env_steps", "seconds"]].max().sum()
    whole = read_table(tried.path, "evaluation", tried.spec.metrics)
    return Budget(
        jobs=len(tried.jobs),
        diverged=len(tried.jobs) - len(evaluation[["point", "seed"]].drop_duplicates()),
        epochs=int(last["epoch"]),
        env_steps=int(last["env_steps"]),
        seconds=float(last["seconds"]),
        episodes=len(whole),
    )


def _plain(score: Score) -> dict[str, Any]:
    values = asdict(score).items()
    return {key: None if isnan(value) else value for key, value in values}
