"""Parts of users or experts that share a placement or a mobility, each with its own generator."""

from collections.abc import Iterator, Sequence
from typing import Generic, NamedTuple, TypeVar

import numpy as np

from envs.geometry.mobility import Mobility
from envs.geometry.placement import Placement

Model = TypeVar("Model", Placement, Mobility)


class Part(NamedTuple, Generic[Model]):
    """Agents that share a placement or a mobility.

    Attributes:
        key: that gives it, dotted.
        model: what they share.
        groups: whose they are; one that is empty stands for all agents of a world without groups.
    """

    key: str
    model: Model
    groups: list[str]


def own_generator(rng: np.random.Generator) -> np.random.Generator:
    """Return a generator of its own for a part, so that what it draws shifts no other's draws."""
    return np.random.default_rng(int(rng.integers(2**63)))


def with_generators(
    parts: Sequence[Part[Model]], draws: np.random.Generator
) -> Iterator[tuple[Part[Model], np.random.Generator]]:
    """Yield each part with a generator: the first with that of all, the others with their own."""
    yield from zip(parts, [draws, *draws.spawn(len(parts) - 1)], strict=True)
