"""Places by group: keys of a group in place of those of the geometry's users or experts."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, NamedTuple

from pydantic import ValidationError

from envs.geometry.config import EndConfig, GeometryConfig
from envs.geometry.models import mistake
from envs.geometry.path_loss import PATH_LOSSES, PathLoss
from envs.groups import Groups, beneath

PLACES = ("placement", "mobility", "height_m", "antenna_gain_db")  # keys of groups
PATH_LOSS = "path_loss"  # a key of groups of experts alone


class AgentGroups(NamedTuple):
    """The groups of a world, None where there are none."""

    users: Groups | None = None
    experts: Groups | None = None


NO_GROUPS = AgentGroups()


def end_of(section: EndConfig, group: Mapping[str, Any]) -> EndConfig:
    """Return where agents of a group are and how they move, in which its keys come first.

    Raises:
        ValidationError: they do not go together.
    """
    own = {key: group[key] for key in PLACES if key in group}
    return replace(section, **own) if own else section


def losses_of(geometry: GeometryConfig, groups: Groups | None) -> dict[str, PathLoss]:
    """Return the path loss of each group of experts, of "" without groups."""
    of_all = geometry.made_path_loss()
    return {
        name: PATH_LOSSES.made_of(given[PATH_LOSS]) if PATH_LOSS in given else of_all
        for name, given in (groups or {"": {}}).items()
    }


def places_given(groups: AgentGroups) -> Iterator[tuple[str, str, str]]:
    """Yield side, group and key of each key of places that a group has."""
    for side, of_side in groups._asdict().items():
        for name, given in (of_side or {}).items():
            yield from ((side, name, key) for key in (*PLACES, PATH_LOSS) if key in given)


def check_places(geometry: GeometryConfig, groups: AgentGroups) -> None:
    """Check that the keys of places of groups go with each other and with the geometry.

    Raises:
        ValidationError: for the first that does not; it has the path of the key.
    """
    if not any(True for _ in places_given(groups)):
        return
    heights: dict[str, list[tuple[str, float]]] = {}
    for side, of_side in groups._asdict().items():
        section: EndConfig = getattr(geometry, side)
        heights[side] = []
        for name, given in (of_side or {"": {}}).items():
            at = f"{side[:-1]}_groups", name
            try:
                end = end_of(section, given)
            except ValidationError as error:
                raise beneath(error, at) from None
            if "placement" in given:
                try:
                    end.made_placement().check(geometry.area)
                except ValueError as error:
                    raise mistake(error, *at, "placement", value=end.placement) from None
            heights[side].append((name, end.height_m))
    path_losses = losses_of(geometry, groups.experts)
    for of_users, user_m in heights["users"]:
        for of_experts, expert_m in heights["experts"]:
            try:
                span = geometry.span((user_m, user_m), (expert_m, expert_m))
                path_losses[of_experts].check(span)
            except ValueError as error:
                given = (groups.experts or {}).get(of_experts, {})
                if PATH_LOSS in given:
                    path = "expert_groups", of_experts, PATH_LOSS
                    raise mistake(error, *path, value=given[PATH_LOSS]) from None
                own = "height_m" in (groups.users or {}).get(of_users, {})
                at = ("user_groups", of_users) if own else ("expert_groups", of_experts)
                raise mistake(error, *at, "height_m", value=user_m if own else expert_m) from None
