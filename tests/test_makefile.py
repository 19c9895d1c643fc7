"""`make` alone lists every target with a line of what it does."""

import re
import subprocess
from pathlib import Path

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
