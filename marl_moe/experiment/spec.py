"""What an experiment is: its sections and keys, each checked where it is built.

Sections: `name, kind, seeds, env, mechanism, algorithm, evaluation, audit, cluster, sweep, figures,
sizes`. `env` is `WorldConfig` of `envs`; `mechanism` names a mechanism and its parameters; under
`algorithm`, sections other than `name`, `policies` and `stop` are RLlib's own and passed on;
`audit` is read by `kind: market_study` alone, which has no `algorithm`.
"""

import json
from collections.abc import Sequence
from difflib import get_close_matches
from typing import Annotated, Any, Literal, Self

import yaml
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    TypeAdapter,
    ValidationError,
    model_validator,
)

import mechanisms
from envs import WorldConfig
from marl_moe.experiment.cluster_spec import ClusterSpec

STRICT = ConfigDict(extra="forbid", allow_inf_nan=False, frozen=True)
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


NAME = r"^[A-Za-z0-9][A-Za-z0-9_-]*$"  # of what becomes a folder, or a key in a file
LONGEST_NAME = 100
MOST_SEEDS = 10_000
LARGEST_SEED = 2**32 - 1  # of NumPy's global generator, which RLlib seeds too
# Names of devices on Windows, which no folder there can have.
RESERVED = {
    "con",
    "prn",
    "aux",
    "nul",
    *(f"{port}{n}" for port in ("com", "lpt") for n in range(10)),
}


class SpecError(ValueError):
    """What is wrong with an experiment, a line each: file, key, and what would be right."""


def _not_reserved(name: str) -> str:
    if name.lower() in RESERVED:
        raise ValueError("should not be the name of a device on Windows")
    return name


Name = Annotated[str, Field(pattern=NAME, max_length=LONGEST_NAME), AfterValidator(_not_reserved)]


class MechanismSpec(BaseModel):
    """A mechanism and its parameters."""

    model_config = ConfigDict(extra="allow", frozen=True)
    name: str = Field("none", description="Name of a mechanism, see `mechanisms.names()`")

    @model_validator(mode="after")
    def _makes_one(self) -> Self:
        mechanisms.make(**self.parameters())
        return self

    def parameters(self) -> dict[str, Any]:
        """Keyword arguments of `mechanisms.make`."""
        return self.model_dump()


class StopSpec(BaseModel):
    """When training ends; counted, never timed."""

    model_config = STRICT
    training_iteration: int = Field(
        100,
        ge=0,
        description="Epochs: training iterations of RLlib; with sac an episode in every world "
        "each. 0 only after a "
        "pretraining",
    )


class PretrainingSpec(BaseModel):
    """Worlds trained in before those of `env`: training there begins with the networks that come
    out of it.
    """

    model_config = STRICT
    env: dict[str, Any] = Field(
        description="Keys of `env` that differ in pretraining, as {num_experts: 30}"
    )
    stop: StopSpec = Field(default_factory=StopSpec)


class AlgorithmSpec(BaseModel):
    """What learns.

    Further sections are RLlib's own (`training`, `env_runners`, ...) and are passed on.
    """

    model_config = ConfigDict(extra="allow", frozen=True)
    name: Literal["sac", "rllib_sac", "ppo", "dqn"] = Field(
        "sac", description="Our SAC on RLlib; or RLlib's stock SAC, PPO or DQN"
    )
    policies: Literal["shared", "independent"] | dict[Name, list[int]] = Field(
        "shared", description="One policy for all users, one for each, or {group: [users]}"
    )
    stop: StopSpec = Field(default_factory=StopSpec)
    pretraining: PretrainingSpec | None = Field(
        None,
        description="sac alone: train in other worlds first, and go on in those of `env` with its "
        "networks",
    )

    @model_validator(mode="after")
    def _trains(self) -> Self:
        if self.pretraining is None and self.stop.training_iteration < 1:
            raise ValueError(
                "stop.training_iteration should be at least 1 where nothing was trained before, "
                "got 0"
            )
        if self.pretraining is not None:
            if self.name != "sac":
                raise ValueError(
                    f"pretraining is for sac; {self.name} is RLlib's own and starts from nothing"
                )
            if self.pretraining.stop.training_iteration < 1:
                raise ValueError("pretraining.stop.training_iteration should be at least 1, got 0")
        return self

    @model_validator(mode="after")
    def _known_sections(self) -> Self:
        for section, keys in self.sections().items():
            if section not in RLLIB_SECTIONS:
                raise ValueError(unknown_key(section, [*type(self).model_fields, *RLLIB_SECTIONS]))
            if not isinstance(keys, dict):
                raise ValueError(f"section {section!r} should hold keys, got {keys!r}")
        return self

    def sections(self) -> dict[str, Any]:
        """RLlib's sections."""
        return dict(self.model_extra or {})

    def module_users(self, num_users: int) -> dict[str, list[int]]:
        """Which users each module acts for.

        Raises ValueError where groups are not a partition of the users.
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
        return {group: list(users) for group, users in self.policies.items()}


class EvaluationSpec(BaseModel):
    """What is compared after training, on worlds apart from those trained in."""

    model_config = STRICT
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
        _check_policies("policies", self.policies)
        return self


class AuditSpec(BaseModel):
    """Markets sampled from the world, and how hard to look for profitable lies in them."""

    model_config = STRICT
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
        _check_policies("policy", [self.policy])
        return self


class ExperimentSpec(BaseModel):
    """A whole experiment."""

    model_config = STRICT
    name: Name = Field(description="Names the run folder")
    kind: Literal["train", "market_study"] = Field(
        "train",
        description="Train and evaluate a policy; or audit a mechanism in markets sampled from the "
        "world",
    )
    seeds: int | list[int] = Field(
        1, description="How many seeds (0, 1, ...), or the seeds themselves"
    )
    env: WorldConfig = Field(default_factory=WorldConfig)
    mechanism: MechanismSpec = Field(default_factory=MechanismSpec)
    algorithm: AlgorithmSpec | None = Field(
        default_factory=AlgorithmSpec,
        description="What learns; null only compares the policies of `evaluation`",
    )
    evaluation: EvaluationSpec = Field(default_factory=EvaluationSpec)
    audit: AuditSpec = Field(default_factory=AuditSpec)
    cluster: ClusterSpec = Field(default_factory=ClusterSpec)
    sweep: dict[str, Any] = Field(
        default={}, description="Lists of values in place of any key's value: a grid of runs"
    )
    figures: list[str] = Field(
        default=[], description="Figures drawn at the end, see paper_figures"
    )
    sizes: dict[Name, dict[str, Any]] = Field(
        default={},
        description="Smaller versions by name, each the keys that it changes: `marl-moe run --size NAME`",
    )

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if isinstance(self.seeds, int) and self.seeds > MOST_SEEDS:
            raise ValueError(f"seeds should be at most {MOST_SEEDS} in number, got {self.seeds}")
        seeds = self.seed_list()
        if not seeds or min(seeds) < 0 or max(seeds) > LARGEST_SEED or len(set(seeds)) < len(seeds):
            raise ValueError(
                f"seeds should be a count of at least 1 or distinct seeds in 0..{LARGEST_SEED}, got {self.seeds}"
            )
        if self.algorithm is not None:
            if self.kind == "market_study":
                raise ValueError("kind: market_study has no algorithm; leave that section out")
            self.algorithm.module_users(self.env.num_users)
            if self.algorithm.pretraining is not None:
                pretrained = self.pretrained_env()
                if (
                    self.algorithm.policies == "independent"
                    and pretrained.num_users != self.env.num_users
                ):
                    raise ValueError(
                        f"algorithm.pretraining.env.num_users: independent policies of {pretrained.num_users} users "
                        f"cannot go on as those of {self.env.num_users}"
                    )
                self.algorithm.module_users(pretrained.num_users)
        if "cluster" in self.sweep:
            raise ValueError("sweep.cluster: all jobs of a run share one Ray")
        self.evaluated_env()
        return self

    def evaluated_env(self) -> WorldConfig:
        """The worlds of the evaluation.

        Raises ValueError for a key or a value of `evaluation.env` that cannot be.
        """
        return self._changed_env("evaluation.env", self.evaluation.env)

    def pretrained_env(self) -> WorldConfig:
        """The worlds of the pretraining.

        Raises ValueError for a key or a value there that cannot be.
        """
        assert self.algorithm is not None
        assert self.algorithm.pretraining is not None
        return self._changed_env("algorithm.pretraining.env", self.algorithm.pretraining.env)

    def pretraining(self) -> "ExperimentSpec | None":
        """The experiment as it is in pretraining, or None where training starts from nothing."""
        if self.algorithm is None or self.algorithm.pretraining is None:
            return None
        algorithm = self.algorithm.model_copy(
            update={"pretraining": None, "stop": self.algorithm.pretraining.stop}
        )
        return self.model_copy(update={"env": self.pretrained_env(), "algorithm": algorithm})

    def _changed_env(self, section: str, changes: dict[str, Any]) -> WorldConfig:
        plain = json.dumps(merged(self.env.as_dict(), changes))
        try:
            return TypeAdapter(WorldConfig).validate_json(plain, strict=True)
        except ValidationError as error:
            first = error.errors()[0]
            key = ".".join(map(str, (section, *first["loc"])))
            raise ValueError(
                f"{key}: {first['msg'].removeprefix('Value error, ')}, got {first['input']!r}"
            ) from None

    def seed_list(self) -> list[int]:
        """The seeds."""
        return list(range(self.seeds)) if isinstance(self.seeds, int) else list(self.seeds)

    def at(self, address: str | None) -> "ExperimentSpec":
        """The experiment on the Ray of that address. Raises SpecError where it can be none."""
        try:
            cluster = ClusterSpec(**(self.cluster.model_dump() | {"address": address}))
        except ValidationError as error:
            raise SpecError(f"--{error.errors()[0]['msg'].removeprefix('Value error, ')}") from None
        return self.model_copy(update={"cluster": cluster})

    def as_dict(self) -> dict[str, Any]:
        """Plain values, with every default written out."""
        plain: dict[str, Any] = json.loads(TypeAdapter(ExperimentSpec).dump_json(self))
        return plain

    def to_yaml(self) -> str:
        """The experiment as YAML, with every default written out."""
        return yaml.safe_dump(self.as_dict(), sort_keys=False)


def merged(section: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """A section with some of its keys changed; a section within is merged too, and anything else is
    replaced.
    """
    changed = dict(section)
    for key, value in changes.items():
        old = changed.get(key)
        changed[key] = (
            merged(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
        )
    return changed


def unknown_key(key: str, valid: Sequence[str]) -> str:
    """A message for a name that does not exist."""
    nearest = get_close_matches(key, valid, n=1, cutoff=0.5)
    return f"unknown {key!r}" + (
        f"; did you mean {nearest[0]!r}?" if nearest else f"; valid: {', '.join(valid)}"
    )


def experiment_schema() -> dict[str, Any]:
    """JSON Schema of an experiment."""
    return TypeAdapter(ExperimentSpec).json_schema()


def _check_policies(key: str, names: Sequence[str]) -> None:
    """Raise ValueError for the first name that is no policy."""
    from marl_moe.policies import POLICIES

    for name in names:
        if name not in POLICIES:
            raise ValueError(f"{key}: {unknown_key(name, list(POLICIES))}")
