"""Labels of sweep points: the text that shows a point, and the name of its folder.

A label is for display; what a point sets is in its settings (see `sweep`).
"""

import re
from hashlib import sha256
from typing import Any

from marl_moe.errors import SpecError

LABEL = "label"
# Letters that no folder's name holds: a separator, a drive's colon, a quote.
NOT_IN_FOLDERS = re.compile(r"[^\w=.,+\- ]")
LONGEST_FOLDER = 120  # bytes; the tightest of common file systems takes 143 bytes


def setting_label(key: str, value: Any, name: str) -> str:
    """Return the label of one setting, such as `env.num_users=8` or `mechanism=contract types=3`.

    A section is shown by its name and the keys that it sets, or, in place of these, by its `label`:
    any text, or words by name, `label: {network: mlp, start: scratch}`.

    Args:
        key: dotted key that is set.
        value: the value as the sweep gives it.
        name: name of the section that comes of it, empty where it has none.

    Raises:
        SpecError: the `label` of a section is neither text nor words by name, or is empty.
    """
    if not isinstance(value, dict):
        return f"{key}={value}"
    if LABEL in value:
        words = _label_text(key, value[LABEL])
        return f"{key}={name} {words}" if name else f"{key}={words}"
    changes = {part: given for part, given in value.items() if part != "name"}
    words = " ".join(_words(changes, "" if name else f"{key}."))
    if name:
        return f"{key}={name} {words}" if words else f"{key}={name}"
    return words or f"{key}={{}}"


def folder_of(label: str) -> str:
    """Return the name of a point's folder.

    That is its label, where no part of it could lead elsewhere or be too long; otherwise what is
    left of it, and a digest that tells it from others.
    """
    kept = NOT_IN_FOLDERS.sub("_", label).encode(errors="replace")[:LONGEST_FOLDER]
    name = kept.decode(errors="ignore").rstrip(" .")
    if name == label:
        return name
    return f"{name} {sha256(label.encode(errors='replace')).hexdigest()[:8]}"


def _label_text(key: str, label: Any) -> str:
    if isinstance(label, str) and label:
        return label
    if isinstance(label, dict) and label and all(label) and all(map(_is_word, label.values())):
        return " ".join(f"{name}={word}" for name, word in label.items())
    raise SpecError(
        f"sweep.{key}: label: should be words, or words by name as {{network: mlp}}, got {label!r}"
    )


def _is_word(value: Any) -> bool:
    return isinstance(value, bool | int | float) or (isinstance(value, str) and value != "")


def _words(changes: dict[str, Any], prefix: str) -> list[str]:
    """Return `key=value` for each value of a section, sections within it by dotted keys."""
    words = []
    for name, part in changes.items():
        if isinstance(part, dict) and part:
            words += _words(part, f"{prefix}{name}.")
        else:
            words.append(f"{prefix}{name}={part}")
    return words
