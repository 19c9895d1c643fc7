"""A whole experiment: its sections and what must hold between them, checked where it is built.

Sections: `name, kind, imports, seeds, env, mechanism, algorithm, metrics, evaluation, audit,
cluster, sweep, search, figures, sizes`. `env` is `WorldConfig` of `envs`; `mechanism` names a
mechanism and its parameters; under `algorithm`, sections other than `name`, `policies`, `stop` and
`pretraining` are RLlib's own and passed on; `imports` and `metrics` name code of a researcher's
own; `audit` is read by `kind: market_study` alone, which has no `algorithm`.
"""

import json
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import (
    Discriminator,
    Field,
    PrivateAttr,
    Tag,
    TypeAdapter,
    ValidationError,
    model_validator,
)

import mechanisms
from envs import WorldConfig
from marl_moe.errors import SpecError
from marl_moe.experiment.spec.algorithm import AlgorithmSpec
from marl_moe.experiment.spec.cluster import ClusterSpec
from marl_moe.experiment.spec.evaluation import AuditSpec, EvaluationSpec
from marl_moe.experiment.spec.input_files import Inputs, replaced
from marl_moe.experiment.spec.keys import no_such_key
from marl_moe.experiment.spec.mechanism import MechanismSpec
from marl_moe.experiment.spec.policies import check_named_apart
from marl_moe.experiment.spec.role_checks import check_entries, check_roles
from marl_moe.experiment.spec.search import SearchSpec
from marl_moe.experiment.spec.section import (
    Name,
    Section,
    check_metrics,
    listed_seeds,
    merged,
)
from marl_moe.experiment.spec.swept_keys import check_swept, flat, is_within, settings_of
from marl_moe.experiment.spec.yaml_loader import written_yaml
from marl_moe.policies.columns import columns_of, difference

# Names and options are checked before a run: reading an experiment imports no matplotlib. Tags
# begin with `entry[`, which messages leave out of the path of a key.
FigureEntry = Annotated[
    Annotated[str, Tag("entry[name]")]
    | Annotated[
        dict[str, dict[str, Any]], Field(min_length=1, max_length=1), Tag("entry[options]")
    ],
    Discriminator(lambda entry: "entry[options]" if isinstance(entry, dict) else "entry[name]"),
]


class ExperimentSpec(Section):
    """A whole experiment."""

    name: Name = Field(description="Names the run folder")
    extends: None = Field(
        None,
        exclude=True,
        description="Experiment whose sections this one changes: a file beside it, or the name of "
        "one that is shipped; of its sections all but name, sweep, search, figures and sizes",
        json_schema_extra={"type": "string"},
    )
    kind: Literal["train", "market_study"] = Field(
        "train",
        description="Train and evaluate a policy; or audit a mechanism in markets sampled from the "
        "world",
    )
    imports: list[str] = Field(
        default=[],
        description="Code of your own, imported in every process: files beside the experiment, as "
        "mine.py, or modules, as my_package.channels",
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
    metrics: list[str] = Field(
        default=[],
        description="Metrics of your own to record in training and evaluation, a column each: "
        "names given to `marl_moe.metrics.register`",
    )
    evaluation: EvaluationSpec = Field(default_factory=EvaluationSpec)
    audit: AuditSpec = Field(default_factory=AuditSpec)
    cluster: ClusterSpec = Field(default_factory=ClusterSpec)
    sweep: dict[str, Any] | list[dict[str, Any]] = Field(
        default={},
        description="Lists of values in place of any key's value: a grid of runs; or a list of the "
        "points themselves, each the values of its keys",
    )
    search: SearchSpec | None = Field(
        None,
        description="Keys whose values are drawn and compared first, with seeds apart; the run is "
        "then that of the best",
    )
    figures: list[FigureEntry] = Field(
        default=[],
        description="Figures drawn at the end, see paper_figures: a name, or {name: options}",
    )
    sizes: dict[Name, dict[str, Any]] = Field(
        default={},
        description="Smaller versions by name, each the keys that it changes: `marl-moe run --size "
        "NAME`",
    )

    _inputs: Inputs = PrivateAttr(default_factory=dict)
    _question: str = PrivateAttr("")

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        try:
            self.seed_list()
        except ValueError as error:
            raise ValueError(f"seeds {error}") from None
        check_metrics("metrics", self.metrics)
        if self.metrics and self.kind == "market_study":
            raise ValueError("metrics: are of training and evaluation, a market_study has neither")
        if self.algorithm is not None:
            self._check_algorithm(self.algorithm)
        elif self.evaluation.best_response_epochs:
            raise ValueError(
                "evaluation.best_response_epochs: should be 0, nothing learns without an algorithm"
            )
        learned = [] if self.algorithm is None else self.algorithm.learned
        check_entries(self.evaluation.policies, learned)
        check_swept(self.sweep)
        self._check_swept_is_read()
        if any("imports" in size for size in self.sizes.values()):
            raise ValueError("imports: should stand at the top, not in sweep or sizes")
        self.evaluated_env()
        return self

    def _check_swept_is_read(self) -> None:
        keys = [key for key, _ in settings_of(self.sweep)]
        if "kind" in keys:
            return
        unread = ("evaluation",) if self.kind == "market_study" else ("audit",)
        for key in keys:
            if key.partition(".")[0] in unread:
                raise ValueError(f"sweep.{key}: kind: {self.kind} does not read it")
            if self.algorithm is not None or "algorithm" in keys:
                continue
            for other, _ in flat({"env": self.evaluation.env}) if self.evaluation.env else ():
                if is_within(other, key) and is_within(key, "env"):
                    raise ValueError(
                        f"sweep.{key}: evaluation.{other} overrides it, and nothing is trained"
                    )

    def _check_algorithm(self, algorithm: AlgorithmSpec) -> None:
        if self.kind == "market_study":
            raise ValueError("kind: market_study has no algorithm; leave that section out")
        check_named_apart(self.evaluation.policies, algorithm.learned)
        algorithm.module_users(self.env.num_users)
        self._check_roles(algorithm)
        what = "evaluation.env: what learns in env cannot act in its worlds"
        evaluated = self.evaluated_env()
        self._check_seen(what, self.env, evaluated)
        if algorithm.policies != "shared" and evaluated.num_users != self.env.num_users:
            raise ValueError(
                f"evaluation.env: has {evaluated.num_users} users, and algorithm.policies are of "
                f"{self.env.num_users}; shared ones act for any number"
            )
        if algorithm.pretraining is None:
            return
        pretrained = self.pretrained_env()
        what = "algorithm.pretraining.env: what learns there cannot go on in env"
        self._check_seen(what, pretrained, self.env)
        if algorithm.policies == "independent" and pretrained.num_users != self.env.num_users:
            raise ValueError(
                "algorithm.pretraining.env.num_users: independent policies of "
                f"{pretrained.num_users} users cannot go on as those of {self.env.num_users}"
            )
        algorithm.module_users(pretrained.num_users)

    def _check_roles(self, algorithm: AlgorithmSpec) -> None:
        worlds = {"env": self.env, "evaluation.env": self.evaluated_env()}
        if algorithm.pretraining is not None:
            worlds["algorithm.pretraining.env"] = self.pretrained_env()
        mechanism = mechanisms.make(**self.mechanism.parameters())
        check_roles(algorithm, mechanism, worlds, self.evaluation.best_response_epochs)

    def _check_seen(self, what: str, trained: WorldConfig, here: WorldConfig) -> None:
        """Raise ValueError unless worlds have the columns of observations that are trained on."""
        allocates = mechanisms.make(**self.mechanism.parameters()).allocates
        differs = difference(columns_of(trained, allocates), columns_of(here, allocates))
        if differs:
            raise ValueError(f"{what}, whose observations {differs}")

    def evaluated_env(self) -> WorldConfig:
        """Return the worlds of the evaluation.

        Raises:
            ValueError: a key or a value of `evaluation.env` cannot be.
        """
        return self._changed_env("evaluation.env", self.evaluation.env)

    def pretrained_env(self) -> WorldConfig:
        """Return the worlds of the pretraining.

        Raises:
            ValueError: a key or a value of `algorithm.pretraining.env` cannot be.
        """
        assert self.algorithm is not None
        assert self.algorithm.pretraining is not None
        return self._changed_env("algorithm.pretraining.env", self.algorithm.pretraining.env)

    def pretraining(self) -> "ExperimentSpec | None":
        """Return the experiment of the pretraining, None where training starts from nothing."""
        if self.algorithm is None or self.algorithm.pretraining is None:
            return None
        algorithm = self.algorithm.model_copy(
            update={"pretraining": None, "stop": self.algorithm.pretraining.stop}
        )
        return self.model_copy(update={"env": self.pretrained_env(), "algorithm": algorithm})

    def phases(self) -> list["ExperimentSpec"]:
        """Return the trainings of a job in order: a pretraining if there is one, then its own.

        Empty where nothing is trained.
        """
        if self.algorithm is None:
            return []
        pretraining = self.pretraining()
        return [self] if pretraining is None else [pretraining, self]

    def _changed_env(self, section: str, changes: dict[str, Any]) -> WorldConfig:
        adapter = TypeAdapter(WorldConfig)
        plain = json.dumps(merged(json.loads(adapter.dump_json(self.env)), changes))
        try:
            return adapter.validate_json(plain, strict=True)
        except ValidationError as error:
            first = error.errors()[0]
            path = [str(part) for part in first["loc"] if not str(part).startswith("entry[")]
            key = ".".join((section, *path))
            if first["type"] == "unexpected_keyword_argument":
                message = no_such_key(type(self), ["env", *path])
                message = message.replace("'env.", f"'{section}.")
                raise ValueError(f"{key}: {message}") from None
            raise ValueError(
                f"{key}: {first['msg'].removeprefix('Value error, ')}, got {first['input']!r}"
            ) from None

    def seed_list(self) -> list[int]:
        """Return the seeds."""
        return listed_seeds(self.seeds)

    def at(self, address: str | None) -> "ExperimentSpec":
        """Return the experiment on the Ray of that address.

        Raises:
            SpecError: the address can be none.
        """
        try:
            cluster = ClusterSpec(**(self.cluster.model_dump() | {"address": address}))
        except ValidationError as error:
            raise SpecError(f"--{error.errors()[0]['msg'].removeprefix('Value error, ')}") from None
        return self.model_copy(update={"cluster": cluster})

    def as_kept(self) -> "ExperimentSpec":
        """Return the experiment as a run folder keeps it.

        It has no address; the files that it imports lie in the folder's `imports`, where each is
        found by its name.
        """
        names = [Path(name).name if name.endswith(".py") else name for name in self.imports]
        return self.at(None).model_copy(update={"imports": names})

    @property
    def inputs(self) -> Inputs:
        """Files that it names: the path of each, by the name that `as_dict` gives it."""
        return self._inputs

    def with_inputs(self, inputs: Inputs) -> Self:
        """Return the experiment with knowledge of where its files are."""
        spec = self.model_copy()
        spec._inputs = inputs
        return spec

    @property
    def question(self) -> str:
        """The comment at the head of its file, a line; empty without one."""
        return self._question

    def asking(self, question: str) -> Self:
        """Return the experiment with the comment that its file has at its head."""
        spec = self.model_copy()
        spec._question = question
        return spec

    def as_dict(self) -> dict[str, Any]:
        """Return plain values, with every default written out, and files by their names."""
        plain: dict[str, Any] = json.loads(TypeAdapter(ExperimentSpec).dump_json(self))
        return replaced(plain, {path: name for name, path in self._inputs.items()})

    def as_given(self) -> dict[str, Any]:
        """Return what `as_dict` does, with the paths of files in place of their names."""
        return replaced(self.as_dict(), self._inputs)

    def to_yaml(self) -> str:
        """Return the experiment as YAML, with every default written out."""
        return written_yaml(self.as_dict(), self.question)


def experiment_schema() -> dict[str, Any]:
    """Return the JSON Schema of an experiment."""
    return TypeAdapter(ExperimentSpec).json_schema()
