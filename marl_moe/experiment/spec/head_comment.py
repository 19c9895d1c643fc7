"""The comment at the head of an experiment's file, which says what it asks."""

from pathlib import Path

from marl_moe.experiment.spec.yaml_loader import decoded

FOR_EDITORS = "yaml-language-server:"  # begins a line that names the schema


def head_comment(path: Path) -> str:
    """Return the comment that a file of YAML begins with, without its signs; empty without one.

    Raises:
        SpecError: it is no text.
    """
    lines: list[str] = []
    for line in decoded(path.read_bytes(), str(path)).splitlines():
        if line.strip() and not line.startswith("#"):
            break
        said = line.removeprefix("#").strip()
        if not said.startswith(FOR_EDITORS):
            lines.append(said)
    return "\n".join(lines).strip("\n")
