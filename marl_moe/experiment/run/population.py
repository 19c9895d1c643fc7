"""The population of a world as a table: how many agents, and in what they differ."""

import json
from collections.abc import Sequence
from typing import Any

from envs import Each, WorldConfig
from envs.geometry.models import MODEL
from envs.geometry.of_groups import PATH_LOSS, PLACES
from envs.groups import CHOICES, COUNT
from envs.sides import SIDES, Side

MOST_SHOWN = 6  # numbers of a list


def population_table(config: WorldConfig) -> list[str]:
    """Return the users and experts of a world, lines of text.

    There is a column for each quantity in which groups, ranges or lists make agents differ; ranges
    that hold by default, such as those of private costs, are left out.
    """
    return [line for side in SIDES for line in _of_side(config, side)]


def _of_side(config: WorldConfig, side: Side) -> list[str]:
    groups: dict[str, dict[str, Any]] = getattr(config, side.groups) or {}
    number = getattr(config, side.number)
    given = {key for group in groups.values() for key in group} - {COUNT}
    given |= {key for key in side.keys if _is_given(config, side, key)}
    keys = [key for key in (*CHOICES, *side.keys, *PLACES, PATH_LOSS) if key in given]
    if not keys:
        return [f"{number} {side.agents}, all alike" if number > 1 else f"1 {side.agents[:-1]}"]
    rows = [[f"{number} {side.agents}", "count", *keys]]
    repeated = number // sum(group[COUNT] for group in groups.values()) if groups else 1
    for name, group in (groups or {"all": {COUNT: number}}).items():
        shown = (_shown(group[key] if key in group else _of_all(config, side, key)) for key in keys)
        rows.append([f"  {name}", str(group[COUNT] * repeated), *shown])
    return _aligned(rows)


def _is_given(config: WorldConfig, side: Side, key: str) -> bool:
    """Return whether a section says that agents differ, in another way than it does by default."""
    value, default = (_of_all(one, side, key) for one in (config, WorldConfig()))
    return config.bounds[key].number is None and value != default


def _of_all(config: WorldConfig, side: Side, key: str) -> Any:
    """Return what holds where a group does not say."""
    if key in CHOICES:
        return getattr(config.experts, key)
    if key in (*PLACES, PATH_LOSS):
        assert config.channel.geometry is not None  # without it groups have none
        geometry = config.channel.geometry
        return getattr(geometry if key == PATH_LOSS else getattr(geometry, side.agents), key)
    section = side.keys[key]
    return getattr(getattr(config, section) if section else config, key)


def _shown(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, str):
        return value
    if isinstance(value, dict):  # a model, its parameters behind it
        parameters = [f"{key}: {json.dumps(part)}" for key, part in value.items() if key != MODEL]
        return f"{value[MODEL]} ({', '.join(parameters)})" if parameters else str(value[MODEL])
    if isinstance(value, Each):
        numbers = ["-" if number is None else f"{number:g}" for number in value.each]
        more = ", ..." if len(numbers) > MOST_SHOWN else ""
        return f"each {', '.join(numbers[:MOST_SHOWN])}{more}"
    if isinstance(value, tuple) and all(isinstance(topic, int) for topic in value):
        return ", ".join(map(str, value))
    return f"{value[0]:g} to {value[1]:g}" if isinstance(value, tuple) else f"{value:g}"


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
