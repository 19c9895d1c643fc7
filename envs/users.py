"""The users of N worlds where they differ: compute, arrivals, deadlines, worths and budgets."""

from dataclasses import dataclass, fields
from functools import cached_property
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from envs.config import WorldConfig
from envs.groups import OF_USERS
from envs.quality import Worth
from envs.state import State, copied

Number = float | NDArray[np.float64]  # the same for all users, or (N, U)


class Owners(NamedTuple):
    """What of users decides on their requests."""

    local_compute: Number
    private_probability: Number
    arrival_probability: Number


@dataclass(frozen=True, eq=False)
class Users:
    """Quantities of users, each one number where all have the same, else (N, U).

    Attributes:
        local_compute: compute for one request, units.
        private_probability: of a subtask that must stay.
        arrival_probability: of a new request, a slot.
        deadline_s: delay past which an answer's worth decays, s.
        lateness_s: time constant of that decay, s.
        credits_per_point: worth of a point, credits.
        credits_per_word: cost of a word, credits.
        credits_per_joule: cost of energy, credits/J.
        credits_per_second: cost of delay, credits/s.
        energy_budget_j: for an episode, J; infinite without one.
        credit_budget: for an episode, credits; infinite without one.
    """

    local_compute: Number
    private_probability: Number
    arrival_probability: Number
    deadline_s: Number
    lateness_s: Number
    credits_per_point: Number
    credits_per_word: Number
    credits_per_joule: Number
    credits_per_second: Number
    energy_budget_j: Number
    credit_budget: Number

    @classmethod
    def drawn(cls, config: WorldConfig, num_worlds: int, rng: np.random.Generator) -> Self:
        """Draw the users of N worlds; each quantity has draws of its own, whether it needs them."""
        uniform = rng.random((len(OF_USERS), num_worlds, config.num_users))
        return cls(
            **{
                key: config.bounds[key].drawn(own)
                for key, own in zip(OF_USERS, uniform, strict=True)
            }
        )

    @property
    def owners(self) -> Owners:
        """What decides on their requests."""
        return Owners(*(getattr(self, name) for name in Owners._fields))

    @cached_property
    def worth(self) -> Worth:
        """What points, words, energy and time are to users."""
        return Worth(*(getattr(self, name) for name in Worth._fields))

    def get_state(self) -> State:
        """Return copies of all quantities."""
        return copied({field.name: getattr(self, field.name) for field in fields(self)})

    @classmethod
    def from_state(cls, state: State) -> Self:
        """Return the users that gave this state."""
        return cls(**copied(state))
