"""Markets of several batches as one."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mechanisms.duty import Duties
from mechanisms.market import Market
from mechanisms.user_reports import UserReports


def concatenated(markets: Sequence[Market]) -> Market:
    """Return the markets of several batches as one, along the first leading axis.

    Raises:
        MarketError: experts or users differ in number.
        ValueError: users report in some batches only, or list candidates in some only; edge devices
            have duties in some only; or effort is bought in some and enforced in others.
    """
    efforts = sorted({market.effort for market in markets})
    if len(efforts) > 1:
        raise ValueError("effort is bought in some of the markets and enforced in others")
    users = [market.users for market in markets if market.users is not None]
    if len(users) not in (0, len(markets)):
        raise ValueError("users report in some of the markets only")
    duties = [market.duties for market in markets if market.duties is not None]
    if len(duties) not in (0, len(markets)):
        raise ValueError("edge devices have duties in some of the markets only")
    joined = Market(
        **_joined([market.arrays() for market in markets]),
        effort=efforts[0],
        duties=Duties(**_joined([one.arrays() for one in duties])) if duties else None,
    )
    if not users:
        return joined
    return replace(joined, users=UserReports(**_joined([one.arrays() for one in users])))


def _joined(parts: Sequence[dict[str, NDArray[Any]]]) -> dict[str, Any]:
    """Return arrays of the same names, each joined along the first axis."""
    if len({tuple(part) for part in parts}) > 1:
        raise ValueError("users list candidates in some of the markets only")
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
