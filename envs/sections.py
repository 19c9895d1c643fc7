"""The sections of the configuration of a world, every key with its unit.

Values are validated where a section is built; a message names the key, the value and the limit.
The paper (arXiv 2402.06942) leaves score scale, cost weights, subtask count, bits a word, noise and
prices unspecified: the defaults of those are assumptions, calibrated to its Figure 5. Keys of
quantities (`envs.quantity`) may differ from agent to agent; groups (`envs.groups`) change them.
"""

from typing import Literal, Self

from pydantic import Field, model_validator
from pydantic.dataclasses import dataclass

from envs.quantity import (
    NonNegativeQuantity,
    PositiveQuantity,
    ProbabilityQuantity,
)
from envs.section import STRICT, PositiveDraw, Probability, Section, default_of
from envs.trace_file import check_suffix
from mechanisms import Effort

# Keys of requests that matter to draws alone: refused beside a trace.
OF_DRAWS = (
    "num_transferred",
    "local_compute",
    "private_probability",
    "arrival_probability",
    "zipf_exponent",
    "topic_persistence",
)
_ROUNDING = 1e-6  # of shares that sum to 1


@dataclass(frozen=True, config=STRICT)
class RequestConfig(Section):
    """Requests of users: prompts of K subtasks, of which the user's device runs what it can."""

    num_subtasks: int = Field(default=8, ge=1, description="Subtasks of a request, K")
    num_topics: int = Field(default=6, ge=1, description="Topics of subtasks and experts, M")
    num_transferred: int | None = Field(
        default=None,
        ge=1,
        description="Fix how many subtasks of equal weight 1/K are transferred (the paper: 1)",
    )
    local_compute: NonNegativeQuantity = Field(
        default=6.0, description="Compute the device has for one request, compute units"
    )
    compute_need: PositiveDraw = Field(
        default=(0.5, 1.5), description="Compute need of a subtask, uniform, units"
    )
    words: PositiveDraw = Field(
        default=(100.0, 300.0), description="Words of a subtask's answer, uniform"
    )
    private_probability: ProbabilityQuantity = Field(
        default=0.0, description="Probability that a subtask must stay on the device"
    )
    arrival_probability: ProbabilityQuantity = Field(
        default=1.0,
        description="Probability a slot that a user who is idle or just done gets a new request",
    )
    zipf_exponent: float = Field(
        default=0.0, ge=0, description="Topic popularity, rank^-exponent; 0 is uniform"
    )
    topic_persistence: Probability = Field(
        default=0.0,
        description="Probability that a user's next transferred subtask keeps the topic of the "
        "last one",
    )

    trace: str | None = Field(
        default=None,
        description="In place of draws: a file of pending subtasks, Parquet or CSV with columns "
        "slot, user, weight, words, compute_need, topic, completes and, if any, episode, relative "
        "to the experiment (docs/traces.md)",
    )

    @model_validator(mode="after")
    def _of_trace(self) -> Self:
        if self.trace is None:
            return self
        check_suffix(self.trace)
        for key in OF_DRAWS:
            if getattr(self, key) != default_of(self, key):
                raise ValueError(f"{key} has no effect with trace: {self.trace}; leave it out")
        return self

    @model_validator(mode="after")
    def _transferred_fit(self) -> Self:
        if self.num_transferred is None:
            return self
        if self.num_transferred > self.num_subtasks:
            raise ValueError(
                f"num_transferred {self.num_transferred} is above num_subtasks {self.num_subtasks}"
            )
        if self.private_probability != 0:
            raise ValueError(
                "num_transferred fixes what is transferred, so private_probability must be 0 "
                "beside it"
            )
        if self.local_compute != default_of(self, "local_compute"):
            raise ValueError(
                f"local_compute has no effect with num_transferred: {self.num_transferred}; leave "
                f"it out, or at its default, {default_of(self, 'local_compute'):g}"
            )
        return self


@dataclass(frozen=True, config=STRICT)
class QualityConfig(Section):
    """Points of the judge (0..10, not clipped), and what lowers or recovers them."""

    local_score: float = Field(
        default=8.80, gt=0, description="Score when every subtask runs on the device, points"
    )
    drop_loss: float = Field(
        default=0.86, gt=0, description="Points lost by dropping a subtask of weight 1/K"
    )
    recovered_share: float = Field(
        default=0.85, gt=0, description="Share of that loss a competence of 1 recovers"
    )
    deadline_s: PositiveQuantity = Field(
        default=6.0, description="An answer's worth decays past this delay, s"
    )
    lateness_s: PositiveQuantity = Field(
        default=3.0, description="Time constant tau of that decay, s"
    )
    judge_noise: float = Field(
        default=0.0,
        ge=0,
        description="Standard deviation of the judge's score of a request, points",
    )


@dataclass(frozen=True, config=STRICT)
class RewardConfig(Section):
    """Worth of points, and costs of words and energy, to a user, in credits."""

    credits_per_point: PositiveQuantity = Field(default=5.0, description="Credits a judge point")
    credits_per_word: NonNegativeQuantity = Field(
        default=0.0025, description="Cost of a word, credits"
    )
    credits_per_joule: NonNegativeQuantity = Field(
        default=2.0, description="Cost of energy, credits/J"
    )
    credits_per_second: NonNegativeQuantity = Field(
        default=0.0, description="Cost of a served subtask's delay, credits/s"
    )
    downlink_energy: Literal["user", "edge_device"] = Field(
        default="user",
        description="Who pays for the energy of sending the answer (the paper: user)",
    )


@dataclass(frozen=True, config=STRICT)
class MarketConfig(Section):
    """Time between clearings, and the platform's view of demand and value."""

    effort: Effort = Field(
        default="bought",
        description="Edge devices answer a price with the effort that earns them most (bought), or "
        "give the effort that the mechanism orders, or none (enforced)",
    )
    interval: int | None = Field(
        default=None,
        ge=1,
        description="Slots from one clearing to the next; null: 5, or 1 if the mechanism allocates",
    )
    demand_smoothing: float = Field(
        default=0.3, gt=0, le=1, description="Weight of the last slot in the demand average"
    )
    demand_floor: Probability = Field(
        default=0.05, description="Least demand of an expert, share of the mean demand"
    )
    value: float = Field(
        default=3.8, ge=0, description="What a point is worth to the users, credits"
    )
    budget_per_user: float = Field(
        default=0.5,
        ge=0,
        description="Budget of a mechanism, credits a slot and user; what is left over is kept",
    )
    capacity: int = Field(
        default=1,
        ge=1,
        description="Users an expert is allocated a slot, where a mechanism allocates (at most "
        "max_concurrent)",
    )

    def slots_between(self, allocates: bool) -> int:
        """Return the slots from one clearing to the next, of a mechanism that allocates or not.

        Raises:
            ValueError: an allocation would be older than its slot.
        """
        if allocates and self.interval not in (None, 1):
            raise ValueError(
                "env.market.interval should be 1 or null with a mechanism that allocates, got "
                f"{self.interval}"
            )
        return self.interval or (1 if allocates else 5)


@dataclass(frozen=True, config=STRICT)
class ObservationConfig(Section):
    """Experts that a user sees and may choose."""

    candidates: int | None = Field(
        default=None,
        ge=1,
        description="Experts on each user's list, of every topic those of the best mean SNR "
        "(`envs.candidates`); null: all experts",
    )
    expected_load: Literal["recent", "drawn"] = Field(
        default="recent",
        description="Others whom the columns `gain_beside` and `rest_beside` count on: `recent`, "
        "as many as were served of late; `drawn`, by Poisson's law about those and the strangers "
        "whom the offer in force draws (`envs.crowding`)",
    )
