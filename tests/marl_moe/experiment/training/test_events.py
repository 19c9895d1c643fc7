"""Events on disk as TensorBoard reads them."""

from collections.abc import Callable
from pathlib import Path

from marl_moe.experiment.training.events import TrainingEvents


def test_resume_within_the_same_second_shows_each_step_once(
    tmp_path: Path, read_scalars: Callable[[Path], list[tuple[str, int, float]]]
) -> None:
    for first_step in (0, 2, 3):  # each sitting is killed after three steps: nothing is closed
        events = TrainingEvents(tmp_path, first_step)
        for step in range(first_step, first_step + 3):
            events.add({"gain": 10.0 * first_step + step, "loss": 0.5}, step)
    assert [scalar for scalar in read_scalars(tmp_path) if scalar[0] == "gain"] == [
        ("gain", 0, 0.0),
        ("gain", 1, 1.0),
        ("gain", 2, 22.0),
        ("gain", 3, 33.0),
        ("gain", 4, 34.0),
        ("gain", 5, 35.0),
    ]
