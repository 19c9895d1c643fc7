"""Checks that hold for every policy, for use in the tests of whoever writes one.

    from marl_moe.testing import check_policy

    def test_my_policy_is_a_policy():
        check_policy(MyPolicy)  # or "my_policy", or an object with act(slot)

How much it gains is for an experiment to tell: here it is about shapes, randomness, memory and
what a policy may write to.
"""

import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import is_dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

import mechanisms
from envs import (
    ChannelConfig,
    ExpertConfig,
    ObservationConfig,
    RequestConfig,
    Slot,
    World,
    WorldConfig,
)
from envs.candidates import Candidates
from marl_moe.policies.base import POLICIES, Actions, Policy, fault_of, made


class Trial(NamedTuple):
    """A policy, and the generator that it was made with."""

    policy: Policy
    rng: np.random.Generator


Maker = Callable[[int], Trial]  # from the seed of the generator


class Case(NamedTuple):
    """Worlds in which a policy is checked.

    Attributes:
        words: what they are called in messages.
        config: their configuration.
        num_worlds: their number, N; not E.
        mechanism: name of the mechanism.
    """

    words: str
    config: WorldConfig
    num_worlds: int
    mechanism: str = "none"


PATCHY = WorldConfig(
    num_users=4,
    num_experts=7,
    episode_slots=6,
    requests=RequestConfig(arrival_probability=0.7),
    channel=ChannelConfig(process="gauss_markov", correlation=0.9),
    experts=ExpertConfig(availability_probability=0.5, max_concurrent=2),
)
CASES = (
    Case("free edge devices", WorldConfig(num_users=3, num_experts=5, episode_slots=6), 2),
    Case("one user, one expert", WorldConfig(num_users=1, num_experts=1, episode_slots=3), 2),
    Case("idle users, experts that are down", PATCHY, 5, "posted_price"),
    Case("a mechanism that allocates", PATCHY, 3, "vcg"),
    Case(
        "lists of candidates",
        WorldConfig(
            num_users=6,
            num_experts=12,
            episode_slots=4,
            observation=ObservationConfig(candidates=4),
        ),
        3,
        "posted_price",
    ),
    Case(
        "types alone, no abandoning",
        WorldConfig(
            num_users=3,
            num_experts=6,
            episode_slots=4,
            information="type",
            allow_abandon=False,
            experts=ExpertConfig(availability_probability=0.4),
        ),
        4,
    ),
)


def check_policy(
    policy: str | type | Policy | Callable[..., Policy],
    *,
    cases: Sequence[Case] = CASES,
    **parameters: Any,
) -> None:
    """Check a policy in small worlds of several sizes, with and without payments.

    Args:
        policy: the name of one that is registered, a class or function that makes one (with a
            generator if it takes one as `rng`), or one that is made.
        cases: worlds that it is checked in; fewer for one that was trained for a size.
        parameters: of its own, where it is to be made.

    Raises:
        AssertionError: a check fails; the message says which, and in which worlds.
    """
    make = _maker(policy, parameters)
    check_description(make(0).policy)
    for case in cases:
        check_actions(make, case)
        check_randomness(make, case)
    if not any(draws(make, case) for case in cases):
        for case in cases:
            check_worlds_alone(make, case)
    check_worlds_in_turn(make, cases)


def check_description(policy: Policy) -> None:
    """Check that a policy has `act`, and is described by plain values where it is."""
    _require(callable(getattr(policy, "act", None)), "it has no act(slot)")
    for attribute, kind in (("name", str), ("setting", str), ("runs_locally", bool)):
        value = getattr(policy, attribute, kind())
        _require(isinstance(value, kind), f"{attribute} should be a {kind.__name__}, got {value!r}")


def check_actions(make: Maker, case: Case) -> None:
    """Check the actions of an episode, and that the slot is left as it was."""
    policy, world = make(0).policy, _world(case)
    while not world.done:
        slot = world.slot
        before = deepcopy(slot)
        actions = _act(policy, slot, case)
        now = dict(_arrays(slot))
        written = [name for name, array in _arrays(before) if not _equal(array, now[name])]
        _require(not written, f"{case.words}: it writes to {', '.join(written)} of the slot")
        world.step(actions)


def check_randomness(make: Maker, case: Case) -> None:
    """Check that all draws come from the generator that the policy is made with.

    It is made twice with a generator of one seed, and plays the same worlds under global
    generators of different seeds.
    """
    played = []
    for seed in (1, 2):
        with _global_generators(seed):
            played.append(_played(make(3).policy, case))
    if _same(*played):
        return
    with _global_generators(1):
        again = _played(make(3).policy, case)
    if _same(played[0], again):
        fault = "it draws from a global generator (random, numpy.random or torch), not from its own"
    else:
        fault = "it does not act the same twice with a generator of the same seed"
    raise AssertionError(f"{case.words}: {fault}")


def check_worlds_alone(make: Maker, case: Case) -> None:
    """Check that a policy which draws nothing acts in a world as if that were alone.

    Of a policy with memory only the first slot is checked.
    """
    policy, world = make(0).policy, _world(case)
    while not world.done:
        slot = world.slot
        actions = _act(policy, slot, case)
        if np.array_equal(_act(make(0).policy, slot, case), actions):
            for n in range(case.num_worlds):
                alone = _act(make(0).policy, _of_world(slot, n, case.num_worlds), case)
                same = np.array_equal(alone[0], actions[n])
                _require(same, f"{case.words}: what it does in world {n} depends on other worlds")
        world.step(actions)


def check_worlds_in_turn(make: Maker, cases: Sequence[Case]) -> None:
    """Check that one policy plays worlds of all sizes, one after another.

    One that draws nothing plays each as if it was just made: an episode begins with nothing
    remembered.
    """
    policy = make(0).policy
    drawing = any(draws(make, case) for case in cases)
    for case in (*cases, *cases[::-1]):
        actions = _played(policy, case)
        same = drawing or _same(actions, _played(make(0).policy, case))
        _require(same, f"{case.words}: it remembers an earlier episode; one begins at slot.index 0")


def draws(make: Maker, case: Case) -> bool:
    """Return whether a policy draws: a generator moves that it was given, or that it holds."""
    policy, given = make(0)
    held = [value for value in _held(policy) if isinstance(value, np.random.Generator)]
    before = [str(rng.bit_generator.state) for rng in (given, *held)]
    _played(policy, case)
    return before != [str(rng.bit_generator.state) for rng in (given, *held)]


def _held(policy: Policy) -> list[Any]:
    return list(getattr(policy, "__dict__", {}).values())


def _maker(policy: Any, parameters: dict[str, Any]) -> Maker:
    """Return a maker of the policy from the seed of its generator."""
    if not isinstance(policy, str | type) and hasattr(policy, "act"):
        _require(not parameters, "a policy that is made takes no parameters")

        return lambda seed: Trial(deepcopy(policy), np.random.default_rng(seed))
    factory = POLICIES[policy] if isinstance(policy, str) else policy
    name = policy if isinstance(policy, str) else getattr(policy, "__name__", "policy")

    def new(seed: int) -> Trial:
        rng = np.random.default_rng(seed)
        return Trial(made(factory, name, rng, **parameters), rng)

    return new


def _world(case: Case) -> World:
    return World(case.config, case.num_worlds, 0, mechanisms.make(case.mechanism))


def _act(policy: Policy, slot: Slot, case: Case) -> Actions:
    try:
        actions = policy.act(slot)
    except Exception as error:
        told = f"slot {slot.index}: act raises {type(error).__name__}: {error}"
        raise AssertionError(f"{case.words}: {told}") from error
    fault = fault_of(actions, slot)
    _require(not fault, f"{case.words}: slot {slot.index}: {fault}")
    return actions


def _played(policy: Policy, case: Case) -> list[Actions]:
    """Return the actions of an episode."""
    actions, world = [], _world(case)
    while not world.done:
        actions.append(_act(policy, world.slot, case).copy())
        world.step(actions[-1])
    return actions


def _same(ours: list[Actions], theirs: list[Actions]) -> bool:
    return all(map(np.array_equal, ours, theirs))


@contextmanager
def _global_generators(seed: int) -> Iterator[None]:
    """Seed the global generators of Python, NumPy and PyTorch, and put them back at the end."""
    import torch

    states = random.getstate(), np.random.get_state(), torch.random.get_rng_state()  # noqa: NPY002
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002
    torch.manual_seed(seed)
    try:
        yield
    finally:
        random.setstate(states[0])
        np.random.set_state(states[1])  # noqa: NPY002
        torch.random.set_rng_state(states[2])


def _parts(value: Any) -> dict[str, Any]:
    """Return the parts that a part of a slot consists of, by name; none of a plain value."""
    if isinstance(value, tuple):
        return {name: getattr(value, name) for name in getattr(value, "_fields", ())}
    compound = is_dataclass(value) and not isinstance(value, type | WorldConfig)
    if not compound and not isinstance(value, Candidates):
        return {}
    cached = {name for name, part in vars(type(value)).items() if isinstance(part, cached_property)}
    return {name: part for name, part in vars(value).items() if name not in cached}


def _arrays(value: Any, name: str = "slot") -> Iterator[tuple[str, NDArray[Any]]]:
    """Yield the arrays of a slot, by dotted names."""
    if isinstance(value, np.ndarray):
        yield name, value
    for part, inner in _parts(value).items():
        yield from _arrays(inner, f"{name}.{part}")


def _equal(ours: NDArray[Any], theirs: NDArray[Any]) -> bool:
    return np.array_equal(ours, theirs, equal_nan=ours.dtype.kind == "f")


def _of_world(value: Any, n: int, num_worlds: int) -> Any:
    """Return what a part of a slot is in world n alone: arrays of N rows have one."""
    if isinstance(value, np.ndarray):
        return value[n : n + 1] if value.ndim and len(value) == num_worlds else value
    parts = {name: _of_world(part, n, num_worlds) for name, part in _parts(value).items()}
    if not parts:
        return value
    if isinstance(value, tuple):
        return type(value)(**parts)
    alone = object.__new__(type(value))
    for name, part in parts.items():
        object.__setattr__(alone, name, part)  # of frozen classes too
    return alone


def _require(holds: object, words: str) -> None:
    if not holds:
        raise AssertionError(words)
