"""What a server refuses by name is left out, told once, and remembered; the rest is named."""

import json
from collections.abc import Callable

import pytest

from marl_moe.errors import SpecError
from marl_moe.text.backends.endpoint import Completion, Endpoint, EndpointError

from .asking import ask
from .misbehaving_server import Behaviour, MisbehavingServer, completion, ok, raw, status, unless

pytestmark = pytest.mark.usefixtures("key")
OPENAI = {"type": "invalid_request_error", "code": "unsupported_parameter"}
MAX = (
    "Unsupported parameter: 'max_tokens' is not supported with this model. Use "
    "'max_completion_tokens' instead."
)
HOT = "Unsupported value: 'temperature' does not support 0.7 with this model. Only the default (1)"
EXTRA = {"type": "extra_forbidden", "loc": ["body", "seed"], "msg": "Extra inputs not permitted"}


def without(name: str) -> Callable[[dict], bool]:
    return lambda body: name not in body


def no_system(body: dict) -> bool:
    return [message["role"] for message in body["messages"]] == ["user"]


def form(*types: str | None) -> Callable[[dict], bool]:
    return lambda body: body.get("response_format", {}).get("type") in types


REFUSALS = [
    (without("max_tokens"), 400, {"error": {"message": MAX, "param": "max_tokens", **OPENAI}},
     "max_completion_tokens is sent in place of max_tokens"),
    (without("temperature"), 400, {"error": {"message": HOT, **OPENAI}}, "temperature is not sent"),
    (without("seed"), 422, {"detail": [EXTRA]}, "seed is not sent: its answers need not repeat"),
    (without("seed"), 500, {"error": {"message": "anthropic does not support parameters: "
     "{'seed': 3}, for model=claude", "code": 500}}, "seed is not sent"),
    (no_system, 400, {"object": "error", "message": "System role not supported", "code": 400},
     "the system message is sent in the user's"),
    (no_system, 500, {"error": {"code": 500, "message": "Conversation roles must alternate "
     "user/assistant/user/assistant/..."}}, "the system message is sent in the user's"),
    (form("json_object"), 400, {"error": {"message": "Invalid parameter: 'response_format' of type "
     "'json_schema' is not supported with this model."}},
     "JSON is asked for by json_object, not by json_schema"),
    (form(None), 400, {"error": "'response_format.type' must be 'text'"},
     "JSON is asked for by words alone, not by json_object"),
    (form(None), 501, "grammar is not implemented", "JSON is asked for by words alone"),
]  # fmt: skip


@pytest.mark.parametrize(("takes", "code", "error", "said"), REFUSALS)
def test_what_a_server_refuses_by_name_is_sent_in_another_way_from_then_on(
    server: MisbehavingServer,
    takes: Callable[[dict], bool],
    code: int,
    error: object,
    said: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    told: list[str] = []
    endpoint = Endpoint(server.base_url, "some-model", 5.0, 0, told.append)

    def once() -> Completion:
        return endpoint.complete(
            "judge", "You are rain.", "Fall.", 50, seed=3, schema={"type": "object"}
        )

    server.will(unless(takes, code, error))
    first = once().text
    asked = len(server.received)
    assert once().text == first
    assert len(server.received) == asked + 1
    assert server.received[-1].body == server.received[-2].body
    assert said in told[-1]
    assert told == [f"{server.base_url}, model some-model: {c}" for c in endpoint.dialect.changes]
    everything = json.dumps(server.received[-1].body)
    assert "You are rain." in everything
    assert "Fall." in everything
    assert 50 in server.received[-1].body.values()


def test_a_server_that_refuses_everything_one_after_another_is_asked_in_the_end(
    server: MisbehavingServer,
) -> None:
    def picky(request) -> None:
        for takes, code, error, _ in REFUSALS[:5]:
            if not takes(request.received.body):
                request.reply(json.dumps(error), code)
                return
        ok("Rain fell.")(request)

    server.will(picky)
    assert ask(server.base_url, retries=0).text == "Rain fell."


@pytest.mark.parametrize(
    ("trouble", "said", "advice"),
    [
        (status(401, "bad key"), "HTTP 401: bad key", "set OPENAI_API_KEY to a key of this server"),
        (status(403, "no"), "HTTP 403: no", "the key that it holds was sent"),
        (raw('{"error":"model \'m\' not found, try pulling it first"}', 404),
         "HTTP 404: model 'm' not found", "--model: the server has llama3:8b, qwen3"),
        (status(400, "The model `m` does not exist."), "HTTP 400: The", "--model: the server has"),
        (status(400, "This model's maximum context length is 2048 tokens."), "HTTP 400: This",
         "lower --words, or give the model a longer context"),
        (status(400, "max_tokens is too large: 8000. This model supports at most 4096 tokens"),
         "HTTP 400: max_tokens is too large", "lower --words"),
        (status(400, "bad request"), "HTTP 400: bad request", "set the server to take what was "
         "sent: model, messages, max_tokens, temperature, seed"),
        (raw('{"detail":[{"loc":["body","user"],"msg":"Field required"}]}', 422),
         'HTTP 422: [{"loc": ["body", "user"], "msg": "Field required"}]', "set the server"),
        (raw('{"error":{"code":503,"message":"Loading model","type":"unavailable_error"}}', 503),
         "HTTP 503: Loading model", "try again when its model is loaded"),
        (raw("<html><title>404</title></html>", 405), "HTTP 405: <html>", "--base-url should end"),
        (raw("<html>Welcome</html>"), "a body that is not JSON: <html>", "--base-url should end"),
    ],
)  # fmt: skip
@pytest.mark.usefixtures("impatient")
def test_what_cannot_be_handled_is_one_line_with_the_servers_words_and_what_to_set(
    server: MisbehavingServer, trouble: Behaviour, said: str, advice: str
) -> None:
    server.models = json.dumps({"object": "list", "data": [{"id": "llama3:8b"}, {"id": "qwen3"}]})
    server.will(trouble)
    with pytest.raises(EndpointError) as caught:
        ask(server.base_url, retries=0)
    line = str(caught.value)
    assert said in line
    assert advice in line
    assert len(line.splitlines()) == 1
    assert len(server.received) == 1


@pytest.mark.parametrize("models", [None, "", "[]", '{"data": null}', '{"data": [7]}'])
def test_without_a_list_of_models_an_unknown_address_is_named(
    server: MisbehavingServer, models: str | None
) -> None:
    server.models = models
    server.will(raw("404 page not found", 404))
    root = server.base_url.removesuffix("/v1")
    with pytest.raises(EndpointError, match=f"such as {root}/v1; {root}/chat/completions was"):
        ask(root, retries=0)


def test_a_slash_at_the_end_of_the_address_does_not_matter(server: MisbehavingServer) -> None:
    server.will(ok("Rain fell."))
    ask(f"{server.base_url}/")
    assert server.received[0].path == "/v1/chat/completions"


def test_an_address_of_the_completions_themselves_is_refused() -> None:
    with pytest.raises(SpecError, match="should end before /chat/completions"):
        Endpoint("http://127.0.0.1:1/v1/chat/completions/", "m")


def test_another_model_than_was_asked_for_is_told_once(server: MisbehavingServer) -> None:
    told: list[str] = []
    endpoint = Endpoint(server.base_url, "some-model", 5.0, 0, told.append)
    server.will(raw(completion("Rain fell.", model="llama3:8b")))
    for _ in range(2):
        endpoint.complete("judge", "You are rain.", "Fall.", 50, seed=3)
    assert told == [
        f"{server.base_url}, model some-model: the server says that the model llama3:8b answers"
    ]
