"""Policies tried before anything is trained: each that could fail acts in one slot."""

from collections.abc import Sequence

import numpy as np

import mechanisms
from envs import World
from marl_moe.errors import RecordError, SpecError
from marl_moe.experiment.run.compared_policies import imported_policy
from marl_moe.experiment.run.policy_copies import trained_policy
from marl_moe.experiment.run.strategic import TRUTH, filled
from marl_moe.experiment.run.trained_elsewhere import origin_of
from marl_moe.experiment.spec.policies import (
    ImportedPolicy,
    PolicyEntry,
    PolicyOfRoles,
    PolicyOfRun,
    RegisteredPolicy,
)
from marl_moe.experiment.spec.sweep import Point
from marl_moe.extras import PYTORCH, check_training
from marl_moe.policies import POLICIES, Policy
from marl_moe.policies.base import fault_of
from marl_moe.policies.decentralised import is_trained
from mechanisms.errors import described

WORLDS = 2


def check_policies(points: Sequence[Point], seeds: Sequence[int]) -> None:
    """Have the policies of entries act in a slot of the evaluation worlds of each sweep point.

    Ours are not tried, as tests hold them to it; but those that are trained need PyTorch.

    Args:
        points: points of an experiment's sweep.
        seeds: its seeds; policies of another run are tried for each of them.

    Raises:
        SpecError: a policy is not found, or does not act there as it should; the message names the
            entry.
        MissingExtraError: a policy is trained, and PyTorch is not installed.
    """
    for point in points:
        for entry in point.spec.evaluation.policies:
            if isinstance(entry, RegisteredPolicy) and is_trained(entry.name):
                check_training(f"policy {entry.shown_as}", *PYTORCH)
        tried = [entry for entry in point.spec.evaluation.policies if not _is_ours(entry)]
        if not tried or point.spec.kind != "train":
            continue
        mechanism = mechanisms.make(**point.spec.mechanism.parameters())
        world = World(
            filled(point.spec, TRUTH).evaluated_env(), WORLDS, seed=0, mechanism=mechanism
        )
        for entry in tried:
            for seed in seeds if isinstance(entry, PolicyOfRun) else seeds[:1]:
                try:
                    _check(_made(entry, point, seed), world, isinstance(entry, PolicyOfRun))
                except (SpecError, RecordError) as error:
                    where = f"evaluation.policies: {entry.shown_as!r}"
                    raise SpecError(f"{where}: {error}") from error.__cause__


def _is_ours(entry: PolicyEntry) -> bool:
    if isinstance(entry, PolicyOfRoles):
        return True  # of names alone, which the experiment has checked
    return (
        isinstance(entry, RegisteredPolicy)
        and POLICIES[entry.name].__module__.partition(".")[0] == __name__.partition(".")[0]
    )


def _made(entry: PolicyEntry, point: Point, seed: int) -> Policy:
    rng = np.random.default_rng(0)
    assert not isinstance(entry, PolicyOfRoles)
    match entry:
        case RegisteredPolicy():
            return entry.make(rng)
        case ImportedPolicy():
            return imported_policy(entry, rng)
        case PolicyOfRun():
            return trained_policy(origin_of(entry, point.settings, seed).folder, entry.policy, rng)


def _check(policy: Policy, world: World, is_trained: bool) -> None:
    """Raise SpecError where a policy does not act as it should in the first slot of a world.

    One that was trained says itself which worlds it cannot act in.
    """
    try:
        fault = fault_of(policy.act(world.slot), world.slot)
    except Exception as error:  # whatever a policy of a user's own does
        if is_trained and isinstance(error, ValueError):
            raise SpecError(str(error)) from None
        raise SpecError(f"act: {described(error)}") from error
    if fault:
        raise SpecError(f"act: {fault}")
