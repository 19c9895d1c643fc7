"""Policies, which map a slot to actions, (N, U) integers, by `act(slot)`."""

from marl_moe.policies.equilibrium import BetterResponse, Nash
from marl_moe.policies.heuristics import HEURISTICS, Heuristic
from marl_moe.policies.optimum import Optimum

# What can be named under `evaluation.policies`; each is made with a generator.
POLICIES: dict[str, type[Heuristic]] = HEURISTICS | {
    policy.name: policy for policy in (BetterResponse, Nash, Optimum)
}

__all__ = ["POLICIES"]
