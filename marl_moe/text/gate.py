"""Gating network: a top-k softmax over topic prototypes in the space of sentence embeddings."""

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
# The values below, but for STEPS, were chosen by cross validation over the clauses that gates are
# fitted to and every other one of `off_topic.json`, without any held-out subtask.
TEMPERATURE = 0.05  # cosines: a lead of 0.05 multiplies a topic's weight by e
# Cosine to the nearest prototype, which 99 % of clauses reach; a text below is of no known topic.
KNOWN_ABOVE = 0.18
# Weight of the pull towards the mean of the bank's texts; without it prototypes move away from
# each other and from all texts.
PULL = 1.0
STEPS, LEARNING_RATE = 200, 3e-3


class GateError(ValueError):
    """A gate or a gate's file that cannot be used, with the reason."""


@dataclass(frozen=True)
class Routing:
    """Topics of C texts, the k likeliest of each, likeliest first.

    Attributes:
        topic: numbers of topics, (C, k) integers.
        probability: of the softmax over all topics, (C, k).
        known: true for a text that is near a topic, (C,) bool.
    """

    topic: Tensor
    probability: Tensor
    known: Tensor


class Gate(nn.Module):
    """A gate with p(m | text) = softmax over m of cos(embedding, prototype m) / temperature.

    Args:
        topics: name of each of the M topics.
        prototypes: (M, 384); their lengths do not matter.

    Raises:
        GateError: the prototypes have another shape.
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
        """Return the cosines of unit vectors (C, 384) and prototypes, (C, M)."""
        return embedding @ nn.functional.normalize(self.prototypes, dim=-1).T

    @torch.no_grad()
    def route(self, embedding: Tensor, k: int = 1) -> Routing:
        """Return the k likeliest topics of each text from unit vectors (C, 384).

        Raises:
            ValueError: k is not in 1..M.
        """
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
    """Fit a gate to the phrases and clauses of banks by cross entropy, each bank of equal weight.

    Prototypes are pulled towards the mean of their bank's texts. The fit is deterministic: each
    step takes all texts.

    Args:
        banks: one a topic, (M,).
        embedding: of their texts.
        start: a gate whose prototypes are the first ones of its topics; the others begin at the
            mean of their bank's texts.
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
    """Read a gate that `Gate.save` wrote.

    Raises:
        GateError: the file is no gate; the message names it.
        FileNotFoundError: there is no file.
    """
    try:
        with safe_open(file, "pt") as content:
            topics = json.loads(content.metadata()["topics"])
            return Gate(topics, content.get_tensor("prototypes"))
    except (SafetensorError, KeyError, TypeError, ValueError) as error:
        raise GateError(f"{file}: not a gate: {error}") from None
