"""The gating network: a top-k softmax over topic prototypes in the space of sentence embeddings."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from marl_moe.text.bank import Bank
from marl_moe.text.embedding import DIMENSION, Embedding

SHIPPED = Path(__file__).parent / "gate.safetensors"
TEMPERATURE = 0.05  # cosines: a lead of 0.05 multiplies a topic's weight by e
# cosine to the nearest prototype, which 99 % of clauses reach; what lies below is of no known topic
KNOWN_ABOVE = 0.18
# towards the mean of the bank's texts: without it prototypes part from each other, and from all
# texts
PULL = 1.0
STEPS, LEARNING_RATE = 200, 3e-3
# All but the steps were chosen by cross validation over the clauses that gates are fitted to, and
# every other one of `off_topic.json`; held-out subtasks were not looked at for it.


class GateError(ValueError):
    """What is wrong with a gate's file."""


@dataclass(frozen=True)
class Routing:
    """Where the gate sends C texts, k topics each, likeliest first."""

    topic: Tensor  # (C, k) integers
    probability: Tensor  # (C, k), of the softmax over all topics
    known: Tensor  # (C,) bool, whether a text is near any topic at all


class Gate(nn.Module):
    """p(m | text) = softmax over m of cos(embedding, prototype m) / temperature.

    topics: name of each of the M topics. prototypes: (M, 384); their lengths do not matter.
    """

    def __init__(self, topics: Sequence[str], prototypes: Tensor) -> None:
        super().__init__()
        if prototypes.shape != (len(topics), DIMENSION):
            raise GateError(
                f"{len(topics)} topics need prototypes of shape {(len(topics), DIMENSION)}"
            )
        self.topics = tuple(topics)
        self.prototypes = nn.Parameter(prototypes)

    def forward(self, embedding: Tensor) -> Tensor:
        """Cosines of unit vectors (C, 384) and prototypes, (C, M)."""
        return embedding @ nn.functional.normalize(self.prototypes, dim=-1).T

    @torch.no_grad()
    def route(self, embedding: Tensor, k: int = 1) -> Routing:
        """The k likeliest topics of each text. Raises ValueError for a k that is not in 1..M."""
        if not 1 <= k <= len(self.topics):
            raise ValueError(f"k should lie in 1..{len(self.topics)}, got {k}")
        cosine = self(embedding)
        probability, topic = (cosine / TEMPERATURE).softmax(dim=-1).topk(k, dim=-1)
        return Routing(topic, probability, cosine.amax(dim=-1) >= KNOWN_ABOVE)

    def save(self, file: Path) -> None:
        """Write the gate as safetensors."""
        save_file(
            {"prototypes": self.prototypes.detach()},
            file,
            metadata={"topics": json.dumps(self.topics)},
        )


def fit_gate(banks: Sequence[Bank], embedding: Embedding, start: Gate | None = None) -> Gate:
    """Fit a gate to labelled texts: cross entropy of the phrases and clauses of all banks, each
    bank counting alike.

    Prototypes are pulled towards the mean of their bank's texts, and start there, or where `start`
    has them for the topics that it knows. Deterministic: every step sees every phrase.
    """
    texts = [torch.from_numpy(embedding(bank.phrases + bank.clauses)) for bank in banks]
    mean = nn.functional.normalize(torch.stack([part.mean(dim=0) for part in texts]), dim=-1)
    known = {} if start is None else dict(zip(start.topics, start.prototypes.detach(), strict=True))
    first = [known.get(bank.topic, centre) for bank, centre in zip(banks, mean, strict=True)]
    gate = Gate([bank.topic for bank in banks], torch.stack(first))
    label = torch.cat([torch.full((len(part),), topic) for topic, part in enumerate(texts)])
    weight = torch.cat([torch.full((len(part),), 1 / len(part)) for part in texts]) / len(banks)
    batch = torch.cat(texts)
    optimizer = torch.optim.Adam(gate.parameters(), lr=LEARNING_RATE)
    for _ in range(STEPS):
        wrong = weight @ nn.functional.cross_entropy(
            gate(batch) / TEMPERATURE, label, reduction="none"
        )
        away = (1 - gate(mean).diagonal()).mean()
        optimizer.zero_grad()
        (wrong + PULL * away).backward()
        optimizer.step()
    return gate


def load_gate(file: Path = SHIPPED) -> Gate:
    """Read what `Gate.save` wrote.

    Raises GateError naming the file; FileNotFoundError where there is none.
    """
    try:
        with safe_open(file, "pt") as content:
            topics = json.loads(content.metadata()["topics"])
            return Gate(topics, content.get_tensor("prototypes"))
    except (SafetensorError, KeyError, TypeError, ValueError) as error:
        raise GateError(f"{file}: not a gate: {error}") from None
