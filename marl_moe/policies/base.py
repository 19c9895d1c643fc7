"""Interface of policies, and the registry of those that an experiment names."""

from collections.abc import Callable
from inspect import signature
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from envs import Slot, World
from mechanisms import registry
from mechanisms.errors import PartError, described
from mechanisms.registry import Registry

Actions = NDArray[np.int64]
WEIGHTS, ARCHITECTURE = "policy.safetensors", "policy.json"  # files of a learned policy
NETWORKS = "networks.safetensors"  # beside it critics and all, with which training may begin again
STOCHASTIC = "_stochastic"  # ends the name of a learned policy that draws its actions


class Policy(Protocol):
    """Anything that acts in a slot.

    One that compares candidates by a number may keep those of the last slot as `scores`, (N, U, C)
    credits, for the player of a report.
    """

    @property
    def name(self) -> str:
        """Name in the records."""

    def act(self, slot: Slot) -> Actions:
        """Choose an action for every user of every world, (N, U)."""


# What `evaluation.policies` may name: `POLICIES.make(name, rng=generator)`, and parameters of its
# own beside the generator.
POLICIES: Registry[Policy] = Registry("policy")
register = POLICIES.register


def make(name: str, rng: np.random.Generator, /, **parameters: object) -> Policy:
    """Make the policy registered as `name`, with a generator if it takes one as `rng`.

    Args:
        name: its name.
        rng: makes its draws.
        parameters: its own parameters.

    Raises:
        ValueError: there is none of that name, or it cannot be made with these parameters; the
            message gives the nearest valid name.
    """
    return made(POLICIES[name], name, rng, **parameters)


def made(
    factory: Callable[..., Policy], name: str, rng: np.random.Generator, /, **parameters: object
) -> Policy:
    """Make a policy of a class, or of a function that returns one; see `make`."""
    if "rng" in parameters:
        raise ValueError(f"policy {name!r}: rng is its generator, which the seed decides")
    if "rng" in signature(factory).parameters:
        parameters = {"rng": rng} | parameters
    try:
        return registry.made(factory, f"policy {name!r}", **parameters)
    except TypeError as error:
        raise ValueError(f"policy {name!r}: {error}") from error


def acted(policy: Policy, slot: Slot) -> Actions:
    """Return the actions of a policy in a slot, (N, U).

    Raises:
        PartError: its code failed, or it gave what are no actions; the message names it.
    """
    try:
        actions = policy.act(slot)
        fault = fault_of(actions, slot)
    except Exception as error:  # of whatever a policy does
        raise PartError(f"policy {policy.name!r}: {described(error)}") from error
    if fault:
        raise PartError(f"policy {policy.name!r}: {fault}")
    return actions


def gain_of_episode(policy: Policy, world: World) -> float:
    """Return the mean gain a slot and user of N worlds to the end of their episode, credits.

    Raises:
        PartError: the policy failed; the message names it.
    """
    gains = []
    while not world.done:
        gains.append(float(world.step(acted(policy, world.slot))[2].gain.mean()))
    return float(np.mean(gains))


def fault_of(actions: object, slot: Slot) -> str:
    """Return in words what is wrong with the actions of a policy in a slot, "" if nothing is.

    Actions are integers in 0..C, one for each user of each world; masked ones are not wrong, as
    they count as abandoning.
    """
    expected = (slot.num_worlds, slot.num_users)
    if not isinstance(actions, np.ndarray):
        return f"actions should be an array of NumPy, got {type(actions).__name__}"
    if actions.shape != expected:
        return f"actions should have shape {expected} (worlds, users), got {actions.shape}"
    if actions.dtype.kind not in "iu":
        return f"actions should be integers, got {actions.dtype}"
    outside = actions[(actions < 0) | (actions > slot.num_candidates)]
    if outside.size:
        return f"actions should be in 0..{slot.num_candidates}, got {outside[0]}"
    return ""
