"""Sections that were left empty: all their keys are commented out, and they have their defaults.

YAML takes `evaluation:` with nothing below it for null. Here null is what is written out, as in
`algorithm: null`; a section with nothing below it is one of which no key is set.
"""

from collections.abc import Mapping
from types import NoneType
from typing import Any, get_args

from marl_moe.errors import SpecError
from marl_moe.experiment.spec.algorithm import RLLIB_SECTIONS, AlgorithmSpec
from marl_moe.experiment.spec.section import fields_of, section_in
from marl_moe.experiment.spec.yaml_values import EMPTY


def without_empty(
    raw: Mapping[str, Any], section: Any, where: str, prefix: str = ""
) -> dict[str, Any]:
    """Return a section without the sections in it that were left empty.

    Args:
        raw: the section, as YAML gives it.
        section: its class.
        where: begins messages.
        prefix: its dotted key and a dot, nothing for a whole experiment.

    Raises:
        SpecError: a value was left empty of which null would be another than its default.
    """
    kept: dict[str, Any] = {}
    for key, value in raw.items():
        field = fields_of(section).get(key)
        if field is None:
            is_rllibs = section is AlgorithmSpec and key in RLLIB_SECTIONS
            kept[key] = {} if value is EMPTY and is_rllibs else _null(value)
            continue
        inner = section_in(field.annotation)
        default = field.get_default(call_default_factory=True)
        holds_parts = inner is not None or default in ({}, [])
        nullable = NoneType in get_args(field.annotation)
        if value is EMPTY:
            if holds_parts:
                continue
            if nullable and default is not None:
                raise SpecError(
                    f"{where}: {prefix}{key}: is empty; write null, or leave it out for {default!r}"
                )
        elif inner is not None and isinstance(value, Mapping):
            kept[key] = without_empty(value, inner, where, f"{prefix}{key}.")
            continue
        elif key == "sizes" and not prefix and isinstance(value, Mapping):
            kept[key] = {
                size: without_empty(changes, section, f"{where}: sizes.{size}")
                if isinstance(changes, Mapping)
                else ({} if changes is EMPTY else changes)
                for size, changes in value.items()
            }
            continue
        kept[key] = _null(value)
    return kept


def _null(value: Any) -> Any:
    """Return a value in which what is empty is null."""
    if isinstance(value, Mapping):
        return {key: _null(part) for key, part in value.items()}
    if isinstance(value, list):
        return [_null(part) for part in value]
    return None if value is EMPTY else value
