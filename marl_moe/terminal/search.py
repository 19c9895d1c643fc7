"""The search of a run: shown while it runs, its settings by rank, and the score of the best."""

from typing import TYPE_CHECKING

import pandas as pd

from marl_moe.terminal.console import out, say, show
from marl_moe.terminal.progress import shown_progress
from marl_moe.terminal.tables import Column, FittedTable
from paper_figures.statistics import interval_label, interval_text, mean_heading

if TYPE_CHECKING:
    from marl_moe.experiment.run.folder import RunFolder
    from marl_moe.experiment.run.search import Budget, Score, SearchResult

MOST_SHOWN = 20  # trials


def finish_search(run: "RunFolder") -> "RunFolder":
    """Do what is left of a run's search, print it, and return the run with what it chose.

    A run without a search, or whose search is done, is returned as it is.

    Raises: as `continue_run`.
    """
    from marl_moe.experiment.run.continuation import continue_search
    from marl_moe.experiment.run.search import search_result

    if run.spec.search is None:
        return run
    steps = sum(job.steps for job in run.search().jobs_left())
    with shown_progress(steps, out) as progress:
        chosen = continue_search(run, progress)
    result = search_result(run.path)
    show(trials_table(run.spec.name, result))
    say(f"search   {_cost(result.budget)}; {run.path / 'search.json'}")
    return chosen


def print_judged(run: "RunFolder") -> None:
    """Print the score by which a run's setting was chosen beside that with the run's own seeds."""
    say(*judged_lines(run))


def judged_lines(run: "RunFolder") -> list[str]:
    """Return these two scores in lines, none where no search chose a setting."""
    from marl_moe.experiment.records.tables import read_table
    from marl_moe.experiment.run.folder import CHOSEN
    from marl_moe.experiment.run.search import search_result

    if not (run.path / CHOSEN).is_file():
        return []
    result = search_result(run.path, read_table(run.path, "evaluation", run.spec.metrics))
    assert result.judged is not None
    chosen, judged = result.best.score, result.judged
    setting = ", ".join(f"{key}={value}" for key, value in result.best.settings.items())
    return [
        f"chosen   {setting}",
        f"by       {result.search.metric} {_shown(chosen)} with the {_seeds(chosen)} that "
        f"chose it, the best of {len(result.trials)}: biased by the choice",
        f"judged   {result.search.metric} {_shown(judged)} with the {_seeds(judged)} of "
        "this run: the one to report",
    ]


def trials_table(title: str, result: "SearchResult") -> FittedTable:
    """Return a row for each setting of a search, the best first, cut off after some."""
    search = result.search
    scores = [trial.score for trial in result.trials if trial.score.num_seeds]
    label = interval_label(pd.DataFrame(scores, columns=["mean", "low", "high", "num_seeds"]))
    which = "seed" if len(search.seed_list()) == 1 else "seeds"
    keys = list(result.best.settings)
    names = [key.rpartition(".")[2] for key in keys]
    table = FittedTable(
        f"{title}: search, {search.metric} of {', '.join(result.policies)}: "
        f"{mean_heading(label)} ({which} {', '.join(map(str, search.seed_list()))})",
        [
            Column("rank", stays=True),
            Column("trial", stays=True),
            *(
                Column(name if names.count(name) == 1 else key)
                for key, name in zip(keys, names, strict=True)
            ),
            Column(search.metric, stays=True),
        ],
    )
    for rank, trial in enumerate(result.trials[:MOST_SHOWN], 1):
        values = map(str, trial.settings.values())
        table.rows.append([str(rank), str(trial.number), *values, _shown(trial.score)])
    more = len(result.trials) - MOST_SHOWN
    if more > 0:
        table.notes.append(f"and {more} more in search.json")
    return table


def _shown(score: "Score") -> str:
    if score.num_seeds == 0:
        return "diverged, or no value"
    return interval_text(score.mean, score.low, score.high)


def _seeds(score: "Score") -> str:
    return "one seed" if score.num_seeds == 1 else f"{score.num_seeds} seeds"


def _cost(budget: "Budget") -> str:
    diverged = f", {budget.diverged} of them diverged" if budget.diverged else ""
    return (
        f"{budget.jobs} jobs (trials x sweep points x seeds){diverged}: {budget.epochs:,} epochs, "
        f"{budget.env_steps:,} env steps and {budget.seconds:,.0f} s of training, "
        f"{budget.episodes:,} episodes of evaluation"
    )
