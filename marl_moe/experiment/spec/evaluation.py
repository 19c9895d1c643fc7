"""The sections `evaluation` and `audit`: what is measured, and in how many worlds."""

from typing import Any, Self

from pydantic import Field, field_validator, model_validator

from marl_moe.experiment.spec.policies import PolicyEntry, RegisteredPolicy, check_named_apart
from marl_moe.experiment.spec.section import Section, check_policies
from mechanisms.strategic.equilibrium import GRID, checked_grid

# Policies that are compared where an experiment names none.
COMPARED = ("local", "greedy", "topic_match", "max_snr", "random", "abandon")


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
    best_response_epochs: int = Field(
        0,
        ge=0,
        description="Of sac: epochs for which one agent of each role in turn is trained alone, "
        "after training, against the policies of all others; what it gains is the exploitability; "
        "0: not measured",
    )
    policies: list[PolicyEntry] = Field(
        default=[RegisteredPolicy.of(name) for name in COMPARED],
        description="Beside the learned one: names, or sections with `name`, `run`, `import` or "
        "`users`",
    )

    @model_validator(mode="after")
    def _named_apart(self) -> Self:
        check_named_apart(self.policies, [])
        return self

    def entry(self, name: str) -> PolicyEntry | None:
        """Return the entry that is shown as `name`, None where there is none."""
        return next((entry for entry in self.policies if entry.shown_as == name), None)


class PlaySpec(Section):
    """What edge devices end up reporting: see `mechanisms.report_equilibrium`."""

    rounds: int = Field(300, ge=2, description="Rounds in which they learn; more let it settle")
    markets: int = Field(1, ge=1, description="Markets drawn in each round, of those sampled")
    deviators: int | None = Field(
        None,
        ge=1,
        description="Edge devices a market that try all factors, drawn by lot; null: all",
    )
    measured: int = Field(
        100, ge=1, description="Markets in which results of play stand beside those of the truth"
    )
    factors: list[float] = Field(
        default=list(GRID),
        description="What true costs may be multiplied by: > 0, ascending, 1 among them",
    )

    @field_validator("factors")
    @classmethod
    def _grid(cls, factors: list[float]) -> list[float]:
        checked_grid(factors, "factors")
        return factors


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
        50,
        ge=0,
        description="Misreports that a search tries, an agent and field, beyond those of a known "
        "kind",
    )
    grid_markets: int = Field(
        0,
        ge=0,
        description="Of the markets, the first in which agents also try an exhaustive grid of "
        "misreports, which tells how much of it the search finds",
    )
    play: PlaySpec | None = Field(
        default=None,
        description="What edge devices end up reporting, and what then comes of the mechanism; "
        "null: not asked",
    )

    @model_validator(mode="after")
    def _known_policy(self) -> Self:
        check_policies("policy", [self.policy])
        return self
