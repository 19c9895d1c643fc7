"""All keys of an experiment, the nearest of them to one that there is not, and those that went."""

from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher, get_close_matches
from functools import cache
from itertools import takewhile
from typing import Any

from envs.section import GONE
from marl_moe.errors import unknown_key
from marl_moe.experiment.spec.section import fields_of, section_at, section_in, valid_keys
from marl_moe.rllib.effective_keys import EFFECTIVE
from mechanisms.registry import MOST_LISTED

MOST_MEANT = 3
ALIKE = 0.8  # of a key in another section: there are many, and some would always be near


class UnknownKeyError(ValueError):
    """A key that a section does not have, found where the section is checked.

    Args:
        key: the key.
        advice: ends the message.
    """

    def __init__(self, key: str, advice: str = "") -> None:
        super().__init__(key)
        self.key = key
        self.advice = advice


def no_such_key(root: Any, path: Sequence[str]) -> str:
    """Return the message for a key that its section does not take.

    It names what took the place of one that went, and else the nearest key that there is.

    Args:
        root: the class of the whole experiment.
        path: sections that the key was looked for in, and the key.
    """
    parents = path[:-1]
    went = GONE.get(section_at(root, parents).__name__, {}).get(path[-1])
    return went or unknown_at(root, path, valid_keys(root, parents)) + " (unknown key)"


def unknown_at(root: Any, path: Sequence[str], valid: Sequence[str]) -> str:
    """Return the message for a key that does not exist, with the nearest of all sections.

    A key of the same name in another section is nearer than one of a similar name in its own.

    Args:
        root: the class of the whole experiment.
        path: sections that the key was looked for in, and the key.
        valid: keys of the section that it was looked for in.
    """
    key, parents = path[-1], list(path[:-1])
    elsewhere = [other.split(".") for other in every_key(root)]
    names = get_close_matches(key, sorted({other[-1] for other in elsewhere}), n=1, cutoff=ALIKE)
    if key not in names and _likeness(key, valid) >= _likeness(key, names):
        return unknown_key(key, valid)
    meant = [other for other in elsewhere if other[-1] in names and other != list(path)]
    if not meant:
        return unknown_key(key, valid)
    if key in map(".".join, meant):
        nested = ": {".join(key.split(".")) + ": ..." + "}" * key.count(".")
        return f"unknown {key!r}; sections are nested: {nested}"
    shared = {".".join(other): _shared(parents, other) for other in meant}
    best = [other for other, length in shared.items() if length == max(shared.values())]
    words = " or ".join(map(repr, best[:MOST_MEANT]))
    listed = f" Valid: {', '.join(valid)}" if 0 < len(valid) <= MOST_LISTED else ""
    return f"unknown {key!r}; did you mean {words}?{listed}"


def _likeness(key: str, names: Sequence[str]) -> float:
    """Return how alike a key and the nearest of some names are, 0..1."""
    return max((SequenceMatcher(None, name, key).ratio() for name in names), default=0.0)


def _shared(first: Sequence[str], second: Sequence[str]) -> int:
    """Return how many sections two keys have in common."""
    same = (one == other for one, other in zip(first, second, strict=False))
    return sum(1 for _ in takewhile(bool, same))


@cache
def every_key(root: Any) -> tuple[str, ...]:
    """Return the dotted keys of an experiment, sections among them, and RLlib's that we have."""
    rllibs = [f"algorithm.{section}.{key}" for section, keys in EFFECTIVE.items() for key in keys]
    return (*_keys(root, ""), *rllibs)


def _keys(section: Any, prefix: str) -> Iterator[str]:
    for key, field in fields_of(section).items():
        yield f"{prefix}{key}"
        inner = section_in(field.annotation)
        if inner is not None:
            yield from _keys(inner, f"{prefix}{key}.")
