"""Fixtures of the tests of endpoints."""

import pytest

from .asking import SECRET


@pytest.fixture
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    """A key in the environment."""
    monkeypatch.setenv("OPENAI_API_KEY", SECRET)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Next to no wait after a body that makes no sense; the client's own is `retry_after_ms`."""
    monkeypatch.setattr("marl_moe.text.backends.endpoint.FIRST_WAIT_S", 0.01)
