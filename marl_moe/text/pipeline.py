"""Decomposition, assessment, transfer and integration of a prompt, the paper's four steps."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from envs import WorldConfig
from envs.assessment import assess, assessment_order
from marl_moe.policies.base import Policy
from marl_moe.text.backends.experts import Answer, Expert, ExpertError, answer_of
from marl_moe.text.backends.fusion import Fusion
from marl_moe.text.backends.judge import Judge, Score
from marl_moe.text.decomposition import WORDS, Request, Subtask, decompose
from marl_moe.text.embedding import Embedding
from marl_moe.text.gate import Gate
from marl_moe.text.transfer import Transfer, UserOfWorld
from mechanisms import Mechanism

LOCAL_SHARE = 0.75  # default compute units a subtask of a device: the model's 6 for 8


@dataclass(frozen=True)
class Integrated:
    """A text made of the answers, and the judge's verdict on it."""

    text: str
    score: Score


@dataclass(frozen=True)
class Result:
    """The outcome of all steps for a prompt.

    Attributes:
        request: the prompt's decomposition.
        local_compute: compute units of the device.
        order: subtasks as the device considered them, by weight / compute need.
        transfers: one a subtask; None where it stayed on the device.
        answers: one a subtask; None where it was dropped.
        failures: one a subtask; the reason why an expert that was to answer did not, or None.
        integrated: the text of these answers.
        all_local: the text with every subtask answered on the device.
        dropped: the text with every subtask dropped that the device cannot afford.
    """

    request: Request
    local_compute: float
    order: tuple[int, ...]
    transfers: tuple[Transfer | None, ...]
    answers: tuple[Answer | None, ...]
    failures: tuple[str | None, ...]
    integrated: Integrated
    all_local: Integrated
    dropped: Integrated


@dataclass(frozen=True)
class Pipeline:
    """Text experts on a user's device and at the edge, with a world between them.

    The topic of expert e is e mod M, as in the world. An expert whose effort is x writes x times
    the requested words. An expert at the edge that fails costs its subtask; an expert on the
    device, a fusion or a judge that fails costs the request.

    Attributes:
        gate: of M topics.
        embedding: of clauses.
        device: experts on the device by topic, (M,).
        edge: experts at the edge by topic, (M,).
        fusion: integrates the answers.
        judge: scores the texts.
        world: with M topics.
        mechanism: sets prices and payments.
        policy: of all users.
        seed: of the world.
        k: topics a clause.
        mean_words: of an answer to a clause of mean length.
        on_step: called with the name of each step as it begins.

    Raises:
        ValueError: gate, experts and world have different numbers of topics.
    """

    gate: Gate
    embedding: Embedding
    device: Sequence[Expert]
    edge: Sequence[Expert]
    fusion: Fusion
    judge: Judge
    world: WorldConfig
    mechanism: Mechanism
    policy: Policy
    seed: int = 0
    k: int = 1
    mean_words: int = WORDS
    on_step: Callable[[str], None] = field(default=lambda step: None)

    def __post_init__(self) -> None:
        topics = len(self.gate.topics)
        if not len(self.device) == len(self.edge) == self.world.requests.num_topics == topics:
            raise ValueError(
                f"the gate knows {topics} topics ({', '.join(self.gate.topics)}): there should be "
                f"as many experts on the device ({len(self.device)}), at the edge "
                f"({len(self.edge)}) and topics in the world (env.requests.num_topics "
                f"{self.world.requests.num_topics})"
            )

    def run(self, prompt: str, local_compute: float | None = None) -> Result:
        """Run all steps on a prompt.

        Args:
            prompt: text of the user.
            local_compute: compute units of the device; None is `LOCAL_SHARE` a subtask.

        Raises:
            PromptError: the prompt is empty, or has no clause in English of a known topic.
            ExpertError: an expert on the device, the fusion or the judge failed.
            SpecError: the trace of the world's channels has too few slots for the prompt.
        """
        self.on_step("decomposition")
        request = decompose(prompt, self.gate, self.embedding, self.k, self.mean_words)
        subtasks = request.subtasks
        weight = np.array([subtask.weight for subtask in subtasks])
        compute = np.array([subtask.compute_need for subtask in subtasks])
        private = np.zeros(len(subtasks), bool)
        if local_compute is None:
            local_compute = LOCAL_SHARE * len(subtasks)
        away = assess(local_compute, weight, compute, private)

        on_device = []
        for subtask in subtasks:
            self.on_step(f"device, {self.gate.topics[subtask.topic]}")
            expert = self.device[subtask.topic]
            on_device.append(answer_of(expert, subtask.clause, subtask.words))
        user = UserOfWorld(self.world, self.mechanism, self.policy, self.seed, int(away.sum()))
        transfers: list[Transfer | None] = []
        for subtask, sent in zip(subtasks, away, strict=True):
            transfers.append(user.transfer(subtask, len(subtasks)) if sent else None)
        answers: list[Answer | None] = []
        failures: list[str | None] = []
        kept: list[Answer | None] = []  # where every transferred subtask is dropped
        for number, transfer in enumerate(transfers):
            answer: Answer | None = on_device[number]
            failure = None
            kept.append(answer if transfer is None else None)
            if transfer is not None:
                answer, failure = self._edge(subtasks[number], transfer)
            answers.append(answer)
            failures.append(failure)
        return Result(
            request=request,
            local_compute=local_compute,
            order=tuple(assessment_order(weight, compute, private).tolist()),
            transfers=tuple(transfers),
            answers=tuple(answers),
            failures=tuple(failures),
            integrated=self._integrated(request, answers),
            all_local=self._integrated(request, on_device),
            dropped=self._integrated(request, kept),
        )

    def _edge(self, subtask: Subtask, transfer: Transfer) -> tuple[Answer | None, str | None]:
        """Return the answer of an expert at the edge, and the reason where it failed."""
        if transfer.expert is None or not transfer.served:
            return None, None
        topic = transfer.expert % len(self.edge)
        self.on_step(f"edge device {transfer.expert}, {self.gate.topics[topic]}")
        words = max(1, round(transfer.effort * subtask.words))
        try:
            return answer_of(self.edge[topic], subtask.clause, words), None
        except ExpertError as error:
            return None, str(error)

    def _integrated(self, request: Request, answers: Sequence[Answer | None]) -> Integrated:
        self.on_step("integration and verdict")
        texts = [None if answer is None else answer.text for answer in answers]
        text = self.fusion.integrate(request, texts)
        return Integrated(text, self.judge.score(request, text))
