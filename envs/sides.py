"""The two sides of the market as a configuration holds them: their number, groups and lists."""

from typing import NamedTuple

from envs.channel.config import ChannelConfig
from envs.expert_section import ExpertConfig
from envs.geometry.config import EndConfig, PathsOfGroup
from envs.geometry.of_groups import PATH_LOSS, PLACES
from envs.groups import CHOICES, OF_EXPERTS, OF_USERS, checked, size
from envs.quantity import Each
from envs.section import Section
from envs.sections import QualityConfig, RequestConfig, RewardConfig


class Side(NamedTuple):
    """A side of the market, as the configuration holds it.

    Attributes:
        agents: what they are called.
        number: key of their number.
        default: their number where nothing says it.
        groups: key of their groups.
        keys: quantities of theirs, and the section that has each.
    """

    agents: str
    number: str
    default: int
    groups: str
    keys: dict[str, str]


SIDES = (
    Side("users", "num_users", 1, "user_groups", OF_USERS),
    Side("experts", "num_experts", 30, "expert_groups", OF_EXPERTS),
)


def populate(config: Section, side: Side) -> None:
    """Set the number of agents of a side, and check its groups and lists.

    Raises:
        ValueError: they do not fit that number.
        ValidationError: a group has no such key, or no such value.
    """
    groups, count = getattr(config, side.groups), getattr(config, side.number)
    if groups is not None:
        read_by = {key: _section_class(section, type(config)) for key, section in side.keys.items()}
        if side.agents == "experts":
            read_by |= dict.fromkeys(CHOICES, ExpertConfig) | {PATH_LOSS: PathsOfGroup}
        read_by |= dict.fromkeys(PLACES, EndConfig)
        groups = checked(groups, side.groups, read_by)
        object.__setattr__(config, side.groups, groups)
    counted = side.default if groups is None else size(groups)
    if count is None:
        count = counted
        object.__setattr__(config, side.number, count)
    elif groups is not None and count % counted:
        raise ValueError(
            f"{side.groups} count {counted} {side.agents}, so {side.number} should be a multiple "
            f"of that, or be left out; got {count}"
        )
    for key, section in side.keys.items():
        value = getattr(getattr(config, section) if section else config, key)
        if isinstance(value, Each) and len(value.each) != count:
            where = f"{section}.{key}".lstrip(".")
            raise ValueError(
                f"{where}: each should hold {count} numbers, one for each of the {side.agents}, "
                f"got {len(value.each)}"
            )


def _section_class(section: str, whole: type) -> type:
    if not section:
        return whole
    return {
        "requests": RequestConfig,
        "quality": QualityConfig,
        "reward": RewardConfig,
        "experts": ExpertConfig,
        "channel": ChannelConfig,
    }[section]
