"""Assembly of the text pipeline's parts from the options of a command."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import mechanisms
from envs import World, WorldConfig
from envs.competence_table import MEASURED
from marl_moe.errors import SpecError
from marl_moe.experiment.run.folder import RunFolder
from marl_moe.experiment.run.training_job import TrainingJob, policy_names
from marl_moe.experiment.spec.reading import load_experiment
from marl_moe.policies.base import Policy
from marl_moe.text.backends.choice import BACKENDS, JUDGES, Authors, Ingredients
from marl_moe.text.backends.endpoint import Endpoint
from marl_moe.text.backends.judge import Judge
from marl_moe.text.backends.names import Backend, JudgeName
from marl_moe.text.bank import Bank
from marl_moe.text.calibration import Calibration
from marl_moe.text.decomposition import SPREAD
from marl_moe.text.embedding import Embedding
from marl_moe.text.gate import fit_gate, load_gate
from marl_moe.text.pipeline import Pipeline

DEFAULT_WORLD, DEFAULT_POLICY = "quickstart", "greedy"


@dataclass(frozen=True)
class Network:
    """The world that subtasks are sent through, its mechanism, and the policy of its users."""

    world: WorldConfig
    mechanism: mechanisms.Mechanism
    policy: Policy


@dataclass(frozen=True)
class Writers:
    """The experts and fusion that write a text, the judge that scores it, and their endpoint."""

    banks: Sequence[Bank]
    embedding: Embedding
    authors: Authors
    judge: Judge
    endpoint: Endpoint | None


def network_of(
    run: Path | None,
    point: str | None,
    policy: str | None,
    num_topics: int,
    *,
    trust: bool = False,
) -> Network:
    """Return the world, mechanism and policy of a run.

    Without a run they are those of `DEFAULT_WORLD` with the measured competence. Where there are
    experts of more topics than the world has, the world is given those topics too, and competence
    as drawn, since the measured table does not know them.

    Args:
        run: a run folder.
        point: label of a sweep point; the first one if None.
        policy: its name; if None, `DEFAULT_POLICY` without a run and the run's first with one.
        num_topics: topics that there are text experts of.
        trust: whether to import code of the run that comes from elsewhere.

    Raises:
        SpecError: there is no such run, sweep point or policy, the world has more topics, or its
            requests are those of a trace.
    """
    if run is None:
        spec = load_experiment(DEFAULT_WORLD, [f"env.experts.competence={MEASURED}"])
        jobs = [TrainingJob("", {}, spec.seed_list()[0], spec, Path())]
    else:
        jobs = RunFolder.read(run, trust=trust).training_jobs()
    labels = list(dict.fromkeys(job.label for job in jobs))
    if point is not None and point not in labels:
        raise SpecError(
            f"--point {point}: no such sweep point; there are: "
            f"{', '.join(filter(None, labels)) or 'none'}"
        )
    job = next(job for job in jobs if point in (None, job.label))
    world = job.played.env
    if world.requests.trace is not None:
        raise SpecError(
            f"env.requests.trace: requests are those of {world.requests.trace}, no prompt can take "
            "the place of one"
        )
    if num_topics < world.requests.num_topics:
        raise SpecError(
            f"the world has {world.requests.num_topics} topics (env.requests.num_topics), there "
            f"are text experts of {num_topics}; --bank FILE adds one"
        )
    if num_topics > world.requests.num_topics:
        world = replace(world, requests=replace(world.requests, num_topics=num_topics))
        if run is None:
            world = replace(world, experts=replace(world.experts, competence=None))
    name = policy or (DEFAULT_POLICY if run is None else policy_names(job.spec)[0])
    mechanism = mechanisms.make(**job.spec.mechanism.parameters())
    try:
        World(world, mechanism=mechanism)
    except ValueError as error:
        raise SpecError(str(error)) from None
    return Network(world, mechanism, job.policy(name))


def writers_of(
    backend: Backend,
    judge: JudgeName,
    base_url: str | None,
    model: str | None,
    seed: int,
    banks: Sequence[Bank],
    tell: Callable[[str], None] = lambda change: None,
) -> Writers:
    """Return the experts, fusion and judge of these names.

    Args:
        backend: name of the experts and their fusion.
        judge: name of the judge.
        base_url: address of the endpoint, where one is used.
        model: name of its model.
        seed: of the experts.
        banks: one a topic, (M,).
        tell: called with what the endpoint does not take and what it is sent instead.

    Raises:
        SpecError: an endpoint is needed and not given, or cannot be one, or is given and not asked.
        MissingExtraError: the client of endpoints is needed and not installed.
    """
    if backend is not Backend.OPENAI and judge is not JudgeName.OPENAI:
        for option, given in (("--base-url", base_url), ("--model", model)):
            if given is not None:
                raise SpecError(
                    f"{option}: nothing asks an endpoint; give --backend openai or --judge openai"
                )
    ingredients = Ingredients(banks, Embedding(), base_url, model, seed, tell)
    authors = BACKENDS[backend](ingredients)
    scores = JUDGES[judge](ingredients)
    used = Backend.OPENAI in (str(backend), str(judge))
    endpoint = ingredients.endpoint if used else None
    return Writers(banks, ingredients.embedding, authors, scores, endpoint)


def pipeline_of(
    writers: Writers,
    network: Network,
    seed: int,
    k: int,
    mean_words: int,
    on_step: Callable[[str], None],
) -> Pipeline:
    """Return a pipeline of these writers over this network.

    Its gate is the one that comes with the package, or one fitted to the banks where they are
    others.

    Args:
        writers: experts, fusion and judge.
        network: world, mechanism and policy.
        seed: of the world.
        k: topics a clause.
        mean_words: words of an answer to a clause of mean length.
        on_step: called with the name of each step as it begins.

    Raises:
        SpecError: the gate knows fewer topics than k, or answers are longer than the world's.
    """
    gate = load_gate()
    if gate.topics != tuple(bank.topic for bank in writers.banks):
        on_step("retraining the gate")
        gate = fit_gate(writers.banks, writers.embedding, start=gate)
    if k > len(gate.topics):
        raise SpecError(f"--topics {k}: the gate knows {len(gate.topics)} topics")
    longest = network.world.requests.words[1]
    if SPREAD[1] * mean_words > longest:
        raise SpecError(
            f"--words {mean_words}: at most {longest / SPREAD[1]:g}, as answers of the world have "
            f"{longest:g}"
        )
    return Pipeline(
        gate=gate,
        embedding=writers.embedding,
        device=writers.authors.device,
        edge=writers.authors.edge,
        fusion=writers.authors.fusion,
        judge=writers.judge,
        world=network.world,
        mechanism=network.mechanism,
        policy=network.policy,
        seed=seed,
        k=k,
        mean_words=mean_words,
        on_step=on_step,
    )


def calibration_of(writers: Writers, words: int, seed: int) -> Calibration:
    """Return a measurement of the competence of these writers, answers of `words` words."""
    return Calibration(
        banks=writers.banks,
        device=writers.authors.device,
        edge=writers.authors.edge,
        fusion=writers.authors.fusion,
        judge=writers.judge,
        backend=writers.authors.record,
        changes=writers.endpoint.dialect.changes if writers.endpoint else None,
        seed=seed,
        words=words,
    )
