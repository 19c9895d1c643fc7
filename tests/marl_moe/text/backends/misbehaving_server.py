"""An OpenAI-compatible server on loopback that misbehaves on command and keeps its requests."""

import json
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

Behaviour = Callable[["Handler"], None]


@dataclass(frozen=True)
class Received:
    """A request as it arrived."""

    at: float  # seconds of the monotonic clock
    path: str
    headers: dict[str, str]
    body: dict[str, Any]


class MisbehavingServer:
    """Answers requests by a script; the last behaviour of the script is repeated."""

    def __enter__(self) -> Self:
        self.script: list[Behaviour] = []
        self.received: list[Received] = []
        self.models: str | None = None  # the body of /v1/models; without one there is no such page
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._http.misbehaving = self
        threading.Thread(
            target=self._http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True
        ).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._http.shutdown()
        self._http.server_close()

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self._http.server_port}/v1"

    def will(self, *script: Behaviour) -> None:
        """Follow this script from now on, and forget the requests of before."""
        self.script = list(script)
        self.received = []

    def take(self, received: Received) -> Behaviour:
        self.received.append(received)
        return self.script[min(len(self.received), len(self.script)) - 1]


class Handler(BaseHTTPRequestHandler):
    """A request to the server."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.received = Received(time.monotonic(), self.path, headers, body)
        self.server.misbehaving.take(self.received)(self)

    def do_GET(self) -> None:
        models = self.server.misbehaving.models
        if models is None or not self.path.endswith("/models"):
            self.reply("<html>nothing here</html>", 404, Content_Type="text/html")
        else:
            self.reply(models)

    def log_message(self, format: str, *arguments: Any) -> None:
        """Nothing."""

    def reply(self, content: str | bytes, status: int = 200, **headers: str) -> None:
        data = content.encode() if isinstance(content, str) else content
        self.send_response(status)
        own = {"Content-Type": "application/json", "Content-Length": str(len(data))}
        for name, value in {**own, **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(data)


def completion(text: str | None, tokens: int | None = 7, model: object = None) -> str:
    """A chat completion as a server writes it."""
    body: dict[str, Any] = {"id": "1", "object": "chat.completion", "created": 0, "model": model}
    body["choices"] = [
        {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": text}}
    ]
    if tokens is not None:
        body["usage"] = {
            "prompt_tokens": 1,
            "completion_tokens": tokens,
            "total_tokens": 1 + tokens,
        }
    return json.dumps(body)


def says(
    content: object = None, finish_reason: str = "stop", usage: object = None, **fields: object
) -> Behaviour:
    """A completion whose message has any content at all, and further fields."""
    message = {"role": "assistant", "content": content, **fields}
    choice = {"index": 0, "finish_reason": finish_reason, "message": message}
    return raw(json.dumps({"id": "1", "choices": [choice], "usage": usage}))


def unless(takes: Callable[[dict[str, Any]], bool], code: int, error: object) -> Behaviour:
    """Refuse with an error what is not taken, and answer else, with a text of the seed."""
    body = error if isinstance(error, str) else json.dumps(error)

    def answer(request: Handler) -> None:
        asked = request.received.body
        if takes(asked):
            request.reply(completion(f"Draw {asked.get('seed', 'of luck')}."))
        else:
            request.reply(body, code)

    return answer


def ok(text: str | None, tokens: int | None = 7) -> Behaviour:
    return lambda request: request.reply(
        completion(text, tokens, request.received.body["model"])  # which servers repeat
    )


def seeded(request: Handler) -> None:
    """A text that depends on the seed and on what was asked, as of a server that honours seeds."""
    body = request.received.body
    request.reply(completion(f"Draw {body['seed']} of {body['messages'][-1]['content']}"))


def status(code: int, message: str = "out of order", **headers: str) -> Behaviour:
    body = json.dumps({"error": {"message": message, "type": "error", "code": code}})
    return lambda request: request.reply(body, code, **headers)


def raw(body: str | bytes, code: int = 200) -> Behaviour:
    """A body as it stands."""
    return lambda request: request.reply(body, code)


def slow(seconds: float) -> Behaviour:
    def wait(request: Handler) -> None:
        time.sleep(seconds)
        request.close_connection = True

    return wait


def hang_up(request: Handler) -> None:
    """Close the connection without a word."""
    request.connection.shutdown(socket.SHUT_RDWR)
    request.close_connection = True


def break_off(request: Handler) -> None:
    """Close the connection in the middle of the body."""
    request.send_response(200)
    request.send_header("Content-Length", "1000")
    request.end_headers()
    request.wfile.write(b'{"choices": [')
    request.close_connection = True


def tell_on_the_key(code: int) -> Behaviour:
    """Echo all headers in the error, the key among them, as debugging servers do."""
    return lambda request: request.reply(
        json.dumps(
            {"error": {"message": f"Refused.\nHeaders: {json.dumps(request.received.headers)}"}}
        ),
        code,
    )
