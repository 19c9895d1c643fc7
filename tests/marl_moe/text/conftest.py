"""Fixtures of the tests of the text pipeline."""

from collections.abc import Iterator

import pytest

from marl_moe.text.backends.endpoint import Endpoint
from marl_moe.text.backends.local_llm import LocalLLM
from marl_moe.text.bank import Bank, load_banks

from .backends.misbehaving_server import MisbehavingServer


@pytest.fixture(scope="session")
def banks() -> tuple[Bank, ...]:
    """The banks that come with the package."""
    return load_banks()


@pytest.fixture
def server() -> Iterator[MisbehavingServer]:
    """A server that does as it is told, good or bad."""
    with MisbehavingServer() as server:
        yield server


@pytest.fixture(scope="session")
def smollm2() -> Iterator[Endpoint]:
    """The real SmolLM2 on loopback, started once."""
    with LocalLLM() as llm:
        yield Endpoint(llm.base_url, llm.model)
