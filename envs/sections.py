"""The sections of the configuration of a world, every key with its unit.

Values are validated where a section is built; a message names the key, the value and the limit.
The paper (arXiv 2402.06942) leaves score scale, cost weights, subtask count, bits a word, noise and
prices unspecified: the defaults of those are assumptions, calibrated to its Figure 5. Keys of
quantities (`envs.quantity`) may differ from agent to agent; groups (`envs.groups`) change them.
"""

from typing import Literal, Self

from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, model_validator
from pydantic.dataclasses import dataclass

from envs.codec.of_experts import WORDS, CodecModel
from envs.quantity import (
    CountOrNull,
    NonNegativeQuantity,
    PositiveOrNull,
    PositiveQuantity,
    ProbabilityQuantity,
    RangeQuantity,
    ShareQuantity,
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
class ExpertConfig(Section):
    """Edge devices: competence, speed, capacity, availability and private costs."""

    topics: tuple[NonNegativeInt, ...] | None = Field(
        default=None,
        min_length=1,
        description="Topics of the experts, or of a group, in turn; null: all in turn",
    )
    own_competence: RangeQuantity = Field(
        default=(0.95, 1.05), description="Competence on the own topic, uniform (assumption)"
    )
    other_competence: RangeQuantity = Field(
        default=(-0.7, 0.9),
        description="Competence on other topics, uniform before the shift to mean_competence",
    )
    mean_competence: float = Field(
        default=0.26, description="Mean over all experts and topics (calibrated assumption)"
    )
    competence: str | None = Field(
        default=None,
        description="In place of draws: a JSON file with a measured table 'competence' "
        "[expert topic x topic] (`marl-moe calibrate` writes one), relative to the experiment, or "
        "`measured`, the table that comes with the package",
    )
    competence_row: str | None = Field(
        default=None,
        min_length=1,
        description="Row of that table which experts, or those of a group, have, by its name in "
        "the file's list 'rows'; their type is then of all of their `topics`; null: the row of the "
        "own topic",
    )
    words_per_second: PositiveOrNull = Field(
        default=100.0,
        description="Speed, words of work a second (words x compute need / its mean); null: no "
        "compute delay",
    )
    service: Literal["batch", "fifo"] = Field(
        default="batch",
        description="Is the work of a slot done together, all answers at its end, or one after "
        "another in an order drawn by lot?",
    )
    max_concurrent: CountOrNull = Field(
        default=None, description="Subtasks served a slot; the surplus is drawn by lot; null: any"
    )
    availability_probability: ProbabilityQuantity = Field(
        default=1.0, description="Probability that an expert is up in a slot"
    )
    serving_share: ShareQuantity = Field(
        default=1.0,
        description="Share of a slot's time in which an expert's band serves; the rest of it is "
        "booked elsewhere",
    )
    battery_j: PositiveOrNull = Field(
        default=None,
        description="Energy of a full battery, as at the beginning of an episode, J: answers are "
        "sent from it, and an expert whose battery is empty is not available; null: none",
    )
    recharge_w: NonNegativeQuantity = Field(
        default=0.0, description="Power that recharges the battery, W"
    )
    joules_per_word: NonNegativeQuantity = Field(
        default=0.0, description="Energy that a word of work takes from the battery, J"
    )
    handover: Literal["continue", "lost"] = Field(
        default="continue",
        description="What becomes of a transfer whose pair leaves coverage before its answer has "
        "arrived: it goes on as it would have, or is worth nothing and spends all the same",
    )
    resample: Literal["never", "episode"] = Field(
        default="never", description="When a new pool of experts is drawn"
    )
    pool_seed: int | None = Field(
        default=None, ge=0, description="Draw one pool from this seed, shared by all worlds"
    )
    unit_cost: NonNegativeQuantity = Field(
        default=(0.5, 3.0),
        description="Private cost kappa, credits a reference point (work), uniform",
    )
    cost_slope: PositiveQuantity = Field(
        default=(0.5, 1.5),
        description="Private cost slope, credits a reference point (work), uniform",
    )
    energy_cost: NonNegativeQuantity | None = Field(
        default=None,
        description="Cost of energy to an edge device that pays for its answers "
        "(reward.downlink_energy: edge_device), credits/J; null: reward.credits_per_joule",
    )
    cost_report: Literal["truthful", "scaled", "strategic"] = Field(
        default="truthful",
        description="Do edge devices report their costs, the costs times a factor of their own, or "
        "times one of those that they end up reporting to this mechanism?",
    )
    report_factor: PositiveQuantity = Field(
        default=(1.0, 1.5),
        description="That factor with cost_report: scaled, uniform, one a device",
    )
    report_mix: tuple[tuple[PositiveFloat, NonNegativeFloat], ...] | None = Field(
        default=None,
        description="Those factors with cost_report: strategic, [factor, share] each, one drawn a "
        "device; null: `marl-moe run` finds them (`mechanisms.report_equilibrium`)",
    )
    codec: CodecModel = Field(
        default_factory=lambda: dict(WORDS),
        description="How prompts and answers are sent, {model: NAME, ...}: words, or your own "
        "(docs/extending/codec.md)",
        json_schema_extra={"default": WORDS},
    )
    shared_knowledge: ProbabilityQuantity = Field(
        default=1.0,
        description="Share of its knowledge that users have too, for codecs that depend on it",
    )

    @model_validator(mode="after")
    def _one_pool(self) -> Self:
        if self.pool_seed is not None and self.resample == "episode":
            raise ValueError("pool_seed fixes the pool, so resample must be 'never' beside it")
        return self

    @model_validator(mode="after")
    def _shares_of_all(self) -> Self:
        if self.report_mix is None:
            return self
        if self.cost_report != "strategic":
            raise ValueError(
                f"report_mix is of cost_report: strategic, and cost_report is {self.cost_report}"
            )
        total = sum(share for _, share in self.report_mix)
        if not abs(total - 1) <= _ROUNDING:
            raise ValueError(f"report_mix: its shares should sum to 1, and sum to {total:g}")
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
