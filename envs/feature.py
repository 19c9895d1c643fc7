"""A column of an observation: what it means, how it is read from a slot, and its bounds."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from envs.arrays import Bool, Float
from envs.conditions import Conditions
from envs.config import WorldConfig
from envs.offer import Offer

Scale = Callable[[WorldConfig], float]


def _one(config: WorldConfig) -> float:
    return 1.0


def _zero(config: WorldConfig) -> float:
    return 0.0


class Sight(NamedTuple):
    """What users see of a slot.

    Attributes:
        conditions: of the slot.
        offer: in force.
        effort: (N, U, C) effort that each candidate gives for each user alone.
        mask: (N, U, C + 1) actions that each may take.
        drawn: (N, E) others whom the offer draws to each expert; None where nobody counts on them.
    """

    conditions: Conditions
    offer: Offer
    effort: NDArray[np.float32]
    mask: Bool
    drawn: Float | None


class Feature(NamedTuple):
    """A column of the observation: `read` times `scale`, at least `low` and at most `high`.

    Attributes:
        name: its name.
        doc: meaning and unit.
        read: its values before scaling, from the slot: (N, U) of a user, (N, E) where all users
            see an expert alike, (N, U, C) where they do not.
        scale: factor on them, 1 for values of pairs that are cut.
        low: least value.
        high: greatest value, where none is cut.
        cut: limit to which greater values are cut.
    """

    name: str
    doc: str
    read: Callable[[Sight], NDArray | float]
    scale: Scale = _one
    low: Scale = _zero
    high: Scale = _one
    cut: float = np.inf
