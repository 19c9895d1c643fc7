"""The file environment.json: what is needed to repeat a run on another machine."""

import json
import os
import platform
import subprocess
import sys
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from marl_moe.experiment.records.secrets import redacted
from marl_moe.whole_file import write_text

PACKAGES = (
    "marl-moe",
    "numpy",
    "torch",
    "ray",
    "scipy",
    "cvxpy",
    "pettingzoo",
    "pandas",
    "pyarrow",
)


def describe_environment(seeds: Iterable[int]) -> dict[str, Any]:
    """Return versions (null of what is not installed), machine, commit and seeds."""
    return {
        "python": platform.python_version(),
        "packages": {package: _version(package) for package in PACKAGES},
        "platform": platform.platform(),
        "cpu_count": os.cpu_count(),
        "commit": _commit(),
        "seeds": list(seeds),
        "command": redacted("\0".join([Path(sys.argv[0]).name, *sys.argv[1:]])).split("\0"),
    }


def write_environment(folder: Path, seeds: Iterable[int]) -> None:
    """Write `environment.json`."""
    write_text(
        folder / "environment.json", json.dumps(describe_environment(seeds), indent=2) + "\n"
    )


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _commit() -> str | None:
    """Return the commit of the checkout that the code runs from, None outside a checkout.

    It ends in '+changes' where the checkout was changed since.
    """
    try:
        git = ["git", "-C", str(Path(__file__).parent)]
        commit = subprocess.run(
            [*git, "rev-parse", "HEAD"], capture_output=True, text=True, check=True
        ).stdout.strip()
        status = subprocess.run(
            [*git, "status", "--porcelain"], capture_output=True, text=True, check=True
        ).stdout
    except (OSError, subprocess.CalledProcessError):
        return None
    return commit + ("+changes" if status.strip() else "")
