"""The section `search`: keys whose values are drawn, the spaces they are drawn from, and the draws.

The spaces are Ray Tune's (`ray.tune.search.sample`), by name. Settings are drawn at random or, with
`grid_search`, taken from a grid; no draw depends on what an earlier one scored.
"""

import json
from collections.abc import Iterator
from itertools import product
from math import prod
from typing import Any, Literal, Self

import numpy as np
from pydantic import Field, model_validator

from marl_moe.errors import SpecError, unknown_key
from marl_moe.experiment.spec.keys import UnknownKeyError
from marl_moe.experiment.spec.section import OpenSection, listed_seeds
from marl_moe.experiment.spec.swept_keys import is_within
from marl_moe.seeds import search_generator

FIRST_SEED = 1_000_000  # of a count of seeds, far above those that a count of `seeds` makes
TRIALS = 16
MOST_TRIALS = 1_000
MOST_REPEATS = 1_000  # draws in a row that find nothing new
DIGITS = 6  # significant ones of a number drawn: labels are read, and 0.1 + 0.2 is 0.3
SEARCHED = ("env", "mechanism", "algorithm")  # sections; the others say how to judge, not what
GRID = "grid_search"
LISTS = ("choice", GRID)
RANGES = {
    "uniform": ("low", "high"),
    "quniform": ("low", "high", "step"),
    "loguniform": ("low", "high"),
    "qloguniform": ("low", "high", "step"),
    "randint": ("low", "high"),
    "qrandint": ("low", "high", "step"),
    "lograndint": ("low", "high"),
    "qlograndint": ("low", "high", "step"),
}
SPACES = (*RANGES, *LISTS)
Space = tuple[str, list[Any]]  # name and arguments


class SearchSpec(OpenSection):
    """Keys whose values are drawn, and how the best are chosen.

    Further keys are those searched, dotted, each with a space of Ray Tune by its name, as
    `algorithm.training.gamma: {uniform: [0, 0.9]}`.
    """

    trials: int | None = Field(
        None,
        ge=1,
        le=MOST_TRIALS,
        description="Settings drawn, all distinct; null: 16, or with grid_search one for each cell "
        "of the grid, of which it should be a multiple",
    )
    seeds: int | list[int] = Field(
        2,
        description="Seeds that choose, none of the experiment's `seeds`, which judge; a count "
        f"begins at {FIRST_SEED}",
    )
    metric: str = Field(
        "gain",
        description="Column of evaluation.parquet by whose mean over these seeds is chosen",
    )
    mode: Literal["max", "min"] = Field("max", description="Is the greatest or the least best?")
    policy: str | None = Field(
        None, description="Policy whose metric it is; null: what was learned, likeliest actions"
    )

    @model_validator(mode="after")
    def _can_be(self) -> Self:
        try:
            self.seed_list()
        except ValueError as error:
            raise ValueError(f"seeds: {error}") from None
        spaces = self.spaces()
        if not spaces:
            raise ValueError(
                "should hold a key to search, as algorithm.training.gamma: {uniform: [0, 0.9]}"
            )
        for key, (name, arguments) in spaces.items():
            section, dot, _ = key.partition(".")
            if not dot:
                raise UnknownKeyError(key, f"; searched are keys of {', '.join(SEARCHED)}")
            if section not in SEARCHED:
                raise ValueError(
                    f"{key}: only keys of {', '.join(SEARCHED)} can be searched: "
                    f"{unknown_key(section, SEARCHED)}"
                )
            try:
                _check_space(name, arguments)
            except ValueError as error:
                raise ValueError(f"{key}: {name}: {error}") from None
            for other in spaces:
                if other != key and is_within(key, other):
                    raise ValueError(f"{key}: {other} sets it too; leave out one of them")
        self._check_trials(spaces)
        return self

    def _check_trials(self, spaces: dict[str, Space]) -> None:
        cells = prod(len(arguments) for name, arguments in spaces.values() if name == GRID)
        if cells > MOST_TRIALS:
            raise ValueError(f"{GRID}: should have at most {MOST_TRIALS:,} cells, got {cells:,}")
        if self.trials is None:
            return
        if all(name == GRID for name, _ in spaces.values()):
            if self.trials != cells:
                raise ValueError(
                    f"trials: should be {cells}, the cells of the grid, or left out, got "
                    f"{self.trials}"
                )
        elif self.trials % cells:
            raise ValueError(
                f"trials: should be a multiple of {cells}, the cells of the grid, got {self.trials}"
            )

    def seed_list(self) -> list[int]:
        """Return the seeds that choose.

        Raises:
            ValueError: they cannot be seeds.
        """
        return listed_seeds(self.seeds, FIRST_SEED)

    def spaces(self) -> dict[str, Space]:
        """Return the space of each dotted key, in the order of the YAML.

        Raises:
            ValueError: a key has no space, or none of Tune's names.
        """
        spaces: dict[str, Space] = {}
        for key, space in _spaces(self.model_extra or {}, ""):
            if key in spaces:
                raise ValueError(f"{key}: is given twice, with dots and in sections")
            spaces[key] = space
        return spaces


def draw(search: SearchSpec) -> list[dict[str, Any]]:
    """Draw the settings of a search: distinct ones, the same for the same section.

    With more `trials` the first stay as they are.

    Returns:
        The value of each searched key, by dotted key, a dictionary a trial.

    Raises:
        SpecError: Tune does not take a space, or it holds too few settings, or Ray is absent.
    """
    spaces = search.spaces()
    grids = {key: values for key, (name, values) in spaces.items() if name == GRID}
    cells = [dict(zip(grids, values, strict=True)) for values in product(*grids.values())]
    domains = {key: _domain(key, *space) for key, space in spaces.items() if space[0] != GRID}
    trials = search.trials or (len(cells) if grids else TRIALS)
    generator = search_generator(search.seed_list()[0])
    settings: dict[str, dict[str, Any]] = {}  # by their JSON, in which 1 is not true
    repeats = 0
    while len(settings) < trials:
        values = dict(cells[len(settings) % len(cells)])
        for key, domain in domains.items():
            values[key] = _sample(key, *spaces[key], domain, generator)
        values = {key: values[key] for key in spaces}
        name = json.dumps(values)
        repeats = repeats + 1 if name in settings else 0
        settings[name] = values
        if repeats >= MOST_REPEATS:
            raise SpecError(
                f"search.trials: should be at most {len(settings)}: {MOST_REPEATS:,} further draws "
                f"found no setting beside these, got {trials}"
            )
    return list(settings.values())


def _spaces(section: dict[str, Any], prefix: str) -> Iterator[tuple[str, Space]]:
    """Yield the key and the space of each leaf of nested sections, or of dotted keys."""
    for name, value in section.items():
        key = f"{prefix}{name}"
        if not isinstance(value, dict) or not value:
            if "." not in key:
                raise UnknownKeyError(
                    key, "; searched keys have a dot, as algorithm.training.gamma"
                )
            raise ValueError(f"{key}: should be a space, as {{uniform: [0, 1]}}, got {value!r}")
        is_section = all(isinstance(part, dict) for part in value.values())
        if is_section and not any(part in SPACES for part in value):
            yield from _spaces(value, f"{key}.")
            continue
        if len(value) > 1:
            raise ValueError(f"{key}: should be one space, got {', '.join(map(str, value))}")
        ((space, arguments),) = value.items()
        if space not in SPACES:
            raise ValueError(f"{key}: {unknown_key(str(space), SPACES)}")
        yield key, (space, arguments)


def _check_space(name: str, arguments: Any) -> None:
    """Check what a space is given, apart from what Tune itself says.

    Raises:
        ValueError: it cannot be.
    """
    if name in LISTS:
        if not isinstance(arguments, list) or not arguments:
            raise ValueError(f"should be a list of values, got {arguments!r}")
        if len({json.dumps(value) for value in arguments}) < len(arguments):
            raise ValueError(f"should be distinct values, got {arguments!r}")
        return
    names = RANGES[name]
    whole = name.endswith("randint")
    kinds = (int,) if whole else (int, float)
    if (
        not isinstance(arguments, list)
        or len(arguments) != len(names)
        or any(type(value) not in kinds for value in arguments)
    ):
        numbers = "whole numbers" if whole else "numbers"
        raise ValueError(f"should be {numbers} [{', '.join(names)}], got {arguments!r}")
    low, high, *step = arguments
    if low >= high:
        raise ValueError(f"low should be below high, got {arguments!r}")
    if "log" in name and low <= 0:
        raise ValueError(f"low should be above 0, got {arguments!r}")
    if step and step[0] <= 0:
        raise ValueError(f"step should be above 0, got {arguments!r}")


def _domain(key: str, name: str, arguments: list[Any]) -> Any:
    """Return Tune's domain of a space.

    Raises:
        SpecError: Tune does not take it, or Ray is absent.
    """
    try:
        from ray.tune.search import sample
    except ImportError:
        raise SpecError(
            "search: Ray Tune, which draws the settings, is not installed: "
            "pip install 'marl-moe[train]'"
        ) from None
    space = getattr(sample, name)
    try:
        return space(arguments) if name in LISTS else space(*arguments)
    except (ValueError, ArithmeticError) as error:
        raise SpecError(f"search.{key}: {name}: {error}") from None


def _sample(
    key: str, name: str, arguments: list[Any], domain: Any, generator: np.random.Generator
) -> Any:
    """Draw one value; a number is rounded to some digits, within its bounds."""
    try:
        value = domain.sample(random_state=generator)
    except (ValueError, ArithmeticError) as error:  # as of no multiple of a step in the bounds
        raise SpecError(f"search.{key}: {name}: {error}") from None
    if name in LISTS or not isinstance(value, float):
        return value
    low, high = arguments[:2]
    return float(min(max(float(f"{value:.{DIGITS}g}"), low), high))
