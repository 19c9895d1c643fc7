"""The sections `evaluation` and `audit`: what is measured, and in how many worlds."""

from typing import Any, Self

from pydantic import Field, model_validator

from marl_moe.experiment.spec.section import Section, check_policies


class EvaluationSpec(Section):
    """Policies compared after training, on worlds apart from those trained in."""

    episodes: int = Field(
        100, ge=1, description="Episodes a policy and seed; every policy meets the same ones"
    )
    env: dict[str, Any] = Field(
        default={},
        description="Keys of `env` that differ in evaluation: other worlds than those trained in",
    )
    market_episodes: int | None = Field(
        None,
        ge=1,
        description="Of these, the first whose clearings are recorded, a policy and seed; null: "
        "all",
    )
    policies: list[str] = Field(
        default=["local", "greedy", "topic_match", "max_snr", "random", "abandon"],
        description="Beside the learned one",
    )

    @model_validator(mode="after")
    def _known_policies(self) -> Self:
        check_policies("policies", self.policies)
        return self


class AuditSpec(Section):
    """Markets sampled from the world, and how hard to look for profitable lies in them."""

    markets: int = Field(1000, ge=1, description="Markets sampled, a seed")
    policy: str = Field(
        "greedy", description="Policy played, under free edge devices, where markets are sampled"
    )
    agents: int | None = Field(
        2,
        ge=1,
        description="Agents a market and side whose misreports are tried, drawn by lot; null: all",
    )
    misreports: int = Field(
        24, ge=1, description="Misreports tried an agent: the search budget of the regret"
    )

    @model_validator(mode="after")
    def _known_policy(self) -> Self:
        check_policies("policy", [self.policy])
        return self
