"""The paper's workflow on a real prompt: decompose, assess, transfer, integrate; and what a judge
makes of it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from envs import RequestConfig, WorldConfig
from envs.requests import assess, assessment_order
from marl_moe.policies.heuristics import Policy
from marl_moe.text.backends.experts import Answer, Expert, ExpertError
from marl_moe.text.backends.fusion import Fusion
from marl_moe.text.backends.judge import Judge, Score
from marl_moe.text.decomposition import WORDS, Request, decompose
from marl_moe.text.embedding import Embedding
from marl_moe.text.gate import Gate
from marl_moe.text.transfer import Transfer, UserOfWorld
from mechanisms import Mechanism

LOCAL_SHARE = (
    0.75  # compute units a subtask that a device has, where none is given: the model's 6 for 8
)


@dataclass(frozen=True)
class Integrated:
    """A text made of the answers, and the judge's verdict on it."""

    text: str
    score: Score


@dataclass(frozen=True)
class Result:
    """Everything that happened to a prompt. Sequences are in the order of its subtasks."""

    request: Request
    local_compute: float  # compute units that the device had
    order: tuple[int, ...]  # subtasks as the device considered them, by weight / compute need
    transfers: tuple[Transfer | None, ...]  # None: stayed on the device
    answers: tuple[Answer | None, ...]  # None: dropped
    failures: tuple[str | None, ...]  # why an edge expert that was to answer did not
    integrated: Integrated
    all_local: Integrated  # had the device run every subtask
    dropped: Integrated  # had every subtask that it cannot afford been dropped


@dataclass(frozen=True)
class Pipeline:
    """Text experts on a device and on edge devices, with a world between them.

    The topic of edge device e is e mod M, as in the world, so `world.requests.num_topics` must be
    the gate's M. An edge device that was bought effort x of writes x times the words asked. One
    that fails costs its subtask; a device's expert, fusion or judge that fails costs the request:
    ExpertError.
    """

    gate: Gate
    embedding: Embedding
    device: Sequence[Expert]  # (M,), by topic
    edge: Sequence[Expert]  # (M,), by topic
    fusion: Fusion
    judge: Judge
    world: WorldConfig
    mechanism: Mechanism
    policy: Policy
    seed: int = 0
    k: int = 1  # topics a clause
    mean_words: int = WORDS  # of an answer
    on_step: Callable[[str], None] = field(default=lambda step: None)  # told what is under way

    def __post_init__(self) -> None:
        topics = len(self.gate.topics)
        if not len(self.device) == len(self.edge) == self.world.requests.num_topics == topics:
            raise ValueError(
                f"the gate knows {topics} topics ({', '.join(self.gate.topics)}): there should be "
                "as many experts on "
                f"the device ({len(self.device)}), at the edge ({len(self.edge)}) and topics in "
                "the world "
                f"(env.requests.num_topics {self.world.requests.num_topics})"
            )

    def run(self, prompt: str, local_compute: float | None = None) -> Result:
        """Do all of it. local_compute: units that the device has; None is `LOCAL_SHARE` a subtask.

        Raises PromptError for a prompt without a clause of a known topic, ExpertError where the
        device's part fails.
        """
        self.on_step("decomposition")
        request = decompose(prompt, self.gate, self.embedding, self.k, self.mean_words)
        subtasks = request.subtasks
        weight = np.array([subtask.weight for subtask in subtasks])
        compute = np.array([subtask.compute_need for subtask in subtasks])
        private = np.zeros(len(subtasks), bool)
        if local_compute is None:
            local_compute = LOCAL_SHARE * len(subtasks)
        away = assess(RequestConfig(local_compute=local_compute), weight, compute, private)

        on_device = []
        for subtask in subtasks:
            self.on_step(f"device, {self.gate.topics[subtask.topic]}")
            on_device.append(self.device[subtask.topic].generate(subtask.clause, subtask.words))
        user = UserOfWorld(self.world, self.mechanism, self.policy, self.seed, int(away.sum()))
        transfers = [
            user.transfer(s, len(subtasks)) if sent else None
            for s, sent in zip(subtasks, away, strict=True)
        ]
        answers: list[Answer | None] = []
        failures: list[str | None] = []
        for number, transfer in enumerate(transfers):
            answer, failure = (
                (on_device[number], None)
                if transfer is None
                else self._edge(request, number, transfer)
            )
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
            dropped=self._integrated(
                request,
                [None if sent else answer for sent, answer in zip(away, on_device, strict=True)],
            ),
        )

    def _edge(
        self, request: Request, number: int, transfer: Transfer
    ) -> tuple[Answer | None, str | None]:
        """What an edge device answers, and why not where it does not."""
        if transfer.expert is None or not transfer.served:
            return None, None
        topic = transfer.expert % len(self.edge)
        self.on_step(f"edge device {transfer.expert}, {self.gate.topics[topic]}")
        subtask = request.subtasks[number]
        try:
            return self.edge[topic].generate(
                subtask.clause, max(1, round(transfer.effort * subtask.words))
            ), None
        except ExpertError as error:
            return None, str(error)

    def _integrated(self, request: Request, answers: Sequence[Answer | None]) -> Integrated:
        self.on_step("integration and verdict")
        text = self.fusion.integrate(
            request, [None if answer is None else answer.text for answer in answers]
        )
        return Integrated(text, self.judge.score(request, text))
