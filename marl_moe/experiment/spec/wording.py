"""Mistakes that pydantic finds, in the words of an experiment: what would be right."""

from collections.abc import Mapping, Sequence
from typing import Any

from envs.sides import SIDES

GROUPS = tuple(side.groups for side in SIDES)
# Forms of a quantity, by the tags of `envs.quantity`.
_FORMS = {
    "entry[number]": "a number",
    "entry[range]": "a range [low, high]",
    "entry[each]": "a list {each: [...]}",
}


def worded(mistake: Mapping[str, Any], path: Sequence[str]) -> str | None:
    """Return what is right in place of a mistake; None where pydantic's message says it.

    Args:
        mistake: one of `ValidationError.errors()`.
        path: keys that lead to it.
    """
    kind, given, context = mistake["type"], mistake["input"], mistake.get("ctx", {})
    if kind in ("tuple_type", "list_type"):
        is_number = isinstance(given, int | float) and not isinstance(given, bool)
        such = f", such as [{given:g}, {given:g}]" if is_number else ""
        return f"should be a list{such}"
    if kind == "too_short":
        return f"should have at least {context['min_length']} {_entries(context['min_length'])}"
    if kind == "too_long":
        return f"should have at most {context['max_length']} {_entries(context['max_length'])}"
    if kind == "union_tag_invalid":
        forms = [form for tag, form in _FORMS.items() if tag in context["expected_tags"]]
        return f"should be {' or '.join(forms)}" if forms else None
    if kind == "dict_type" and given is None and len(path) > 1 and path[-2] in GROUPS:
        return f"null takes no group away: give {path[-2]} with those that stay"
    if kind in ("dict_type", "dataclass_type", "model_type"):
        return "should be a section {key: value, ...}"
    return None


def too_few(mistake: Mapping[str, Any]) -> int | None:
    """Return how many entries a list should have that has too few; None of other mistakes."""
    last = mistake["loc"][-1] if mistake["loc"] else None
    return last + 1 if mistake["type"] == "missing" and isinstance(last, int) else None


def _entries(count: int) -> str:
    return "entry" if count == 1 else "entries"
