"""An OpenAI-compatible endpoint, which is asked until it answers or ends in one clear error."""

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from marl_moe.errors import SpecError
from marl_moe.extras import check_extra
from marl_moe.text.backends.advice import KEY, WITHOUT_THINKING, advice, is_of_model
from marl_moe.text.backends.dialect import Dialect, Question
from marl_moe.text.backends.experts import ExpertError
from marl_moe.text.backends.responses import NonsenseError, read_reply, reason_of, redacted
from marl_moe.text.clauses import words_of

NO_KEY = "no-key-needed"  # sent where there is no key, to local servers that read none
CONNECT_S = 10.0
MODELS_TOLD = 8  # at most, of those that a server has
FIRST_WAIT_S = 0.5  # after a body that made no sense; the client waits as long after a 5xx
LONGEST_WAIT_S = 8.0
LOOPBACK = ("127.0.0.1", "::1", "localhost")


class EndpointError(ExpertError):
    """An endpoint that gave up: the step, the endpoint, the last problem, how many attempts."""


@dataclass(frozen=True)
class Completion:
    """An answer of a language model.

    Attributes:
        text: the answer itself.
        tokens: its length as the server counts it, or in words where the server does not.
        seconds: the time from the first attempt on.
    """

    text: str
    tokens: int
    seconds: float


class Endpoint:
    """A model behind an OpenAI-compatible server.

    The key is read from the environment variable `OPENAI_API_KEY` and sent to the server alone:
    what the server says is stripped of it before it goes into an error.

    Args:
        base_url: http or https, ending in /v1 as a rule; without user, password or query.
        model: the name by which the server knows it.
        timeout_s: longest silence of the server, which says nothing until an answer is whole.
        retries: attempts after the first.
        tell: called, once each, with what the server did not take and what is sent instead.

    Raises:
        SpecError: the address or the key cannot be one.
        MissingExtraError: `openai` is not installed.
    """

    def __init__(
        self,
        base_url: str,
        model: str,
        timeout_s: float = 180.0,
        retries: int = 4,
        tell: Callable[[str], None] = lambda change: None,
    ) -> None:
        host = _checked_host(base_url)
        check_extra("an endpoint", "openai", "llm", "openai")
        import openai

        self.base_url = base_url
        self.model = model
        self.timeout_s = timeout_s
        self.retries = retries
        self.dialect = Dialect(lambda change: tell(f"{base_url}, model {model}: {change}"))
        timeout = openai.Timeout(timeout_s, connect=min(timeout_s, CONNECT_S))
        direct = None
        if host in LOOPBACK:  # a proxy of the environment cannot reach this machine's loopback
            direct = openai.DefaultHttpxClient(trust_env=False, timeout=timeout)
        self._client = openai.OpenAI(
            api_key=_key(), base_url=base_url, timeout=timeout, http_client=direct
        )

    def __repr__(self) -> str:
        return (
            f"Endpoint({self.base_url!r}, {self.model!r}, timeout_s={self.timeout_s}, "
            f"retries={self.retries})"
        )

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

        The same question is sent again to a server that cannot be reached, is silent for too long,
        is busy (408, 409, 429; Retry-After is heeded) or broken (5xx), or sends a body that makes
        no sense. After a text without a word, or one that is refused, it is sent with the next
        seed. What the server refuses by name is left out, and where thinking used up the tokens
        there are more of them, from then on (`dialect`); that is no attempt. Every other status is
        final.

        Args:
            step: the step that asks, for the error.
            system: the system message.
            user: the user's message.
            max_tokens: limit of the answer's length.
            seed: of the first attempt.
            temperature: of the model.
            schema: JSON Schema that the text should follow.
            check: raises ValueError, saying what is wrong, for a text that is refused.

        Raises:
            EndpointError: there was no text after all attempts; its message is one line.
        """
        question = Question(system, user, max_tokens, temperature, schema)
        began = time.perf_counter()
        attempts, wait_s, problem, help_ = 0, FIRST_WAIT_S, "", ""
        while attempts <= self.retries:
            body = self.dialect.body(self.model, question, seed)
            try:
                response, taken = self._send(self.retries - attempts, body)
            except _NoAnswerError as error:
                if self.dialect.give_way(error.status, error.said, body):
                    continue
                attempts += error.attempts
                problem, help_ = self._redacted(error), self._advice(error, body)
                break
            attempts += taken
            try:
                text, tokens = self._accepted(response, check)
            except _ThinkingError:
                if self.dialect.make_room():
                    attempts -= taken
                    continue
                limit = body[self.dialect.limit]
                problem = f"thinking used up all {limit} tokens of {self.dialect.limit}"
                help_ = f"raise --words, or {WITHOUT_THINKING}"
                break
            except NonsenseError as error:
                problem = self._redacted(error)
                help_ = advice(200, str(error), self.base_url, None, False, [])
                if attempts <= self.retries:
                    time.sleep(wait_s)
                wait_s = min(2 * wait_s, LONGEST_WAIT_S)
            except ValueError as error:
                problem, help_, seed = self._redacted(error), "", seed + 1
            else:
                if tokens is None:
                    tokens = len(words_of(text))
                return Completion(text, tokens, time.perf_counter() - began)
        # Raised outside of every `except`, and with redacted text alone: so the traceback holds no
        # exception of the client and no key.
        raise EndpointError(
            f"{step}: {self.base_url}, model {self.model}: {problem}; "
            f"gave up after {attempts} attempt{'s' if attempts > 1 else ''}"
            + (f"; {help_}" if help_ else "")
        )

    def _send(self, retries: int, body: dict[str, Any]) -> tuple[Any, int]:
        """Return a response of status 2xx and the number of attempts; the client does the retries.

        Raises:
            _NoAnswerError: there was none.
        """
        import openai

        client = self._client.with_options(max_retries=retries)
        try:
            raw = client.chat.completions.with_raw_response.create(**body)
        except openai.APITimeoutError:
            raise _NoAnswerError(f"silent for {self.timeout_s:g} s", retries + 1) from None
        except openai.APIConnectionError as error:
            cause = error.__cause__ or error
            raise _NoAnswerError(f"no connection: {cause}", retries + 1) from None
        except openai.APIStatusError as error:
            problem = f"HTTP {error.status_code}: {reason_of(error.response)}"
            wait = error.response.headers.get("retry-after")
            if wait:
                problem += f" (Retry-After: {wait})"
            retried = int(error.request.headers.get("x-stainless-retry-count", 0))
            said = error.response.text
            raise _NoAnswerError(problem, retried + 1, error.status_code, said) from None
        return raw.http_response, raw.retries_taken + 1

    def _accepted(self, response: Any, check: Callable[[str], object]) -> tuple[str, int | None]:
        """Return text and tokens of a response.

        Raises:
            NonsenseError: its form is not that of an answer.
            _ThinkingError: the model had no tokens left for an answer.
            ValueError: its text is refused.
        """
        reply = read_reply(response)
        if not words_of(reply.text):
            if reply.instead:
                raise ValueError(reply.instead)
            if reply.cut:
                raise _ThinkingError
            if reply.thought:
                raise ValueError(f"no text beside the model's thinking; {WITHOUT_THINKING}")
            raise ValueError("a text without a word")
        if self._client.api_key in reply.text:
            raise ValueError("a text that repeats the key")
        try:
            check(reply.text)
        except ValueError:
            if reply.cut and reply.thought:
                raise _ThinkingError from None
            raise
        if reply.model not in ("", self.model):
            self.dialect.answered_as(redacted(reply.model, self._client.api_key))
        return reply.text, reply.tokens

    def _advice(self, error: "_NoAnswerError", body: dict[str, Any]) -> str:
        """Return what to set, as one line without a key."""
        models = self._models() if is_of_model(error.status, error.said) else None
        has_key = self._client.api_key != NO_KEY
        given = advice(error.status, error.said, self.base_url, models, has_key, list(body))
        return redacted(given, self._client.api_key)

    def _models(self) -> list[str] | None:
        """Return the models that the server says it has, in part; None where it does not say."""
        import openai

        try:
            client = self._client.with_options(max_retries=0, timeout=CONNECT_S)
            return [str(model.id) for model in client.models.list().data][:MODELS_TOLD]
        except (openai.OpenAIError, ValueError, TypeError, AttributeError, RecursionError):
            return None

    def _redacted(self, error: Exception) -> str:
        return redacted(str(error), self._client.api_key)


class _ThinkingError(Exception):
    """The model had no tokens left for an answer when it had thought."""


class _NoAnswerError(Exception):
    """The problem that came instead of an answer, after a number of attempts."""

    def __init__(self, problem: str, attempts: int, status: int = 0, said: str = "") -> None:
        super().__init__(problem)
        self.attempts = attempts
        self.status = status
        self.said = said


def _checked_host(base_url: str) -> str:
    """Return the host of an address.

    Raises:
        SpecError: it is no address, or may hold a secret; then the message does not show it.
    """
    if "@" in base_url or "?" in base_url:
        raise SpecError(
            "base URL: one with a user, a password or a query is refused; the key is read from "
            f"{KEY}"
        )
    try:
        parts = urlsplit(base_url)
        host, _ = parts.hostname, parts.port  # reading the port checks it
        path = parts.path.rstrip("/")
    except ValueError:
        host = path = None
    if path and path.endswith("/completions"):
        raise SpecError(f"base URL {base_url!r}: should end before /chat/completions")
    plain = base_url.isprintable() and " " not in base_url
    if not host or not plain or parts.scheme not in ("http", "https"):
        raise SpecError(f"base URL {base_url!r}: not an address such as http://127.0.0.1:8080/v1")
    return host


def _key() -> str:
    """Return the key of the environment, or `NO_KEY`.

    Raises:
        SpecError: no header can carry it; the message does not show it.
    """
    key = os.environ.get(KEY, "").strip()
    if not all("!" <= letter <= "~" for letter in key):
        raise SpecError(f"{KEY}: holds a blank or a letter that no key has")
    return key or NO_KEY
