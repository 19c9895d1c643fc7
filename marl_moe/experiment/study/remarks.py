"""Remarks on results: what a table of means does not show, such as a policy that did not train.

They are read from the tables alone. Policies meet the same worlds, so that they are compared world
by world. A remark is a fact about these worlds; none depends on noise between them but that of a
learned policy below a rule, which is tested.
"""

from collections.abc import Collection, Iterable, Iterator, Sequence

import numpy as np
import pandas as pd

from marl_moe.experiment.records.columns import TRAINING
from marl_moe.experiment.spec.experiment import ExperimentSpec
from marl_moe.experiment.spec.policies import YARDSTICKS, PolicyOfRoles, PolicyOfRun
from marl_moe.policies.base import STOCHASTIC
from marl_moe.policies.heuristics import Abandon, Local, Random
from mechanisms import FreeExperts
from paper_figures.statistics import mean_interval

CONFIDENCE = 0.99  # that a policy is below a rule in worlds such as these
UNSPENT = 1e-6  # credits/slot of a budget; less is what solvers round
FEWEST_SEEDS = 3  # whose interval says anything of a policy trained once more
FEWEST_EPOCHS = 3  # from which on a column that never changes is told
LEARNT = ("gain", "critic_loss", "actor_loss", "entropy", "q_mean")  # change while learning
# What happened in a world; two policies that act alike have the same, bit for bit.
OUTCOMES = ("gain", "qos", "delay_s", "energy_j", "charge", "rejected", "transferred", "requests")
# Columns that have a number in every row; others are NaN where something did not happen.
ALWAYS = ("gain", "qos", "energy_j", "charge", "welfare", "worst_gain", "edge_utility")
WORLD = ["point", "seed", "episode"]


def remarks(
    specs: Sequence[ExperimentSpec],
    evaluation: pd.DataFrame,
    training: pd.DataFrame,
    audit: pd.DataFrame,
) -> list[str]:
    """Return remarks on the tables of a run, a line each.

    Args:
        specs: the experiment of each sweep point.
        evaluation: rows of `evaluation.parquet`.
        training: rows of `training.parquet`; nothing is told of them where nothing learned played.
        audit: rows of `audit.parquet`.
    """
    learned, lines = learned_policies(specs), [*of_audit(audit), *_idle_budgets(specs)]
    elsewhere = {
        entry.shown_as
        for spec in specs
        for entry in spec.evaluation.policies
        if isinstance(entry, PolicyOfRoles)
    }  # among other sides of the market, and so in other worlds
    if elsewhere:
        evaluation = evaluation[~evaluation["policy"].isin(elsewhere)]
    if len(evaluation):
        lines += of_evaluation(evaluation, learned, specs[0].metrics)
        if learned & set(evaluation["policy"]):
            lines += of_training(training)
    return lines


def learned_policies(specs: Iterable[ExperimentSpec]) -> set[str]:
    """Return the names of the policies of experiments that were trained, there or in other runs."""
    names: set[str] = set()
    for spec in specs:
        if spec.algorithm is not None:
            names.update(spec.algorithm.learned)
        entries = spec.evaluation.policies
        names.update(entry.shown_as for entry in entries if isinstance(entry, PolicyOfRun))
    return names


def of_evaluation(
    evaluation: pd.DataFrame, learned: Collection[str], metrics: Sequence[str] = ()
) -> list[str]:
    """Return remarks on rows of `evaluation.parquet`, a line each.

    Args:
        evaluation: the rows.
        learned: names of the policies that were trained.
        metrics: metrics of the experiment.
    """
    return [
        *_without_values(evaluation, metrics),
        *_without_transfers(evaluation),
        *_without_market(evaluation),
        *_untrained(evaluation, learned),
    ]


def of_training(training: pd.DataFrame) -> list[str]:
    """Return remarks on rows of `training.parquet`, a line each."""
    lines: dict[str, list[str]] = {}
    for (point, seed), rows in training.groupby(["point", "seed"], sort=False):
        for line in _of_one_training(rows):
            lines.setdefault(line, []).append(_where(point, seed))
    return [f"training: {line}{_listed(places)}" for line, places in lines.items()]


def of_audit(audit: pd.DataFrame) -> list[str]:
    """Return remarks on rows of `audit.parquet`, a line each."""
    lines: dict[str, list[str]] = {}
    for _, row in audit.iterrows():
        name, where = row["mechanism"], _where(row["point"], row["seed"])
        if not row["markets"]:
            lines.setdefault(f"{name}: no market cleared", []).append(where)
        elif name != "none" and not row["payments"]:
            lines.setdefault(f"{name}: pays nothing in any market", []).append(where)
        elif row["claims_within_budget"] and row["budget_excess_max"] < -UNSPENT:
            line = f"{name}: claims to keep the budget, which no market spends in full"
            lines.setdefault(line, []).append(where)
    return [f"{line}{_listed(places)}" for line, places in lines.items()]


def _without_values(evaluation: pd.DataFrame, metrics: Sequence[str]) -> Iterator[str]:
    """Tell of columns without a number."""
    for name in ALWAYS:
        missing = int(evaluation[name].isna().sum())
        if missing:
            yield f"{name}: NaN in {missing:,} of {len(evaluation):,} rows"
    for point, rows in evaluation.groupby("point", sort=False):
        if not rows["requests"].any():
            yield f"utility: no request was completed{_at(point)}; are episodes long enough?"
            continue
        for policy, played in rows.groupby("policy", sort=False):
            if not played["requests"].any():
                yield f"utility: {policy} completed no request{_at(point)}"
    for name in metrics:
        if evaluation[name].isna().all():
            yield f"{name}: the metric is NaN in every row"


def _without_transfers(evaluation: pd.DataFrame) -> Iterator[str]:
    """Tell of points at which nobody transfers a subtask, whatever the policy."""
    for point, rows in evaluation.groupby("point", sort=False):
        others = rows[rows["policy"] != Abandon.name]
        if len(others) and others["requests"].any() and not others["transferred"].any():
            yield (
                f"transferred: nobody transferred a subtask under any policy{_at(point)}; is "
                "anybody in coverage (channel.min_snr_db), up and willing?"
            )


def _idle_budgets(specs: Iterable[ExperimentSpec]) -> list[str]:
    """Tell of budgets of credits where nobody is ever charged any."""
    free = [spec for spec in specs if spec.mechanism.name == FreeExperts.name]
    if not any(spec.env.bounds["credit_budget"].given for spec in free):
        return []
    return ["credit_budget: nobody spends any of it under mechanism none, which charges nothing"]


def _without_market(evaluation: pd.DataFrame) -> Iterator[str]:
    """Tell of mechanisms that pay nobody though users transfer, or never cleared."""
    for point, rows in evaluation.groupby("point", sort=False):
        name = str(rows["mechanism"].iloc[0])
        clearings, failed = rows["clearings"].sum(), rows["failed_clearings"].sum()
        if clearings and clearings == failed:
            yield f"{name}: every clearing failed{_at(point)}"
        elif name != "none" and rows["transferred"].any() and not (rows["unit_price"] > 0).any():
            yield f"{name}: pays nothing in any world{_at(point)}"


def _untrained(evaluation: pd.DataFrame, learned: Collection[str]) -> Iterator[str]:
    """Tell of learned policies that are like a rule, below one, or the same everywhere."""
    alike = set()
    for (point, name), rows in evaluation.groupby(["point", "policy"], sort=False):
        policy = str(name)
        if policy not in learned:
            continue
        others = evaluation[(evaluation["point"] == point) & ~evaluation["policy"].isin(learned)]
        for rules, seeds in _equal_seeds(rows, others).items():
            alike.add(policy)
            every = len(seeds) == rows["seed"].nunique()
            which = "" if every else f" of seed {', '.join(map(str, seeds))}"
            yield f"{policy}: the same as {rules} in every world{which}{_at(point)}"
        compared = _compared_with(policy, others)
        found = {rule: _below(rows, others[others["policy"] == rule]) for rule in compared}
        below = [f"{rule} (gain {words})" for rule, words in found.items() if words]
        if below:
            yield (
                f"{policy}: below {', '.join(below)}{_at(point)}; {CONFIDENCE:.0%} intervals of "
                f"the difference over {_over(rows)}"
            )
    if evaluation["point"].nunique() < 2:
        return
    for policy in dict.fromkeys(evaluation["policy"].tolist()):
        rows = evaluation[evaluation["policy"] == policy]
        if policy in learned and policy not in alike and _same_at_all_points(rows, evaluation):
            yield f"{policy}: the same in every world at all points of the sweep"


def _equal_seeds(rows: pd.DataFrame, others: pd.DataFrame) -> dict[str, list[int]]:
    """Return the rules that a policy equals, with the seeds in whose worlds it does."""
    equal: dict[str, list[int]] = {}
    for seed in sorted(set(rows["seed"].tolist())):
        played = rows[rows["seed"] == seed]
        rules = [
            str(rule)
            for rule, theirs in others[others["seed"] == seed].groupby("policy", sort=False)
            if rule not in YARDSTICKS  # to equal these is no failure
            and _equal(played, theirs)
        ]
        if not rules and not played["transferred"].any():
            rules = [Abandon.name]  # though that was not played
        if rules:
            equal.setdefault(" and ".join(rules), []).append(seed)
    return equal


def _equal(rows: pd.DataFrame, others: pd.DataFrame) -> bool:
    """Return whether two policies have the same outcome in every world, bit for bit."""
    columns = [*WORLD, *OUTCOMES]
    rows, others = (
        frame[columns].sort_values(WORLD).reset_index(drop=True) for frame in (rows, others)
    )
    return rows.equals(others)


def _compared_with(policy: str, others: pd.DataFrame) -> list[str]:
    """Return the rules that a learned policy should not be below, that of the best mean first.

    One that draws its actions is compared with random alone: the other says how well it learned.
    """
    rules = others[~others["policy"].isin((*YARDSTICKS, Local.name))]
    if policy.endswith(STOCHASTIC):
        rules = rules[rules["policy"] == Random.name]
    gains = rules.groupby("policy")["gain"].mean()
    return [str(rule) for rule in gains.sort_values(ascending=False, kind="stable").index]


def _below(rows: pd.DataFrame, rule: pd.DataFrame) -> str:
    """Return how far a policy's gain is below that of a rule, "" where it is not."""
    pairs = rows.merge(rule, on=WORLD, suffixes=("", "_rule"))
    pairs = pairs.assign(difference=pairs["gain"] - pairs["gain_rule"])
    if len(pairs) < 2:
        return ""
    if not _tells_seeds(pairs):
        pairs["seed"] = np.arange(len(pairs))
    interval = mean_interval(pairs, "difference", ["point"], CONFIDENCE).iloc[0]
    if not interval["high"] < 0:
        return ""
    return f"{interval['mean']:.3f} [{interval['low']:.3f}, {interval['high']:.3f}]"


def _tells_seeds(rows: pd.DataFrame) -> bool:
    """Return whether seeds are enough; with fewer, policies are compared as they were trained."""
    return bool(rows["seed"].nunique() >= FEWEST_SEEDS)


def _over(rows: pd.DataFrame) -> str:
    seeds = f"{rows['seed'].nunique()} seeds"
    return seeds if _tells_seeds(rows) else f"{len(rows):,} worlds"


def _same_at_all_points(rows: pd.DataFrame, evaluation: pd.DataFrame) -> bool:
    points = evaluation["point"].unique()
    first, *rest = (rows[rows["point"] == point].assign(point="") for point in points)
    return all(_equal(first, other) for other in rest)


def _of_one_training(rows: pd.DataFrame) -> Iterator[str]:
    name = rows["algorithm"].iloc[0]
    if not rows["updates"].max():
        yield f"{name} made no gradient update"
        return
    for column in LEARNT:
        values = rows[column].dropna()
        if len(values) >= FEWEST_EPOCHS and values.nunique() == 1:
            yield f"{column} of {name} is {values.iloc[0]:.4g} in every epoch"
    if rows["gain"].isna().any():
        yield f"gain of {name} is NaN in {rows['gain'].isna().sum()} of {len(rows)} epochs"
    if rows["utility"].isna().all():
        yield f"utility of {name} is NaN in every epoch: no request was completed"
    for column in sorted({*map(str, rows)} - set(TRAINING)):  # of metrics and callbacks
        if rows[column].isna().all():
            yield f"{column} is NaN in every epoch"


def _at(point: object) -> str:
    return f" at {point}" if point else ""


def _where(point: object, seed: object) -> str:
    return f"{point}, seed {seed}" if point else f"seed {seed}"


def _listed(places: list[str]) -> str:
    """Return the places of a remark in words; of many the first."""
    more = f" and {len(places) - 3} more" if len(places) > 3 else ""
    return f" ({'; '.join(places[:3])}{more})"
