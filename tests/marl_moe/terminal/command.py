"""The command in this process, and what it prints read again."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

from typer.testing import CliRunner, Result

from marl_moe.cli import app

Make = Callable[..., Path]  # of runs, from settings such as "seeds=3"
STUDY = [
    "kind=market_study",
    "name=study",
    "env.episode_slots=12",
    "audit={markets: 4, misreports: 2}",
]
SWEEP = "sweep.env.num_users=[2,3]"


FREE = 'mechanism={name: "none"}'
PRICED = "mechanism={name: posted_price, price: 2.5}"


def marl_moe(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def told(result: Result, code: int = 2) -> str:
    """Return what a command that fails says on stderr, where it printed nothing else."""
    assert (result.exit_code, result.stdout) == (code, ""), result.output
    return result.stderr


def files_of(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def row_of(text: str, first: str) -> list[str]:
    """Return the cells of the row of a printed table that begins with a text."""
    (line,) = [line for line in text.splitlines() if line.startswith(f"│ {first} ")]
    return [cell.strip() for cell in line.strip("│").split("│")]


def aged(run: Path, tmp_path: Path) -> Path:
    """Return a copy of a run that records no model of the world, as the first one did."""
    old = shutil.copytree(run, tmp_path / "old")
    environment = json.loads((old / "environment.json").read_text())
    assert environment.pop("model") == 2
    (old / "environment.json").write_text(json.dumps(environment))
    return old
