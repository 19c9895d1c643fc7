"""The policies that an experiment compares, made from its entries."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import mechanisms
from envs import Slot
from marl_moe.errors import SpecError, unknown_key
from marl_moe.experiment.run.policy_copies import copy_folder, read_copy
from marl_moe.experiment.spec.experiment import ExperimentSpec
from marl_moe.experiment.spec.policies import (
    ImportedPolicy,
    PolicyEntry,
    PolicyOfRun,
    RegisteredPolicy,
)
from marl_moe.experiment.study.tuning import TUNERS, train_decentralised
from marl_moe.extras import PYTORCH, check_training
from marl_moe.policies.base import Actions, Policy, made
from marl_moe.policies.decentralised import Decentralised
from marl_moe.policies.sides import Sides
from marl_moe.seeds import policy_generator
from marl_moe.sources import module_of


def compared_policy(
    entry: PolicyEntry, spec: ExperimentSpec, label: str, seed: int, folder: Path
) -> Policy:
    """Make the policy of an entry, named as the entry says.

    One that `TUNERS` names is tuned to this world, unless the entry gives parameters of it;
    one that is `Decentralised` is trained in it.

    Args:
        entry: the entry.
        spec: the experiment of the sweep point.
        label: label of the sweep point.
        seed: the seed that it plays under; its draws are apart from those of every other name.
        folder: the run folder.

    Raises:
        SpecError: there is no such class.
        RecordError: the copy of a policy that another run trained is damaged.
    """
    rng = policy_generator(entry.shown_as, seed)
    policy: Policy
    match entry:
        case RegisteredPolicy(name=name) if name in TUNERS and not entry.parameters:
            mechanism = mechanisms.make(**spec.mechanism.parameters())
            policy = TUNERS[name](spec.evaluated_env(), mechanism, seed, rng)
        case RegisteredPolicy():
            policy = trained_if_it_is_to_be(entry.make(rng), spec, seed)
        case ImportedPolicy():
            policy = imported_policy(entry, rng)
        case PolicyOfRun():
            copy = copy_folder(folder, entry.shown_as, label, seed)
            policy = read_copy(copy, entry.policy, rng)
    return named(policy, entry.shown_as)


def trained_if_it_is_to_be(policy: Policy, spec: ExperimentSpec, seed: int) -> Policy:
    """Return a policy; one that is `Decentralised` is trained in the world of an experiment.

    Args:
        policy: the policy.
        spec: the experiment of a sweep point.
        seed: that it plays under.

    Raises:
        MissingExtraError: it is to be trained, and PyTorch is not installed.
    """
    if isinstance(policy, Decentralised):
        check_training(f"policy {policy.name}", *PYTORCH)
        mechanism = mechanisms.make(**spec.mechanism.parameters())
        train_decentralised(policy, spec.evaluated_env(), mechanism, seed)
    return policy


def imported_policy(entry: ImportedPolicy, rng: np.random.Generator) -> Policy:
    """Make an object of the class that an entry names, with a generator if it takes one.

    Args:
        entry: the entry, whose module was imported with the experiment.
        rng: the generator.

    Raises:
        SpecError: there is no such class, or it cannot be made with the entry's parameters.
    """
    try:
        return made(_imported_class(entry), entry.source, rng, **entry.parameters)
    except SpecError:
        raise
    except Exception as error:  # whatever a class of a user's own does
        told = str(error) if isinstance(error, ValueError) else f"{type(error).__name__}: {error}"
        raise SpecError(f"{entry.source}: {told}") from error


def _imported_class(entry: ImportedPolicy) -> Callable[..., Policy]:
    module = sys.modules.get(module_of(entry.module))
    found = vars(module).get(entry.attribute) if module is not None else None
    if found is None:
        classes = [name for name, value in vars(module or sys).items() if hasattr(value, "act")]
        raise SpecError(f"import: {entry.module}: {unknown_key(entry.attribute, classes)}")
    if not callable(found) or not callable(getattr(found, "act", None)):
        raise SpecError(f"import: {entry.source}: should be a class with act(slot)")
    factory: Callable[..., Policy] = found
    return factory


def named(policy: Policy, name: str, sides: Sides | None = None) -> Policy:
    """Return a policy under the name that it has in the records.

    Args:
        policy: of the users.
        name: its name.
        sides: that it brings; None: those that were trained, as for every policy.
    """
    same = getattr(policy, "name", None) == name and sides is None
    return policy if same else _Named(policy, name, sides)


class _Named:
    """A policy under another name, or with sides of its own; all else is the policy's own."""

    def __init__(self, policy: Policy, name: str, sides: Sides | None = None) -> None:
        self._policy = policy
        self.name = name
        self.sides = sides

    def __getattr__(self, attribute: str) -> Any:
        if attribute.startswith("_"):
            raise AttributeError(attribute)
        return getattr(self._policy, attribute)

    def act(self, slot: Slot) -> Actions:
        """Return actions, (N, U)."""
        return self._policy.act(slot)
