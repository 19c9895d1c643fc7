"""Sittings of a run after the first: written down, with what the run was extended by."""

from marl_moe.experiment.records.environment import EXPERIMENT as RECORDED
from marl_moe.experiment.records.environment import read_environment, write_environment
from marl_moe.experiment.run.folder import EXPERIMENT, RunFolder
from marl_moe.experiment.run.lock import sole_use
from marl_moe.experiment.run.planning import bundles_of_jobs
from marl_moe.experiment.run.policy_checks import check_policies
from marl_moe.experiment.run.trained_elsewhere import copy_policies
from marl_moe.experiment.spec.extension import AS_IT_IS, Extension
from marl_moe.experiment.spec.input_files import as_written
from marl_moe.experiment.spec.yaml_loader import written_yaml
from marl_moe.whole_file import write_text


def begin_sitting(run: RunFolder, extension: Extension = AS_IT_IS) -> None:
    """Write down that a run goes on, and what it is extended by; nothing where all is done.

    Args:
        run: the run, as it was read with the extension.
        extension: what it has more of than before.

    Raises:
        UnderWayError: another process is at it.
        SpecError: a policy of another run was not trained with the seeds that are added.
        MissingExtraError: RLlib or PyTorch is not installed, and a job that is left trains.
        RecordError: a table or `environment.json` is damaged.
    """
    left = run.jobs_left()
    if not left:
        return
    bundles_of_jobs(left)  # raises where they could not be done here
    told = read_environment(run.path)
    seeds, recorded = run.spec.seed_list(), told.get(RECORDED)
    with sole_use(run.path, EXPERIMENT):
        if extension:
            added = [seed for seed in seeds if seed not in told.get("seeds", [])]
            check_policies(run.points, added)
            copy_policies(run.path, run.points, added)
            recorded = as_written(run.spec.as_kept().as_dict(), run.path.absolute())
            write_text(run.path / EXPERIMENT, written_yaml(recorded, run.spec.question))
        write_environment(run.path, recorded, seeds)
