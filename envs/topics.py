"""Topics of experts: the one that each is listed under, and those that its type is of."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from envs.arrays import Bool
from envs.groups import TOPICS, Groups, given_to_each, members

Topics = Sequence[int]


def topic_of_each(
    groups: Groups | None, of_all: Topics | None, num_experts: int, num_topics: int
) -> NDArray[np.int64]:
    """Return the topic of each expert, (E,).

    Args:
        groups: of experts; None without any. The experts of one take its topics in turn.
        of_all: topics that all take in turn where their group says nothing; None: every topic.
        num_experts: E.
        num_topics: M.
    """
    topic = np.resize(np.array(of_all or range(num_topics)), num_experts)
    for expert, (name, place) in enumerate(members(groups, num_experts)):
        own = (groups or {})[name].get(TOPICS)
        if own:
            topic[expert] = own[place % len(own)]
    return topic


def own_topics(
    groups: Groups | None,
    of_all: Topics | None,
    topic: NDArray[np.int64],
    rows: Sequence[str | None],
    num_topics: int,
) -> Bool:
    """Return the topics that each expert's type is of, (E, M).

    That is the topic of its own; for an expert of a named row of a measured table it is all topics
    that its group, or the section, lists: experts of a row are alike in all of them.

    Args:
        groups: of experts; None without any.
        of_all: topics of the section; None: every topic.
        topic: (E,) of each expert.
        rows: named row of each expert, None for that of its topic, (E,).
        num_topics: M.
    """
    every = np.arange(num_topics)
    own = topic[:, None] == every
    listed: list[Any] = given_to_each(groups, TOPICS, None, len(rows))
    for expert, row in enumerate(rows):
        if row is not None:
            own[expert] = np.isin(every, listed[expert] or of_all or every)
    return own
