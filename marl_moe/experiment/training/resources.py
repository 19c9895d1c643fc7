"""Resources that a job needs of Ray, and how many jobs they allow at once."""

from collections.abc import Sequence
from typing import Any

from marl_moe.errors import SpecError
from marl_moe.experiment.training.cluster import Resources

Bundles = list[Resources]  # of a Ray placement group: each lies within one node


def bundles_of(config: Any) -> Bundles:
    """Return the resources that a job needs, a bundle for each of its processes.

    First the job's own process, with a local learner; then each remote env runner, in the order in
    which RLlib takes the bundles; then each remote learner.

    Args:
        config: RLlib's configuration, None where the job trains nothing.
    """
    if config is None:
        return [{"CPU": 1}]
    here = {"CPU": config.torch_threads}
    if not config.num_learners:
        here["GPU"] = config.num_gpus_per_learner
    cores = config.num_cpus_per_learner
    if cores == "auto":  # as RLlib's LearnerGroup has it
        cores = 0 if config.num_gpus_per_learner else 1
    runner = {"CPU": config.num_cpus_per_env_runner, "GPU": config.num_gpus_per_env_runner}
    learner = {"CPU": cores, "GPU": config.num_gpus_per_learner}
    runners = [runner | config.custom_resources_per_env_runner] * config.num_env_runners
    learners = [learner | (config.custom_resources_per_learner or {})] * config.num_learners
    return [
        {name: amount for name, amount in bundle.items() if amount}
        for bundle in (here, *runners, *learners)
    ]


def total(bundles: Bundles) -> Resources:
    """Return the sum of bundles."""
    return {
        name: sum(bundle.get(name, 0) for bundle in bundles)
        for bundle in bundles
        for name in bundle
    }


def side_by_side(jobs: Sequence[Bundles], available: Resources, at_most: int | None) -> int:
    """Return how many of the jobs fit at once, whichever they are; at least 1."""
    needs = [total(bundles) for bundles in jobs]
    rooms = [available.get(name, 0) // amount for need in needs for name, amount in need.items()]
    return max(1, min(map(int, (len(jobs), at_most or len(jobs), *rooms))))


def check_fits(bundles: Bundles, nodes: Sequence[Resources]) -> None:
    """Check that Ray can place these bundles on these nodes: otherwise it would wait for ever.

    Raises:
        SpecError: it cannot.
    """
    for name, amount in total(bundles).items():
        unit = {"CPU": "cores", "GPU": "GPUs"}.get(name, name)
        there = sum(node.get(name, 0) for node in nodes)
        if amount > there:
            raise SpecError(
                f"algorithm: env runners and learners of a job need {amount:g} {unit}, Ray has "
                f"{there:g}; lower env_runners.num_env_runners or learners.num_learners, or give "
                "the --address of a larger cluster"
            )
        largest = max(bundle.get(name, 0) for bundle in bundles)
        room = max(node.get(name, 0) for node in nodes)
        if largest > room:
            raise SpecError(
                f"algorithm: one process needs {largest:g} {unit}, the largest node of Ray has "
                f"{room:g}"
            )
