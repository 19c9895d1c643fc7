"""Actions of users: c < C transfers the pending subtask to candidate c, C abandons it."""

import numpy as np
from numpy.typing import ArrayLike

from envs.arrays import Bool, Int


def checked(actions: ArrayLike, shape: tuple[int, ...], last: int, name: str = "actions") -> Int:
    """Return the actions as an array.

    Args:
        actions: integers in 0..`last`.
        shape: what they should have, (N, U) of users.
        last: the last action, C of users.
        name: what messages call them.

    Raises:
        ValueError: actions of another shape, not integer or not in 0..`last`.
    """
    actions = np.asarray(actions)
    if actions.shape != shape or actions.dtype.kind not in "iu":
        raise ValueError(
            f"{name} should be integers of shape {shape}, got {actions.dtype} of shape "
            f"{actions.shape}"
        )
    chosen = actions.astype(np.int64, copy=False)
    # read as unsigned, a negative action is too large as well
    if chosen.view(np.uint64).max() > last:
        raise ValueError(f"{name} should lie in 0..{last}, got {actions.min()}..{actions.max()}")
    return chosen


def mask(usable: Bool, pending: Bool, allow_abandon: bool) -> Bool:
    """Return the actions that each user may take, (N, U, C + 1).

    Args:
        usable: (N, U or 1, C) candidates that are available and participate.
        pending: (N, U) users that have a subtask to transfer; the others may only abandon.
        allow_abandon: where false, a user may abandon only when nothing else is allowed.
    """
    allowed = np.empty((*pending.shape, usable.shape[-1] + 1), bool)
    np.logical_and(usable, pending[..., None], out=allowed[..., :-1])
    allowed[..., -1] = True if allow_abandon else ~(usable.any(axis=-1) & pending)
    return allowed
