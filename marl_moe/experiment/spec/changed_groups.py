"""Groups that a sweep or an option changes: those of the experiment, and no others."""

from collections.abc import Mapping, Sequence
from functools import reduce
from typing import Any

from marl_moe.errors import SpecError
from marl_moe.experiment.spec.wording import GROUPS
from mechanisms.registry import nearest

WORLDS = ("env",), ("evaluation", "env"), ("algorithm", "pretraining", "env")


def check_groups(
    shown: str, key: str, value: Any, experiment: Mapping[str, Any], merges: bool
) -> None:
    """Check that a value that is set changes no group that the experiment does not have.

    All groups of a side may be set where there are none.

    Args:
        shown: how it is set, for messages.
        key: dotted, that is set.
        value: that it is set to.
        experiment: the sections before.
        merges: whether sections are merged, or the value takes the place of the whole.

    Raises:
        SpecError: it would make a group.
    """
    path = key.split(".")
    changes = reduce(lambda part, name: {name: part}, reversed(path), value)
    for world in WORLDS:
        for side in GROUPS:
            changed = _at(changes, (*world, side))
            depth = len(world) + 1  # of a key that is all groups
            if not isinstance(changed, Mapping) or (len(path) <= depth and not merges):
                continue
            where = ".".join((*world, side))
            groups = [_at(experiment, (*at, side)) for at in (WORLDS[0], world)]
            known = {name: None for there in groups if isinstance(there, Mapping) for name in there}
            for name in changed:
                if not known and len(path) > depth:
                    raise SpecError(
                        f"{shown}: there are no {where}; give all of them, "
                        f"{{{name}: {{count: ...}}, ...}}"
                    )
                if known and name not in known:
                    raise SpecError(f"{shown}: no group {name!r}; {nearest(str(name), known)}")


def _at(section: Any, path: Sequence[str]) -> Any:
    """Return what stands at a path of nested sections; None where nothing does."""
    for part in path:
        section = section.get(part) if isinstance(section, Mapping) else None
    return section
