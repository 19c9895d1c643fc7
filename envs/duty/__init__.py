"""Duties of experts beside serving, such as sensing, in time in which they do not serve.

import envs.duty

@envs.duty.register("radar")
@dataclass(frozen=True)
class Radar(envs.duty.Duty):
    ...
"""

from envs.duty.base import DUTIES, Duty, register
from envs.duty.config import DutyConfig
from envs.duty.terms import DutyTerms

__all__ = ["DUTIES", "Duty", "DutyConfig", "DutyTerms", "register"]
