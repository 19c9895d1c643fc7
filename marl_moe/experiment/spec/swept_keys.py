"""Keys of a sweep, whichever way they are written: with dots, or in sections."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from marl_moe.experiment.spec.labels import LABEL
from marl_moe.experiment.spec.section import merged, names_model

# Sections that all points of a sweep have together, and why.
SHARED = {
    "name": "all points are one run, in one folder",
    "seeds": "all points of a run have the same seeds",
    "imports": "imports: should stand at the top, not in sweep or sizes",
    "metrics": "all jobs of a run share its tables",
    "cluster": "all jobs of a run share one Ray",
    "figures": "figures are drawn of all points together",
    "search": "one setting is chosen for all points",
    "sweep": "a point has no sweep of its own",
    "sizes": "a point has no sizes of its own",
}


def flat(sections: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the dotted key and the value of everything in nested sections.

    {env: {num_users: [1, 8]}} yields ('env.num_users', [1, 8]).
    """
    for name, value in sections.items():
        if isinstance(value, Mapping) and value:
            yield from flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def settings_of(sweep: Mapping[str, Any] | Sequence[Any]) -> Iterator[tuple[str, list[Any]]]:
    """Yield each key of a sweep, with the values that it takes in the points that set it."""
    if isinstance(sweep, Mapping):
        for key, values in flat(sweep):
            yield key, values if isinstance(values, list) else [values]
        return
    for point in sweep:
        for key, value in point.items() if isinstance(point, Mapping) else ():
            yield str(key), [value]


def check_swept(sweep: Mapping[str, Any] | Sequence[Any]) -> None:
    """Check that no point of a sweep sets a key twice, and that points can differ in each key.

    Raises:
        ValueError: for the first that does, or cannot; the message names the keys.
    """
    points = [sweep] if isinstance(sweep, Mapping) else sweep
    grids = [list(settings_of(point if point is sweep else [point])) for point in points]
    for grid in grids:
        for number, (key, values) in enumerate(grid):
            section = key.partition(".")[0]
            if section in SHARED:
                reason = SHARED[section]
                raise ValueError(reason if section == "imports" else f"sweep.{section}: {reason}")
            for earlier, others in grid[:number]:
                if key == earlier:
                    raise ValueError(f"sweep.{key}: is given twice, with dots and in sections")
                if any(overrides(key, values, earlier, other) for other in others):
                    raise ValueError(
                        f"sweep.{earlier}: sweep.{key} sets it too; leave out one of them, or list "
                        "the points"
                    )


def is_within(key: str, section: str) -> bool:
    """Return whether a dotted key is that section, or stands in it."""
    return f"{key}.".startswith(f"{section}.")


def overrides(key: str, values: Sequence[Any], earlier: str, given: Any) -> bool:
    """Return whether setting a key to one of some values undoes what an earlier key was given.

    Args:
        key: the key that is set later.
        values: what it is set to; a section without a name or a model changes the keys that it
            holds alone.
        earlier: the key that was set before.
        given: what it was set to.
    """
    if not is_within(earlier, key):
        return is_within(key, earlier) and _holds(given, key[len(earlier) + 1 :])
    rest = earlier[len(key) + 1 :]
    for value in values:
        if not isinstance(value, Mapping) or "name" in value or names_model(value):
            return True
        if rest and _holds(value, rest):
            return True
        if not rest and any(_holds(given, inner) for inner, _ in flat(value) if inner != LABEL):
            return True
    return False


def _holds(value: Any, key: str) -> bool:
    """Return whether a section holds a key, or part of what a key stands for."""
    if not isinstance(value, Mapping):
        return False
    return any(
        is_within(key, inner) or is_within(inner, key) for inner, _ in flat(value) if inner != LABEL
    )


def with_sweep(old: Any, changes: Any) -> Any:
    """Return a sweep, or the keys of a search, with some changed; an empty one takes all away.

    A key takes the place of the same key however each of the two is written.
    """
    if not isinstance(old, Mapping) or not isinstance(changes, Mapping) or not changes:
        return changes
    both = merged(dict(old), dict(changes))
    keys = [key for key, _ in flat(both)]
    if len(set(keys)) < len(keys):  # with dots in one, in sections in the other
        return dict(flat(old)) | dict(flat(changes))
    return both
