"""Parts of pages that are written when the site is built.

`<!-- generated: NAME -->` becomes the text of `PARTS[NAME]`. So keys, columns, features and
parameters are documented once, where they are defined.
"""

import inspect
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

DOCS = Path(__file__).parents[1]
SCHEMA = DOCS.parent / "experiments" / "schema.json"
_MARKER = re.compile(r"<!-- generated: ([a-z ]+) -->")
BUDGETS = ("energy_budget_j", "credit_budget")  # keys of `env`
_LIMITS = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Replace the markers of a page.

    Raises:
        KeyError: there is no such part.
    """
    return _MARKER.sub(lambda found: PARTS[found[1]](), markdown)


def keys() -> str:
    """Return every key of an experiment's YAML, a table a section, from the JSON Schema."""
    schema = json.loads(SCHEMA.read_text(encoding="utf-8"))
    sections = list(_sections(schema, schema["properties"], ""))
    return "\n\n".join(
        (f"### `{path}`\n\n{description}\n\n" if path else "### Top level\n\n")
        + _table(("key", "type", "default", ""), rows)
        for path, description, rows in sections
    )


def records() -> str:
    """Return every column of every table of a run folder."""
    from marl_moe.experiment.records.columns import TABLES

    return "\n\n".join(
        f"## {table}.parquet\n\n"
        + _table(
            ("column", "type", ""),
            ((f"`{name}`", str(kind), doc) for name, (kind, doc) in columns.items()),
        )
        for table, columns in TABLES.items()
    )


def features() -> str:
    """Return the features that a user observes, and of those not seen everywhere, where."""
    from envs import WorldConfig
    from envs.differences import OF_DIFFERENT_EXPERTS, OF_DIFFERENT_USERS
    from envs.feature import Feature
    from envs.features import (
        BATTERY_FEATURES,
        COVERAGE_FEATURES,
        expert_features,
        user_features,
    )
    from marl_moe.experiment.spec.section import fields_of

    plain, computing = WorldConfig(experts={"words_per_second": None}), WorldConfig()
    limited = WorldConfig(**{key: 1.0 for key in BUDGETS if key in fields_of(WorldConfig)})
    parts: tuple[tuple[str, tuple[Feature, ...]], ...] = (
        ("of the user", user_features(plain)),
        ("of the user, with a budget over the episode", user_features(limited)),
        ("of each expert", expert_features(plain, allocates=False)),
        ("of each expert, where it takes time to compute", expert_features(computing, False)),
        ("of each expert, where users have a budget", expert_features(limited, allocates=False)),
        ("of each expert, where any has a battery", BATTERY_FEATURES),
        ("of each expert, where it is known when a pair leaves coverage", COVERAGE_FEATURES),
        ("of each expert, where a mechanism allocates", expert_features(plain, allocates=True)),
        ("of the user, where users differ in it", tuple(OF_DIFFERENT_USERS.values())),
        ("of each expert, where experts differ in it", tuple(OF_DIFFERENT_EXPERTS.values())),
    )
    rows: dict[str, tuple[str, str, str]] = {}
    for where, part in parts:
        for feature in part:
            rows.setdefault(feature.name, (f"`{feature.name}`", where, feature.doc))
    return _table(("feature", "", "what it says"), rows.values())


def role_features() -> str:
    """Return what an edge device and the platform observe."""
    from envs.roles.features import EDGE_DEVICE_FEATURES, PLATFORM_FEATURES

    parts = (("an edge device", EDGE_DEVICE_FEATURES), ("the platform", PLATFORM_FEATURES))
    return _table(
        ("feature", "seen by", "what it says"),
        ((f"`{feature.name}`", who, feature.doc) for who, part in parts for feature in part),
    )


def policies() -> str:
    """Return the policies that do not learn, with the first paragraph of their docstrings."""
    from marl_moe.policies import POLICIES

    return _table(
        ("policy", ""),
        ((f"`{name}`", _first_paragraph(POLICIES[name])) for name in POLICIES),
    )


def parameters() -> str:
    """Return the parameters of the mechanisms."""
    import mechanisms

    rows = []
    for name in mechanisms.names():
        signature = inspect.signature(type(mechanisms.make(name)))
        taken = ", ".join(
            f"`{key}: {_plain(parameter.default)}`"
            for key, parameter in signature.parameters.items()
        )
        rows.append((f"`{name}`", taken or "none", _first_paragraph(type(mechanisms.make(name)))))
    return _table(("mechanism", "parameters and defaults", ""), rows)


def geometry_models() -> str:
    """Return the models of places, mobility and path loss, with their parameters."""
    from dataclasses import fields

    from envs.geometry.mobility import MOBILITIES
    from envs.geometry.path_loss import PATH_LOSSES
    from envs.geometry.placement import PLACEMENTS

    rows = []
    sections = {"placement": PLACEMENTS, "mobility": MOBILITIES, "path_loss": PATH_LOSSES}
    for section, models in sections.items():
        for name, model in models.items():
            schema = TypeAdapter(model).json_schema().get("properties", {})
            doc = _first_paragraph(model)
            rows.append((f"`{section}`", f"`{name}`", "", "", "", doc))
            for field in fields(model):
                entry = schema[field.name]
                rows.append(
                    ("", "", f"`{field.name}`", _type(entry), _default(entry), entry["description"])
                )
    return _table(("section", "model", "parameter", "type", "default", ""), rows)


def tour() -> str:
    """Return the notebook `tour.ipynb` as a page: its text, and its code unexecuted."""
    parts = []
    for cell in json.loads((DOCS / "tour.ipynb").read_text(encoding="utf-8"))["cells"]:
        text = "".join(cell["source"])
        if not text:
            continue
        parts.append(text if cell["cell_type"] == "markdown" else f"```python\n{text}\n```")
    return "\n\n".join(parts)


PARTS: dict[str, Callable[[], str]] = {
    "keys": keys,
    "records": records,
    "features": features,
    "role features": role_features,
    "policies": policies,
    "mechanism parameters": parameters,
    "geometry models": geometry_models,
    "tour": tour,
}

Section = tuple[str, str, list[tuple[str, str, str, str]]]


def _sections(
    schema: dict[str, Any], properties: dict[str, Any], path: str, doc: str = ""
) -> Iterator[Section]:
    """Yield a section with its keys, then the sections in it: (path, description, rows)."""
    rows, inner = [], []
    for name, entry in properties.items():
        key = f"{path}.{name}" if path else name
        section = _section_of(schema, entry)
        described = entry.get("description", (section or {}).get("description", ""))
        if section is None:
            rows.append((f"`{key}`", _type(entry), _default(entry), described))
        else:
            rows.append(
                (f"`{key}`", "section, or null" if "anyOf" in entry else "section", "", described)
            )
            inner.append((key, section))
    yield path, doc, rows
    for key, section in inner:
        yield from _sections(schema, section["properties"], key, section.get("description", ""))


def _section_of(schema: dict[str, Any], entry: dict[str, Any]) -> dict[str, Any] | None:
    """Return what the entry refers to, if that is a section of keys."""
    for choice in (entry, *entry.get("anyOf", ())):
        if "$ref" in choice:
            section: dict[str, Any] = schema["$defs"][choice["$ref"].rpartition("/")[2]]
            return section
    return None


def _type(entry: dict[str, Any]) -> str:
    """Return a type with its limits in words."""
    choices = entry.get("anyOf", entry.get("oneOf"))
    if choices is not None:
        return " or ".join(dict.fromkeys(map(_type, choices)))
    if "$ref" in entry:
        return "{each: [...]}" if entry["$ref"].endswith("/Each") else "section"
    if "enum" in entry:
        return " or ".join(f"`{value}`" for value in entry["enum"])
    kind = entry.get("type", "any")
    if "prefixItems" in entry:
        kind = f"[{', '.join(_type(item) for item in entry['prefixItems'])}]"
    elif kind == "array":
        kind = f"list of {_type(entry['items'])}"
    elif kind == "object":
        values = entry.get("additionalProperties")
        kind = f"{{name: {_type(values)}}}" if isinstance(values, dict) else "mapping"
    limits = [f"{sign} {entry[name]:g}" for name, sign in _LIMITS.items() if name in entry]
    if "pattern" in entry:
        limits.append(f"`{entry['pattern']}`")
    return " ".join([kind, ", ".join(limits)]) if limits else kind


def _default(entry: dict[str, Any]) -> str:
    return f"`{_plain(entry['default'])}`" if "default" in entry else "required"


def _plain(value: Any) -> str:
    """Return a value as YAML in one line."""
    if isinstance(value, str):
        return value
    return json.dumps(value).replace('"', "")


def _first_paragraph(documented: type) -> str:
    return " ".join((inspect.getdoc(documented) or "").split("\n\n")[0].split())


def _table(header: tuple[str, ...], rows: Any) -> str:
    lines = [header, tuple("---" for _ in header), *rows]
    return "\n".join(
        "| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines
    )
