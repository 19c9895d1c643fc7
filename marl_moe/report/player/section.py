"""The section of the report that plays an episode: which policies, and what the page is told."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

import mechanisms
from marl_moe.errors import RecordError, SpecError, unknown_key
from marl_moe.experiment.records.tables import read_table
from marl_moe.experiment.run.folder import RunFolder
from marl_moe.experiment.run.training_job import TrainingJob, policy_names
from marl_moe.experiment.spec.experiment import ExperimentSpec
from marl_moe.experiment.spec.policies import YARDSTICKS, PolicyOfRoles
from marl_moe.experiment.study.evaluation import worlds_at_once
from marl_moe.experiment.study.remarks import learned_policies
from marl_moe.policies.base import Policy
from marl_moe.policies.heuristics import Local
from marl_moe.report.player import reasons
from marl_moe.report.player.encoding import exact, quantised
from marl_moe.report.player.insight import Insight
from marl_moe.report.player.play import Recording, record
from marl_moe.report.player.slots import OF_EXPERTS, OF_WORLD, OUTCOMES, Arrays
from marl_moe.report.section import Section
from mechanisms.errors import PartError

MOST_POLICIES, MOST_USERS, MOST_EXPERTS = 6, 32, 500
ID, TITLE = "player", "Episode"


def player_section(
    run: RunFolder,
    *,
    point: str | None = None,
    seed: int | None = None,
    episodes: int = 1,
    on_policy: Callable[[str], None] = lambda name: None,
) -> Section | str:
    """Record the first episodes of an evaluation, each played by at most `MOST_POLICIES`.

    Args:
        run: the run.
        point: label of the sweep point; None: the first.
        seed: the seed; None: the first.
        episodes: episodes to record.
        on_policy: is told which policy plays next.

    Returns:
        The section; or a sentence that says why there is none.

    Raises:
        SpecError: there is no such point or seed, or there are not so many episodes.
    """
    run.use_code()
    try:
        jobs = run.training_jobs()
    except SpecError as error:
        return str(error)
    job = _chosen(jobs, point, seed)
    num_experts = job.played.evaluated_env().num_experts
    if num_experts > MOST_EXPERTS:
        return f"An episode among {num_experts} experts is not shown: at most {MOST_EXPERTS} are."
    most = min(job.spec.evaluation.episodes, worlds_at_once(job.played.evaluated_env()))
    if type(episodes) is not int or not 1 <= episodes <= most:
        raise SpecError(
            f"episodes: should be a number of 1 to {most}, the episodes that are played at once, "
            f"got {episodes!r}"
        )
    rows = read_table(run.path, "evaluation", run.spec.metrics)
    rows = rows[(rows["point"] == job.label) & (rows["seed"] == job.seed)]
    names, left_out = ranked(job.spec, rows)
    shown: list[dict[str, Any]] = []
    recordings: list[list[Recording]] = []
    for name in names:
        if len(shown) == MOST_POLICIES:
            left_out.append(f"{name}: beyond the {MOST_POLICIES} policies that are shown")
            continue
        on_policy(name)
        try:
            policy = job.policy(name)
            insight, told = _insight(job, name, policy)
            recordings.append(_recorded(job, policy, insight, episodes))
        except (SpecError, RecordError, PartError) as error:
            left_out.append(f"{name}: {error}")
            continue
        kind = _kind(job.spec, name)
        setting = str(getattr(policy, "setting", ""))
        shown.append({"name": name, "kind": kind, "setting": setting, "told": told})
    if not shown:
        return "No episode to play: " + "; ".join(left_out)
    num_users = job.played.evaluated_env().num_users
    if num_users > MOST_USERS:
        left_out.append(f"users {MOST_USERS} to {num_users - 1}: the first {MOST_USERS} are shown")
    data = _about(job) | {
        "run": run.spec.name,
        "policies": shown,
        "left_out": left_out,
        "episodes": [
            _episode(number, [of_policy[number] for of_policy in recordings])
            for number in range(episodes)
        ],
    }
    return Section(ID, TITLE, data)


def ranked(spec: ExperimentSpec, rows: pd.DataFrame) -> tuple[list[str], list[str]]:
    """Return the policies in the order in which they are shown, and what is never.

    Learned ones come first, then the best rule, the equilibrium, and the others by their gain.

    Args:
        spec: the experiment of the sweep point.
        rows: its rows of `evaluation.parquet`, of the seed.
    """
    gain = rows.groupby("policy")["gain"].mean()
    names = policy_names(spec)
    names.sort(key=lambda name: -gain.get(name, -np.inf))  # a stable sort
    of_kind: dict[str, list[str]] = {"learned": [], "rule": [], "yardstick": []}
    left_out = []
    for name in names:
        if _runs_locally(spec, name):
            left_out.append(f"{name}: no action of the world does that, there is nothing to play")
        else:
            of_kind[_kind(spec, name)].append(name)
    in_order = {name: place for place, name in enumerate(policy_names(spec))}
    of_kind["learned"].sort(key=in_order.__getitem__)
    rules, yardsticks = of_kind["rule"], of_kind["yardstick"]
    yardsticks.sort(key=YARDSTICKS.index)
    first = [*of_kind["learned"], *rules[:1], *yardsticks[:1]]
    return [*first, *rules[1:], *yardsticks[1:]], left_out


def _kind(spec: ExperimentSpec, name: str) -> str:
    entry = spec.evaluation.entry(name)
    users = entry.users if isinstance(entry, PolicyOfRoles) else name
    if users in learned_policies([spec]):
        return "learned"
    return "yardstick" if users in YARDSTICKS else "rule"


def _runs_locally(spec: ExperimentSpec, name: str) -> bool:
    return getattr(spec.evaluation.entry(name), "name", None) == Local.name


def _chosen(jobs: Sequence[TrainingJob], point: str | None, seed: int | None) -> TrainingJob:
    labels, seeds = (
        list(dict.fromkeys(getattr(job, key) for job in jobs)) for key in ("label", "seed")
    )
    point = labels[0] if point is None else point
    seed = seeds[0] if seed is None else seed
    if point not in labels:
        raise SpecError(f"point: {unknown_key(point, labels)}")
    if type(seed) is not int or seed not in seeds:
        raise SpecError(f"seed: should be one of {', '.join(map(str, seeds))}, got {seed!r}")
    return next(job for job in jobs if (job.label, job.seed) == (point, seed))


def _insight(job: TrainingJob, name: str, policy: Policy) -> tuple[Insight, str]:
    """Return the insight into a policy, and a sentence on what it lacks.

    Raises:
        RecordError: the critics beside it are damaged.
    """
    if _kind(job.spec, name) != "learned":
        return Insight(), ""
    entry, algorithm = job.spec.evaluation.entry(name), job.spec.algorithm
    users = entry.users if isinstance(entry, PolicyOfRoles) else name
    probabilities = getattr(policy, "probabilities", None)
    if algorithm is None or users not in algorithm.learned:
        return Insight(probabilities), "no Q: a copy from another run has no critics"
    from marl_moe.policies.critics import load_critics  # PyTorch is there: the policy was loaded

    critics = load_critics(job.checkpoint, name)
    if critics is None:
        return Insight(probabilities), "no Q: no critics were kept"
    return Insight(probabilities, critics.values), ""


def _recorded(job: TrainingJob, policy: Policy, insight: Insight, episodes: int) -> list[Recording]:
    return record(
        policy,
        insight,
        job.played.evaluated_env(),
        mechanisms.make(**job.spec.mechanism.parameters()),
        job.seed,
        job.spec.evaluation.episodes,
        episodes,
        job.sides_of(policy),
    )


def _about(job: TrainingJob) -> dict[str, Any]:
    """Return what the page is told of a job's world."""
    config = job.played.evaluated_env()
    mechanism = mechanisms.make(**job.spec.mechanism.parameters())
    geometry = config.channel.geometry
    return {
        "point": job.label,
        "seed": job.seed,
        "mechanism": mechanism.name,
        "free": mechanisms.is_free(mechanism),
        "allocates": mechanism.allocates,
        "num_users": config.num_users,
        "users": min(config.num_users, MOST_USERS),
        "experts": config.num_experts,
        "topics": config.requests.num_topics,
        "slots": config.episode_slots,
        "slot_s": config.slot_s,
        "area_m": None if geometry is None else list(geometry.area),
        "enforced": config.market.effort == "enforced",
        "pair_reasons": reasons.PAIRS,
        "user_states": reasons.USERS,
        "outcomes": OUTCOMES,
    }


def _episode(number: int, of_policies: Sequence[Recording]) -> dict[str, Any]:
    first = of_policies[0]
    return {
        "episode": number,
        "kept": _packed(first.kept, axis=0),
        "world": _packed(first.world, axis=1),
        "played": [_packed(recording.played, axis=1) for recording in of_policies],
    }


def _packed(arrays: Arrays, axis: int) -> dict[str, Any]:
    """Pack arrays, cut down to the users that are shown, who lie along an axis."""
    packed = {}
    for name, array in arrays.items():
        if name not in OF_EXPERTS | OF_WORLD:
            array = array.take(range(min(array.shape[axis], MOST_USERS)), axis)
        packed[name] = quantised(array) if _is_of_pairs(name, array) else exact(array)
    return packed


def _is_of_pairs(name: str, array: NDArray[Any]) -> bool:
    """Return whether these are numbers of pairs, the most there are, which single bits suffice."""
    return array.ndim == 3 and array.dtype.kind == "f" and not name.endswith("_place")
