"""What is given for one run, by options or from Python, and what else would override it.

A key of the file is what holds where nothing else sets it: a sweep, a size, `--set`. One that is
given for a run is meant to hold, so what overrides it, or does not read it, is an error.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from marl_moe.errors import SpecError
from marl_moe.experiment.spec.search import SPACES
from marl_moe.experiment.spec.swept_keys import flat, is_within, overrides, settings_of

NOT_KEYS_OF_POINTS = ("sweep", "search", "sizes")  # sections that say what sets others


class Given(NamedTuple):
    """A key given for one run.

    Attributes:
        shown: how it was given, such as `--set env.num_users=8`.
        key: the dotted key.
        value: the value.
    """

    shown: str
    key: str
    value: Any


def given_from_python(changes: Mapping[str, Any]) -> list[Given]:
    """Return the keys of sections that are given in Python."""
    return [Given(key, key, value) for key, value in flat(changes)]


def check_given(given: Sequence[Given], raw: Mapping[str, Any]) -> None:
    """Check that each key that is given for a run has an effect in it.

    Args:
        given: the keys, in the order in which they take effect.
        raw: the experiment with them.

    Raises:
        SpecError: for the first that has none; the message names what overrides it.
    """
    for number, this in enumerate(given):
        for later in given[number + 1 :]:
            # A section that is given takes the place of all that was there.
            if is_within(this.key, later.key) or overrides(
                later.key, [later.value], this.key, this.value
            ):
                raise SpecError(f"{this.shown}, {later.shown}: set the same key; leave out one")
        section = this.key.partition(".")[0]
        if section == "sizes":
            raise SpecError(f"{this.shown}: a size is taken before; set the key itself")
        if section in NOT_KEYS_OF_POINTS:
            continue
        for where, key, values in _setters(raw):
            if overrides(key, values, this.key, this.value):
                raise SpecError(f"{this.shown}: {where}.{key} sets it; set {where}.{key}")
        _check_read(this, section, raw)


def _setters(raw: Mapping[str, Any]) -> Iterator[tuple[str, str, list[Any]]]:
    """Yield the keys that the sweep and the search set: which of the two, key and values."""
    for key, values in settings_of(raw.get("sweep") or {}):
        yield "sweep", key, values
    search = raw.get("search")
    for key, values in flat(search) if isinstance(search, Mapping) else ():
        name, _, space = key.rpartition(".")
        if space in SPACES:
            yield "search", name, values if isinstance(values, list) else [values]


def _check_read(given: Given, section: str, raw: Mapping[str, Any]) -> None:
    """Raise SpecError where an experiment of this kind does not read a section that is given."""
    is_study = raw.get("kind") == "market_study"
    if section == "audit" and not is_study:
        raise SpecError(f"{given.shown}: audit is read by kind: market_study alone")
    if section in ("evaluation", "metrics") and is_study:
        raise SpecError(f"{given.shown}: kind: market_study reads audit, and no {section}")
    if section == "algorithm" and given.key != section and raw.get(section, {}) is None:
        raise SpecError(f"{given.shown}: algorithm is null: nothing is trained")
    evaluation = raw.get("evaluation")
    changed = evaluation.get("env") if isinstance(evaluation, Mapping) else None
    if (
        section == "env"
        and raw.get("algorithm", {}) is None
        and isinstance(changed, Mapping)
        and changed
    ):
        for key, value in flat({"env": changed}):
            if overrides(key, [value], given.key, given.value):
                raise SpecError(
                    f"{given.shown}: evaluation.{key} overrides it, and nothing is trained"
                )
