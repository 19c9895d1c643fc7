"""Runs that begin: checked, and written down in a folder of their own."""

import shutil
from collections.abc import Sequence
from pathlib import Path

from marl_moe.errors import (
    SpecError,
)
from marl_moe.experiment.records.environment import write_environment
from marl_moe.experiment.records.secrets import redacted
from marl_moe.experiment.run.checks import checked_points, checked_search, trains
from marl_moe.experiment.run.folder import EXPERIMENT, RunFolder, code_of, create_run_folder
from marl_moe.experiment.run.input_copies import copy_inputs
from marl_moe.experiment.run.planning import jobs_of
from marl_moe.experiment.run.size import check_places, check_room
from marl_moe.experiment.run.trained_elsewhere import copy_policies
from marl_moe.experiment.run.trust import write_trust
from marl_moe.experiment.spec.experiment import ExperimentSpec
from marl_moe.experiment.spec.imports import IMPORTS
from marl_moe.experiment.spec.input_files import with_runs_from
from marl_moe.experiment.spec.sweep import Point, sweep_points
from marl_moe.experiment.spec.yaml_loader import written_yaml
from marl_moe.experiment.training.cluster import address_of, nodes, start_ray
from marl_moe.sources import FINDER, Found, module_of
from marl_moe.whole_file import write_text


def create_run(spec: ExperimentSpec, out: Path) -> RunFolder:
    """Check everything, and create a run folder below `out` with the experiment in it.

    Raises:
        SpecError: before anything is written, RLlib or the world does not take the experiment,
            it holds a secret, or a policy that it compares is not found or does not act.
        MissingExtraError: it trains, and RLlib or PyTorch is not installed.
        ConnectionError: there is no cluster at its address, which the folder does not keep.
        OSError: it trains, and Ray does not start on this machine; there is no room for its
            checkpoints; or a file cannot be written.
    """
    points = checked_points(spec)
    if spec.search is not None:
        checked_search(spec)
    found = _found(spec)
    written = spec.as_kept().asking("").to_yaml()
    if written != redacted(written):
        raise SpecError(
            "holds a key, token or password, and experiments are written down; leave it to the "
            "environment"
        )
    if address_of(spec.cluster) is not None or trains(points):
        start_ray(spec.cluster)
    if trains(points):
        check_places(jobs_of(points, spec.seed_list(), out), nodes())
    check_room(points, spec.seed_list(), out)
    folder = create_run_folder(out, spec.name)
    try:
        spec = write_run(folder, spec, points)
    except OSError:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    if spec.inputs:
        points = sweep_points(spec)  # which read the copies
    return RunFolder(folder, spec, tuple(points), found.digests())


def write_run(folder: Path, spec: ExperimentSpec, points: Sequence[Point]) -> ExperimentSpec:
    """Write an experiment, and all that it runs with, into its folder; the experiment comes last.

    Args:
        folder: the run folder.
        spec: the experiment, whose code was imported.
        points: the points of its sweep.

    Returns:
        The experiment, which reads the copies of the files that it names.

    Raises:
        OSError: a file cannot be written.
    """
    copy_policies(folder, points, spec.seed_list())
    found = _found(spec)
    for source in found.sources.values():
        copy = folder / IMPORTS / source.relative
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(source.text)
    write_trust(folder, found, code_of(points))
    spec = copy_inputs(spec, folder)
    kept = with_runs_from(spec.as_kept().as_dict(), folder)
    write_environment(folder, kept, spec.seed_list())
    write_text(folder / EXPERIMENT, written_yaml(kept, spec.question))
    return spec


def _found(spec: ExperimentSpec) -> Found:
    """Return the code of an experiment.

    Raises:
        SpecError: that of another one was imported since.
    """
    if list(map(module_of, spec.imports)) != list(FINDER.found.modules):
        raise SpecError("imports: another experiment was read since: read this one again")
    return FINDER.found
