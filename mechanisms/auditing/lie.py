"""A lie: a field that agents report, and the space of what they may report in it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mechanisms.arrays import FloatArray, IntArray
from mechanisms.auditing.misreports import ReportSpace
from mechanisms.claims import Side
from mechanisms.market import Market

Place = tuple[IntArray, IntArray, IntArray]  # of a report among markets, misreports and agents
_Number = TypeVar("_Number", np.float64, np.int64)
_FACTORS = (
    *(0.0, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95),
    *(1.05, 1.1, 1.2, 1.35, 1.5, 2.0, 3.0, 4.0, 10.0),
)


class Report(NamedTuple):
    """How a field is reported.

    Attributes:
        space: what agent j of market j may report, of markets (J,) and agents (J,).
        put: markets (J, R) in which the agents at a place report vectors (J, R, D).
    """

    space: Callable[[Market, IntArray], ReportSpace]
    put: Callable[[Market, Place, FloatArray], Market]


@dataclass(frozen=True)
class Lie:
    """A field that agents of one side report.

    Attributes:
        side: that reports it.
        field: what it is called in claims: "users.points" by side and field.
        doc: what a lie about it is.
        can_be_told: whether these markets have such a report, and a mechanism is given it.
        report: how it is told; None where the lie is to withdraw: who does has nothing, which
            takes no clearing to know.
        binds: limits of an expert that bind when it delivers, whatever it was believed to have:
            "capacity", "band".
    """

    side: Side
    field: str
    doc: str
    can_be_told: Callable[[Market], bool]
    report: Report | None
    binds: frozenset[str] = frozenset()

    @property
    def name(self) -> str:
        """Side and field, as in `Claims.incentive_compatible`."""
        return f"{self.side}.{self.field}"


def scaled(own: FloatArray) -> ReportSpace:
    """Return the space of reports (J, D) >= 0 by factors, and beyond them by search."""
    size = own.mean(axis=1)
    return ReportSpace(
        truth=own,
        first=by_factors(own),
        low=np.zeros(own.shape),
        high=2 * own,
        corner=np.zeros(own.shape),
        least=np.zeros(own.shape),
        scale=np.where(size > 0, size, 1.0),
        matters=own > 0,
    )


def by_factors(own: FloatArray) -> FloatArray:
    """Return all factors of reports (J, D), (J, S, D)."""
    return own[:, np.newaxis] * np.asarray(_FACTORS)[:, np.newaxis]


def whole(own: ArrayLike, reports: ArrayLike) -> ReportSpace:
    """Return the space of a number (J,) that is one of a few, all of which are tried."""
    truth = np.asarray(own, dtype=np.float64)[:, np.newaxis]
    first = np.asarray(reports, dtype=np.float64)[:, np.newaxis]
    first = np.broadcast_to(first, (len(truth), *first.shape))
    return ReportSpace.of_few(truth, first)


def num_topics(truth: Market) -> int:
    """Return the number of topics of the market."""
    of_users = -1 if truth.users is None else truth.users.topic.max(initial=-1)
    return int(max(truth.expert_topic.max(initial=0), of_users)) + 1


def repeated(array: NDArray[_Number], reports: FloatArray) -> NDArray[_Number]:
    """Return a field (J, 1, ...) once for each of the R misreports (J, R, D)."""
    return np.repeat(array, reports.shape[1], axis=1)


def told(array: NDArray[_Number], place: Place, reports: FloatArray) -> NDArray[_Number]:
    """Return a field (J, 1, ...) repeated for R misreports, with those of the agents in it."""
    told = repeated(array, reports)
    told[place] = reports
    return told


def always(truth: Market) -> bool:
    """Return True: every market has such a report."""
    return True


def allocates(truth: Market) -> bool:
    """Return whether users report, as to a mechanism that allocates."""
    return truth.users is not None


def has_pairs(truth: Market) -> bool:
    """Return whether users report of candidates, as to a mechanism that allocates."""
    return truth.users is not None and truth.users.num_columns > 0


def has_limits(truth: Market) -> bool:
    """Return whether users need band, and every expert has a limit of it."""
    needed = has_pairs(truth) and truth.users_for("an audit").band_is_known
    return needed and bool(np.isfinite(truth.bandwidth_limit).all())
