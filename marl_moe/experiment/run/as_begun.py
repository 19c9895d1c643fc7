"""The experiment that a run was begun with, as `environment.json` has it, and edits since."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from marl_moe.errors import SpecError
from marl_moe.experiment.records.environment import EXPERIMENT, read_environment
from marl_moe.experiment.spec.experiment import ExperimentSpec
from marl_moe.experiment.spec.extension import AS_IT_IS, OPTIONS, Extension
from marl_moe.experiment.spec.reading import parse_experiment
from marl_moe.experiment.spec.section import first_difference

# Sections that change nothing in what is recorded: they may be edited.
FREE = ("cluster", "figures", "sizes")


def check_as_begun(
    folder: Path,
    spec: ExperimentSpec,
    extension: Extension = AS_IT_IS,
    read: Callable[[dict[str, Any]], dict[str, Any]] = dict,
) -> ExperimentSpec:
    """Check that an experiment is that of its run's tables, and return it extended.

    A run folder of a version that did not record the experiment is not checked.

    Args:
        folder: the run folder.
        spec: the experiment as its file has it now.
        extension: what it is to have more of.
        read: makes of what was recorded what is compared.

    Raises:
        SpecError: a key has another value than when the run was begun.
        RecordError: `environment.json` is damaged.
    """
    recorded = read_environment(folder).get(EXPERIMENT)
    extended = extension.of(spec)
    if recorded is None:
        return extended
    where = str(folder / "environment.json")
    begun = extension.of(parse_experiment(read(recorded), where, inputs=spec.inputs))
    # An extension that was interrupted may stand in one of the two files alone.
    changed = first_difference(_compared(begun), _compared(extended))
    if changed is None:
        return extended
    key, was, is_now = changed
    said = (
        f"{folder / 'experiment.yaml'}: {key} was {was!r} when the run was begun, and is {is_now!r}"
    )
    option, remedy = OPTIONS.get(key), "begin a new run"
    if option == "--policies":
        remedy = f"add to them with marl-moe resume {folder} --policies"
    elif option and isinstance(is_now, int) and isinstance(was, int) and is_now > was:
        remedy = f"extend it with marl-moe resume {folder} {option} {is_now}"
    raise SpecError(f"{said}: put that back, or {remedy}")


def _compared(spec: ExperimentSpec) -> dict[str, Any]:
    """Return what records depend on: of runs whose policies are compared there are copies."""
    plain = spec.as_kept().as_dict()
    entries = [entry for entry in plain["evaluation"]["policies"] if isinstance(entry, dict)]
    for section, keys in ((plain, FREE), *((entry, ("run",)) for entry in entries)):
        for key in keys:
            section.pop(key, None)
    return plain
