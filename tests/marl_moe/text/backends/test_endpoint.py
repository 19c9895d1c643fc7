"""An endpoint that misbehaves is asked again where that makes sense; then one clear error, which
tells no secret.
"""

import json
import logging
import socket
import traceback
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marl_moe.experiment.spec import SpecError
from marl_moe.text.backends.endpoint import Completion, Endpoint, EndpointError, _redacted
from marl_moe.text.backends.experts import ExpertError
from marl_moe.text.embedding import MissingExtraError

from .misbehaving_server import (
    Behaviour,
    Handler,
    MisbehavingServer,
    break_off,
    completion,
    hang_up,
    ok,
    raw,
    seeded,
    slow,
    status,
    tell_on_the_key,
)

SECRET = "sk-proj-Zq81vPdX27LmWt904bHc"


@pytest.fixture(autouse=True)
def _key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", SECRET)


@pytest.fixture
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait for next to nothing after a body that makes no sense; the client does after a
    `retry_after_ms`.
    """
    monkeypatch.setattr("marl_moe.text.backends.endpoint.FIRST_WAIT_S", 0.01)


def ask(base_url: str, timeout_s: float = 5.0, retries: int = 1, **others: object) -> Completion:
    endpoint = Endpoint(base_url, "some-model", timeout_s, retries)
    return endpoint.complete(
        "expert weather", "You are rain.", "Fall.", max_tokens=50, seed=3, **others
    )


def test_what_is_asked_arrives_and_what_is_answered_comes_back(server: MisbehavingServer) -> None:
    server.will(ok("Rain fell.", tokens=11))
    answer = ask(server.base_url, temperature=0.5, schema={"type": "object"})
    assert (answer.text, answer.tokens) == ("Rain fell.", 11)
    assert answer.seconds > 0
    (asked,) = server.asked
    assert asked.path == "/v1/chat/completions"
    assert asked.headers["authorization"] == f"Bearer {SECRET}"
    assert asked.body == {
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
@pytest.mark.usefixtures("_impatient")
def test_what_may_pass_is_asked_again_just_the_same(
    server: MisbehavingServer, trouble: Behaviour
) -> None:
    server.will(trouble, ok("Rain fell."))
    assert ask(server.base_url).text == "Rain fell."
    first, second = server.asked
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
    first, second, third = (asked.at for asked in server.asked)
    assert second - first >= 0.75 * 0.5
    assert third - second >= 0.75 * 1


@pytest.mark.parametrize("nothing", ["", " \n", "...", None])
def test_a_text_without_a_word_is_asked_for_again_with_the_next_seed(
    server: MisbehavingServer, nothing: str | None
) -> None:
    server.will(ok(nothing), ok(nothing), seeded)
    assert ask(server.base_url, retries=2).text == "Draw 5 of Fall."
    assert [asked.body["seed"] for asked in server.asked] == [3, 4, 5]


def test_a_refused_text_is_asked_for_again_with_the_next_seed(server: MisbehavingServer) -> None:
    def check(text: str) -> None:
        if text != "Draw 5 of Fall.":
            raise ValueError(f"not the draw that was wanted: {text}")

    server.will(
        status(500, retry_after_ms="10"), seeded
    )  # a broken server is no reason for another seed
    assert ask(server.base_url, retries=3, check=check).text == "Draw 5 of Fall."
    assert [asked.body["seed"] for asked in server.asked] == [3, 3, 4, 5]


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
@pytest.mark.usefixtures("_impatient")
def test_after_all_attempts_one_line_names_step_endpoint_and_what_happened(
    server: MisbehavingServer, trouble: Behaviour, said: str
) -> None:
    server.will(trouble)
    with pytest.raises(EndpointError) as caught:
        ask(server.base_url)
    assert len(server.asked) == 2
    line = str(caught.value)
    assert line.startswith(f"expert weather: {server.base_url}, model some-model: {said}")
    assert line.endswith("; gave up after 2 attempts")
    assert len(line.splitlines()) == 1
    assert isinstance(
        caught.value, ExpertError
    )  # which costs a subtask, or ends a command with exit code 1


@pytest.mark.usefixtures("_impatient")
def test_troubles_of_all_kinds_share_the_attempts(server: MisbehavingServer) -> None:
    broken = status(500, retry_after_ms="10")
    server.will(raw("{"), broken, ok(""), broken)
    with pytest.raises(EndpointError, match="HTTP 500: out of order; gave up after 4 attempts"):
        ask(server.base_url, retries=3)
    assert len(server.asked) == 4


@pytest.mark.parametrize("code", [400, 401, 403, 404, 422])
def test_a_refusal_is_final(server: MisbehavingServer, code: int) -> None:
    server.will(status(code, "no such model"), ok("Rain fell."))
    with pytest.raises(
        EndpointError, match=f"HTTP {code}: no such model; gave up after 1 attempt$"
    ):
        ask(server.base_url, retries=4)
    assert len(server.asked) == 1


def test_retry_after_is_heeded(server: MisbehavingServer) -> None:
    """A second, where the client would come back after half of one."""
    server.will(status(429, retry_after="1.5"), ok("Rain fell."))
    ask(server.base_url)
    first, second = server.asked
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


def garbled(form: Callable[[str], str]) -> Behaviour:
    """An error that tells the key in some other form."""

    def tell(request: Handler) -> None:
        key = request.asked.headers["authorization"].removeprefix("Bearer ")
        request.reply(
            json.dumps({"error": {"message": f"Incorrect API key provided: {form(key)}."}}), 401
        )

    return tell


def pieces_of_the_key(text: str) -> set[str]:
    return {
        SECRET[i : i + 8]
        for i in range(len(SECRET) - 7)
        if SECRET[i : i + 8].lower() in text.lower()
    }


@pytest.mark.parametrize(
    "trouble",
    [
        tell_on_the_key(400),
        tell_on_the_key(401),
        tell_on_the_key(500),
        raw(f"{'x ' * 140}{SECRET}"),
        raw(f'{{"oops": "{SECRET}"}}'),
        raw(completion(f"My key is {SECRET}.")),
        status(503, retry_after=SECRET),
        garbled(lambda key: f"{key[:12]}****{key[-4:]}"),
        garbled(lambda key: f'"{key.upper()}"'),
        garbled(lambda key: f"{key[:14]}%2F{key[14:]}"),
    ],
)
@pytest.mark.usefixtures("_impatient")
def test_a_server_that_tells_the_key_is_not_repeated(
    server: MisbehavingServer, trouble: Behaviour, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    server.will(trouble)
    with pytest.raises(EndpointError) as caught:
        ask(server.base_url)
    assert (
        server.asked[0].headers["authorization"] == f"Bearer {SECRET}"
    )  # there was something to tell
    error = caught.value
    assert [error.__cause__, error.__context__] == [None, None]
    frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
    variables = [
        repr(frame.f_locals)
        for frame in frames
        if frame.f_globals["__name__"].startswith("marl_moe")
    ]
    assert variables
    logged = [
        record.getMessage()
        for record in caplog.records
        if "receive_response_headers" not in record.getMessage()
    ]
    assert logged  # the client does log, with the headers of responses where it logs every detail
    for text in (
        str(error),
        repr(error),
        "".join(traceback.format_exception(error)),
        *variables,
        *logged,
    ):
        assert not pieces_of_the_key(text)


def test_an_endpoint_does_not_show_its_key() -> None:
    endpoint = Endpoint("https://llm.example/v1", "m")
    assert repr(endpoint) == "Endpoint('https://llm.example/v1', 'm', timeout_s=180.0, retries=4)"
    assert not pieces_of_the_key(f"{endpoint} {endpoint!r} {vars(endpoint)}")


@given(
    st.text(max_size=400),
    st.text("!#$%&()+-./0123456789:=?@ABCXYZ_abcxyz~", min_size=1, max_size=60),
    st.data(),
)
def test_no_piece_of_a_key_survives_wherever_it_stands(
    text: str, key: str, data: st.DataObject
) -> None:
    place = data.draw(st.integers(0, len(text)))
    line = _redacted(text[:place] + key + text[place:], key)
    length = min(8, len(key))
    assert all(
        key[i : i + length] not in line.replace("[redacted]", " ")
        for i in range(len(key) - length + 1)
    )
    assert len(line.splitlines()) <= 1


def test_what_a_server_says_cannot_steer_a_terminal(server: MisbehavingServer) -> None:
    server.will(status(400, "no \x1b[2Jsuch\r\n\x07model"))
    with pytest.raises(EndpointError, match=r"HTTP 400: no \[2Jsuch model; gave up"):
        ask(server.base_url)


def test_without_a_key_a_placeholder_is_sent(
    server: MisbehavingServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OPENAI_API_KEY")
    server.will(ok("Rain fell."))
    ask(server.base_url)
    assert server.asked[0].headers["authorization"] == "Bearer no-key-needed"


@pytest.mark.parametrize("key", ["sk-a b", "sk-a\nb", "sk-ä", "sk-\x00"])
def test_a_key_that_no_header_can_carry_is_refused_and_not_shown(
    key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.environ", {"OPENAI_API_KEY": key})
    with pytest.raises(SpecError, match="OPENAI_API_KEY") as caught:
        Endpoint("http://127.0.0.1:1/v1", "m")
    assert "sk-" not in str(caught.value)


def test_a_line_end_around_a_key_does_not_matter(
    server: MisbehavingServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-from-a-file\n")
    server.will(ok("Rain fell."))
    ask(server.base_url)
    assert server.asked[0].headers["authorization"] == "Bearer sk-from-a-file"


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


@pytest.mark.parametrize(
    "url",
    [
        "http://me:hunter2@h/v1",
        "https://hunter2@h/v1",
        "http://h/v1?key=hunter2",
        "http://:hunter2@[::1/v1",
    ],
)
def test_an_address_with_a_secret_is_refused_and_not_shown(url: str) -> None:
    with pytest.raises(SpecError, match="is refused") as caught:
        Endpoint(url, "m")
    assert "hunter2" not in str(caught.value)


def test_without_the_extra_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "openai", None)
    with pytest.raises(
        MissingExtraError, match=r"openai is not installed; .*pip install 'marl-moe\[llm\]'"
    ):
        Endpoint("http://127.0.0.1:1/v1", "m")
