"""Figures of a run that are drawn, with the options that its experiment and the command give."""

from collections.abc import Iterator, Mapping, Sequence
from functools import reduce
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from marl_moe.errors import SpecError, unknown_key
from marl_moe.experiment.spec.files import read_sections
from marl_moe.experiment.spec.section import merged
from marl_moe.experiment.spec.yaml_loader import parse_yaml
from marl_moe.experiment.spec.yaml_values import EMPTY
from paper_figures import FIGURES, Asked, FigureOptions
from paper_figures.options import Entry, asked, options_of

_PLAIN = TypeAdapter(FigureOptions)


def entries_of(file: Path) -> list[Asked]:
    """Return the figures that an experiment names, reading nothing else of it.

    Args:
        file: its YAML; one that is not there names none.

    Raises:
        SpecError: it is no YAML, or an entry is no figure.
    """
    given = read_sections(file).get("figures", EMPTY) if file.is_file() else EMPTY
    try:
        return asked(_checked([] if given is EMPTY else given))
    except ValueError as error:
        raise SpecError(f"{file}: figures: {error}") from None


def _checked(given: Any) -> Iterator[Entry]:
    if not isinstance(given, list):
        raise ValueError(f"should be a list, got {given!r}")
    for entry in given:
        plain = isinstance(entry, Mapping) and len(entry) == 1
        if not isinstance(entry, str) and not (
            plain and all(isinstance(options, Mapping) for options in entry.values())
        ):
            raise ValueError(f"should be names or {{name: {{option: value}}}}, got {entry!r}")
        yield entry


def chosen_figures(
    entries: Sequence[Asked], names: Sequence[str], overrides: Sequence[str]
) -> list[Asked]:
    """Return the figures to draw: as the experiment asks for them, then all others.

    Args:
        entries: of the experiment.
        names: those that are drawn, by their own names or those of their files; none: all.
        overrides: options in place of the experiment's, `metric=welfare` with the value in YAML.

    Raises:
        SpecError: a figure or an option does not exist, or cannot have its value.
    """
    changes: dict[str, Any] = {}
    for override in overrides:
        changes = merged(changes, _change(override))
    if names:
        named = {figure.file: figure for name in names for figure in _named(name, entries)}
        figures = list(named.values())
    else:
        files = {figure.file for figure in entries}
        figures = [*entries, *(Asked(kind) for kind in FIGURES if kind not in files)]
    try:
        return asked(_changed(figure, changes) for figure in figures) if changes else figures
    except ValueError as error:
        raise SpecError(f"--set: {error}") from None


def _named(name: str, entries: Sequence[Asked]) -> list[Asked]:
    """Return the figures of a name."""
    found = [figure for figure in entries if name in (figure.kind, figure.file)]
    if not found and name not in FIGURES:
        files = [figure.file for figure in entries]
        raise SpecError(f"--figure: {unknown_key(name, dict.fromkeys([*FIGURES, *files]))}")
    return found or [Asked(name)]


def _changed(figure: Asked, changes: Mapping[str, Any]) -> Asked:
    """Return a figure with some of its options changed."""
    plain = _PLAIN.dump_python(figure.options, mode="json")
    return Asked(figure.kind, options_of(figure.kind, merged(plain, dict(changes))))


def _change(override: str) -> dict[str, Any]:
    """Return what `key=value` or `key.key=value` sets."""
    shown = f"--set {override}"
    key, equals, text = override.partition("=")
    parts = key.strip().split(".")
    if not equals or not all(parts):
        raise SpecError(f"{shown}: should read option=value, such as metric=welfare")
    value = parse_yaml(text, shown)
    if value is EMPTY or (value is None and not text.strip()):
        raise SpecError(f"{shown}: there is no value; null is written out")
    return reduce(lambda inner, part: {part: inner}, reversed(parts), value)
