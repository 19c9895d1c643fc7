"""Every name of a backend or judge is in its table, and makes what it is the name of."""

import pytest

from marl_moe.errors import SpecError
from marl_moe.text.backends.choice import BACKENDS, JUDGES, Ingredients
from marl_moe.text.backends.names import Backend, JudgeName
from marl_moe.text.bank import Bank
from marl_moe.text.embedding import Embedding

URL = "http://127.0.0.1:1/v1"


@pytest.fixture
def ingredients(banks: tuple[Bank, ...], embedding: Embedding) -> Ingredients:
    return Ingredients(banks, embedding, URL, "m", seed=3)


def test_every_name_has_an_entry() -> None:
    assert list(BACKENDS) == list(Backend)
    assert list(JUDGES) == list(JudgeName)


@pytest.mark.parametrize("name", list(Backend))
def test_a_backend_has_experts_of_every_topic_on_the_device_and_at_the_edge(
    name: Backend, ingredients: Ingredients
) -> None:
    authors = BACKENDS[name](ingredients)
    topics = [bank.topic for bank in ingredients.banks]
    assert [expert.topic for expert in authors.device] == topics
    assert [expert.topic for expert in authors.edge] == topics


def test_records_tell_the_backend_and_the_model(ingredients: Ingredients) -> None:
    assert BACKENDS[Backend.PHRASES](ingredients).record == "phrases"
    assert BACKENDS[Backend.OPENAI](ingredients).record == "openai:m"
    assert BACKENDS[Backend.OPENAI](ingredients).fusion.name == "openai:m"
    assert JUDGES[JudgeName.EMBEDDING](ingredients).name == "embedding"
    assert JUDGES[JudgeName.OPENAI](ingredients).name == "openai:m"


def test_all_parts_share_one_endpoint(ingredients: Ingredients) -> None:
    assert ingredients.endpoint is ingredients.endpoint
    assert ingredients.endpoint.base_url == URL


@pytest.mark.parametrize(
    ("base_url", "model"), [(None, None), (URL, None), (None, "m")], ids=["none", "url", "model"]
)
def test_only_what_uses_an_endpoint_needs_one(
    banks: tuple[Bank, ...], embedding: Embedding, base_url: str | None, model: str | None
) -> None:
    without = Ingredients(banks, embedding, base_url, model)
    BACKENDS[Backend.PHRASES](without)
    JUDGES[JudgeName.EMBEDDING](without)
    with pytest.raises(SpecError, match="--base-url URL --model NAME"):
        BACKENDS[Backend.OPENAI](without)
    with pytest.raises(SpecError, match="--base-url URL --model NAME"):
        JUDGES[JudgeName.OPENAI](without)
