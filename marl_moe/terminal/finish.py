"""The end of every command that works on a run: its table printed, its figures drawn."""

from pathlib import Path
from typing import TYPE_CHECKING

from marl_moe.errors import RecordError, SpecError, TrainingError
from marl_moe.terminal.console import INTERRUPTED, complain, out
from mechanisms.errors import FAILURES_OF_PARTS

if TYPE_CHECKING:
    from marl_moe.experiment.run.folder import RunFolder


def finish_run(run: "RunFolder") -> None:
    """Do what is left of a run, print its results and draw its figures."""
    from marl_moe.experiment.records.tables import read_table
    from marl_moe.experiment.run.continuation import continue_run
    from marl_moe.experiment.training.cluster import address_of, start_ray, where
    from marl_moe.terminal.progress import shown_progress
    from marl_moe.terminal.results import print_results
    from marl_moe.terminal.search import finish_search, print_judged

    cluster = run.spec.cluster
    to_continue = f"; to continue: marl-moe resume {run.path}"
    if cluster.address:
        to_continue += f" --address {cluster.address}"
    try:
        if address_of(cluster) is not None:
            start_ray(cluster)
            out.print(f"cluster  {where(cluster)}", highlight=False)
        run = finish_search(run)
        with shown_progress(sum(job.steps for job in run.jobs_left()), out) as progress:
            finished = continue_run(run, progress)
    except KeyboardInterrupt:
        complain(f"interrupted{to_continue}", INTERRUPTED)
    except (SpecError, RecordError) as error:
        complain(error, 2)
    except (OSError, *FAILURES_OF_PARTS, TrainingError) as error:
        complain(f"{error}{to_continue}", 1)
    training = read_table(run.path, "training", run.spec.metrics)
    print_results(run.spec, finished.table, finished.results, training)
    print_judged(run)
    out.print(f"records  {run.path}")
    draw_figures(run.path, run.spec.figures, None)


def draw_figures(folder: Path, names: list[str] | None, out_folder: Path | None) -> None:
    """Draw figures of a run, and say which could not be drawn and why.

    Args:
        folder: the run folder.
        names: the figures; None: all that its tables allow.
        out_folder: where they go; None: `figures` in the run folder.
    """
    from marl_moe.figures import draw

    try:
        written, refused = draw(folder, names, out_folder)
    except (FileNotFoundError, ValueError) as error:
        complain(error, 2)
    except OSError as error:
        complain(f"{error}; to draw again: marl-moe figures {folder}", 1)
    for path in written:
        out.print(f"figure   {path}")
    for name, reason in refused.items():
        out.print(f"not drawn: {name}: {reason}")
