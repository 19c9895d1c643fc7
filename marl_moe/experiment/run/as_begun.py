"""The experiment that a run was begun with, as `environment.json` has it, and edits since."""

from pathlib import Path

from marl_moe.errors import SpecError
from marl_moe.experiment.records.environment import EXPERIMENT, read_environment
from marl_moe.experiment.spec.experiment import ExperimentSpec
from marl_moe.experiment.spec.extension import AS_IT_IS, OPTIONS, Extension
from marl_moe.experiment.spec.reading import parse_experiment
from marl_moe.experiment.spec.section import first_difference

# Sections that change nothing in what is recorded: they may be edited.
FREE = ("cluster", "figures", "sizes")


def check_as_begun(
    folder: Path, spec: ExperimentSpec, extension: Extension = AS_IT_IS
) -> ExperimentSpec:
    """Check that an experiment is that of its run's tables, and return it extended.

    A run folder of a version that did not record the experiment is not checked.

    Args:
        folder: the run folder.
        spec: the experiment as its file has it now.
        extension: what it is to have more of.

    Raises:
        SpecError: a key has another value than when the run was begun.
        RecordError: `environment.json` is damaged.
    """
    recorded = read_environment(folder).get(EXPERIMENT)
    extended = extension.of(spec)
    if recorded is None:
        return extended
    begun = extension.of(parse_experiment(recorded, str(folder / "environment.json")))
    # An extension that was interrupted may stand in one of the two files alone.
    before, now = (one.as_kept().as_dict() for one in (begun, extended))
    for section in FREE:
        before.pop(section), now.pop(section)
    changed = first_difference(before, now)
    if changed is None:
        return extended
    key, was, is_now = changed
    said = (
        f"{folder / 'experiment.yaml'}: {key} was {was!r} when the run was begun, and is {is_now!r}"
    )
    option = OPTIONS.get(key)
    remedy = "begin a new run"
    if option:
        much = is_now if isinstance(is_now, int) else "..."
        remedy = f"extend it with marl-moe resume {folder} {option} {much}"
    raise SpecError(f"{said}: put that back, or {remedy}")
