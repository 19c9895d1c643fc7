"""The configuration of a world: its populations, its sections, and what follows from them."""

from copy import copy
from dataclasses import asdict
from functools import cached_property
from typing import Annotated, Any, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import (
    Field,
    FieldSerializationInfo,
    ValidatorFunctionWrapHandler,
    WithJsonSchema,
    WrapValidator,
    field_serializer,
    model_validator,
)
from pydantic.dataclasses import dataclass

from envs.arrays import Bool
from envs.channel.config import ChannelConfig
from envs.channel.process import ChannelProcess
from envs.codec import Codecs
from envs.codec_keys import check_codecs, codecs_of
from envs.duty.config import DutyConfig
from envs.expert_section import ExpertConfig
from envs.geometry.of_groups import PATH_LOSS, PLACES, AgentGroups, check_places, places_given
from envs.groups import (
    CHOICES,
    OF_EXPERTS,
    OF_USERS,
    ROW,
    TOPICS,
    Bounds,
    Groups,
    bounds,
    given_to_each,
    size,
)
from envs.idle_keys import check_experts_matter, check_groups_matter, check_sections_matter
from envs.quantity import PositiveOrNull
from envs.roles.config import RolesConfig
from envs.section import STRICT, Section
from envs.sections import (
    MarketConfig,
    ObservationConfig,
    QualityConfig,
    RequestConfig,
    RewardConfig,
)
from envs.sides import SIDES, populate
from envs.topics import own_topics, topic_of_each

# The model of the world; another number gives other results for the same keys. Runs record it, and
# those of another model are read and not played.
MODEL = 2


def _or_null(number: Any, check: ValidatorFunctionWrapHandler) -> Any:
    return None if number is None else check(number)


Counted = Annotated[
    int,
    Field(ge=1),
    WrapValidator(_or_null),
    WithJsonSchema({"anyOf": [{"type": "integer", "minimum": 1}, {"type": "null"}]}),
]


@dataclass(frozen=True, config=STRICT)
class WorldConfig(Section):
    """A world: users, experts and everything between them. The section `env:` of an experiment."""

    num_users: Counted = Field(
        default=None,  # type: ignore[assignment]  # `_populate` sets it
        description="User devices, U; null: those of user_groups, or 1",
    )
    num_experts: Counted = Field(
        default=None,  # type: ignore[assignment]
        description="Edge experts, E; null: those of expert_groups, or 30",
    )
    user_groups: Groups | None = Field(
        default=None,
        description="Groups of users, {name: {count: 8, KEY: ...}}, with the keys in which they "
        f"are not as the sections say: {', '.join((*OF_USERS, *PLACES))}; repeated up to num_users",
    )
    expert_groups: Groups | None = Field(
        default=None,
        description="Groups of experts, likewise, with keys of theirs: "
        f"{', '.join((*CHOICES, *OF_EXPERTS, *PLACES, PATH_LOSS))}",
    )
    episode_slots: int = Field(
        default=50,
        ge=1,
        description="Slots of an episode, T; the end truncates, or terminates where users have a "
        "budget over the episode",
    )
    slot_s: float = Field(default=6.0, gt=0, description="Length of a slot, s")
    energy_budget_j: PositiveOrNull = Field(
        default=None, description="Energy that a user can spend in an episode, J; null: any"
    )
    credit_budget: PositiveOrNull = Field(
        default=None,
        description="Charges that a user can pay in an episode, credits; null: any",
    )
    allow_abandon: bool = Field(
        default=True, description="May a user drop a subtask that it could transfer?"
    )
    information: Literal["known", "type"] = Field(
        default="known",
        description="Do users know each expert's competence, or only whether its type matches "
        "(the paper)?",
    )
    requests: RequestConfig = Field(default_factory=RequestConfig)
    observation: ObservationConfig = Field(default_factory=ObservationConfig)
    channel: ChannelConfig = Field(default_factory=ChannelConfig)
    experts: ExpertConfig = Field(default_factory=ExpertConfig)
    quality: QualityConfig = Field(default_factory=QualityConfig)
    reward: RewardConfig = Field(default_factory=RewardConfig)
    market: MarketConfig = Field(default_factory=MarketConfig)
    roles: RolesConfig = Field(default_factory=RolesConfig)
    duty: DutyConfig | None = Field(
        default=None, description="What experts do beside serving; null: nothing"
    )

    @field_serializer("num_users", "num_experts")
    def _as_counted(self, number: int, field: FieldSerializationInfo) -> int | None:
        """Write null where groups count the agents: they may be changed."""
        side = next(side for side in SIDES if side.number == field.field_name)
        groups = getattr(self, side.groups)
        return None if groups is not None and number == size(groups) else number

    @model_validator(mode="after")
    def _populated(self) -> Self:
        for side in SIDES:
            populate(self, side)
        return self

    @model_validator(mode="after")
    def _energy_has_a_cost(self) -> Self:
        if (
            self.reward.downlink_energy == "edge_device"
            and not np.isfinite(self.bounds["energy_cost"].high).all()
        ):
            raise ValueError(
                "experts.energy_cost: should be given beside reward.downlink_energy: edge_device "
                "where users differ in reward.credits_per_joule"
            )
        return self

    @model_validator(mode="after")
    def _keys_matter(self) -> Self:
        private = self.bounds["private_probability"].greatest
        if self.requests.num_transferred is not None and private > 0:
            raise ValueError(
                "requests.num_transferred fixes what is transferred, so private_probability must "
                "be 0 in every group"
            )
        check_sections_matter(self.experts, self.reward)
        check_groups_matter(
            self.user_groups, self.expert_groups, self.requests, self.experts, self.reward
        )
        check_codecs(self.experts, self.expert_groups, self.channel)
        known = self.has_batteries, self.limits_time
        check_experts_matter(self.experts, self.expert_groups, *known)
        if self.channel.reads_groups and self.channel.geometry is not None:
            check_places(self.channel.geometry, self.agent_groups)
        for side, name, key in places_given(self.agent_groups):
            if not self.channel.reads_groups:
                raise ValueError(
                    f"{side[:-1]}_groups.{name}.{key} has no effect with channel.process: "
                    f"{self.channel.process}; use process: geometric"
                )
        return self

    @model_validator(mode="after")
    def _duty_fits(self) -> Self:
        if self.duty is not None:
            self.duty.check(self.slot_s, self.bounds["serving_share"].least)
        return self

    @model_validator(mode="after")
    def _topics_exist(self) -> Self:
        most = self.requests.num_topics - 1
        of_groups = [given.get(TOPICS) for given in (self.expert_groups or {}).values()]
        listed = [topic for topics in (self.experts.topics, *of_groups) for topic in topics or ()]
        if max(listed, default=0) > most:
            raise ValueError(
                f"topics of experts should lie in 0..{most} (requests.num_topics), got "
                f"{max(listed)}"
            )
        return self

    @model_validator(mode="after")
    def _candidates_exist(self) -> Self:
        candidates = self.observation.candidates
        if candidates is not None and candidates > self.num_experts:
            raise ValueError(
                f"observation.candidates {candidates} is above num_experts {self.num_experts}"
            )
        return self

    @property
    def agent_groups(self) -> AgentGroups:
        """The groups of users and of experts."""
        return AgentGroups(self.user_groups, self.expert_groups)

    def made_channel(self) -> ChannelProcess:
        """Return the channel process, made for the groups of this world."""
        return self.channel.made(self.agent_groups)

    @property
    def num_candidates(self) -> int:
        """Number of experts that a user sees and may choose, C: all where there are no lists."""
        return self.observation.candidates or self.num_experts

    @property
    def counts_on_strangers(self) -> bool:
        """True where users expect others whom the offer draws, and there are any."""
        return self.observation.expected_load == "drawn" and self.num_users > 1

    @property
    def limits_users(self) -> bool:
        """True where users have a budget over the episode, whose last slot then terminates."""
        return self.bounds["energy_budget_j"].given or self.bounds["credit_budget"].given

    @property
    def has_batteries(self) -> bool:
        """True where an expert has a battery."""
        return self.bounds["battery_j"].given

    @cached_property
    def limits_time(self) -> bool:
        """True where it is known of pairs when they leave coverage (`ChannelProcess`)."""
        return self.made_channel().limits_time()

    @property
    def computes(self) -> bool:
        """True where an expert takes time to compute."""
        return self.bounds["words_per_second"].given

    @property
    def limits_places(self) -> bool:
        """True where an expert serves at most so many subtasks a slot."""
        return self.bounds["max_concurrent"].given

    @cached_property
    def bounds(self) -> dict[str, Bounds]:
        """The range that each agent draws a quantity from, by key."""
        found = {}
        for side in SIDES:
            groups, count = getattr(self, side.groups), getattr(self, side.number)
            for key, section in side.keys.items():
                value = getattr(getattr(self, section) if section else self, key)
                found[key] = bounds(value, groups, key, count)
        joules = found["credits_per_joule"].number
        found["energy_cost"] = found["energy_cost"].with_null(joules)
        return found

    @cached_property
    def topics(self) -> NDArray[np.int64]:
        """Topic of each expert, (E,)."""
        num_topics, of_all = self.requests.num_topics, self.experts.topics
        return topic_of_each(self.expert_groups, of_all, self.num_experts, num_topics)

    @cached_property
    def competence_rows(self) -> list[str | None]:
        """Named row of a measured table that each expert has, None for that of its topic, (E,)."""
        of_all = self.experts.competence_row
        return given_to_each(self.expert_groups, ROW, of_all, self.num_experts)

    @cached_property
    def own_topics(self) -> Bool:
        """Topics that each expert's type is of, (E, M)."""
        of_all, num_topics = self.experts.topics, self.requests.num_topics
        return own_topics(self.expert_groups, of_all, self.topics, self.competence_rows, num_topics)

    @cached_property
    def codecs(self) -> Codecs:
        """The codecs of the experts."""
        return codecs_of(self.experts, self.expert_groups, self.num_experts)

    def grown(self, count: int) -> "WorldConfig":
        """Return the configuration with `count` more experts: groups and lists begin again."""
        more = copy(self)
        for cached in ("bounds", "topics", "competence_rows", "own_topics", "codecs"):
            more.__dict__.pop(cached, None)
        object.__setattr__(more, "num_experts", self.num_experts + count)
        return more

    def as_dict(self) -> dict[str, Any]:
        """Return plain nested dictionaries, of which `WorldConfig` makes the same again."""
        return asdict(self)
