"""The file environment.json: what is needed to repeat a run on another machine."""

import json
import os
import platform
import subprocess
import sys
from collections.abc import Iterable, Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from envs import MODEL
from marl_moe.errors import RecordError
from marl_moe.experiment.records.secrets import redacted
from marl_moe.whole_file import write_text

FILE = "environment.json"
EXPERIMENT, RESUMED = "experiment", "resumed"  # keys: what is run; sittings after the first
WORLD_MODEL = "model"
OURS = "marl-moe"
PACKAGES = (
    OURS,
    "numpy",
    "torch",
    "ray",
    "scipy",
    "cvxpy",
    "pettingzoo",
    "pandas",
    "pyarrow",
)


def describe_environment() -> dict[str, Any]:
    """Return model of the world, versions (null of what is not there), machine, commit, command."""
    return {
        WORLD_MODEL: MODEL,
        "python": platform.python_version(),
        "packages": {package: version_of(package) for package in PACKAGES},
        "platform": platform.platform(),
        "cpu_count": os.cpu_count(),
        "commit": _commit(),
        "command": redacted("\0".join([Path(sys.argv[0]).name, *sys.argv[1:]])).split("\0"),
    }


def write_environment(
    folder: Path, experiment: Mapping[str, Any] | None, seeds: Iterable[int]
) -> None:
    """Write `environment.json` of a run that begins, or add to it that the run goes on.

    Of a further sitting there is what differs from the first.

    Args:
        folder: the run folder.
        experiment: the experiment as plain values, as it is written beside it; None where an older
            version did not record it.
        seeds: the seeds.
    """
    here = describe_environment()
    told = read_environment(folder)
    if told:
        differing = {key: value for key, value in here.items() if told.get(key) != value}
        told[RESUMED] = [*told.get(RESUMED, []), differing]
    else:
        told = here
    told |= {"seeds": list(seeds), EXPERIMENT: experiment}
    write_text(folder / FILE, json.dumps(told, indent=2) + "\n")


def read_environment(folder: Path) -> dict[str, Any]:
    """Return what `environment.json` holds, nothing where there is none.

    Raises:
        RecordError: it is not whole.
    """
    path = folder / FILE
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (ValueError, RecursionError) as error:
        raise RecordError(f"{path}: not whole ({error}); restore it, or delete it") from None
    if not isinstance(told, dict):
        raise RecordError(f"{path}: not whole (no object); restore it, or delete it")
    return told


def recorded_model(folder: Path, first: int) -> int | None:
    """Return the model of the world that a run was made with, None without `environment.json`.

    Args:
        folder: the run folder.
        first: the model of those that recorded none.

    Raises:
        RecordError: it is not whole.
    """
    told = read_environment(folder)
    model = told.get(WORLD_MODEL, first)
    if type(model) is not int:
        raise RecordError(f"{folder / FILE}: {WORLD_MODEL} should be a number, got {model!r}")
    return model if told else None


def made_by(folder: Path) -> str:
    """Return the version and the commit that made a run, as far as `environment.json` knows."""
    told = read_environment(folder)
    packages, commit = told.get("packages"), told.get("commit")
    ours = packages.get(OURS) if isinstance(packages, dict) else None
    words = [f"{OURS} {ours}"] if ours else []
    if commit:
        words.append(f"at commit {commit}" if words else f"commit {commit} of {OURS}")
    return " ".join(words)


def version_of(package: str) -> str | None:
    """Return the version of a package, None where it is not installed, as in a mere checkout."""
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
