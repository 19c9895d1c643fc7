"""What the tests of the text pipeline share."""

import pytest

from marl_moe.text.bank import Bank, load_banks
from marl_moe.text.embedding import Embedding


@pytest.fixture(scope="session")
def embedding() -> Embedding:
    """MiniLM, loaded once; it remembers what it has embedded."""
    return Embedding()


@pytest.fixture(scope="session")
def banks() -> tuple[Bank, ...]:
    """The banks that come with the package."""
    return load_banks()
