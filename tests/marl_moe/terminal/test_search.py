"""The scores of a search as they are printed."""

from types import SimpleNamespace
from typing import Any

import pytest
from rich.console import Console

from marl_moe.experiment.run.search import Score
from marl_moe.terminal import search
from marl_moe.terminal.search import trials_table

NAN = float("nan")
ALONE, SEVERAL = Score(1.25, NAN, NAN, 1), Score(1.25, 1.1, 1.4, 3)


def result(score: Score, seeds: list[int]) -> Any:
    trial = SimpleNamespace(number=1, settings={"algorithm.training.gamma": 0.5}, score=score)
    asked = SimpleNamespace(metric="gain", seed_list=lambda: seeds)
    return SimpleNamespace(search=asked, policies=["sac"], trials=[trial], best=trial)


@pytest.mark.parametrize(
    ("score", "seeds", "heading", "cell"),
    [
        (ALONE, [7], "mean; one seed: no interval (seed 7)", " 1.250 │"),
        (
            SEVERAL,
            [1, 2, 3],
            "mean [95% interval, 3 seeds] (seeds 1, 2, 3)",
            "1.250 [1.100, 1.400] │",
        ),
        (Score(NAN, NAN, NAN, 0), [7], "sac: mean (seed 7)", "diverged, or no value │"),
    ],
)
def test_a_score_of_one_seed_stands_alone_as_everywhere(
    score: Score, seeds: list[int], heading: str, cell: str
) -> None:
    console = Console(width=120)
    with console.capture() as capture:
        console.print(trials_table("study", result(score, seeds)))
    text = capture.get()
    assert heading in " ".join(text.split())  # a heading is folded to the width of its table
    assert cell in text


def test_one_seed_is_not_called_the_1_seeds() -> None:
    assert [search._seeds(score) for score in (ALONE, SEVERAL)] == ["one seed", "3 seeds"]
