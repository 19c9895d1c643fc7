"""Progress of a run: the calls that it makes as it goes on."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

Row = dict[str, Any]  # a row of training.parquet


@dataclass(frozen=True)
class Progress:
    """Functions that a run calls as it goes on.

    Attributes:
        on_kept: with the number of epochs that need not be trained again.
        on_epoch: with the row of an epoch that was trained.
        on_policy: with the seed and the name of a policy that is played next.
        on_audit: with the seed and the name of a mechanism that was audited.
        is_stopping: asked whether to stop at the next point that can be gone on from.
    """

    on_kept: Callable[[int], None] = lambda epochs: None
    on_epoch: Callable[[Row], None] = lambda row: None
    on_policy: Callable[[int, str], None] = lambda seed, policy: None
    on_audit: Callable[[int, str], None] = lambda seed, mechanism: None
    is_stopping: Callable[[], bool] = lambda: False
