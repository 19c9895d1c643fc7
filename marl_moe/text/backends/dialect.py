"""What a server is asked, in the dialect of the OpenAI protocol that it takes.

Each server refuses something else of what others take. What it refuses by name is left out or said
in another way from then on, and told once.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

MAY_OBJECT = (400, 405, 415, 422, 500, 501)  # statuses with which servers refuse a parameter
# Tokens for thinking beside those of the answer, each tried where those before were used up.
ROOM = (0, 4096, 16384)
_REFUSED = re.compile(
    r"unsupported|not (?:be )?(?:supported|permitted|allowed|available|implemented|recognized)"
    r"|(?:does|do)(?: not|n't) (?:support|accept|allow)|unknown|unrecognized|unexpected|extra"
    r"|unavailable|no longer|deprecated|invalid|only (?:the default|user)|must be|must alternate"
    r"|cannot|can't|fail(?:ed|ure)|expected|not (?:a )?valid|remove",
    re.IGNORECASE,
)
_OF_THE_LIMIT = re.compile(
    r"max_completion_tokens|(?:unsupported|unknown|unrecognized|unexpected|extra|not permitted"
    r"|not supported|not support|not allowed|not recognized)",
    re.IGNORECASE,
)
_SYSTEM = re.compile(
    r"system[ _-]?(?:role|message|prompt|instruction)|role\W+system|['\"`]system['\"`]"
    r"|developer instruction|roles? must alternate|only user and assistant roles",
    re.IGNORECASE,
)
_FORM = re.compile(
    r"response[_ ]format|json[_ ](?:schema|object|mode)|structured output|guided|grammar", re.I
)


@dataclass(frozen=True)
class Question:
    """What is asked, before it is put into a dialect.

    Attributes:
        system: the system message.
        user: the user's message.
        max_tokens: limit of the answer's length.
        temperature: of the model.
        schema: JSON Schema that the text should follow.
    """

    system: str
    user: str
    max_tokens: int
    temperature: float
    schema: dict[str, Any] | None


@dataclass
class Dialect:
    """What a server takes, as far as it has told; all questions to it share one.

    Attributes:
        tell: called with each change, once.
        changes: those so far, in words.
        limit: name of the limit of tokens.
        left_out: parameters that are not sent.
        folded: whether the system message stands in the user's.
        forms: ways to ask for JSON that are left; the first one is taken, None is in words alone.
        room: tokens for thinking.
    """

    tell: Callable[[str], None] = lambda change: None
    changes: list[str] = field(default_factory=list)
    limit: str = "max_tokens"
    left_out: set[str] = field(default_factory=set)
    folded: bool = False
    forms: tuple[str | None, ...] = ("json_schema", "json_object", None)
    room: int = ROOM[0]

    def body(self, model: str, question: Question, seed: int) -> dict[str, Any]:
        """Return the body of a request for this question."""
        messages = [
            {"role": "system", "content": question.system},
            {"role": "user", "content": question.user},
        ]
        if self.folded:
            messages = [{"role": "user", "content": f"{question.system}\n\n{question.user}"}]
        body: dict[str, Any] = {
            "model": model,
            "messages": messages,
            self.limit: question.max_tokens + self.room,
            "temperature": question.temperature,
            "seed": seed,
        }
        if question.schema is not None and self.forms[0] == "json_schema":
            form = {"name": "answer", "strict": True, "schema": question.schema}
            body["response_format"] = {"type": "json_schema", "json_schema": form}
        elif question.schema is not None and self.forms[0]:
            body["response_format"] = {"type": self.forms[0]}
        return {name: value for name, value in body.items() if name not in self.left_out}

    def give_way(self, status: int, said: str, sent: dict[str, Any]) -> bool:
        """Leave out what a server refuses by name, and return whether that is anything new.

        Args:
            status: of the response.
            said: its whole body.
            sent: the body of the request.
        """
        if status not in MAY_OBJECT or not _REFUSED.search(said):
            return False
        before = len(self.changes)
        if "max_tokens" in sent and _names("max_tokens", said) and _OF_THE_LIMIT.search(said):
            self.limit = "max_completion_tokens"
            self._change("max_completion_tokens is sent in place of max_tokens")
        for name in ("seed", "temperature"):
            if name in sent and _names(name, said):
                self.left_out.add(name)
                lost = ": its answers need not repeat" if name == "seed" else ""
                self._change(f"{name} is not sent{lost}")
        if not self.folded and _SYSTEM.search(said):
            self.folded = True
            self._change("the system message is sent in the user's")
        if "response_format" in sent and _FORM.search(said):
            self.forms = self.forms[1:]
            form = self.forms[0]
            self._change(f"JSON is asked for by {form or 'words alone'}, not by {_form_of(sent)}")
        return len(self.changes) > before

    def make_room(self) -> bool:
        """Give thinking more tokens, and return whether there were any left to give."""
        more = [room for room in ROOM if room > self.room]
        if more:
            self.room = more[0]
            self._change(f"{self.limit} has {self.room} tokens more, for the model's thinking")
        return bool(more)

    def answered_as(self, model: str) -> None:
        """Note that another model answered than was asked for, or the same by another name."""
        change = f"the server says that the model {model} answers"
        if change not in self.changes:
            self._change(change)

    def _change(self, change: str) -> None:
        self.changes.append(change)
        self.tell(change)


def _form_of(sent: dict[str, Any]) -> str:
    """Return the form of JSON that a request asked for."""
    return str(sent["response_format"]["type"])


def _names(parameter: str, said: str) -> bool:
    return re.search(rf"(?<![\w-]){parameter}(?![\w-])", said) is not None
