"""Measuring competence: a table that is known beforehand is found, and nothing measured is lost."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from envs import ExpertConfig, World, WorldConfig
from marl_moe.cli import app
from marl_moe.text.backends.experts import Answer, ExpertError
from marl_moe.text.backends.fusion import Joined
from marl_moe.text.backends.judge import Score
from marl_moe.text.bank import Bank
from marl_moe.text.calibration import Calibration, calibrate
from marl_moe.text.competence import CalibrationError
from marl_moe.text.decomposition import Request

TOPICS = ("a", "b", "c")
# Competence [expert topic x subtask topic].
TRUE = np.array([[1.0, 0.3, -0.2], [0.1, 0.9, 0.4], [0.0, -0.5, 1.1]])
BANKS = [
    Bank(t, f"You are {t}.", ("A phrase.",), ("clause",), tuple(f"{t} {n}" for n in range(20)))
    for t in TOPICS
]


class Marked:
    """Answers with its topic and the subtask; "+" marks the device, which loses nothing."""

    def __init__(self, topic: str) -> None:
        self.topic = topic

    def generate(self, subtask: str, words: int) -> Answer:
        return Answer(f"{self.topic} writes {subtask}.", 1, 0.0)


class Failing(Marked):
    """Fails after 5 subtasks of each topic."""

    left = 5 * 3

    def generate(self, subtask: str, words: int) -> Answer:
        self.left -= 1
        if self.left < 0:
            raise ExpertError("expert a: endpoint down")
        return super().generate(subtask, words)


class TrueJudge:
    """Scores marked answers so that competence is `TRUE`: 9 points, less each loss."""

    name = "true"
    calls = 0

    def score(self, request: Request, text: str) -> Score:
        self.calls += 1
        said = {}
        for line in filter(None, text.splitlines()):
            writer, subtask = line.split(" writes ")
            said[subtask.rstrip(".")] = writer
        points = 9.0
        for subtask in request.subtasks:
            number = int(subtask.clause.split()[1])
            loss = 2.0 + number / 10  # subtasks differ in what dropping them costs
            by = said.get(subtask.clause)
            if by is None:
                points -= loss
            elif not by.endswith("+"):
                points -= loss * (1 - 0.85 * TRUE[TOPICS.index(by), subtask.topic])
        return Score(points, {})


def calibration(judge: TrueJudge | None = None, **changed: object) -> Calibration:
    parts = {
        "banks": BANKS,
        "device": [Marked(f"{topic}+") for topic in TOPICS],
        "edge": [Marked(topic) for topic in TOPICS],
        "fusion": Joined(),
        "judge": judge or TrueJudge(),
        "backend": "marked",
    }
    return Calibration(**{**parts, **changed})


def test_competence_that_is_known_is_found_and_a_world_reads_it(tmp_path: Path) -> None:
    file = tmp_path / "table.json"
    table = calibrate(calibration(), 12, file)
    np.testing.assert_allclose(table["competence"], TRUE, atol=1e-5)
    np.testing.assert_allclose(table["low"], TRUE, atol=1e-4)
    assert table["n"] == [[12] * 3] * 3
    assert json.loads(file.read_text()) == table
    assert [path.name for path in tmp_path.iterdir()] == ["table.json"]
    config = WorldConfig(
        num_experts=5, requests={"num_topics": 3}, experts=ExpertConfig(competence=str(file))
    )
    np.testing.assert_allclose(World(config, seed=0).pool.competence[0, 4], TRUE[1], atol=1e-5)


def test_it_says_what_it_was_measured_with(tmp_path: Path) -> None:
    table = calibrate(calibration(seed=4, words=50), 5, tmp_path / "table.json")
    settings = {
        "topics": list(TOPICS),
        "backend": "marked",
        "judge": "true",
        "fusion": "joined",
        "words": 50,
        "seed": 4,
    }
    assert settings.items() <= table.items()
    assert table["recovered_share"] == 0.85
    assert table["versions"]["marl-moe"]


def test_every_request_has_a_subtask_of_each_topic_and_none_comes_twice() -> None:
    requests = calibration().requests(20)
    assert all(
        sorted(subtask.topic for subtask in request.subtasks) == [0, 1, 2] for request in requests
    )
    clauses = [subtask.clause for request in requests for subtask in request.subtasks]
    assert sorted(clauses) == sorted(clause for bank in BANKS for clause in bank.held_out)
    assert len({tuple(subtask.topic for subtask in request.subtasks) for request in requests}) > 1
    assert calibration().requests(5) == requests[:5]
    assert calibration(seed=1).requests(5) != requests[:5]


def test_it_tells_how_many_texts_are_scored() -> None:
    judge, told = TrueJudge(), []
    calibrating = calibration(judge)
    for request in calibrating.requests(4):
        calibrating.measure(request, lambda: told.append(1))
    assert len(told) == judge.calls == calibrating.num_texts(4) == 4 * (1 + 3 + 9)


def test_what_failed_on_the_way_goes_on_where_it_was(tmp_path: Path) -> None:
    file = tmp_path / "table.json"
    with pytest.raises(ExpertError, match="endpoint down"):
        calibrate(calibration(edge=[Failing("a"), Marked("b"), Marked("c")]), 8, file)
    assert not file.exists()
    judge, told = TrueJudge(), []
    table = calibrate(calibration(judge), 8, file, told.append)
    assert judge.calls == calibration().num_texts(3)  # 5 of the 8 requests were measured before
    assert sum(told) == calibration().num_texts(8)
    assert table == calibrate(calibration(), 8, tmp_path / "other.json")


def test_a_line_that_was_cut_off_is_measured_again(tmp_path: Path) -> None:
    whole = calibrate(calibration(), 3, tmp_path / "whole.json")
    file = tmp_path / "table.json"
    with pytest.raises(CalibrationError):
        # More than the banks hold: nothing is begun.
        calibrate(calibration(edge=[], device=[]), 30, file)
    assert not list(tmp_path.glob("table*"))
    measured = [
        calibration().measure(request, lambda: None) for request in calibration().requests(2)
    ]
    lines = [json.dumps(line) + "\n" for line in (calibration().settings(), *measured)]
    (tmp_path / "table.json.partial").write_text("".join(lines)[:-40])
    failing = Failing("a")
    failing.left = 3  # the subtasks of the request that was cut off
    with pytest.raises(ExpertError):
        calibrate(calibration(edge=[failing, Marked("b"), Marked("c")]), 3, file)
    kept = (tmp_path / "table.json.partial").read_text().splitlines()
    assert [json.loads(line) for line in kept] == [calibration().settings(), *measured]
    assert calibrate(calibration(), 3, file) == whole


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ('{"seed": 1}\n', "measured with another topics, backend"),
        ("no json\n", "not a measurement"),
        ("[1]\n", "not a"),
    ],
)
def test_what_was_measured_with_something_else_is_not_mixed_in(
    tmp_path: Path, content: str, said: str
) -> None:
    partial = tmp_path / "table.json.partial"
    partial.write_text(content)
    with pytest.raises(CalibrationError, match=rf"table\.json\.partial: {said}"):
        calibrate(calibration(), 3, tmp_path / "table.json")
    assert partial.read_text() == content


def test_more_subtasks_than_a_bank_holds_are_refused_by_its_name(tmp_path: Path) -> None:
    with pytest.raises(
        CalibrationError, match="21 subtasks a cell were asked for, the bank 'a' holds 20"
    ):
        calibrate(calibration(), 21, tmp_path / "table.json")


def test_a_judge_that_does_not_care_is_refused_with_the_topic(tmp_path: Path) -> None:
    class Indifferent(TrueJudge):
        def score(self, request: Request, text: str) -> Score:
            return Score(5.0, {})

    with pytest.raises(
        CalibrationError,
        match=r"topic a: dropping the subtask costs 0\.000 points .* another judge",
    ):
        calibrate(calibration(Indifferent()), 4, tmp_path / "table.json")


@pytest.mark.usefixtures("shared_embedding")
@pytest.mark.faults
def test_a_killed_measurement_goes_on_to_the_same_table(tmp_path: Path) -> None:
    """The command with the phrases that are shipped, killed by SIGKILL after two requests."""
    options = ["calibrate", "--per-cell", "5", "--words", "60", "--out"]
    killed, whole = tmp_path / "killed.json", tmp_path / "whole.json"
    process = subprocess.Popen(
        [sys.executable, "-m", "marl_moe", *options, killed], stderr=subprocess.PIPE
    )
    partial = tmp_path / "killed.json.partial"
    deadline = time.monotonic() + 300
    while not (partial.exists() and partial.read_text().count("\n") >= 3):
        assert process.poll() is None, process.stderr.read().decode() if process.stderr else ""
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert not killed.exists()
    for file in (killed, whole):
        assert CliRunner().invoke(app, [*options, str(file)]).exit_code == 0
    first, second = (json.loads(file.read_text()) for file in (killed, whole))
    np.testing.assert_allclose(first.pop("competence"), second.pop("competence"), atol=1e-4)
    for name in ("sd", "low", "high"):
        np.testing.assert_allclose(first.pop(name), second.pop(name), atol=1e-4)
    assert first == second
    assert not partial.exists()
