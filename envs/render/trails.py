"""Ways that agents went in the last slots."""

import numpy as np

from envs.arrays import Float

SLOTS = 10  # that a trail goes back


class Trails:
    """Places of agents in the slots that were drawn, as far back as trails go."""

    def __init__(self) -> None:
        self._seen: list[tuple[int, Float]] = []

    def after(self, slot: int, places: Float) -> list[Float]:
        """Return the ways to the present places of those who moved, (k, 2) m, oldest place first.

        A slot that is seen again replaces what was seen of it. After one that was missed, and in a
        new episode, trails begin anew.

        Args:
            slot: number of the slot in its episode.
            places: (P, 2) of all agents in that slot, m.
        """
        earlier = [seen for seen in self._seen if seen[0] < slot]
        if earlier and earlier[-1][0] != slot - 1:
            earlier = []
        self._seen = [*earlier[-SLOTS:], (slot, places)]
        ways = np.stack([place for _, place in self._seen], axis=1)
        moved = (ways != ways[:, -1:]).any(axis=(1, 2))
        return list(ways[moved])
