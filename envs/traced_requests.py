"""The requests of N worlds that play a trace."""

import numpy as np

from envs.arrays import Bool
from envs.config import WorldConfig
from envs.request_trace import RequestTrace
from envs.requests import RequestQueue, Subtasks
from envs.state import State, put, taken
from envs.users import Owners

_STATE = ("episode", "slot", "first")  # all other attributes are derived from these


class TracedRequests:
    """Requests of N x U users, slot by slot those of an episode of the trace, drawn by lot a world.

    After the last slot of the trace the subtasks stay those of it: of a world's episode that is at
    most the slot after its last, which learners see and nobody plays. With `apart`, users of a
    trace of a single episode are each at a slot of their own, and go on to its first after its
    last.

    Attributes:
        episode: (N,) episode of the trace that each world plays.
        slot: slots since the first.
        first: (N, U) slot of the trace in which each user begins.
        subtasks: the pending subtask of each user, (N, U) each.
        completing: (N, U) users whose request is complete at the end of this slot.
        transferred_weight: (N, U) total weight that the user's request transfers.
        refused: (N, U) users whose request is refused: none.

    Args:
        trace: what is played.
        num_worlds: N.
        rng: generator of all draws.
        num_slots: slots of the trace that are played.
        apart: whether users are not together where there is a single episode.
    """

    subtasks: Subtasks
    completing: Bool

    def __init__(
        self,
        trace: RequestTrace,
        num_worlds: int,
        rng: np.random.Generator,
        *,
        num_slots: int,
        apart: bool = False,
    ) -> None:
        self._trace = trace
        num_episodes, _, num_users = trace.weight.shape
        self.episode = rng.integers(num_episodes, size=num_worlds)
        self.slot = 0
        self._goes_round = apart and num_episodes == 1
        self._num_slots = num_slots
        begins = num_slots if self._goes_round else 1
        self.first = rng.integers(begins, size=(num_worlds, num_users))
        self.refused = np.zeros((num_worlds, num_users), bool)
        self._select()

    def advance(self) -> None:
        """Go on to the next slot."""
        self.slot += 1
        self._select()

    def place(
        self, world: int, user: int, weight: float, words: float, compute: float, topic: int
    ) -> None:
        """Refuse to replace a user's request, which `RequestQueue.place` does.

        Raises:
            ValueError: always.
        """
        raise ValueError(
            "env.requests.trace: requests are those of the trace, none can be replaced; leave the "
            "key out"
        )

    def get_state(self) -> State:
        """Return the place in the trace."""
        return taken(self, _STATE)

    def set_state(self, state: State) -> None:
        """Go on from what `get_state` gave."""
        put(self, _STATE, state)
        self._select()

    def _select(self) -> None:
        trace, due = self._trace, self.first + self.slot
        last = trace.weight.shape[1] - 1
        slot = due % self._num_slots if self._goes_round else np.minimum(due, last)
        at = self.episode[:, None], slot, np.arange(slot.shape[1])
        weight = trace.weight[at]
        self.subtasks = Subtasks(
            pending=weight > 0,
            weight=weight,
            words=trace.words[at],
            compute=trace.compute_need[at],
            topic=trace.topic[at],
        )
        self.completing = trace.completes[at]
        self.transferred_weight = trace.request_weight[at]


Requests = RequestQueue | TracedRequests


def begun(
    config: WorldConfig,
    owners: Owners,
    trace: RequestTrace | None,
    num_worlds: int,
    rng: np.random.Generator,
    *,
    apart: bool = False,
) -> Requests:
    """Begin the requests of an episode: those of the trace, or drawn ones without one.

    Args:
        config: of the worlds.
        owners: what of users decides on requests that are drawn.
        trace: what is played.
        num_worlds: N.
        rng: generator of all draws.
        apart: whether users of a trace of a single episode are not together in it.
    """
    if trace is not None:
        return TracedRequests(trace, num_worlds, rng, num_slots=config.episode_slots, apart=apart)
    return RequestQueue(config.requests, owners, num_worlds, config.num_users, rng)
