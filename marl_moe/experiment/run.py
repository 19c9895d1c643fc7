"""Runs: an experiment in a folder of its own, begun, continued and finished.

A run consists of jobs, one for each sweep point and seed. A job is done when it has rows in every
table that it writes; a run that was stopped keeps those jobs and goes on with the others from their
checkpoints.
"""

import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import pandas as pd

import mechanisms
from envs import World
from marl_moe.experiment import records
from marl_moe.experiment.checkpoint import remove_checkpoint
from marl_moe.experiment.cluster import address_of, start_ray
from marl_moe.experiment.jobs import run_jobs
from marl_moe.experiment.progress import Progress
from marl_moe.experiment.reading import load_experiment
from marl_moe.experiment.rllib_sections import named_code
from marl_moe.experiment.secrets import redacted
from marl_moe.experiment.seed_job import (
    SeedJob,
    Tables,
    bundles_of_jobs,
    evaluate_policies,
    how_many_at_once,
    policy_names,
    policy_of_job,
    run_seed,
)
from marl_moe.experiment.sole_use import sole_use
from marl_moe.experiment.spec import ExperimentSpec, SpecError
from marl_moe.experiment.sweep import folder_of, sweep_points
from marl_moe.experiment.training import check_algorithm
from marl_moe.experiment.video import record_video
from marl_moe.whole_file import write_text

EXPERIMENT = "experiment.yaml"


@dataclass(frozen=True)
class Run:
    """A finished run: its folder and the table of its results, `audit` of a market study and else
    `evaluation`.
    """

    folder: Path
    results: pd.DataFrame


def run_experiment(spec: ExperimentSpec, out: Path, progress: Progress | None = None) -> Run:
    """Create a run below `out` and do all of it; see `create_run` and `continue_run`."""
    return continue_run(create_run(spec, out), progress, spec.cluster.address)


def create_run(spec: ExperimentSpec, out: Path) -> Path:
    """Check everything, and create a run folder with the experiment and its environment in it.

    Raises SpecError before anything is written where RLlib or the world does not take the
    experiment; ConnectionError where there is no cluster at its address, which the folder does not
    keep.
    """
    _check(spec)
    if (written := spec.at(None).to_yaml()) != redacted(written):
        raise SpecError(
            "holds a key, token or password, and experiments are written down; leave it to the "
            "environment"
        )
    if address_of(spec.cluster) is not None:
        start_ray(spec.cluster)
    folder = records.create_run_folder(out, spec.name)
    try:
        write_text(folder / EXPERIMENT, written)
        records.write_environment(folder, spec.seed_list())
    except OSError:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return folder


def load_run(folder: Path) -> ExperimentSpec:
    """The experiment of a run folder. Raises SpecError where there is none, or not a whole one."""
    if not (folder / EXPERIMENT).is_file():
        raise SpecError(f"{folder}: no run folder, there is no {EXPERIMENT} in it")
    return load_experiment(str(folder / EXPERIMENT))


def check_trusted(folder: Path) -> None:
    """Raise SpecError where a run's experiment names code, which going on would run."""
    points = [point for _, point in sweep_points(load_run(folder))]
    if code := list(dict.fromkeys(path for point in points for path in named_code(point))):
        raise SpecError(
            f"{folder}: its {EXPERIMENT} names code that would be run, or an environment for it: "
            f"{'; '.join(code)}; "
            "if you trust whoever wrote it, say --trust"
        )


def run_jobs_of(spec: ExperimentSpec, folder: Path) -> list[SeedJob]:
    """The jobs of a run, in the order of their rows."""
    return [
        SeedJob(point, label, seed, folder / "checkpoints" / folder_of(label) / f"seed_{seed}")
        for (label, point), seed in product(sweep_points(spec), spec.seed_list())
    ]


def jobs_left(folder: Path) -> list[SeedJob]:
    """The jobs of a run that are not done."""
    jobs = run_jobs_of(load_run(folder), folder)
    done = _rows_of_done(jobs, folder)
    return [job for job in jobs if (job.label, job.seed) not in done]


def continue_run(folder: Path, progress: Progress | None = None, address: str | None = None) -> Run:
    """Do the jobs of a run that are not done.

    Seeds and points run side by side where the cores allow, with the same results, on the Ray
    cluster of that address or else on this machine. The tables are written anew after each of them,
    so that what is done is never lost.

    Raises UnderWayError where another process is at it, RecordError for a table or a checkpoint
    that was damaged.
    """
    with sole_use(folder, EXPERIMENT):
        return _continue_alone(folder, progress or Progress(), address)


def _continue_alone(folder: Path, progress: Progress, address: str | None) -> Run:
    spec = load_run(folder).at(address)
    jobs = run_jobs_of(spec, folder.resolve())
    finished = _rows_of_done(jobs, folder)
    order = [(job.label, job.seed) for job in jobs]
    left = [job for job in jobs if (job.label, job.seed) not in finished]
    _remove_checkpoints(job for job in jobs if (job.label, job.seed) in finished)
    needs = bundles_of_jobs(left)
    at_once = how_many_at_once(left, needs)
    for number, tables in run_jobs(run_seed, left, progress, at_once, needs, folder, spec.cluster):
        finished[left[number].label, left[number].seed] = tables
        for name in records.TABLES:
            frames = [
                finished[job][name]
                for job in order
                if job in finished and len(finished[job].get(name, ()))
            ]
            if frames:
                records.write_table(folder, name, pd.concat(frames, ignore_index=True))
        _remove_checkpoints([left[number]])
    results = "audit" if jobs[0].spec.kind == "market_study" else "evaluation"
    return Run(folder, pd.concat([finished[job][results] for job in order], ignore_index=True))


def evaluate_run(folder: Path, names: Sequence[str] | None, episodes: int | None) -> pd.DataFrame:
    """Play policies again in the worlds of a run; rows as of `evaluation.parquet`.

    names: policies, learned or not; those of the experiment if None. episodes: as of the experiment
    if None.

    Raises SpecError for a policy that there is not, or that was not trained at every point with
    every seed.
    """
    rows = []
    for job in jobs_that_play(folder):
        policies = [policy_of_job(job, name) for name in (names or policy_names(job.spec))]
        rows.append(
            evaluate_policies(job, policies, episodes or job.spec.evaluation.episodes)["evaluation"]
        )
    return pd.concat(rows, ignore_index=True)


def film_run(folder: Path, name: str | None, path: Path) -> None:
    """Film the first evaluation episode of a run's first job, played by a policy (the learned one
    if None).

    Raises SpecError for a policy that there is not, or a suffix that cannot be written here.
    """
    job = jobs_that_play(folder)[0]
    policy = policy_of_job(job, name or policy_names(job.spec)[0])
    mechanism = mechanisms.make(**job.spec.mechanism.parameters())
    try:
        record_video(policy, job.spec.evaluated_env(), mechanism, job.seed, path)
    except ValueError as error:
        raise SpecError(f"video: {error}") from None


def jobs_that_play(folder: Path) -> list[SeedJob]:
    """The jobs of a run.

    Raises SpecError where it is a market study, in which no policy is compared.
    """
    spec = load_run(folder)
    if spec.kind == "market_study":
        raise SpecError(
            f"{folder}: a market study compares no policies; its table is audit.parquet"
        )
    return run_jobs_of(spec, folder)


def describe_run(spec: ExperimentSpec) -> str:
    """How large a run would be, a comment line in YAML; checks it as `create_run` does."""
    _check(spec)
    jobs = run_jobs_of(spec, Path())
    place = "this machine" if address_of(spec.cluster) is None else "the cluster"
    at_once = how_many_at_once(jobs, bundles_of_jobs(jobs))
    size = f"# {len(jobs)} jobs (sweep points x seeds), {at_once} side by side on {place}: "
    if spec.kind == "market_study":
        return size + f"{sum(job.spec.audit.markets for job in jobs):,} markets audited"
    played = sum(len(policy_names(job.spec)) * job.spec.evaluation.episodes for job in jobs)
    return (
        size + f"{sum(job.epochs for job in jobs):,} epochs of training, {played:,} episodes of "
        "evaluation"
    )


def _rows_of_done(jobs: Sequence[SeedJob], folder: Path) -> dict[tuple[str, int], Tables]:
    """The tables of the jobs that are done, by sweep point and seed."""
    rows = {
        name: dict(iter(records.read_table(folder, name).groupby(["point", "seed"])))
        for name in records.TABLES
    }
    return {
        key: {name: rows[name][key] for name in job.tables}
        for job in jobs
        if all((key := (job.label, job.seed)) in rows[name] for name in job.tables)
    }


def _remove_checkpoints(done: Iterable[SeedJob]) -> None:
    """A job that is done needs none."""
    for job in done:
        remove_checkpoint(job.checkpoint)


def _check(spec: ExperimentSpec) -> None:
    """Raise SpecError where RLlib or the world does not take a point, as without the competence
    file that it names.
    """
    for _, point in sweep_points(spec):
        check_algorithm(point)
        try:
            for env in (point.env, point.evaluated_env()):
                World(env, mechanism=mechanisms.make(**point.mechanism.parameters()))
        except ValueError as error:
            raise SpecError(str(error)) from None
        except MemoryError:
            raise SpecError(
                f"env: {env.num_users:,} users and {env.num_experts:,} experts are more than "
                "memory holds"
            ) from None
