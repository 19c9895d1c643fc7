"""Keys of a sweep, whichever way they are written: with dots, or in sections."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from marl_moe.experiment.spec.section import merged

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
    grids = [[key for key, _ in flat(sweep)]] if isinstance(sweep, Mapping) else map(list, sweep)
    for keys in grids:
        for number, key in enumerate(keys):
            section = key.partition(".")[0]
            if section in SHARED:
                reason = SHARED[section]
                raise ValueError(
                    reason if section == "imports" else f"sweep.{key}: {reason}; set it at the top"
                )
            for other in keys[:number]:
                if key == other:
                    raise ValueError(f"sweep.{key}: is given twice, with dots and in sections")
                if is_within(key, other) or is_within(other, key):
                    raise ValueError(
                        f"sweep.{other} and sweep.{key}: one sets keys of the other; sweep over "
                        "sections, or list the points"
                    )


def is_within(key: str, section: str) -> bool:
    """Return whether a dotted key is that section, or stands in it."""
    return f"{key}.".startswith(f"{section}.")


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
