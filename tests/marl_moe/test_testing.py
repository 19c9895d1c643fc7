"""The kit that checks policies finds each fault that it looks for, and none in ours."""

import random
from typing import Any

import numpy as np
import pytest
import torch

from envs import Slot
from marl_moe.policies import POLICIES, Heuristic, best_expert
from marl_moe.policies.learned import LearnedPolicy
from marl_moe.policies.networks import NetworkConfig
from marl_moe.testing import CASES, Case, check_policy


class First:
    """Take the first candidate; a policy of three lines without a fault."""

    def act(self, slot: Slot) -> np.ndarray:
        return np.zeros((slot.num_worlds, slot.num_users), np.int64)


class TooFewUsers(First):
    def act(self, slot: Slot) -> np.ndarray:
        return super().act(slot)[:, :1]


class Fractions(First):
    def act(self, slot: Slot) -> np.ndarray:
        return super().act(slot) + 0.5


class OutOfRange(First):
    def act(self, slot: Slot) -> np.ndarray:
        return super().act(slot) + slot.num_experts  # not the number of candidates


class AList(First):
    def act(self, slot: Slot) -> Any:
        return super().act(slot).tolist()


class FixedSize(First):
    """Take it that there are five experts."""

    def act(self, slot: Slot) -> np.ndarray:
        return (slot.conditions.links.snr_db - np.arange(5)).argmax(axis=-1)


class Writing(First):
    def act(self, slot: Slot) -> np.ndarray:
        snr_db = slot.conditions.links.snr_db
        snr_db[~slot.mask[..., :-1]] = -np.inf
        return snr_db.argmax(axis=-1)


class WritingIntoPrices(First):
    def act(self, slot: Slot) -> np.ndarray:
        slot.offer.unit_price[:] = 0.0
        return super().act(slot)


def shuffled(slot: Slot, number: int) -> np.ndarray:
    return best_expert(slot, np.random.default_rng(number).random(slot.mask[..., :-1].shape))


class GlobalNumpy(First):
    def act(self, slot: Slot) -> np.ndarray:
        return shuffled(slot, np.random.randint(2**31))  # noqa: NPY002


class GlobalTorch(First):
    def act(self, slot: Slot) -> np.ndarray:
        return shuffled(slot, int(torch.randint(2**31, ()).item()))


class GlobalPython(First):
    def act(self, slot: Slot) -> np.ndarray:
        return shuffled(slot, random.getrandbits(31))


class OwnSeed(First):
    """Draw from a generator that the system seeds."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.rng = np.random.default_rng()

    def act(self, slot: Slot) -> np.ndarray:
        return shuffled(slot, int(self.rng.integers(2**31)))


class FromTheGenerator(OwnSeed):
    """Draw as one should."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.rng = rng


class MeanOfBatch(First):
    """Compare gains with the mean over all worlds of the batch."""

    def act(self, slot: Slot) -> np.ndarray:
        gain = slot.expected_gain()
        return np.where(gain.max(axis=-1) > gain.mean(), gain.argmax(axis=-1), slot.num_candidates)


class Remembering(First):
    """Count slots over all episodes that it ever played."""

    def __init__(self) -> None:
        self.acted = 0

    def act(self, slot: Slot) -> np.ndarray:
        self.acted += 1
        return np.full(slot.mask.shape[:2], self.acted % (slot.num_candidates + 1))


class RememberingArrays(First):
    """Smooth the load over slots, and never begin anew."""

    smoothed: Any = 0.0

    def act(self, slot: Slot) -> np.ndarray:
        self.smoothed = 0.5 * self.smoothed + slot.conditions.occupancy.load
        return super().act(slot)


class BeginningAnew(Remembering):
    """Count the slots of an episode."""

    def act(self, slot: Slot) -> np.ndarray:
        if slot.index == 0:
            self.acted = 0
        return super().act(slot)


class Nameless(First):
    name = 3


@pytest.mark.parametrize(
    ("policy", "fault"),
    [
        (TooFewUsers, r"actions should have shape \(2, 3\) \(worlds, users\), got \(2, 1\)"),
        (Fractions, "actions should be integers, got float64"),
        (OutOfRange, r"lists of candidates: slot 0: actions should be in 0..4, got 12"),
        (AList, "actions should be an array of NumPy, got list"),
        (FixedSize, "act raises ValueError: operands could not be broadcast"),
        (Writing, r"it writes to slot.conditions.links.snr_db of the slot"),
        (WritingIntoPrices, r"it writes to slot.offer.unit_price of the slot|read-only"),
        (GlobalNumpy, "it draws from a global generator"),
        (GlobalTorch, "it draws from a global generator"),
        (GlobalPython, "it draws from a global generator"),
        (OwnSeed, "it does not act the same twice with a generator of the same seed"),
        (MeanOfBatch, "what it does in world . depends on other worlds"),
        (Remembering, "it remembers an earlier episode; one begins at slot.index 0"),
        (RememberingArrays, "act raises ValueError: operands could not be broadcast"),
        (Nameless, "name should be a str, got 3"),
        (object, r"it has no act\(slot\)"),
    ],
)
def test_a_fault_is_found_and_named(policy: Any, fault: str) -> None:
    with pytest.raises(AssertionError, match=fault):
        check_policy(policy)


@pytest.mark.parametrize("policy", [First, First(), FromTheGenerator, BeginningAnew])
def test_a_policy_without_a_fault_passes(policy: Any) -> None:
    check_policy(policy)


@pytest.mark.parametrize("name", sorted(POLICIES))
def test_ours_pass_by_name_and_answer_to_it(name: str) -> None:
    check_policy(name)
    assert POLICIES.make(name, rng=np.random.default_rng(0)).name == name


def test_parameters_are_those_of_the_policy() -> None:
    check_policy("better_response", response_probability=1.0, load="recent")
    with pytest.raises(ValueError, match="did you mean 'response_probability'"):
        check_policy("better_response", response_prob=1.0)


def test_a_policy_that_is_made_with_a_generator_is_checked_from_its_state() -> None:
    check_policy(POLICIES.make("random", rng=np.random.default_rng(5)))


@pytest.mark.parametrize("drawing", [False, True])
def test_a_learned_policy_is_checked_in_the_worlds_that_it_serves(drawing: bool) -> None:
    torch.manual_seed(0)
    network = NetworkConfig(num_experts=5, hidden=8)
    actor = network.actor().requires_grad_(False)
    policy = LearnedPolicy("sac", {"shared": actor}, network, {"shared": [0]})
    served = [case for case in CASES if case.mechanism != "vcg" and case.config.allow_abandon]
    assert len(served) == 4
    check_policy(policy.stochastic(np.random.default_rng(0)) if drawing else policy, cases=served)
    with pytest.raises(AssertionError, match="cannot act under the mechanism 'vcg'"):
        check_policy(policy)


def test_the_global_generators_are_left_as_they_were() -> None:
    np.random.seed(0)  # noqa: NPY002
    torch.manual_seed(0)
    before = np.random.get_state()[2], torch.random.get_rng_state()  # noqa: NPY002
    check_policy("random", cases=[Case("one", CASES[0].config, 2)])
    assert np.random.get_state()[2] == before[0]  # noqa: NPY002
    assert torch.equal(torch.random.get_rng_state(), before[1])


class TiesAtRandom(Heuristic):
    """Draw where it does not matter."""

    name = "ties"

    def act(self, slot: Slot) -> np.ndarray:
        gain = slot.expected_gain()
        return best_expert(slot, gain + 1e-9 * self.rng.random(gain.shape))


def test_a_policy_that_draws_for_ties_alone_counts_as_drawing() -> None:
    check_policy(TiesAtRandom)
