"""A run in its folder, from Python: its tables, policies and figures, and what is left of it."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.axes import Axes

from marl_moe.errors import SpecError, unknown_key
from marl_moe.experiment.records.tables import read_table
from marl_moe.experiment.run.continuation import continue_run
from marl_moe.experiment.run.folder import RunFolder
from marl_moe.experiment.run.sitting import begin_sitting
from marl_moe.experiment.run.training_job import TrainingJob
from marl_moe.experiment.spec.experiment import ExperimentSpec
from marl_moe.experiment.spec.extension import Extension
from marl_moe.experiment.study.remarks import remarks
from marl_moe.policies.base import Policy
from marl_moe.report.page import write_report
from marl_moe.terminal.console import out as console
from marl_moe.terminal.progress import shown_progress
from mechanisms.errors import PartError, described
from paper_figures import FIGURES, Asked, CannotDraw, load_tables, render
from paper_figures.options import options_of


@dataclass(frozen=True)
class Run:
    """A run in its folder: what it recorded, what it trained, and what can be drawn of it.

    Attributes:
        run_folder: its experiment, its jobs, and what of them is done.
        trusted: whether `resume` runs code that the experiment names, such as callbacks, though it
            comes from elsewhere.
    """

    run_folder: RunFolder
    trusted: bool = True

    def __repr__(self) -> str:
        left = len(self.run_folder.jobs_left())
        return f"Run({str(self.folder)!r}{f', {left} jobs left: resume()' if left else ''})"

    @property
    def folder(self) -> Path:
        """The run folder."""
        return self.run_folder.path

    @property
    def spec(self) -> ExperimentSpec:
        """Experiment of the run; after a search that with the setting chosen."""
        return self.run_folder.spec

    @property
    def seeds(self) -> list[int]:
        """Seeds of the run."""
        return self.spec.seed_list()

    @property
    def points(self) -> list[str]:
        """Labels of the points of its sweep; one that is empty without a sweep."""
        return [point.label for point in self.run_folder.points]

    @property
    def training(self) -> pd.DataFrame:
        """Rows of `training.parquet`: one for each epoch, seed and sweep point."""
        return read_table(self.folder, "training", self.spec.metrics)

    @property
    def evaluation(self) -> pd.DataFrame:
        """Rows of `evaluation.parquet`: one for each policy, episode, seed and sweep point."""
        return read_table(self.folder, "evaluation", self.spec.metrics)

    @property
    def market(self) -> pd.DataFrame:
        """Rows of `market.parquet`: one for each clearing and expert."""
        return read_table(self.folder, "market")

    @property
    def market_users(self) -> pd.DataFrame:
        """Rows of `market_users.parquet`: one for each clearing and user."""
        return read_table(self.folder, "market_users")

    @property
    def audit(self) -> pd.DataFrame:
        """Rows of `audit.parquet`: of a market study, one for each seed and sweep point."""
        return read_table(self.folder, "audit")

    @property
    def remarks(self) -> list[str]:
        """Remarks on the tables, as that a policy did not train; a line each."""
        specs = [point.spec for point in self.run_folder.points]
        return remarks(specs, self.evaluation, self.training, self.audit)

    def policy(self, name: str, seed: int | None = None, point: str | None = None) -> Policy:
        """Return a policy of the run, which acts by `act(slot)`: a learned one as it was trained.

        Args:
            name: name in the column `policy`, or of any policy that does not learn.
            seed: seed that it was trained with; None: the first.
            point: label of the sweep point; None: the only one.

        Raises:
            SpecError: there is no such policy, seed or point.
        """
        return self._job(seed, point).policy(name)

    def figure(self, name: str, **options: Any) -> Axes:
        """Draw a figure of the run's tables.

        In a notebook `run.figure(name).figure` as the last line of a cell shows it.

        Args:
            name: one of `paper_figures.FIGURES`.
            options: `metric="welfare"`, `policies=["sac", "crowd"]` and the others of
                `paper_figures.FigureOptions`.

        Raises:
            SpecError: there is no figure of that name, or no such option.
            CannotDraw: the tables lack what it shows, or it does not take an option; the message
                says what.
            PartError: its code failed; the message says where.
        """
        self.run_folder.use_code()
        if name not in FIGURES:
            raise SpecError(f"figure: {unknown_key(name, FIGURES)}")
        try:
            asked = Asked(name, options_of(name, options))
        except ValueError as error:
            raise SpecError(f"figure: {error}") from None
        _show_figures_in_notebooks()
        drawn, refused, failed = render(load_tables(self.folder), [asked])
        name = asked.file
        if name in refused:
            raise CannotDraw(f"{name}: {refused[name]}")
        if name in failed:
            raise PartError(f"figure {name!r}: {described(failed[name])}") from failed[name]
        if not drawn[name].axes:
            raise CannotDraw(f"{name}: its figure has no axes")
        return drawn[name].axes[0]

    def report(self, path: str | Path | None = None) -> Path:
        """Write the page that shows the run, and return its file.

        Args:
            path: a new file; None: `report.html` in the run folder, in place of an earlier one.

        Raises:
            SpecError: the file exists, or its folder does not.
            MissingExtraError: Plotly is not installed.
            OSError: it cannot be written.
        """
        return write_report([self.folder], None if path is None else Path(path))

    def resume(
        self,
        *,
        epochs: int | None = None,
        seeds: int | None = None,
        episodes: int | None = None,
        policies: Sequence[Any] = (),
        progress: bool = True,
    ) -> "Run":
        """Do what is left of a run that was interrupted, or extend it, and return it.

        Args:
            epochs: epochs a seed in all.
            seeds: number of seeds in all.
            episodes: episodes of evaluation a policy and seed in all.
            policies: policies to compare beside those of the run, as in `evaluation.policies`.
            progress: whether to print how far it is.

        Raises:
            SpecError: the run has more than that already, or its experiment was edited.
        """
        extension = Extension(epochs, seeds, episodes, policies)
        address = self.spec.cluster.address
        begun = RunFolder.read(self.folder, address, trust=self.trusted, extension=extension)
        begun.check_trusted(trust=self.trusted)
        begin_sitting(begun, extension)
        return finished(begun, progress)

    def jobs(self) -> list[TrainingJob]:
        """Return the jobs, in which policies can be played; the run's own code is imported.

        Raises:
            SpecError: it is a market study, in which no policy is compared.
        """
        self.run_folder.use_code()
        return self.run_folder.training_jobs()

    def _job(self, seed: int | None, point: str | None) -> TrainingJob:
        jobs = self.jobs()
        labels, seeds = list(dict.fromkeys(job.label for job in jobs)), self.seeds
        if point is None and len(labels) > 1:
            raise SpecError(f"point: should be one of {', '.join(map(repr, labels))}")
        if point is not None and point not in labels:
            raise SpecError(f"point: {unknown_key(point, labels)}")
        if seed is not None and seed not in seeds:
            raise SpecError(f"seed: should be one of {', '.join(map(str, seeds))}, got {seed}")
        wanted = seeds[0] if seed is None else seed
        return next(job for job in jobs if job.seed == wanted and point in (None, job.label))


def finished(begun: RunFolder, progress: bool) -> Run:
    """Do what is left of a run, and return it."""
    if progress:
        with shown_progress(sum(job.steps for job in begun.jobs_left()), console) as shown:
            continue_run(begun, shown)
    else:
        continue_run(begun)
    return Run(RunFolder.read(begun.path, trust=True))


def _show_figures_in_notebooks() -> None:
    """Let a figure that ends a cell be shown, as it is once pyplot has drawn one."""
    if "IPython" not in sys.modules:
        return
    from IPython import get_ipython
    from IPython.core.pylabtools import select_figure_formats

    if (shell := get_ipython()) is not None:
        select_figure_formats(shell, {"png"})
