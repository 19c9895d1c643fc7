"""Runs made longer: more epochs, seeds, episodes or policies than they were begun with."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from marl_moe.errors import SpecError
from marl_moe.experiment.spec.experiment import ExperimentSpec
from marl_moe.experiment.spec.policies import RegisteredPolicy
from marl_moe.experiment.spec.reading import parse_experiment
from marl_moe.experiment.spec.sweep import sweep_points
from marl_moe.experiment.spec.yaml_loader import parse_yaml

# The options of `marl-moe resume` that extend a key.
OPTIONS = {
    "algorithm.stop.training_iteration": "--epochs",
    "seeds": "--seeds",
    "evaluation.episodes": "--episodes",
    "evaluation.policies": "--policies",
}


@dataclass(frozen=True)
class Extension:
    """What a run is to have, None where it stays as it is.

    Attributes:
        epochs: training iterations a seed.
        seeds: number of seeds.
        episodes: episodes of evaluation a policy and seed.
        policies: policies to compare beside those that it compares, as in `evaluation.policies`.
    """

    epochs: int | None = None
    seeds: int | None = None
    episodes: int | None = None
    policies: Sequence[Any] = ()

    def __bool__(self) -> bool:
        """Return whether anything is extended."""
        numbers = (self.epochs, self.seeds, self.episodes)
        return bool(self.policies) or any(number is not None for number in numbers)

    def of(self, spec: ExperimentSpec) -> ExperimentSpec:
        """Return an experiment extended; one that was extended so before is returned as it is.

        Raises:
            SpecError: it has more than that, or has no such key.
        """
        if not self:
            return spec
        if spec.search is not None:
            raise SpecError("a run cannot be extended before its search is done")
        plain = spec.as_dict()
        if self.seeds is not None:
            if isinstance(spec.seeds, list):
                raise SpecError(f"--seeds {self.seeds}: the run has a list of seeds, {spec.seeds}")
            plain["seeds"] = _more("--seeds", self.seeds, spec.seeds)
        if self.epochs is not None:
            if spec.algorithm is None:
                raise SpecError(f"--epochs {self.epochs}: nothing is trained in this run")
            stop = plain["algorithm"]["stop"]
            before = stop["training_iteration"]
            stop["training_iteration"] = _more("--epochs", self.epochs, before)
        if (self.episodes is not None or self.policies) and spec.kind != "train":
            option = "--policies" if self.policies else "--episodes"
            raise SpecError(f"{option}: a {spec.kind} compares no policies")
        evaluation = plain["evaluation"]
        if self.episodes is not None:
            before = spec.evaluation.episodes
            evaluation["episodes"] = _more("--episodes", self.episodes, before)
        plain["evaluation"] = evaluation | {"policies": self._policies(spec, plain)}
        extended = parse_experiment(plain, spec.name, inputs=spec.inputs).asking(spec.question)
        _check_sweep(extended)
        return extended

    def _policies(self, spec: ExperimentSpec, plain: dict[str, Any]) -> list[Any]:
        """Return the policies that are compared, as plain values."""
        if isinstance(self.policies, str):
            raise SpecError(f"--policies: should be a list of policies, got {self.policies!r}")
        policies = list(plain["evaluation"]["policies"])
        for policy in self.policies:
            keys = policy if isinstance(policy, dict) else {"name": policy}
            if not isinstance(keys.get("name", keys.get("run", keys.get("import"))), str):
                raise SpecError(
                    f"--policies: {policy!r}: should be the name of a policy, or a section with it"
                )
            if keys.keys() & {"run", "import"}:
                raise SpecError(
                    f"--policies: {policy!r} has files that would have to be copied: compare it "
                    "in a new run, or with marl_moe.evaluate"
                )
            try:
                entry = RegisteredPolicy.model_validate(keys).model_dump()
            except ValidationError as error:
                said = error.errors()[0]["msg"].removeprefix("Value error, ")
                raise SpecError(f"--policies: {policy!r}: {said}") from None
            if entry not in policies:
                policies.append(entry)
        return policies


AS_IT_IS = Extension()


def listed(policies: Sequence[str]) -> list[Any]:
    """Return the policies of the option `--policies`: names, or sections in YAML, with commas.

    Raises:
        SpecError: they are no YAML.
    """
    entries = []
    for policy in policies:
        names = parse_yaml(f"[{policy}]", f"--policies {policy}")
        if not names:
            raise SpecError("--policies: there is no name")
        entries += names
    return entries


def _more(option: str, wanted: int, before: int) -> int:
    """Return what is wanted.

    Raises:
        SpecError: it is less than before, which would throw away what is done.
    """
    if not isinstance(wanted, int) or isinstance(wanted, bool):
        raise SpecError(f"{option} {wanted!r}: should be a number")
    if wanted < before:
        raise SpecError(f"{option} {wanted}: the run has {before} already, should be at least that")
    return wanted


def _check_sweep(extended: ExperimentSpec) -> None:
    """Check that no sweep sets what was extended.

    Raises:
        SpecError: it does; the message names the key.
    """
    for point in sweep_points(extended):
        for key in OPTIONS:
            if _value(point.spec, key) != _value(extended, key):
                raise SpecError(f"{OPTIONS[key]}: sweep sets {key}, at {point.label}")


def _value(spec: ExperimentSpec, key: str) -> Any:
    value: Any = spec.as_dict()
    for part in key.split("."):
        value = None if value is None else value.get(part)
    return value
