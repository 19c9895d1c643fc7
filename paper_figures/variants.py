"""One policy trained in several ways: how its curves are named and told apart.

All have the policy's colour, and the first its line too; the others have a line of their own.
Markers stand for the settings, for every policy alike: filled or open for one that has two values,
and the form for the rest.
"""

from collections.abc import Sequence
from typing import Any

from paper_figures import style

LINES = (
    (0, (4, 1.2)),
    (0, (1, 0.8)),
    (0, (6, 1.2, 1, 1.2)),
    (0, (3, 1, 1, 1, 1, 1)),
    (0, (2, 2)),
    (0, (9, 2)),
)
MARKERS = ("s", "^", "v", "D", "P", "h")
_WORDS = {"mlp": "MLP", "zero_shot": "zero-shot", "fine_tuned": "fine-tuned"}


def label(name: str) -> str:
    """`sac network=mlp` -> `SAC, MLP`; values that are no words keep their key: `gamma=0.3` ->
    `gamma 0.3`.
    """
    policy, _, way = name.partition(" ")
    plain = style.policy_style(policy).label
    if not way:
        return plain
    parts = []
    for setting in way.split():
        key, _, value = setting.rpartition("=")
        words = _WORDS.get(value, value.replace("_", " "))
        parts.append(
            words
            if value[:1].isalpha() and value not in ("True", "False", "None")
            else f"{key} {words}"
        )
    return ", ".join([plain.removesuffix(" (proposed)"), *parts])


def curves(names: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Keywords of `Axes.plot`, as those of `style.curve`, for each policy by name and way
    (`sweeps.named`).
    """
    policy_of = {name: name.partition(" ")[0] for name in names}
    several = {policy_of[name] for name in names if " " in name}
    ways = {
        name: dict(setting.rpartition("=")[::2] for setting in name.split()[1:])
        for name in names
        if policy_of[name] in several
    }
    keys = dict.fromkeys(key for way in ways.values() for key in way)
    values = {key: list(dict.fromkeys(way.get(key, "") for way in ways.values())) for key in keys}
    filling = next((key for key in keys if len(values[key]) == 2), None)
    rest = {
        name: tuple(way.get(key, "") for key in keys if key != filling)
        for name, way in ways.items()
    }
    forms = list(dict.fromkeys(rest.values()))
    looks: dict[str, dict[str, Any]] = {}
    for name in names:
        look = style.curve(policy_of[name]) | {"label": label(name)}
        look["markerfacecolor"] = look["color"]
        if name in ways:
            if earlier := sum(policy_of[other] == policy_of[name] for other in looks):
                look["linestyle"] = LINES[(earlier - 1) % len(LINES)]
            if form := forms.index(rest[name]):
                look["marker"] = MARKERS[(form - 1) % len(MARKERS)]
            if filling is not None and values[filling].index(ways[name].get(filling, "")):
                look["markerfacecolor"] = "white"
        looks[name] = look
    return looks
