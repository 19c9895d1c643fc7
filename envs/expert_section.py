"""The section `experts` of the configuration of a world (see `envs.sections`)."""

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
from envs.section import STRICT, Section

_ROUNDING = 1e-6  # of shares that sum to 1


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
