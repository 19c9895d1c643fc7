"""What the command prints, and how it ends after an error.

Text of users, models and files is printed as it is: no markup is read in it, and characters that
would steer a terminal are shown by their numbers.
"""

import sys
import unicodedata
from typing import NoReturn

import typer
from rich.console import Console, RenderableType

from marl_moe.experiment.records.secrets import redacted
from marl_moe.terminal.streams import Standing

INTERRUPTED = 130  # the exit code of a command that was interrupted and can go on
PIPED = 100_000  # columns where no terminal's width should fold or cut a table
STEERING = {"Cc", "Cs", "Zl", "Zp"}  # control, half of a pair, line and paragraph separators
BIDIRECTIONAL = set("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")  # reorder a line

stdout, stderr = Standing(lambda: sys.stdout), Standing(lambda: sys.stderr)


def console_of(stream: Standing) -> Console:
    """Return a console that reads no markup in strings; `rich.text.Text` has a style."""
    return Console(
        file=stream,  # type: ignore[arg-type]  # it has what rich uses of a file
        width=None if stream.isatty() else PIPED,
        soft_wrap=True,
        markup=False,
        emoji=False,
        highlight=False,
    )


out, complaints = console_of(stdout), console_of(stderr)


def shown(text: str, keep: str = "\n\t") -> str:
    r"""Return a text whose characters that steer a terminal are written by their numbers.

    Args:
        text: of a user, a model or a file.
        keep: those that stay.

    >>> shown("a\x1b[31mb\rc")
    'a\\x1b[31mb\\rc'
    """
    return "".join(
        character
        if character in keep or not _steers(character)
        else character.encode("unicode_escape").decode()
        for character in text
    )


def in_line(text: object) -> str:
    """Return a text as a cell of a table or part of a line shows it: `shown`, in one line."""
    return shown(str(text), keep="")


def say(*lines: str) -> None:
    """Print lines that tell what is in files too."""
    for line in lines:
        out.print(shown(line))


def show(*tables: RenderableType) -> None:
    """Print tables that are in files too, as wide as they are where no terminal is."""
    for table in tables:
        console_of(stdout).print(table, soft_wrap=False)


def result(*parts: RenderableType) -> None:
    """Print what is nowhere else: where it does not arrive, the command fails with code 1."""
    for part in parts:
        if isinstance(part, str):
            say(part)
        else:
            show(part)
    check_printed()


def check_printed() -> None:
    """Exit with code 1, and a line on stderr, where what was printed did not all arrive."""
    stdout.flush()
    if stdout.lost is not None:
        complain(f"standard output: {stdout.lost}: not all of the result was printed", 1)


def told(error: Exception | str) -> None:
    """Print on stderr what is wrong, without secrets."""
    complaints.print(shown(redacted(str(error))), style="red")


def complain(error: Exception | str, code: int) -> NoReturn:
    """Print on stderr what is wrong, without secrets, and exit with a code."""
    told(error)
    raise typer.Exit(code)


def _steers(character: str) -> bool:
    return unicodedata.category(character) in STEERING or character in BIDIRECTIONAL
