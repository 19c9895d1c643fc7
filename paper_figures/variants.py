"""One policy trained in several ways: how its curves are named and told apart.

All have the policy's colour, and the first its line and marker too. Among the others the line tells them apart, and so
do, for every policy alike, filled or open markers by the setting of fewest values and the marker's form by the rest.
"""

from collections.abc import Sequence
from typing import Any

from paper_figures import style

LINES = ((0, (4, 1.2)), (0, (1, 0.8)), (0, (6, 1.2, 1, 1.2)), (0, (3, 1, 1, 1, 1, 1)), (0, (2, 2)), (0, (9, 2)))
MARKERS = ("s", "^", "v", "D", "P", "h")
_WORDS = {"mlp": "MLP", "zero_shot": "zero-shot", "fine_tuned": "fine-tuned"}


def label(policy: str, way: str) -> str:
    """`sac`, `network=mlp` -> `SAC, MLP`; values that are no words keep their key: `gamma=0.3` -> `gamma 0.3`."""
    plain = style.policy_style(policy).label
    if not way:
        return plain
    parts = []
    for setting in way.split():
        key, _, value = setting.rpartition("=")
        words = _WORDS.get(value, value.replace("_", " "))
        parts.append(words if value[0].isalpha() and value not in ("True", "False", "None") else f"{key} {words}")
    return ", ".join([plain.removesuffix(" (proposed)"), *parts])


def curves(trained: Sequence[tuple[str, str]]) -> dict[tuple[str, str], dict[str, Any]]:
    """Keywords of `Axes.plot` for each policy and way of training (`sweeps.ways_of_training`), as `style.curve`."""
    ways = [dict(setting.rpartition("=")[::2] for setting in way.split()) for _, way in trained]
    values = {key: list(dict.fromkeys(way.get(key, "") for way in ways)) for way in ways for key in way}
    varying = [key for key in values if len(values[key]) > 1]
    filling = min(varying, key=lambda key: len(values[key]), default="")
    forms = list(dict.fromkeys(tuple(way.get(key, "") for key in varying if key != filling) for way in ways))
    looks: dict[tuple[str, str], dict[str, Any]] = {}
    for (policy, way), settings in zip(trained, ways, strict=True):
        look = style.curve(policy) | {"label": label(policy, way), "markeredgecolor": style.policy_style(policy).colour}
        earlier = sum(other == policy for other, _ in looks)
        if earlier:
            look["linestyle"] = LINES[(earlier - 1) % len(LINES)]
        if form := forms.index(tuple(settings.get(key, "") for key in varying if key != filling)):
            look["marker"] = MARKERS[(form - 1) % len(MARKERS)]
        if filling and values[filling].index(settings.get(filling, "")):
            look["markerfacecolor"] = "white"
        looks[policy, way] = look
    return looks
