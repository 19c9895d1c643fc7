"""Policies, which map a slot to actions, (N, U) integers, by `act(slot)`.

`POLICIES` holds those that an experiment names and no algorithm trains. A new one is a class with
`act`, decorated with `@register(name)` and made with a generator, `rng`.
"""

from marl_moe.policies.base import POLICIES, Actions, Policy, make, register
from marl_moe.policies.crowd import Crowd
from marl_moe.policies.decentralised import Cooperative, Selfish
from marl_moe.policies.equilibrium import BetterResponse, Nash
from marl_moe.policies.heuristics import Heuristic, best_expert
from marl_moe.policies.mean_field import MeanField
from marl_moe.policies.optimum import Optimum
from marl_moe.policies.paced import Paced

__all__ = [
    "POLICIES",
    "Actions",
    "BetterResponse",
    "Cooperative",
    "Crowd",
    "Heuristic",
    "MeanField",
    "Nash",
    "Optimum",
    "Paced",
    "Policy",
    "Selfish",
    "best_expert",
    "make",
    "register",
]
