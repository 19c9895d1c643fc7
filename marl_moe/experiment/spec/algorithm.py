"""The section `algorithm`: what learns, and RLlib's sections that are passed on to it."""

from typing import Any, Literal, Self

from pydantic import Field, model_validator

from marl_moe.experiment.spec.keys import UnknownKeyError
from marl_moe.experiment.spec.roles import RolesSpec
from marl_moe.experiment.spec.section import Name, OpenSection, Section
from marl_moe.policies.base import STOCHASTIC
from marl_moe.policies.sides import HEDGE, OTHER_SIDES

RLLIB_SECTIONS = (
    "training",
    "rl_module",
    "env_runners",
    "learners",
    "fault_tolerance",
    "reporting",
    "checkpointing",
    "debugging",
    "callbacks",
)


class StopSpec(Section):
    """End of training: counted, never timed."""

    training_iteration: int = Field(
        100,
        ge=0,
        description="Epochs: training iterations of RLlib; with sac an episode in every world "
        "each. 0 only after a pretraining",
    )
    keep_checkpoint: bool = Field(
        False,
        description="sac alone: keep what training goes on from, replay and all, once it is over, "
        "for `marl-moe resume --epochs`; without it a longer training begins the seed again",
    )


class PretrainingSpec(Section):
    """Worlds trained in before those of `env`: training there begins with the networks learned."""

    env: dict[str, Any] = Field(
        description="Keys of `env` that differ in pretraining, as {num_experts: 30}"
    )
    stop: StopSpec = Field(default_factory=StopSpec)


class AlgorithmSpec(OpenSection):
    """Algorithm that learns.

    Further sections are RLlib's own (`training`, `env_runners`, ...) and are passed on.
    """

    name: Literal["sac", "rllib_sac", "ppo", "dqn"] = Field(
        "sac", description="Our SAC on RLlib; or RLlib's stock SAC, PPO or DQN"
    )
    policies: Literal["shared", "independent"] | dict[Name, list[int]] = Field(
        "shared", description="One policy for all users, one for each, or {group: [users]}"
    )
    roles: RolesSpec = Field(
        default_factory=RolesSpec, description="sac alone: who learns beside the users"
    )
    stop: StopSpec = Field(default_factory=StopSpec)
    pretraining: PretrainingSpec | None = Field(
        None,
        description="sac alone: train in other worlds first, and go on in those of `env` with its "
        "networks",
    )

    @model_validator(mode="after")
    def _trains(self) -> Self:
        if self.pretraining is None:
            if self.stop.training_iteration < 1:
                raise ValueError(
                    "stop.training_iteration should be at least 1 where nothing was trained "
                    "before, got 0"
                )
        elif self.name != "sac":
            raise ValueError(
                f"pretraining is for sac; {self.name} is RLlib's own and starts from nothing"
            )
        elif self.pretraining.stop.training_iteration < 1:
            raise ValueError("pretraining.stop.training_iteration should be at least 1, got 0")
        elif self.pretraining.stop.keep_checkpoint:
            raise ValueError("pretraining.stop.keep_checkpoint: a pretraining is never extended")
        if self.stop.keep_checkpoint and self.name != "sac":
            raise ValueError(
                f"stop.keep_checkpoint is for sac; {self.name} is RLlib's own and begins a seed "
                "again"
            )
        return self

    @model_validator(mode="after")
    def _roles_can_be(self) -> Self:
        self.roles.check_idle()
        learning = self.roles.learning
        if learning and self.name != "sac":
            raise ValueError(f"roles.{learning[0]}: is learned beside sac alone, not {self.name}")
        runners = self.sections().get("env_runners")
        remote = runners.get("num_env_runners", 0) if isinstance(runners, dict) else 0
        if self.roles.edge_devices == HEDGE and remote:
            raise ValueError(
                "roles.edge_devices: hedge learns in one process; leave "
                "env_runners.num_env_runners out"
            )
        return self

    @model_validator(mode="after")
    def _known_sections(self) -> Self:
        for section, keys in self.sections().items():
            if section not in RLLIB_SECTIONS:
                raise UnknownKeyError(section)
            if not isinstance(keys, dict):
                raise ValueError(f"section {section!r} should hold keys, got {keys!r}")
        return self

    def sections(self) -> dict[str, Any]:
        """Return RLlib's sections."""
        return dict(self.model_extra or {})

    @property
    def has_best_responses(self) -> bool:
        """Whether one agent can be trained against all others afterwards."""
        return self.name == "sac" and self.policies == "shared"

    @property
    def learned(self) -> list[str]:
        """Names of the policy that is learned: by its likeliest actions, and drawing them."""
        return [self.name, f"{self.name}{STOCHASTIC}"]

    def module_users(self, num_users: int) -> dict[str, list[int]]:
        """Return the users that each module acts for.

        Raises:
            ValueError: the groups are not a partition of the users.
        """
        if self.policies == "shared":
            return {"shared": list(range(num_users))}
        if self.policies == "independent":
            return {f"user_{u}": [u] for u in range(num_users)}
        assert isinstance(self.policies, dict)
        listed = sorted(user for users in self.policies.values() for user in users)
        if listed != list(range(num_users)) or not all(self.policies.values()):
            raise ValueError(
                f"policies should name each of the users 0..{num_users - 1} in one group, got "
                f"{listed}"
            )
        taken = [group for group in self.policies if group in OTHER_SIDES]
        if taken:
            raise ValueError(
                f"policies: {taken[0]} is the name of a role, and of no group of users"
            )
        return {group: list(users) for group, users in self.policies.items()}
