"""Tables of backends and judges: each name with the function that makes its parts."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from marl_moe.errors import SpecError
from marl_moe.text.backends.embedding_judge import EmbeddingJudge
from marl_moe.text.backends.endpoint import Endpoint
from marl_moe.text.backends.experts import Expert
from marl_moe.text.backends.fusion import Fusion, Joined
from marl_moe.text.backends.judge import Judge
from marl_moe.text.backends.names import Backend, JudgeName
from marl_moe.text.backends.openai_experts import OpenAIExpert
from marl_moe.text.backends.openai_fusion import OpenAIFusion
from marl_moe.text.backends.openai_judge import OpenAIJudge
from marl_moe.text.backends.phrase_experts import PhraseExpert
from marl_moe.text.bank import Bank
from marl_moe.text.embedding import Embedding


@dataclass(frozen=True)
class Ingredients:
    """Values that backends and judges are made from.

    Attributes:
        banks: one a topic, (M,).
        embedding: of texts.
        base_url: address of an OpenAI-compatible endpoint, where one is used.
        model: name of the model at that endpoint.
        seed: of the experts.
        tell: called with what the endpoint does not take and what it is sent instead.
    """

    banks: Sequence[Bank]
    embedding: Embedding
    base_url: str | None = None
    model: str | None = None
    seed: int = 0
    tell: Callable[[str], None] = lambda change: None

    @cached_property
    def endpoint(self) -> Endpoint:
        """Endpoint of all parts that use one, made when the first of them needs it.

        Raises:
            SpecError: address or model is not given, or cannot be one.
            MissingExtraError: `openai` is not installed.
        """
        if self.base_url is None or self.model is None:
            raise SpecError("openai needs an endpoint and a model: --base-url URL --model NAME")
        return Endpoint(self.base_url, self.model, tell=self.tell)


class Authors(NamedTuple):
    """The experts and the fusion of a backend.

    Attributes:
        device: experts on the user's device by topic, (M,).
        edge: experts at the edge by topic, (M,).
        fusion: integrates their answers.
        record: the backend's name in records.
    """

    device: Sequence[Expert]
    edge: Sequence[Expert]
    fusion: Fusion
    record: str


def phrase_authors(ingredients: Ingredients) -> Authors:
    """Make experts that retrieve phrases, the same ones on the device and at the edge."""
    experts = [PhraseExpert(bank, ingredients.embedding) for bank in ingredients.banks]
    return Authors(experts, experts, Joined(), str(Backend.PHRASES))


def openai_authors(ingredients: Ingredients) -> Authors:
    """Make experts of one language model; those at the edge draw with the next seed."""
    endpoint, seed = ingredients.endpoint, ingredients.seed
    return Authors(
        device=[OpenAIExpert(bank, endpoint, seed) for bank in ingredients.banks],
        edge=[OpenAIExpert(bank, endpoint, seed + 1) for bank in ingredients.banks],
        fusion=OpenAIFusion(endpoint),
        record=f"{Backend.OPENAI}:{endpoint.model}",
    )


def embedding_judge(ingredients: Ingredients) -> Judge:
    """Make the judge that compares embeddings."""
    return EmbeddingJudge(ingredients.embedding)


def openai_judge(ingredients: Ingredients) -> Judge:
    """Make the judge that is a language model."""
    return OpenAIJudge(ingredients.endpoint)


BACKENDS: dict[Backend, Callable[[Ingredients], Authors]] = {
    Backend.PHRASES: phrase_authors,
    Backend.OPENAI: openai_authors,
}
JUDGES: dict[JudgeName, Callable[[Ingredients], Judge]] = {
    JudgeName.EMBEDDING: embedding_judge,
    JudgeName.OPENAI: openai_judge,
}
