"""The `marl-moe` command, in this process or as one of its own, and comparisons of its runs."""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
from typer.testing import CliRunner, Result

from marl_moe.cli import app

PATIENCE_S = 300.0  # with a process that should be quick, on a machine that may be busy
TABLES = ("training", "market", "market_users", "evaluation")
WEIGHTS = Path("checkpoints") / "seed_0" / "policy.safetensors"
Process = subprocess.Popen[str]


def marl_moe(*arguments: str | Path) -> Result:
    """In this process, which has Ray already."""
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def started(*arguments: str | Path, **environment: str) -> Process:
    """Start the command as a process of its own, whose hashes of strings differ from those here."""
    command = [sys.executable, "-m", "marl_moe", *map(str, arguments)]
    environment = os.environ | {"PYTHONHASHSEED": "123"} | environment
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    )


def wait_until(happened: Callable[[], Any], process: Process, every_s: float = 0.002) -> None:
    """Until something has happened while a process runs."""
    deadline = time.monotonic() + PATIENCE_S
    while not happened():
        assert process.poll() is None, f"ended by itself: {process.communicate()}"
        assert time.monotonic() < deadline, "did not happen"
        time.sleep(every_s)


def facts(folder: Path, name: str) -> pd.DataFrame:
    """Return a table without what depends on the clock."""
    table = pd.read_parquet(folder / f"{name}.parquet")
    return table.drop(columns=[column for column in table if "seconds" in column])


def assert_same_run(folder: Path, expected: Path) -> None:
    """Assert equal weights and tables, but for the clock's columns, and nothing half written."""
    for name in TABLES:
        pd.testing.assert_frame_equal(facts(folder, name), facts(expected, name), check_exact=True)
    assert (folder / WEIGHTS).read_bytes() == (expected / WEIGHTS).read_bytes()
    assert partials(folder) == []


def partials(folder: Path) -> list[Path]:
    """Return what is half written below a folder."""
    return [path for path in folder.rglob(".*") if path.is_file()]


def complaint(result: Result, code: int) -> str:
    """Return the one line that a command said on stderr before it exited with a code."""
    assert result.exit_code == code, result.output
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    (line,) = result.stderr.splitlines()
    return line
