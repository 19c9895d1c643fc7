"""What a user does: an integer a slot, c < C transfers the pending subtask to candidate c, C
abandons it.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray


def checked(actions: ArrayLike, shape: tuple[int, int], num_candidates: int) -> NDArray[np.int64]:
    """The actions as an array of `shape` (N, U).

    Raises ValueError for actions of another shape, not integer or not in 0..C.
    """
    actions = np.asarray(actions)
    if actions.shape != shape or actions.dtype.kind not in "iu":
        raise ValueError(
            f"actions should be integers of shape {shape}, got {actions.dtype} of shape "
            f"{actions.shape}"
        )
    chosen = actions.astype(np.int64, copy=False)
    if (
        chosen.view(np.uint64).max() > num_candidates
    ):  # unsigned, what is negative is too large as well
        raise ValueError(
            f"actions should lie in 0..{num_candidates}, got {actions.min()}..{actions.max()}"
        )
    return chosen


def mask(
    usable: NDArray[np.bool_], pending: NDArray[np.bool_], allow_abandon: bool
) -> NDArray[np.bool_]:
    """What each user may do, (N, U, C + 1).

    usable: candidates that are available and participate, (N, U or 1, C). pending: who has a
    subtask to transfer, (N, U); without one a user may only abandon. Where `allow_abandon` is false
    it may abandon only when nothing else is allowed.
    """
    allowed = np.empty((*pending.shape, usable.shape[-1] + 1), bool)
    np.logical_and(usable, pending[..., None], out=allowed[..., :-1])
    allowed[..., -1] = True if allow_abandon else ~(usable.any(axis=-1) & pending)
    return allowed
