"""An endpoint that misbehaves is asked again where that makes sense; then there is one error."""

import socket

import pytest

from marl_moe.errors import MissingExtraError, SpecError
from marl_moe.text.backends.endpoint import Endpoint, EndpointError
from marl_moe.text.backends.experts import ExpertError

from .asking import SECRET, ask
from .misbehaving_server import (
    Behaviour,
    MisbehavingServer,
    break_off,
    hang_up,
    ok,
    raw,
    seeded,
    slow,
    status,
)

pytestmark = pytest.mark.usefixtures("key")


def test_what_is_asked_arrives_and_what_is_answered_comes_back(server: MisbehavingServer) -> None:
    server.will(ok("Rain fell.", tokens=11))
    answer = ask(server.base_url, temperature=0.5, schema={"type": "object"})
    assert (answer.text, answer.tokens) == ("Rain fell.", 11)
    assert answer.seconds > 0
    (received,) = server.received
    assert received.path == "/v1/chat/completions"
    assert received.headers["authorization"] == f"Bearer {SECRET}"
    assert received.body == {
        "model": "some-model",
        "messages": [
            {"role": "system", "content": "You are rain."},
            {"role": "user", "content": "Fall."},
        ],
        "max_tokens": 50,
        "temperature": 0.5,
        "seed": 3,
        "response_format": {
            "type": "json_schema",
            "json_schema": {"name": "answer", "strict": True, "schema": {"type": "object"}},
        },
    }


def test_tokens_are_words_where_a_server_does_not_count_them(server: MisbehavingServer) -> None:
    server.will(ok("Rain fell on us.", tokens=None))
    assert ask(server.base_url).tokens == 4


@pytest.mark.parametrize(
    "trouble",
    [
        *(status(code, retry_after_ms="10") for code in (408, 409, 429, 500, 502, 503)),
        hang_up,
        break_off,
        raw("{"),
        raw(b"\xff\xfe"),
        raw("[" * 100_000),
        raw("{}"),
        raw('{"choices": []}'),
        raw('{"choices": [{"message": null}]}'),
        raw('{"error": {"message": "overloaded"}}'),
        raw("[]"),
        raw("null"),
    ],
)
@pytest.mark.usefixtures("impatient")
def test_what_may_pass_is_asked_again_just_the_same(
    server: MisbehavingServer, trouble: Behaviour
) -> None:
    server.will(trouble, ok("Rain fell."))
    assert ask(server.base_url).text == "Rain fell."
    first, second = server.received
    assert first.body == second.body


@pytest.mark.parametrize(
    "trouble", [status(500), hang_up, raw("{")], ids=["500", "hang_up", "malformed"]
)
def test_it_is_not_asked_again_at_once_and_later_still_the_next_time(
    server: MisbehavingServer, trouble: Behaviour
) -> None:
    """Half a second and then one, the client less up to a quarter."""
    server.will(trouble, trouble, ok("Rain fell."))
    ask(server.base_url, retries=2)
    first, second, third = (received.at for received in server.received)
    assert second - first >= 0.75 * 0.5
    assert third - second >= 0.75 * 1


@pytest.mark.parametrize("nothing", ["", " \n", "...", None])
def test_a_text_without_a_word_is_asked_for_again_with_the_next_seed(
    server: MisbehavingServer, nothing: str | None
) -> None:
    server.will(ok(nothing), ok(nothing), seeded)
    assert ask(server.base_url, retries=2).text == "Draw 5 of Fall."
    assert [received.body["seed"] for received in server.received] == [3, 4, 5]


def test_a_refused_text_is_asked_for_again_with_the_next_seed(server: MisbehavingServer) -> None:
    def check(text: str) -> None:
        if text != "Draw 5 of Fall.":
            raise ValueError(f"not the draw that was wanted: {text}")

    server.will(
        status(500, retry_after_ms="10"), seeded
    )  # a broken server is no reason for another seed
    assert ask(server.base_url, retries=3, check=check).text == "Draw 5 of Fall."
    assert [received.body["seed"] for received in server.received] == [3, 3, 4, 5]


@pytest.mark.parametrize(
    ("trouble", "said"),
    [
        (status(500, retry_after_ms="10"), "HTTP 500: out of order"),
        (status(429, "too many", retry_after_ms="10"), "HTTP 429: too many"),
        (raw("<html>Bad gateway</html>", 502), "HTTP 502: <html>Bad gateway</html>"),
        (raw("", 503), "HTTP 503: no reason given"),
        (hang_up, "no connection: "),
        (raw("{"), "a body that is not JSON: {"),
        (raw('{"error": "overloaded"}'), 'a body without choices: {"error": "overloaded"}'),
        (ok(""), "a text without a word"),
    ],
)
@pytest.mark.usefixtures("impatient")
def test_after_all_attempts_one_line_names_step_endpoint_and_what_happened(
    server: MisbehavingServer, trouble: Behaviour, said: str
) -> None:
    server.will(trouble)
    with pytest.raises(EndpointError) as caught:
        ask(server.base_url)
    assert len(server.received) == 2
    line = str(caught.value)
    assert line.startswith(f"expert weather: {server.base_url}, model some-model: {said}")
    assert line.endswith("; gave up after 2 attempts")
    assert len(line.splitlines()) == 1
    assert isinstance(
        caught.value, ExpertError
    )  # which costs a subtask, or ends a command with exit code 1


@pytest.mark.usefixtures("impatient")
def test_troubles_of_all_kinds_share_the_attempts(server: MisbehavingServer) -> None:
    broken = status(500, retry_after_ms="10")
    server.will(raw("{"), broken, ok(""), broken)
    with pytest.raises(EndpointError, match="HTTP 500: out of order; gave up after 4 attempts"):
        ask(server.base_url, retries=3)
    assert len(server.received) == 4


@pytest.mark.parametrize("code", [400, 401, 403, 404, 422])
def test_a_refusal_is_final(server: MisbehavingServer, code: int) -> None:
    server.will(status(code, "no such model"), ok("Rain fell."))
    with pytest.raises(
        EndpointError, match=f"HTTP {code}: no such model; gave up after 1 attempt; "
    ):
        ask(server.base_url, retries=4)
    assert len(server.received) == 1


def test_retry_after_is_heeded(server: MisbehavingServer) -> None:
    """A second, where the client would come back after half of one."""
    server.will(status(429, retry_after="1.5"), ok("Rain fell."))
    ask(server.base_url)
    first, second = server.received
    assert second.at - first.at >= 1.5


def test_a_retry_after_of_an_hour_is_told_and_not_waited_for(server: MisbehavingServer) -> None:
    server.will(status(429, "quota", retry_after="3600"))
    with pytest.raises(
        EndpointError, match=r"HTTP 429: quota \(Retry-After: 3600\); gave up after 1 attempt$"
    ):
        ask(server.base_url)


def test_silence_is_an_error_after_the_timeout(server: MisbehavingServer) -> None:
    server.will(slow(1.0))
    with pytest.raises(EndpointError, match=r"silent for 0\.2 s; gave up after 2 attempts"):
        ask(server.base_url, timeout_s=0.2)


def test_nobody_listens() -> None:
    with socket.socket() as taken:  # bound but not listening: connections are refused
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}/v1"
        with pytest.raises(
            EndpointError, match=f"{url}.*no connection: .*refused; gave up after 2 attempts"
        ):
            ask(url)


def test_a_proxy_is_not_asked_for_a_server_on_loopback(
    server: MisbehavingServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    server.will(ok("Rain fell."))
    assert ask(server.base_url, retries=0).text == "Rain fell."


@pytest.mark.parametrize(
    "url",
    [
        "",
        "localhost:8080",
        "ftp://h/v1",
        "http://",
        "http:///v1",
        "http://h:port/v1",
        "http://h:99999/v1",
        "http://h\n/v1",
    ],
)
def test_an_address_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(SpecError, match="not an address such as http://127"):
        Endpoint(url, "m")


def test_without_the_extra_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "openai", None)
    with pytest.raises(MissingExtraError, match=r"needs openai: pip install 'marl-moe\[llm\]'"):
        Endpoint("http://127.0.0.1:1/v1", "m")
