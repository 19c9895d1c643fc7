"""Sweep settings as data: what a sweep point sets, from the JSON in the column `settings`.

Settings are a dictionary from dotted keys of the experiment to values as its YAML gave them:
`{"env.num_users": 8}`, `{"mechanism": {"name": "budgeted_price", "budget": 8}}`. A value that is a
dictionary is a section of the experiment. Its `name` says which part it is of; its `label`, a text
or a mapping of words, stands for all its other keys.
"""

import json
from collections.abc import Iterable
from math import isfinite
from typing import Any, NamedTuple

Settings = dict[str, Any]
TEXT = ""  # the key of a label that is a text


class Section(NamedTuple):
    """A value of the settings, taken apart.

    Attributes:
        name: of the part that the section is of; "" for one without a name, and for other values.
        parameters: (key, value), what else it sets: the words of its label, else its keys, dotted
            and with the keys of sections inside it one by one. The key of a text is `TEXT`, and a
            value that is no section has the key of the settings.
    """

    name: str
    parameters: list[tuple[str, Any]]


def read(text: object) -> Settings:
    """Return the settings that a value of the column `settings` holds.

    Raises:
        ValueError: it is no JSON of a dictionary.
    """
    if not isinstance(text, str):
        raise ValueError(f"{text!r} is no text")
    settings = json.loads(text)
    if not isinstance(settings, dict):
        raise ValueError(f"{text!r} is no JSON of a dictionary")
    return settings


def identity(value: Any) -> str:
    """Return a text that only equal values share; 1, 1.0, true and "1" have four."""
    return json.dumps(value, sort_keys=True)


def section(key: str, value: Any) -> Section:
    """Take the value of a key of the settings apart."""
    if not isinstance(value, dict):
        return Section("", [(key, value)])
    name = str(value["name"]) if "name" in value else ""
    if "label" not in value:
        changes = {part: inner for part, inner in value.items() if part != "name"}
        return Section(name, _flat(key, changes))
    label = value["label"]
    if isinstance(label, dict):
        return Section(name, list(label.items()))
    return Section(name, [(TEXT, label)])


def apart(settings: Settings) -> Settings:
    """Return settings with each section taken apart: its keys one by one, dotted, but its label."""
    found: Settings = {}
    for key, value in settings.items():
        if isinstance(value, dict) and value:
            changes = {part: inner for part, inner in value.items() if part != "label"}
            found |= dict(_flat(key, changes))
        else:
            found[key] = value
    return found


def is_number(value: Any) -> bool:
    """Return whether a value has a place on an axis of numbers; true and false have none."""
    return isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value)


def of_mechanism(settings: Settings) -> Settings:
    """Return what settings say of the mechanism: its section, or single keys of it."""
    return {key: value for key, value in settings.items() if key.split(".")[0] == "mechanism"}


def mechanism_parameter(settings: Settings, name: str) -> float | None:
    """Return the number that settings give a parameter of the mechanism, None without one."""
    mechanism = settings.get("mechanism")
    value = settings.get(f"mechanism.{name}")
    if isinstance(mechanism, dict) and name in mechanism:
        value = mechanism[name]
    return float(value) if value is not None and is_number(value) else None


def point_text(settings: Settings) -> str:
    """Return settings as one line: `env.num_users=8 mechanism=budgeted_price budget=8`."""
    parts = []
    for key, value in settings.items():
        if isinstance(value, dict) and ("name" in value or "label" in value):
            parts.append(f"{key}={value_text(value)}")
        else:
            _, parameters = section(key, value)
            parts += [f"{dotted}={inner}" for dotted, inner in parameters]
    return " ".join(parts)


def value_text(value: Any) -> str:
    """Return a value as one line, a section as its name and parameters: `fisher budget=8`."""
    name, parameters = section("", value)
    if not isinstance(value, dict):
        return str(value)
    words = [parameter_text(key, inner) for key, inner in parameters]
    return " ".join([name, *words] if name else words)


def parameter_text(key: str, value: Any) -> str:
    """Return a parameter as `key=value`, its key without the sections before it, a text alone."""
    if key == TEXT:
        return str(value)
    return f"{last_key(key)}={value}"


def last_key(key: str) -> str:
    """Return a dotted key without the sections before it."""
    return key.rpartition(".")[2]


def distinct(names: Iterable[str]) -> list[str]:
    """Return the names, with a number behind those that stood before: a, a (2)."""
    found: list[str] = []
    for name in names:
        new, number = name, 1
        while new in found:
            number += 1
            new = f"{name} ({number})"
        found.append(new)
    return found


def _flat(prefix: str, changes: dict[str, Any]) -> list[tuple[str, Any]]:
    """Return the keys of a section, dotted, and those of sections inside it."""
    flat: list[tuple[str, Any]] = []
    for key, value in changes.items():
        dotted = f"{prefix}.{key}"
        if isinstance(value, dict) and value:
            flat += _flat(dotted, value)
        else:
            flat.append((dotted, value))
    return flat
