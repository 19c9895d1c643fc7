"""Consoles that the command prints to, and how it ends after an error."""

import sys
from typing import NoReturn

import typer
from rich.console import Console

from marl_moe.experiment.records.secrets import redacted

INTERRUPTED = 130  # the exit code of a command that was interrupted and can go on

out = Console(soft_wrap=True, width=None if sys.stdout.isatty() else 140)
wide = Console(soft_wrap=True, width=240)  # for a table that no terminal's width should fold
complaints = Console(stderr=True, soft_wrap=True)


def told(error: Exception | str) -> None:
    """Print on stderr what is wrong, without secrets."""
    complaints.print(redacted(str(error)), style="red", markup=False, highlight=False)


def complain(error: Exception | str, code: int) -> NoReturn:
    """Print on stderr what is wrong, without secrets, and exit with a code."""
    told(error)
    raise typer.Exit(code)
