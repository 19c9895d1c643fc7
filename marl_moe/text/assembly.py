"""The parts of the text pipeline, put together as they were asked for."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import mechanisms
from envs import World, WorldConfig
from envs.experts import MEASURED
from marl_moe.experiment.reading import load_experiment
from marl_moe.experiment.run import jobs_that_play, run_jobs_of
from marl_moe.experiment.seed_job import policy_names, policy_of_job
from marl_moe.experiment.spec import SpecError
from marl_moe.policies.heuristics import Policy
from marl_moe.text.backends.experts import Expert, PhraseExpert
from marl_moe.text.backends.fusion import Fusion, Joined
from marl_moe.text.backends.judge import EmbeddingJudge, Judge
from marl_moe.text.bank import Bank
from marl_moe.text.calibration import Calibration
from marl_moe.text.decomposition import SPREAD
from marl_moe.text.embedding import Embedding
from marl_moe.text.gate import fit_gate, load_gate
from marl_moe.text.pipeline import Pipeline

DEFAULT_WORLD, DEFAULT_POLICY = "quickstart", "greedy"


@dataclass(frozen=True)
class Network:
    """Where subtasks are sent, and who decides."""

    world: WorldConfig
    mechanism: mechanisms.Mechanism
    policy: Policy


@dataclass(frozen=True)
class Writers:
    """Who writes and who scores."""

    banks: Sequence[Bank]
    embedding: Embedding
    device: Sequence[Expert]  # (M,), by topic
    edge: Sequence[Expert]  # (M,), by topic
    fusion: Fusion
    judge: Judge
    backend: str  # for the record


def network_of(run: Path | None, point: str | None, policy: str | None, num_topics: int) -> Network:
    """The world, mechanism and policy of a run; without one those of `DEFAULT_WORLD`, with the
    measured competence.

    Where the experts have topics that were added later, the world has them too; and competence as
    drawn, since the measured table does not know them. Raises SpecError for a run, sweep point or
    policy that there is not.
    """
    if run is None:
        spec = load_experiment(DEFAULT_WORLD, [f"env.experts.competence={MEASURED}"])
        jobs = run_jobs_of(spec, Path())
    else:
        jobs = jobs_that_play(run)
    labels = list(dict.fromkeys(job.label for job in jobs))
    if point is not None and point not in labels:
        raise SpecError(
            f"--point {point}: no such sweep point; there are: "
            f"{', '.join(filter(None, labels)) or 'none'}"
        )
    job = next(job for job in jobs if point in (None, job.label))
    world = job.spec.env
    if num_topics < world.requests.num_topics:
        raise SpecError(
            f"the world has {world.requests.num_topics} topics (env.requests.num_topics), there "
            "are text experts of "
            f"{num_topics}; --bank FILE adds one"
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
    return Network(world, mechanism, policy_of_job(job, name))


def writers_of(
    backend: str,
    judge: str,
    base_url: str | None,
    model: str | None,
    seed: int,
    banks: Sequence[Bank],
) -> Writers:
    """Experts, fusion and judge. Raises SpecError where an endpoint is needed and not given."""
    embedding = Embedding()
    if "openai" not in (backend, judge):
        phrases = [PhraseExpert(bank, embedding) for bank in banks]
        return Writers(
            banks, embedding, phrases, phrases, Joined(), EmbeddingJudge(embedding), backend
        )
    if base_url is None or model is None:
        raise SpecError("openai needs an endpoint and a model: --base-url URL --model NAME")
    from marl_moe.text.backends.endpoint import Endpoint
    from marl_moe.text.backends.openai_experts import OpenAIExpert
    from marl_moe.text.backends.openai_fusion import OpenAIFusion
    from marl_moe.text.backends.openai_judge import OpenAIJudge

    endpoint = Endpoint(base_url, model)
    verdict: Judge = OpenAIJudge(endpoint) if judge == "openai" else EmbeddingJudge(embedding)
    if backend == "phrases":
        phrases = [PhraseExpert(bank, embedding) for bank in banks]
        return Writers(banks, embedding, phrases, phrases, Joined(), verdict, backend)
    return Writers(
        banks,
        embedding,
        device=[OpenAIExpert(bank, endpoint, seed) for bank in banks],
        edge=[
            OpenAIExpert(bank, endpoint, seed + 1) for bank in banks
        ],  # the same model, other draws
        fusion=OpenAIFusion(endpoint),
        judge=verdict,
        backend=f"openai:{model}",
    )


def pipeline_of(
    writers: Writers,
    network: Network,
    seed: int,
    k: int,
    mean_words: int,
    on_step: Callable[[str], None],
) -> Pipeline:
    """A pipeline; the gate that comes with the package, or one fitted to the banks where they are
    others.
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
        device=writers.device,
        edge=writers.edge,
        fusion=writers.fusion,
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
    """A measurement of the competence of these writers."""
    return Calibration(
        writers.banks,
        writers.device,
        writers.edge,
        writers.fusion,
        writers.judge,
        writers.backend,
        seed,
        words,
    )
