"""Thinking that models write before an answer: where it is among the answer's words, it goes.

Qwen, DeepSeek and others write `<think>`, Magistral `[THINK]`, Kimi `◁think▷`, Command
`<|START_THINKING|>`, OpenThinker `<|begin_of_thought|>`, gpt-oss and Gemma channels. A server is
meant to take it out; one without the parser for its model does not.
"""

import re

_NAMES = r"(?:seed:)?(?:think(?:ing)?|thoughts?|reason(?:ing)?|reflection|scratchpad|analysis)"
_OPEN, _CLOSE = (
    rf"(?:<{slash}{_NAMES}(?:\s[^<>]*)?>|\[{slash}{_NAMES}\]|◁{slash}{_NAMES}▷|{token})"
    for slash, token in (
        ("", r"<\|START_THINKING\|>|<\|begin_of_thought\|>"),
        ("/", r"<\|END_THINKING\|>|<\|end_of_thought\|>"),
    )
)
_CHANNELS = re.compile(r"(?:<\|start\|>\s*assistant\s*)?<\|channel\|?>", re.IGNORECASE)
_FINAL = re.compile(r"\s*final\b(?:.*?<\|message\|>)?", re.IGNORECASE | re.DOTALL)
_FINAL_OF_BARE = re.compile(r"\Aanalysis.*?assistantfinal", re.DOTALL)  # its marks were left out
_THOUGHT = re.compile(rf"{_OPEN}(?:(?!{_OPEN}).)*?{_CLOSE}", re.DOTALL | re.IGNORECASE)
_UNTIL_CLOSED = re.compile(rf"\A.*{_CLOSE}", re.DOTALL | re.IGNORECASE)
_FROM_OPENED = re.compile(rf"{_OPEN}.*\Z", re.DOTALL | re.IGNORECASE)
_MARKS = re.compile(
    r"<\|start\|>\s*assistant|<[|｜][\w▁]+[|｜]>|<end_of_turn>|</s>|\A\s*<(?:answer|response|final)>|</(?:answer|response|"
    r"final)>\s*\Z",
    re.IGNORECASE,
)


def without_thoughts(content: str) -> tuple[str, bool]:
    """Return the words of an answer without thinking and marks of the model, and if it thought.

    Thinking that has no beginning began with the text, as after templates that open it; one
    without an end goes on to the end of the text.
    """
    text = _FINAL_OF_BARE.sub("", content)
    if _CHANNELS.search(text):
        text = _final_channel(text)
    while True:  # thinking within thinking goes from the inside
        text, found = _THOUGHT.subn("", text)
        if not found:
            break
    text = _FROM_OPENED.sub("", _UNTIL_CLOSED.sub("", text))
    return _MARKS.sub("", text).strip(), text != content


def _final_channel(text: str) -> str:
    """Return what was said in the channel `final`, or after the last `<|end|>` of another."""
    before, *channels = _CHANNELS.split(text)
    for channel in reversed(channels):
        final = _FINAL.match(channel)
        if final:
            return channel[final.end() :]
    _, *after = re.split(r"<\|end\|>|<channel\|>", channels[-1], maxsplit=1)
    return before + "".join(after)
