"""What is printed: text as it is, and streams that take no part of it stop nothing."""

import errno
import io
import sys

import pytest
import typer

from marl_moe.terminal.console import complain, in_line, out, result, say, shown, stdout
from marl_moe.terminal.ending import standing_streams
from marl_moe.terminal.progress import shown_progress
from marl_moe.terminal.streams import Standing


class Full(io.StringIO):
    """A stream that takes nothing, as /dev/full or a pipe without a reader."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number

    def write(self, text: str) -> int:
        raise OSError(self.number, "no")


@pytest.mark.parametrize(
    "text",
    ["runs [old]/q", "a[/b]", "[red]x[/red]", ":fire:", "1 - [2, 3] 'four' http://five", "a\\[b]"],
)
def test_no_markup_is_read_in_what_is_printed(
    text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    say(text)
    with pytest.raises(typer.Exit):
        complain(text, 2)
    assert capsys.readouterr() == (f"{text}\n", f"{text}\n")


def test_characters_that_steer_a_terminal_are_shown(capsys: pytest.CaptureFixture[str]) -> None:
    say("a\x1b[31m\rb\x9b\u202e\udcff\tc\nd")
    assert capsys.readouterr().out == "a\\x1b[31m\\rb\\x9b\\u202e\\udcff\tc\nd\n".expandtabs()
    assert in_line("a\nb") == "a\\nb"
    assert shown("Grüße, 世界 👩‍🔬") == "Grüße, 世界 👩‍🔬"


def test_a_line_is_as_long_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    say("records  " + "a" * 5000)
    assert capsys.readouterr().out.count("\n") == 1


def test_letters_that_a_stream_lacks_are_written_by_their_numbers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    raw = io.BytesIO()
    monkeypatch.setattr("sys.stdout", io.TextIOWrapper(raw, encoding="ascii"))
    say("müll ✓ \udcff")
    sys.stdout.flush()
    assert raw.getvalue().decode() == "m\\xfcll \\u2713 \\udcff\n"


@pytest.mark.parametrize(
    ("stream", "reason"),
    [
        (Full(errno.ENOSPC), "No space left on device"),
        (Full(errno.EPIPE), "Broken pipe"),
        (None, "it is closed"),
    ],
    ids=["full", "no reader", "closed"],
)
def test_lines_that_do_not_arrive_stop_nothing_but_a_result_fails(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    stream: Full | None,
    reason: str,
) -> None:
    monkeypatch.setattr("sys.stdout", stream)
    say("records  results/q")
    with shown_progress(1, out) as progress:
        progress.on_audit(0, "vcg")
    assert stdout.lost == reason
    with pytest.raises(typer.Exit) as end:
        result("the answer")
    assert end.value.exit_code == 1
    assert reason in capsys.readouterr().err


@pytest.mark.parametrize("code", [0, 1, 130])
def test_a_command_keeps_its_exit_code_and_says_that_output_was_lost(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], code: int
) -> None:
    monkeypatch.setattr("sys.stdout", Full(errno.ENOSPC))
    monkeypatch.setattr("sys.stderr", sys.stderr)

    def command() -> None:
        with standing_streams():
            print("of a policy of the user")
            say("records  results/q")
            raise SystemExit(code)

    with pytest.raises(SystemExit) as end:
        command()
    assert end.value.code == code
    told = capsys.readouterr().err
    assert ("standard output: No space left on device" in told) == (code == 0)


def test_a_stream_that_has_failed_takes_nothing_more() -> None:
    stream = Full(errno.EIO)
    standing = Standing(lambda: stream)
    standing.write("a")
    stream.number = 0
    standing.write("b")
    assert standing.lost == "Input/output error"
    assert not standing.isatty()
