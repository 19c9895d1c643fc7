"""Decomposition of a prompt into subtasks: its clauses, routed to topics by the gate."""

from dataclasses import dataclass

import numpy as np
import torch

from marl_moe.text.clauses import clauses_of, words_of
from marl_moe.text.embedding import Embedding
from marl_moe.text.gate import KNOWN_ABOVE, Gate
from marl_moe.text.languages import KNOWN, languages_of

WORDS = 200  # of the answer to a clause of mean length (assumption)
# Range of an answer's words over `WORDS`: 100..300 words, and 0.5..1.5 compute units.
SPREAD = (0.5, 1.5)
TOLD = 3  # clauses in other languages that an error shows


class PromptError(ValueError):
    """A prompt without a subtask in it, with the reason."""


@dataclass(frozen=True)
class Subtask:
    """A part of a prompt that one expert answers.

    Attributes:
        clause: of the prompt.
        topic: number of the topic that the gate routed it to.
        weight: gating weight g; those of a request sum to 1.
        compute_need: compute units.
        words: requested length of the answer.
    """

    clause: str
    topic: int
    weight: float
    compute_need: float
    words: int


@dataclass(frozen=True)
class Request:
    """A prompt and its decomposition.

    Attributes:
        prompt: the text itself.
        subtasks: in the prompt's order.
        left_out: clauses of no known topic, which no expert answers.
        foreign: clauses in a language that no expert knows, each with the language's code.
    """

    prompt: str
    subtasks: tuple[Subtask, ...]
    left_out: tuple[str, ...]
    foreign: tuple[tuple[str, str], ...] = ()


def decompose(
    prompt: str, gate: Gate, embedding: Embedding, k: int = 1, mean_words: int = WORDS
) -> Request:
    """Split a prompt into clauses and route each to its k likeliest topics, a subtask each.

    The gating weight of a subtask is the gate's probability of its topic over the sum of all that
    were kept. The requested length of its answer is `mean_words` times the clause's length over
    the mean, split by probability where k > 1, and within `SPREAD` of `mean_words`. Its compute
    need is words / mean_words. By default these are the model's 100..300 words and 0.5..1.5 units.

    Args:
        prompt: text of a user.
        gate: routes clauses.
        embedding: of clauses.
        k: topics a clause, 1..M.
        mean_words: words of the answer to a clause of mean length.

    Raises:
        PromptError: the prompt is empty, is no text, or has no clause in English or none of a
            known topic.
    """
    if not prompt.isprintable() and any("\ud800" <= letter <= "\udfff" for letter in prompt):
        raise PromptError("the prompt is not UTF-8: it holds bytes that are no letter")
    every = clauses_of(prompt)
    if not every:
        raise PromptError("the prompt is empty: there is no clause of words in it to write about")
    languages = languages_of(every)
    foreign = tuple(
        (clause, code) for clause, code in zip(every, languages, strict=True) if code is not None
    )
    told = "; ".join(f"{clause!r} ({code})" for clause, code in foreign[:TOLD])
    clauses = [clause for clause, code in zip(every, languages, strict=True) if code is None]
    if not clauses:
        raise PromptError(f"no clause of the prompt is in English: {told}; {KNOWN}")
    vectors = torch.from_numpy(embedding(clauses))
    routing = gate.route(vectors, k)
    if not routing.known.any():
        cosine = gate(vectors).detach()
        clause, topic = divmod(int(cosine.argmax()), len(gate.topics))
        raise PromptError(
            "no clause of the prompt is about a topic that an expert knows "
            f"({', '.join(gate.topics)}); the nearest is {clauses[clause]!r} to "
            f"{gate.topics[topic]}, cosine {cosine.max():.2f}, of at least {KNOWN_ABOVE} needed"
            + (f"; not in English: {told}" if told else "")
        )
    known = routing.known.nonzero()[:, 0].tolist()
    length = np.array([len(words_of(clauses[number])) for number in known])
    probability = routing.probability[known].double().numpy()
    # Of the words of a clause, each topic's part; the parts of a clause have mean 1.
    share = k * probability / probability.sum(axis=1, keepdims=True)
    words = mean_words * np.clip(share * (length / length.mean())[:, None], *SPREAD)
    weight = probability / probability.sum()
    subtasks = []
    for row, number in enumerate(known):
        for rank in range(k):
            subtask = Subtask(
                clause=clauses[number],
                topic=int(routing.topic[number, rank]),
                weight=float(weight[row, rank]),
                compute_need=float(words[row, rank] / mean_words),
                words=round(words[row, rank]),
            )
            subtasks.append(subtask)
    left_out = tuple(clause for number, clause in enumerate(clauses) if number not in known)
    return Request(prompt, tuple(subtasks), left_out, foreign)
