"""Task decomposition: a prompt is split into clauses, each of which the gate makes a subtask of a
topic.
"""

from dataclasses import dataclass

import numpy as np
import torch

from marl_moe.text.clauses import clauses_of, words_of
from marl_moe.text.embedding import Embedding
from marl_moe.text.gate import KNOWN_ABOVE, Gate

WORDS = 200  # of the answer to a clause of mean length (assumption)
SPREAD = (
    0.5,
    1.5,
)  # of the words of a request, over those of a clause of mean length: 100..300 and 0.5..1.5 compute


class PromptError(ValueError):
    """A prompt that nothing can be done with, and why."""


@dataclass(frozen=True)
class Subtask:
    """A part of a prompt that one expert answers."""

    clause: str  # of the prompt
    topic: int  # of the expert that the gate picked
    weight: float  # gating weight g; those of a request sum to 1
    compute_need: float  # compute units
    words: int  # asked of the answer


@dataclass(frozen=True)
class Request:
    """A prompt and what became of it."""

    prompt: str
    subtasks: tuple[Subtask, ...]  # in the prompt's order
    left_out: tuple[str, ...]  # clauses of no known topic, which no expert answers


def decompose(
    prompt: str, gate: Gate, embedding: Embedding, k: int = 1, mean_words: int = WORDS
) -> Request:
    """Split a prompt and route its clauses, each to the k likeliest topics: a subtask each.

    The gating weight of a subtask is the gate's probability of its topic over the sum of all that
    were kept. Its answer is asked to have `mean_words` times the clause's length over the mean,
    split by probability where k > 1, and within `SPREAD` of it; its compute need is words /
    mean_words. By default: the model's 100..300 words and 0.5..1.5 units.

    Raises PromptError for an empty prompt, and for one without a clause of a known topic.
    """
    clauses = clauses_of(prompt)
    if not clauses:
        raise PromptError("the prompt is empty: there is no clause in it to write about")
    vectors = torch.from_numpy(embedding(clauses))
    routing = gate.route(vectors, k)
    if not routing.known.any():
        cosine = gate(vectors).detach()
        clause, topic = divmod(int(cosine.argmax()), len(gate.topics))
        raise PromptError(
            "no clause of the prompt is about a topic that an expert knows "
            f"({', '.join(gate.topics)}); the nearest is "
            f"{clauses[clause]!r} to {gate.topics[topic]}, cosine {cosine.max():.2f}, of at least "
            f"{KNOWN_ABOVE} needed"
        )
    known = routing.known.nonzero()[:, 0].tolist()
    length = np.array([len(words_of(clauses[number])) for number in known])
    probability = routing.probability[known].double().numpy()
    share = (
        k * probability / probability.sum(axis=1, keepdims=True)
    )  # of the words that a clause is worth
    words = mean_words * np.clip(share * (length / length.mean())[:, None], *SPREAD)
    weight = probability / probability.sum()
    subtasks = tuple(
        Subtask(
            clause=clauses[number],
            topic=int(routing.topic[number, rank]),
            weight=float(weight[row, rank]),
            compute_need=float(words[row, rank] / mean_words),
            words=round(words[row, rank]),
        )
        for row, number in enumerate(known)
        for rank in range(k)
    )
    left_out = tuple(clause for number, clause in enumerate(clauses) if number not in known)
    return Request(prompt, subtasks, left_out)
