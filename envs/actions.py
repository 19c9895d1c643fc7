"""What a user does: an integer a slot, e < E transfers the pending subtask to expert e, E abandons it."""

import numpy as np
from numpy.typing import ArrayLike, NDArray


def checked(actions: ArrayLike, shape: tuple[int, int], num_experts: int) -> NDArray[np.int64]:
    """The actions as an array of `shape` (N, U).

    Raises ValueError for actions of another shape, not integer or not in 0..E.
    """
    actions = np.asarray(actions)
    if actions.shape != shape or actions.dtype.kind not in "iu":
        raise ValueError(f"actions should be integers of shape {shape}, got {actions.dtype} of shape {actions.shape}")
    chosen = actions.astype(np.int64, copy=False)
    if chosen.view(np.uint64).max() > num_experts:  # unsigned, what is negative is too large as well
        raise ValueError(f"actions should lie in 0..{num_experts}, got {actions.min()}..{actions.max()}")
    return chosen


def mask(usable: NDArray[np.bool_], pending: NDArray[np.bool_], allow_abandon: bool) -> NDArray[np.bool_]:
    """What each user may do, (N, U, E + 1).

    usable: experts that are available and participate, (N, E). pending: who has a subtask to transfer, (N, U); without
    one a user may only abandon. Where `allow_abandon` is false it may abandon only when nothing else is allowed.
    """
    allowed = np.empty((*pending.shape, usable.shape[-1] + 1), bool)
    np.logical_and(usable[:, None], pending[..., None], out=allowed[..., :-1])
    allowed[..., -1] = True if allow_abandon else ~(usable.any(axis=-1, keepdims=True) & pending)
    return allowed
