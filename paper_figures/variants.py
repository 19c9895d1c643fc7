"""One policy trained in several ways: its identity, how its curves are named and told apart.

All have the policy's colour, and the first its line too; the others have a line of their own.
Markers stand for the settings, for every policy alike: filled or open for one that has two values,
and the form for the rest.
"""

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from paper_figures import style
from paper_figures.drawing import of_run
from paper_figures.letters import distinct, shortened, visible
from paper_figures.settings import (
    TEXT,
    Settings,
    identity,
    last_key,
    parameter_text,
    section,
)
from paper_figures.tables import LEARNED

LINES = (
    (0, (4, 1.2)),
    (0, (1, 0.8)),
    (0, (6, 1.2, 1, 1.2)),
    (0, (3, 1, 1, 1, 1, 1)),
    (0, (2, 2)),
    (0, (9, 2)),
)
MARKERS = ("s", "^", "v", "D", "P", "h")
STOCHASTIC = "_stochastic"  # ends the name of a learned policy whose actions are drawn
_WORDS = {"mlp": "MLP", "zero_shot": "zero-shot", "fine_tuned": "fine-tuned"}


Key = tuple[str, str]  # key of the settings, parameter


@dataclass(frozen=True)
class Variant:
    """A policy, and for a learned one how it was trained.

    Attributes:
        policy: its name in the tables.
        way: (key of the settings, parameter, identity of the value), what the sweep sets of the
            algorithm beside its name; empty without such settings, and for a policy that does not
            learn.
    """

    policy: str
    way: tuple[tuple[str, str, str], ...] = ()

    @property
    def learned(self) -> str:
        """Name of the policy that was trained, of which this may be the stochastic form."""
        return of_run(self.policy)[0].removesuffix(STOCHASTIC)

    @property
    def is_stochastic(self) -> bool:
        """Whether its actions are drawn."""
        return of_run(self.policy)[0] != self.learned

    @property
    def parameters(self) -> list[tuple[str, Any]]:
        """The way of training: (parameter, value as the sweep gave it)."""
        return [(parameter, json.loads(value)) for _, parameter, value in self.way]

    @property
    def text(self) -> str:
        """The variant as one line: `sac network=mlp`."""
        words = [parameter_text(key, value) for key, value in self.parameters]
        return " ".join([self.policy, *words])


def variant(policy: str, settings: Settings) -> Variant:
    """Return the variant of a policy that was evaluated, or trained, at a sweep point."""
    plain = Variant(policy)
    if plain.learned not in LEARNED:
        return plain
    way: list[tuple[str, str, str]] = []
    for key, value in settings.items():
        if key.split(".")[0] != "algorithm" or key == "algorithm.name":
            continue
        if key == "algorithm" and not isinstance(value, dict):
            continue
        _, parameters = section(key, value)
        way += [(key, parameter, identity(inner)) for parameter, inner in parameters]
    return Variant(policy, tuple(way))


def label(which: Variant, among: Collection[str] = ()) -> str:
    """Return the name of a variant in a figure, such as "SAC, MLP".

    A value that is a word stands without its key, others behind it: "gamma 0.3".

    Args:
        which: the variant.
        among: all policies of the run.
    """
    parts = [style.policy_style(which.policy, among).label]
    if not which.way:
        return parts[0]
    for key, value in which.parameters:
        if key == TEXT:
            parts.append(str(value))
        elif isinstance(value, str) and value[:1].isalpha():
            parts.append(_WORDS.get(value, value.replace("_", " ")))
        else:
            parts.append(f"{last_key(key)} {value}")
    return style.as_text(shortened(visible(", ".join(parts))))


def curves(
    variants: Sequence[Variant], learned: Collection[str] = LEARNED
) -> dict[Variant, dict[str, Any]]:
    """Return keywords of `Axes.plot` for each variant, as those of `style.curve`.

    Args:
        variants: all that a run compares.
        learned: policies that learn in it.
    """
    among = [which.policy for which in variants]
    several = {which.policy for which in variants if which.way}
    ways = {
        which: {(key, parameter): value for key, parameter, value in which.way}
        for which in variants
        if which.policy in several
    }
    values = _values(list(ways.values()))
    filling = next((key for key in values if len(values[key]) == 2), None)
    rest = {
        which: tuple(way.get(key, "") for key in values if key != filling)
        for which, way in ways.items()
    }
    forms = list(dict.fromkeys(rest.values()))
    labels = distinct(label(which, among) for which in variants)
    looks: dict[Variant, dict[str, Any]] = {}
    for which, name in zip(variants, labels, strict=True):
        look = style.curve(which.policy, among=among, learned=learned)
        look["label"] = name
        look.setdefault("markerfacecolor", look["color"])
        if which in ways:
            earlier = sum(other.policy == which.policy for other in looks)
            form = forms.index(rest[which])
            if earlier:
                look["linestyle"] = LINES[(earlier - 1) % len(LINES)]
            if form:
                look["marker"] = MARKERS[(form - 1) % len(MARKERS)]
            if filling is not None and values[filling].index(ways[which].get(filling, "")):
                look["markerfacecolor"] = "white"
        looks[which] = look
    return looks


def _values(ways: Sequence[dict[Key, str]]) -> dict[Key, list[str]]:
    """Return the values that each key has over ways of training, "" where one lacks it."""
    keys = dict.fromkeys(key for way in ways for key in way)
    return {key: list(dict.fromkeys(way.get(key, "") for way in ways)) for key in keys}
