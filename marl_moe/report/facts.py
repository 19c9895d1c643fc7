"""What a run is, in lines: its question, population, seeds, time, machine and commit."""

from datetime import UTC, datetime
from typing import Any

import pandas as pd

from marl_moe.experiment.run.folder import EXPERIMENT
from marl_moe.experiment.run.population import population_table
from marl_moe.report.reported import Reported

MOST_POINTS = 12  # sweep points that are listed
NO_QUESTION = "The experiment has no comment at its head that would say."


def facts(run: Reported) -> list[dict[str, Any]]:
    """Return what is known of a run: name and lines of each fact, and whether they are aligned."""
    spec, told = run.run.spec, run.environment
    labels = [point.label for point in run.run.points if point.label]
    packages = told.get("packages")
    versions = packages if isinstance(packages, dict) else {}
    command = told.get("command")
    resumed = told.get("resumed")
    more = f"; {len(resumed)} further sittings" if isinstance(resumed, list) and resumed else ""
    found = {
        "Question": [spec.question or NO_QUESTION],
        "Population": _population(run),
        "Sweep": [*labels[:MOST_POINTS], *_more(len(labels) - MOST_POINTS)],
        "Seeds": [", ".join(map(str, spec.seed_list()))],
        "Time": _times(run),
        "Machine": [
            _joined(told.get("platform"), _cores(told.get("cpu_count"))),
            _joined(_python(told.get("python")), *(f"{a} {b}" for a, b in versions.items() if b)),
        ],
        "Commit": [str(told.get("commit") or "not recorded")],
        "World": [f"model {told['model']}" if "model" in told else "an older model, not recorded"],
        "Command": [" ".join(map(str, command)) + more if isinstance(command, list) else ""],
    }
    aligned = ("Population", "Command")
    return [
        {"name": name, "lines": list(filter(None, lines)), "aligned": name in aligned}
        for name, lines in found.items()
        if any(lines)
    ]


def _population(run: Reported) -> list[str]:
    """Return the users and experts of the first sweep point."""
    point = run.run.points[0]
    of_point = [f"at {point.label}:"] if point.label else []
    return [*of_point, *population_table(point.spec.evaluated_env())]


def _times(run: Reported) -> list[str]:
    files = [path.stat().st_mtime for path in run.run.path.iterdir() if path.is_file()]
    begun = (run.run.path / EXPERIMENT).stat().st_mtime
    lines = [f"begun {_moment(min([*files, begun]))}"]
    lines += training_times(run.tables["training"])
    return lines


def training_times(training: pd.DataFrame) -> list[str]:
    """Return how long training took, in a line; none where nothing was trained.

    Args:
        training: rows of `training.parquet`.
    """
    if training.empty:
        return []
    seconds = training.groupby(["point", "seed"])["seconds"].max()
    each = "" if len(seconds) == 1 else f", {duration(seconds.max())} the longest of {len(seconds)}"
    return [f"training {duration(seconds.sum())}{each}"]


def duration(seconds: float) -> str:
    """Return a time in words.

    >>> duration(4.25), duration(75), duration(7500)
    ('4.2 s', '1 min 15 s', '2 h 5 min')
    """
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"


def _moment(seconds: float) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M} UTC"


def _cores(count: object) -> str:
    if not count:
        return ""
    return "1 core" if count == 1 else f"{count} cores"


def _python(version: object) -> str:
    return f"Python {version}" if version else ""


def _joined(*parts: object) -> str:
    return ", ".join(str(part) for part in parts if part)


def _more(count: int) -> list[str]:
    return [f"and {count} more"] if count > 0 else []
