"""`make` alone lists every target; each target installs what it needs, once."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def listed(*arguments: str) -> dict[str, str]:
    done = subprocess.run(
        ["make", "--no-print-directory", *arguments], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    lines = (line.removeprefix("make ").split(maxsplit=1) for line in done.stdout.splitlines())
    return dict(lines)


def test_every_target_is_listed_with_a_line() -> None:
    makefile = (ROOT / "Makefile").read_text()
    (phony,) = re.findall(r"^\.PHONY: (.*)$", makefile, re.MULTILINE)
    assert list(listed("help")) == phony.split()


def test_make_alone_is_make_help() -> None:
    assert listed() == listed("help")


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """The files that setting up reads, and a `.venv` without a stamp."""
    for name in ("Makefile", "pyproject.toml", "constraints.txt"):
        shutil.copy(ROOT / name, tmp_path)
    (tmp_path / ".venv").mkdir()
    return tmp_path


def installs(checkout: Path, target: str) -> str:
    """Return what setting up for a target would install, and leave its stamps."""
    done = subprocess.run(
        ["make", "--dry-run", target], cwd=checkout, capture_output=True, text=True, check=True
    )
    for stamps in re.findall(r"^touch (.*)$", done.stdout, re.MULTILINE):
        for stamp in stamps.split():
            (checkout / stamp).touch()
    return " ".join(re.findall(r"--editable (\S+)", done.stdout))


def test_run_installs_what_trains_and_test_then_adds_the_rest(checkout: Path) -> None:
    assert installs(checkout, "run") == "'.[train]'"
    assert installs(checkout, "run") == ""
    assert installs(checkout, "test") == "'.[dev,docs,interop,llm,text,train]'"
    assert installs(checkout, "test") == ""


def test_test_installs_what_run_needs_too(checkout: Path) -> None:
    assert installs(checkout, "test")
    assert installs(checkout, "run") == ""


@pytest.mark.parametrize("changed", ["pyproject.toml", "constraints.txt"])
def test_a_change_of_what_is_needed_installs_again(checkout: Path, changed: str) -> None:
    installs(checkout, "test")
    later = (checkout / ".venv/installed").stat().st_mtime + 10
    os.utime(checkout / changed, (later, later))
    assert installs(checkout, "run") == "'.[train]'"
    assert installs(checkout, "test")
