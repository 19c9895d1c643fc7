"""An endpoint tells nobody its key: no error, no log line, no traceback, no terminal."""

import json
import logging
import traceback
from collections.abc import Callable

import pytest

from marl_moe.errors import SpecError
from marl_moe.text.backends.endpoint import Endpoint, EndpointError

from .asking import SECRET, ask
from .misbehaving_server import (
    Behaviour,
    Handler,
    MisbehavingServer,
    completion,
    ok,
    raw,
    status,
    tell_on_the_key,
)

pytestmark = pytest.mark.usefixtures("key")


def garbled(form: Callable[[str], str]) -> Behaviour:
    """An error that tells the key in some other form."""

    def tell(request: Handler) -> None:
        key = request.received.headers["authorization"].removeprefix("Bearer ")
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
@pytest.mark.usefixtures("impatient")
def test_a_server_that_tells_the_key_is_not_repeated(
    server: MisbehavingServer, trouble: Behaviour, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    server.will(trouble)
    with pytest.raises(EndpointError) as caught:
        ask(server.base_url)
    assert (
        server.received[0].headers["authorization"] == f"Bearer {SECRET}"
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
    assert server.received[0].headers["authorization"] == "Bearer no-key-needed"


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
    assert server.received[0].headers["authorization"] == "Bearer sk-from-a-file"


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
