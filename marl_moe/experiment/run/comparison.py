"""Two runs compared: what differs between their experiments, and between what policies came to."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from math import nan
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
from pydantic import TypeAdapter

from envs import WorldConfig
from marl_moe.errors import SpecError
from marl_moe.experiment.records.tables import read_table
from marl_moe.experiment.run.evaluated import check_evaluated
from marl_moe.experiment.run.folder import EXPERIMENT, RunFolder
from marl_moe.experiment.run.model import model_of
from marl_moe.experiment.spec.experiment import ExperimentSpec
from marl_moe.experiment.spec.files import read_sections
from marl_moe.experiment.spec.input_files import replaced
from marl_moe.experiment.spec.section import first_difference
from marl_moe.experiment.spec.swept_keys import flat
from paper_figures.settings import identity, read
from paper_figures.sides import with_left_to_gain
from paper_figures.statistics import mean_interval, unpaired_interval
from paper_figures.sweeps import in_order

WORLD = ["seed", "episode"]
NOT_THERE = "-"
PLACE = "place"  # identity of what a sweep point sets, which two runs may share
THE_ONE = "{}"  # the place of all where points themselves are compared
Values = dict[str, Any]


@dataclass(frozen=True)
class Side:
    """A run as far as it is compared.

    Attributes:
        path: the run folder.
        experiment: its experiment; of files their names and SHA-256, and no path.
        metrics: metrics of the experiment's own.
        labels: of its sweep points, by what they set.
        worlds: in which policies were evaluated at each point: two runs whose are the same, with
            one seed, have the same worlds.
        evaluation: rows of `evaluation.parquet`, with the column `PLACE`.
    """

    path: Path
    experiment: Values
    metrics: Sequence[str]
    labels: Mapping[str, str]
    worlds: Mapping[str, Values]
    evaluation: pd.DataFrame

    def holds(self) -> str:
        """Return what the run has, in a line."""
        points = [label for label in self.labels.values() if label]
        policies, seeds = (self.evaluation[name].unique() for name in ("policy", "seed"))
        return (
            f"{self.path}: points {', '.join(points) or 'none, there is no sweep'}; policies "
            f"{', '.join(policies)}; seeds {', '.join(map(str, seeds))}"
        )


class Difference(NamedTuple):
    """What a policy came to in two runs, NaN where there is nothing to compare.

    Attributes:
        over: seeds and worlds that it is over, in words.
        num_seeds: the seeds; of two numbers the lower one.
        first: mean of the first run.
        second: mean of the second.
        mean: of second less first.
        low: end of its interval; NaN with one seed.
        high: the other end.
    """

    over: str
    num_seeds: int = 0
    first: float = nan
    second: float = nan
    mean: float = nan
    low: float = nan
    high: float = nan


def read_side(path: Path, *, trust: bool = False) -> Side:
    """Read a run to compare it; one that an older model of the world made may be.

    Args:
        path: the run folder.
        trust: whether to import code that comes from elsewhere, or was changed.

    Raises:
        SpecError: there is no whole experiment, or no policy was evaluated.
        RecordError: its table or `environment.json` is damaged.
    """
    run = RunFolder.read(path, trust=trust, to_play=False)
    check_evaluated(run)
    tables = ("evaluation", "training", "exploitability")
    evaluation = with_left_to_gain(
        {name: read_table(path, name, run.spec.metrics) for name in tables}
    )
    model = model_of(path, read_sections(path / EXPERIMENT))
    places = {text: identity(read(text)) for text in evaluation["settings"].unique()}
    return Side(
        path,
        _experiment(run.spec),
        run.spec.metrics,
        {identity(point.settings): point.label for point in run.points},
        {identity(point.settings): _worlds(point.spec, model) for point in run.points},
        evaluation.assign(**{PLACE: evaluation["settings"].map(places)}),
    )


def sides_of_points(run: RunFolder) -> dict[str, Side]:
    """Read the sweep points of a run to compare them, by label; none that was not evaluated.

    Args:
        run: the run.

    Raises:
        RecordError: its table or `environment.json` is damaged.
    """
    evaluation = read_table(run.path, "evaluation", run.spec.metrics)
    model = model_of(run.path, read_sections(run.path / EXPERIMENT))
    sides = {}
    for point in run.points:
        rows = evaluation[evaluation["point"] == point.label]
        if len(rows):
            worlds = {THE_ONE: _worlds(point.spec, model)}
            experiment = _experiment(point.spec)
            sides[point.label] = Side(
                run.path,
                experiment,
                run.spec.metrics,
                {THE_ONE: ""},
                worlds,
                rows.assign(**{PLACE: THE_ONE}),
            )
    return sides


def differences(first: Side, second: Side) -> list[tuple[str, str, str]]:
    """Return the keys in which two experiments differ, dotted, with both values as texts.

    A sweep that lists its points differs by those that the other has not. `sizes`, which are other
    experiments, are left out.
    """
    both = [dict(flat(side.experiment)) for side in (first, second)]
    points = []
    if any(isinstance(side.experiment["sweep"], list) for side in (first, second)):
        both = [
            {key: value for key, value in keys.items() if key.partition(".")[0] != "sweep"}
            for keys in both
        ]
        for place, label in {**first.labels, **second.labels}.items():
            text = label or "no sweep"
            shown = [text if place in side.labels else NOT_THERE for side in (first, second)]
            points.append(("sweep", *shown))
    rows = [
        (key, *(_text(keys, key) for keys in both)) for key in dict.fromkeys([*both[0], *both[1]])
    ]
    models = (str(next(iter(side.worlds.values()))["model"]) for side in (first, second))
    rows.append(("model of the world", *models))
    return [(key, a, b) for key, a, b in [*rows, *points] if a != b]


def compare(
    first: Side, second: Side, metrics: Sequence[str]
) -> tuple[pd.DataFrame, dict[str, str]]:
    """Compare the policies that two runs have at the sweep points that both have.

    Where a seed of both had the same worlds, differences are taken world by world, and their
    interval is over these seeds. Elsewhere it is that of a difference of means over the seeds of
    each, by Welch's t test.

    Args:
        first: a run.
        second: a run.
        metrics: columns of "evaluation" that both have.

    Returns:
        A row for each point, policy and metric, with the columns of `Difference`; and for each
        point that is not compared world by world why it is not.

    Raises:
        SpecError: they have no policy at the same point.
    """
    rows: list[Values] = []
    why: dict[str, str] = {}
    for place in in_order(first.labels):
        label = first.labels[place]
        here = [side.evaluation[side.evaluation[PLACE] == place] for side in (first, second)]
        theirs = set(here[1]["policy"])
        policies = [policy for policy in here[0]["policy"].unique() if policy in theirs]
        if not policies:
            continue
        other = _other_worlds(first.worlds[place], second.worlds[place])
        if other is None and set(here[0]["seed"]).isdisjoint(here[1]["seed"]):
            other = "no seed in common"
        if other is not None:
            why[label] = other
        for policy in policies:
            a, b = (played[played["policy"] == policy] for played in here)
            for metric in metrics:
                found = _paired(a, b, metric) if other is None else _unpaired(a, b, metric)
                key = {"point": label, "policy": policy, "metric": metric}
                rows.append(key | found._asdict())
    if not rows:
        raise SpecError(
            "nothing to compare: no policy was evaluated at a sweep point of both runs\n"
            f"{first.holds()}\n{second.holds()}"
        )
    return pd.DataFrame(rows), why


def _paired(first: pd.DataFrame, second: pd.DataFrame, metric: str) -> Difference:
    """Compare a policy world by world."""
    columns = [*WORLD, metric]
    pairs = first[columns].merge(second[columns], on=WORLD, suffixes=("_first", "_second"))
    pairs = pairs.rename(columns={f"{metric}_first": "first", f"{metric}_second": "second"})
    pairs = pairs.dropna()
    if pairs.empty:
        return Difference("no world with a value in both")
    pairs = pairs.assign(policy="", difference=pairs["second"] - pairs["first"])
    means = pairs.groupby("seed")[["first", "second"]].mean().mean()
    interval = mean_interval(pairs, "difference").iloc[0]
    count = int(interval["num_seeds"])
    over = f"{_seeds(count)}, {len(pairs):,} worlds"
    return Difference(
        over,
        count,
        means["first"],
        means["second"],
        interval["mean"],
        interval["low"],
        interval["high"],
    )


def _unpaired(first: pd.DataFrame, second: pd.DataFrame, metric: str) -> Difference:
    """Compare the means of a policy over the seeds of each run."""
    a, b = (rows.groupby("seed")[metric].mean().dropna() for rows in (first, second))
    if a.empty or b.empty:
        return Difference("no value in one of them")
    over = f"{len(a)} and {_seeds(len(b))}, unpaired"
    interval = unpaired_interval(a.to_numpy(), b.to_numpy())
    return Difference(over, min(len(a), len(b)), a.mean(), b.mean(), *interval)


def _seeds(count: int) -> str:
    return f"{count} seed" if count == 1 else f"{count} seeds"


def _other_worlds(first: Values, second: Values) -> str | None:
    """Return in words why worlds of one seed are not the same, None where they are."""
    found = first_difference(first, second)
    if found is None:
        return None
    key, a, b = found
    return f"other worlds, {key} is {_value(a)} and {_value(b)}"


def _worlds(spec: ExperimentSpec, model: int) -> Values:
    """Return all that worlds of a seed follow from."""
    env = json.loads(TypeAdapter(WorldConfig).dump_json(spec.evaluated_env()))
    files = {path: _file(name, path) for name, path in spec.inputs.items()}
    # Worlds of a batch share generators: another number of them is other worlds.
    return {
        "model": model,
        "evaluation.episodes": spec.evaluation.episodes,
        **replaced({"env": env}, files),
    }


def _experiment(spec: ExperimentSpec) -> Values:
    """Return an experiment without paths."""
    plain = spec.as_kept().as_dict()
    plain.pop("sizes")
    for entry in plain["evaluation"]["policies"]:
        if isinstance(entry, dict):
            entry.pop("run", None)
    return replaced(plain, {name: _file(name, path) for name, path in spec.inputs.items()})


def _file(name: str, path: str) -> str:
    """Return the name of a file and the beginning of its SHA-256."""
    return f"{Path(name).name} ({sha256(Path(path).read_bytes()).hexdigest()[:12]})"


def _text(keys: Values, key: str) -> str:
    """Return the value of a key as a text; an empty section is none."""
    return NOT_THERE if keys.get(key, {}) == {} else _value(keys[key])


def _value(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
