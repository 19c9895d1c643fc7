"""An experiment as written in YAML: read, overridden, and checked key by key.

Sections: `name, kind, seeds, env, mechanism, algorithm, evaluation, sweep, figures`. `env` is `envs.WorldConfig`;
`mechanism` names a mechanism and its parameters; under `algorithm`, sections other than `name`, `policies` and `stop`
are RLlib's own and passed on.
"""

import json
import re
from collections.abc import Sequence
from dataclasses import fields, is_dataclass
from difflib import get_close_matches
from math import isfinite
from pathlib import Path
from typing import Any, Literal, Self, get_args

import yaml
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, model_validator

import mechanisms
from envs import WorldConfig

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


class SpecError(ValueError):
    """What is wrong with an experiment, a line each: file, key, and what would be right."""


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
        100, ge=1, description="Epochs: training iterations of RLlib; with sac an episode in every world each"
    )


class AlgorithmSpec(BaseModel):
    """What learns. Further sections are RLlib's own (`training`, `env_runners`, ...) and are passed on."""

    model_config = ConfigDict(extra="allow", frozen=True)
    name: Literal["sac", "rllib_sac", "ppo", "dqn"] = Field(
        "sac", description="Our SAC on RLlib; or RLlib's stock SAC, PPO or DQN"
    )
    policies: Literal["shared", "independent"] | dict[str, list[int]] = Field(
        "shared", description="One policy for all users, one for each, or {group: [users]}"
    )
    stop: StopSpec = Field(default_factory=StopSpec)

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
        """Which users each module acts for. Raises ValueError where groups are not a partition of the users."""
        if self.policies == "shared":
            return {"shared": list(range(num_users))}
        if self.policies == "independent":
            return {f"user_{u}": [u] for u in range(num_users)}
        assert isinstance(self.policies, dict)
        listed = sorted(user for users in self.policies.values() for user in users)
        if listed != list(range(num_users)) or not all(self.policies.values()):
            raise ValueError(f"policies should name each of the users 0..{num_users - 1} in one group, got {listed}")
        return {group: list(users) for group, users in self.policies.items()}


class EvaluationSpec(BaseModel):
    """What is compared after training, on worlds apart from those trained in."""

    model_config = STRICT
    episodes: int = Field(100, ge=1, description="Episodes a policy and seed; every policy meets the same ones")
    policies: list[str] = Field(
        default=["local", "greedy", "topic_match", "max_snr", "random", "abandon"], description="Beside the learned one"
    )

    @model_validator(mode="after")
    def _known_policies(self) -> Self:
        from marl_moe.policies import POLICIES

        for policy in self.policies:
            if policy not in POLICIES:
                raise ValueError(f"policies: {unknown_key(policy, list(POLICIES))}")
        return self


class ExperimentSpec(BaseModel):
    """A whole experiment."""

    model_config = STRICT
    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$", description="Names the run folder")
    kind: Literal["train"] = Field("train", description="Train and evaluate a policy")
    seeds: int | list[int] = Field(1, description="How many seeds (0, 1, ...), or the seeds themselves")
    env: WorldConfig = Field(default_factory=WorldConfig)
    mechanism: MechanismSpec = Field(default_factory=MechanismSpec)
    algorithm: AlgorithmSpec | None = Field(
        default_factory=AlgorithmSpec, description="What learns; null only compares the policies of `evaluation`"
    )
    evaluation: EvaluationSpec = Field(default_factory=EvaluationSpec)
    sweep: dict[str, Any] = Field(default={}, description="Lists of values in place of any key's value: a grid of runs")
    figures: list[str] = Field(default=[], description="Figures drawn at the end, see paper_figures")

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        seeds = self.seed_list()
        if not seeds or min(seeds) < 0 or len(set(seeds)) < len(seeds):
            raise ValueError(f"seeds should be a count of at least 1 or distinct seeds from 0 on, got {self.seeds}")
        if self.algorithm is not None:
            self.algorithm.module_users(self.env.num_users)
        return self

    def seed_list(self) -> list[int]:
        """The seeds."""
        return list(range(self.seeds)) if isinstance(self.seeds, int) else list(self.seeds)

    def as_dict(self) -> dict[str, Any]:
        """Plain values, with every default written out."""
        plain: dict[str, Any] = json.loads(TypeAdapter(ExperimentSpec).dump_json(self))
        return plain

    def to_yaml(self) -> str:
        """The experiment as YAML, with every default written out."""
        return yaml.safe_dump(self.as_dict(), sort_keys=False)


def load_experiment(source: str, overrides: Sequence[str] = ()) -> ExperimentSpec:
    """Read an experiment from a file, or by the name of one that is shipped.

    Args:
        source: path of a YAML file, or a name such as `case_study`.
        overrides: `key.key=value`, value in YAML, as of `--set`.

    Raises:
        SpecError: a line for each thing wrong.
    """
    path = find_experiment(source)
    try:
        raw = _parse(path.read_text(), str(path))
    except UnicodeDecodeError:
        raise SpecError(f"{path}: not a text file") from None
    if not isinstance(raw, dict):
        raise SpecError(f"{path}: should hold the sections of an experiment, got {type(raw).__name__}")
    for override in overrides:
        _override(raw, override)
    return parse_experiment(raw, str(path))


def parse_experiment(raw: dict[str, Any], where: str) -> ExperimentSpec:
    """Check an experiment given as nested dictionaries. Raises SpecError, whose lines begin with `where`."""
    _check_finite(raw, where)
    try:
        # Through JSON for its strictness: no string passes for a number, and lists may still be tuples.
        return TypeAdapter(ExperimentSpec).validate_json(json.dumps(raw), strict=True)
    except ValidationError as error:
        raise SpecError("\n".join(_lines(error, where))) from None
    except TypeError as error:
        raise SpecError(f"{where}: {error}") from None


def find_experiment(source: str) -> Path:
    """The file of that path, or of a shipped experiment of that name. Raises SpecError if there is none."""
    path = Path(source)
    if path.is_file():
        return path
    shipped = shipped_experiments()
    if source in shipped:
        return shipped[source]
    hint = get_close_matches(path.stem, shipped, n=1, cutoff=0.5)
    nearest = f"; did you mean {hint[0]!r}?" if hint else ""
    raise SpecError(f"{source}: no such file, and no shipped experiment of that name{nearest}")


def shipped_experiments() -> dict[str, Path]:
    """Experiments that come with the package, name -> file."""
    folder = Path(__file__).parents[2] / "experiments"  # beside the packages, in a checkout and in a wheel alike
    return {path.stem: path for path in sorted(folder.glob("*.yaml"))}


def unknown_key(key: str, valid: Sequence[str]) -> str:
    """A message for a name that does not exist."""
    nearest = get_close_matches(key, valid, n=1, cutoff=0.5)
    return f"unknown {key!r}" + (f"; did you mean {nearest[0]!r}?" if nearest else f"; valid: {', '.join(valid)}")


def experiment_schema() -> dict[str, Any]:
    """JSON Schema of an experiment."""
    return TypeAdapter(ExperimentSpec).json_schema()


class _Loader(yaml.SafeLoader):
    """YAML 1.2 numbers (1e-3 is one, which PyYAML's YAML 1.1 takes for a string), and no key given twice."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """As SafeLoader's, but a key given twice is an error rather than the last one winning."""
        seen: set[Any] = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if key in seen:
                raise yaml.constructor.ConstructorError(None, None, f"key {key!r} is given twice", key_node.start_mark)
            seen.add(key)
        return super().construct_mapping(node, deep)


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"^[-+]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)[eE][-+]?[0-9]+$"),
    list("-+0123456789."),
)


def _parse(text: str, where: str) -> Any:
    try:
        return yaml.load(text, _Loader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark else ""
        raise SpecError(f"{where}{line}: not YAML: {getattr(error, 'problem', error)}") from None


def _check_finite(value: Any, where: str, key: str = "") -> None:
    """Refuse .nan and .inf in every section, those passed on to RLlib too."""
    if isinstance(value, dict):
        for name, part in value.items():
            _check_finite(part, where, f"{key}.{name}" if key else str(name))
    elif isinstance(value, list):
        for part in value:
            _check_finite(part, where, key)
    elif isinstance(value, float) and not isfinite(value):
        raise SpecError(f"{where}: {key}: should be a finite number, got {value}")


def _override(raw: dict[str, Any], override: str) -> None:
    key, equals, value = override.partition("=")
    if not equals or not key.strip():
        raise SpecError(f"--set {override}: should read key.key=value")
    *parents, last = key.strip().split(".")
    section = raw
    for parent in parents:
        section = section.setdefault(parent, {})
        if not isinstance(section, dict):
            raise SpecError(f"--set {override}: {parent!r} is a value, not a section")
    section[last] = _parse(value, f"--set {override}")


def _lines(error: ValidationError, where: str) -> list[str]:
    """One line a mistake: file, key, what is wrong and what would be right."""
    lines = []
    for mistake in error.errors():
        path = [str(part) for part in mistake["loc"] if not str(part).startswith(("dict[", "list[", "literal["))]
        key = ".".join(path) or "experiment"
        if mistake["type"] in ("extra_forbidden", "unexpected_keyword_argument"):
            message = unknown_key(path[-1], _valid_keys(path[:-1])) + " (unknown key)"
        else:
            given = mistake["input"]
            shown = "" if isinstance(given, dict) else f", got {given!r}"
            message = mistake["msg"].removeprefix("Value error, ") + shown
        lines.append(f"{where}: {key}: {message}")
    return list(dict.fromkeys(lines))


def _valid_keys(path: Sequence[str]) -> list[str]:
    """The keys of the section at `path`."""
    section: Any = ExperimentSpec
    for part in path:
        types = section.model_fields if issubclass(section, BaseModel) else section.__pydantic_fields__
        annotation = types[part].annotation
        section = next(t for t in (annotation, *get_args(annotation)) if isinstance(t, type))
    return [f.name for f in fields(section)] if is_dataclass(section) else list(section.model_fields)
