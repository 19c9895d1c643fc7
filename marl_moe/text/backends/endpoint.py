"""An OpenAI-compatible endpoint: asked until it answers, or one clear error."""

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from marl_moe.experiment.spec import SpecError
from marl_moe.text.backends.experts import ExpertError
from marl_moe.text.clauses import words_of
from marl_moe.text.embedding import MissingExtraError

KEY = "OPENAI_API_KEY"
NO_KEY = "no-key-needed"  # what a local server is told, which reads none
CONNECT_S = 10.0
FIRST_WAIT_S, LONGEST_WAIT_S = (
    0.5,
    8.0,
)  # after a body that made no sense; the client waits as long after a 5xx
PIECE = 8  # letters of a key that nobody may see in a row
LONGEST_REASON = 300  # letters of what a server says, in an error
LOOPBACK = ("127.0.0.1", "::1", "localhost")


class EndpointError(ExpertError):
    """An endpoint that did not do its part: the step, the endpoint, what happened last, after how
    many attempts.
    """


@dataclass(frozen=True)
class Completion:
    """What a language model wrote."""

    text: str
    tokens: int  # as the server counts them; words where it does not
    seconds: float  # from the first attempt on


class Endpoint:
    """A model behind an OpenAI-compatible server.

    The key is read from the environment variable `OPENAI_API_KEY` and is told to nobody else: what
    a server says is stripped of it before it goes into an error.

    Args:
        base_url: http or https, ending in /v1 as a rule; without user, password or query.
        model: the name by which the server knows it.
        timeout_s: longest silence of the server, which says nothing until an answer is whole.
        retries: attempts after the first.

    Raises SpecError for an address or a key that cannot be one, MissingExtraError where `openai` is
    not installed.
    """

    def __init__(
        self, base_url: str, model: str, timeout_s: float = 180.0, retries: int = 4
    ) -> None:
        host = _checked_host(base_url)
        try:
            import openai
        except ImportError as error:
            raise MissingExtraError(error.name or "openai", "llm") from None
        self.base_url = base_url
        self.model = model
        self.timeout_s = timeout_s
        self.retries = retries
        timeout = openai.Timeout(timeout_s, connect=min(timeout_s, CONNECT_S))
        # A proxy of the environment knows no server on this machine's loopback.
        direct = (
            openai.DefaultHttpxClient(trust_env=False, timeout=timeout)
            if host in LOOPBACK
            else None
        )
        self._client = openai.OpenAI(
            api_key=_key(), base_url=base_url, timeout=timeout, http_client=direct
        )

    def __repr__(self) -> str:
        return f"Endpoint({self.base_url!r}, {self.model!r}, timeout_s={self.timeout_s}, retries={self.retries})"

    def complete(
        self,
        step: str,
        system: str,
        user: str,
        max_tokens: int,
        seed: int,
        temperature: float = 0.7,
        schema: dict[str, Any] | None = None,
        check: Callable[[str], object] = lambda text: None,
    ) -> Completion:
        """Ask for a text until there is one.

        A server that cannot be reached, is silent for too long, is busy (408, 409, 429; Retry-After
        is heeded) or broken (5xx), or sends a body that makes no sense is asked again; a text
        without a word, or one that is refused, is asked for again with the next seed. Every other
        status is an answer that no repetition changes.

        step: who asks, for the error. schema: JSON Schema that the text should follow. check:
        raises ValueError, saying what is wrong, for a text that is refused.

        Raises EndpointError, of one line.
        """
        question: dict[str, Any] = {
            "model": self.model,
            "messages": [{"role": "system", "content": system}, {"role": "user", "content": user}],
            "max_tokens": max_tokens,
            "temperature": temperature,
        }
        if schema is not None:
            form = {"name": "answer", "strict": True, "schema": schema}
            question["response_format"] = {"type": "json_schema", "json_schema": form}
        began = time.perf_counter()
        attempts, wait_s, problem = 0, FIRST_WAIT_S, ""
        while attempts <= self.retries:
            try:
                response, taken = self._send(self.retries - attempts, question | {"seed": seed})
            except _NoAnswerError as error:
                attempts += error.attempts
                problem = self._redacted(error)
                break
            attempts += taken
            try:
                text, tokens = self._accepted(response, check)
            except _NonsenseError as error:
                problem = self._redacted(error)
                if attempts <= self.retries:
                    time.sleep(wait_s)
                wait_s = min(2 * wait_s, LONGEST_WAIT_S)
            except ValueError as error:
                problem, seed = self._redacted(error), seed + 1
            else:
                return Completion(
                    text,
                    len(words_of(text)) if tokens is None else tokens,
                    time.perf_counter() - began,
                )
        # Outside of every `except`, and with nothing of what a server said but redacted: a
        # traceback tells no key.
        raise EndpointError(
            f"{step}: {self.base_url}, model {self.model}: {problem}; "
            f"gave up after {attempts} attempt{'s' if attempts > 1 else ''}"
        )

    def _send(self, retries: int, question: dict[str, Any]) -> tuple[Any, int]:
        """The response of status 2xx, and after how many attempts.

        The retries are the client's own.
        """
        import openai

        try:
            raw = self._client.with_options(
                max_retries=retries
            ).chat.completions.with_raw_response.create(**question)
        except openai.APITimeoutError:
            raise _NoAnswerError(f"silent for {self.timeout_s:g} s", retries + 1) from None
        except openai.APIConnectionError as error:
            raise _NoAnswerError(
                f"no connection: {error.__cause__ or error}", retries + 1
            ) from None
        except openai.APIStatusError as error:
            wait = error.response.headers.get("retry-after")
            raise _NoAnswerError(
                f"HTTP {error.status_code}: {_said(error.response)}"
                + (f" (Retry-After: {wait})" if wait else ""),
                int(error.request.headers.get("x-stainless-retry-count", 0)) + 1,
            ) from None
        return raw.http_response, raw.retries_taken + 1

    def _accepted(self, response: Any, check: Callable[[str], object]) -> tuple[str, int | None]:
        """Text and tokens of a response.

        Raises _NonsenseError for its form, another ValueError for its text.
        """
        text, tokens = _content(response)
        if not words_of(text):
            raise ValueError("a text without a word")
        if self._client.api_key in text:
            raise ValueError("a text that repeats the key")
        check(text)
        return text, tokens

    def _redacted(self, error: Exception) -> str:
        return _redacted(str(error), self._client.api_key)


class _NoAnswerError(Exception):
    """What came instead of an answer, and after how many attempts."""

    def __init__(self, problem: str, attempts: int) -> None:
        super().__init__(problem)
        self.attempts = attempts


class _NonsenseError(ValueError):
    """A body that is not a chat completion."""


def _checked_host(base_url: str) -> str:
    """The host of an address.

    Raises SpecError, which shows nothing of an address that may hold a secret.
    """
    if "@" in base_url or "?" in base_url:
        raise SpecError(
            "base URL: one with a user, a password or a query is refused; the key is read from "
            f"{KEY}"
        )
    try:
        parts = urlsplit(base_url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        host = None
    if (
        not host
        or parts.scheme not in ("http", "https")
        or not base_url.isprintable()
        or " " in base_url
    ):
        raise SpecError(f"base URL {base_url!r}: not an address such as http://127.0.0.1:8080/v1")
    return host


def _key() -> str:
    """The key. Raises SpecError, which does not show it, for one that no header can carry."""
    key = os.environ.get(KEY, "").strip()
    if not all("!" <= letter <= "~" for letter in key):
        raise SpecError(f"{KEY}: holds a blank or a letter that no key has")
    return key or NO_KEY


def _content(response: Any) -> tuple[str, int | None]:
    """Text and tokens of a chat completion.

    Raises _NonsenseError saying what the body is instead.
    """
    try:
        body = response.json()
    except (ValueError, RecursionError):
        raise _NonsenseError(f"a body that is not JSON: {response.text}") from None
    try:
        text = body["choices"][0]["message"]["content"]
    except (LookupError, TypeError):
        raise _NonsenseError(f"a body without choices: {response.text}") from None
    usage = body.get("usage")
    tokens = usage.get("completion_tokens") if isinstance(usage, dict) else None
    return text if isinstance(text, str) else "", tokens if type(tokens) is int else None


def _said(response: Any) -> str:
    """What a server says about an error, in whatever form."""
    try:
        return str(response.json()["error"]["message"])
    except (ValueError, RecursionError, LookupError, TypeError):
        return response.text or "no reason given"


def _redacted(reason: str, key: str) -> str:
    """What a server says, on one line that a terminal can show, without any word that has a piece
    of the key in it.
    """
    length = min(PIECE, len(key))
    pieces = {key[begin : begin + length].lower() for begin in range(len(key) - length + 1)}
    shown = "".join(letter if letter.isprintable() else " " for letter in reason).split()
    words = (
        "[redacted]" if any(piece in word.lower() for piece in pieces) else word for word in shown
    )
    line = " ".join(words)
    return line if len(line) <= LONGEST_REASON else f"{line[:LONGEST_REASON]}…"
