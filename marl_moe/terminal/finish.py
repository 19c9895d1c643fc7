"""The end of every command that works on a run: its table, its figures, its report."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from marl_moe.errors import MissingExtraError, RecordError, SpecError, TrainingError
from marl_moe.terminal.console import INTERRUPTED, complain, out, say, told
from mechanisms.errors import FAILURES_OF_PARTS, described

if TYPE_CHECKING:
    from marl_moe.experiment.run.folder import RunFolder
    from paper_figures.options import Entry


def finish_run(run: "RunFolder", *, reports: bool = True) -> None:
    """Do what is left of a run, print its results, draw its figures and write its report.

    Args:
        run: the run.
        reports: whether to write the report.
    """
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
            say(f"cluster  {where(cluster)}")
        run = finish_search(run)
        with shown_progress(sum(job.steps for job in run.jobs_left()), out) as progress:
            finished = continue_run(run, progress)
    except KeyboardInterrupt:
        complain(f"interrupted{to_continue}", INTERRUPTED)
    except (SpecError, RecordError) as error:
        complain(error, 2)
    except FAILURES_OF_PARTS as error:  # the same again, if resumed
        complain(error, 1)
    except (OSError, TrainingError) as error:
        complain(f"{error}{to_continue}", 1)
    print_results(run, finished.table, finished.results)
    print_judged(run)
    say(f"records  {run.path}")
    all_drawn = draw_figures([run.path], run.spec.figures, None)
    if all_drawn:
        draw_map(run)
    if (reports and not reported(run.path)) or not all_drawn:
        raise typer.Exit(1)


def reported(folder: Path) -> bool:
    """Write the report of a run into its folder, and say where it is or why it is not.

    Returns whether its code did not fail. Without Plotly there is none, which is no failure.

    Args:
        folder: the run folder.
    """
    from marl_moe.report.page import write_report
    from marl_moe.terminal.progress import shown_step

    again = f"to write it again: marl-moe report {folder}"
    try:
        with shown_step("report", out) as on_step:
            written = write_report([folder], on_step=on_step)
        say(f"report   {written}")
    except KeyboardInterrupt:
        complain(f"interrupted; {again}", INTERRUPTED)
    except MissingExtraError as error:
        say(f"no report: {error}")
    except OSError as error:
        complain(f"{error}; {again}", 1)
    except Exception as error:  # nothing of the run is lost by it
        told(f"report: {described(error)}; {again}")
        return False
    return True


def draw_map(run: "RunFolder") -> None:
    """Draw a slot of a run whose users and experts have places, as its first policy plays it."""
    from marl_moe.experiment.run.replay import film_run

    if run.spec.kind != "train" or run.spec.evaluated_env().channel.geometry is None:
        return
    path = run.path / "figures" / "map.png"
    path.parent.mkdir(exist_ok=True)
    say(*(f"map      {file}" for file in film_run(run, [], path)))


def draw_figures(
    runs: Sequence[Path],
    figures: "Sequence[Entry] | None",
    out_folder: Path | None,
    *,
    named: bool = False,
) -> bool:
    """Draw figures of a run, or of several together, and say which could not be drawn and why.

    Returns whether the code of none failed.

    Args:
        runs: the run folders; several are drawn in one figure each.
        figures: the figures; None: all that the tables allow.
        out_folder: where they go; None: `figures` in the run folder.
        named: whether each was asked for by its name, so that one which cannot be drawn is a
            mistake.
    """
    from marl_moe.figures import draw, draw_together

    again = f"to draw again: marl-moe figures {' '.join(map(str, runs))}"
    try:
        if len(runs) > 1:
            assert out_folder is not None
            drawn = draw_together(runs, figures, out_folder)
        else:
            drawn = draw(runs[0], figures, out_folder)
    except KeyboardInterrupt:
        complain(f"interrupted; {again}", INTERRUPTED)
    except (FileNotFoundError, ValueError) as error:
        complain(error, 2)
    except OSError as error:
        complain(f"{error}; {again}", 1)
    for letter, run in zip("ABCDEF", runs, strict=False) if len(runs) > 1 else ():
        say(f"{letter}        {run}")
    for path in drawn.written:
        say(f"figure   {path}")
    say(*drawn.remarks)
    for name, reason in drawn.refused.items():
        (told if named else say)(f"not drawn: {name}: {reason}")
    for name, line in drawn.failed.items():
        told(f"figure {name!r}: {line}")
    if named and drawn.refused:
        raise typer.Exit(2)
    return not drawn.failed
