"""What callbacks log: a column, the epoch that it is of, and what is refused."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ray import cloudpickle

from marl_moe.errors import SpecError
from marl_moe.experiment.progress import Progress
from marl_moe.experiment.spec.reading import parse_experiment
from marl_moe.experiment.training.configuration import algorithm_config
from marl_moe.experiment.training.loop import train
from mechanisms import PartError

from .. import callbacks_of_mine

Yaml = dict[str, Any]
Train = Callable[..., list[Yaml]]


@pytest.fixture(scope="module", autouse=True)
def _sent_to_other_processes() -> None:
    """Send the callbacks, which no env runner could import, by value."""
    cloudpickle.register_pickle_by_value(callbacks_of_mine)


@pytest.fixture
def spec_with(
    tiny_experiment: Yaml, tiny_algorithm: Callable[..., Yaml], metrics: None
) -> Callable[..., Any]:
    """Return a maker of experiments: `spec_with("sac", "Logs", epochs=3, runners=2)`."""

    def make(
        name: str, kind: str | None, epochs: int = 1, runners: int = 0, **sections: Any
    ) -> Any:
        algorithm = tiny_algorithm(name, epochs, runners)
        callbacks = sections.pop("callbacks", {})
        if kind is not None:
            callbacks = callbacks | {"callbacks_class": f"{callbacks_of_mine.__name__}.{kind}"}
        algorithm["callbacks"] = callbacks
        return parse_experiment(tiny_experiment | sections | {"algorithm": algorithm}, "tiny")

    return make


@pytest.mark.usefixtures("ray_started")
@pytest.mark.parametrize(("name", "runners"), [("sac", 0), ("sac", 2), ("ppo", 0)])
def test_a_value_stands_in_the_row_of_the_epoch_in_which_it_was_logged(
    spec_with: Callable[..., Any], tmp_path: Path, name: str, runners: int
) -> None:
    """Beside metrics, whose means over remote runners are those of the recorded fields."""
    spec = spec_with(name, "Logs", epochs=3, runners=runners, metrics=["qos_again", "utilisation"])
    rows = train(spec, 0, tmp_path)
    smooth = 1.0
    for epoch, row in enumerate(rows, start=1):
        assert row["qos_again"] == pytest.approx(row["qos"], rel=1e-12)
        # 2 users and 6 experts: as many experts serve as users transfer, less those that share one
        assert 0 < row["utilisation"] <= row["transferred"] * 2 / 6 + 1e-12
        assert row["epoch_told"] == epoch
        assert row["mean_told"] == 2 * epoch
        assert row["sum_told"] == 4 * epoch
        assert row["lowest"] == epoch
        assert row["last"] == 3 * epoch
        assert row["so_far"] == 4 * sum(range(1, epoch + 1))
        for value in (epoch, 3 * epoch):
            smooth = (smooth + value) / 2
        assert row["smooth"] == pytest.approx(smooth)
        assert row["seen/env_steps"] == row["env_steps"]
        if name == "sac":  # an episode of 10 slots in fragments of 5, and the row that closes one
            assert row["fragments"] == 2 * max(1, runners)
            assert row["fragments_so_far"] == 2 * max(1, runners) * epoch
            assert row["fragment/size"] == 6
    assert rows[0]["at_first"] == 7
    assert np.isnan(rows[1]["at_first"])
    assert ["from_the_third" in row for row in rows] == [False, False, True]
    assert all(np.isfinite(row["gain"]) for row in rows)


@pytest.mark.usefixtures("ray_started")
def test_stock_algorithms_call_the_hooks_of_episodes(
    spec_with: Callable[..., Any], tmp_path: Path
) -> None:
    (row,) = train(spec_with("ppo", "StepsEpisodes"), 0, tmp_path)
    assert row["steps"] == row["env_steps"]


@pytest.mark.usefixtures("ray_started")
def test_a_hook_may_be_a_function(spec_with: Callable[..., Any], tmp_path: Path) -> None:
    functions = {"on_train_result": f"{callbacks_of_mine.__name__}.told_by_a_function"}
    (row,) = train(spec_with("sac", None, callbacks=functions), 0, tmp_path)
    assert row["by_a_function"] == 3.0


@pytest.mark.parametrize(
    ("name", "kind", "complaint"),
    [
        ("sac", "StepsEpisodes", r"StepsEpisodes.on_episode_step is never called: .*sac step whole "
         r"worlds.*called: on_algorithm_init, .*on_sample_end, on_train_result"),
        ("sac", "Misspelt", "Misspelt.on_trian_result: RLlib has no such hook; did you mean "
         "'on_train_result'"),
        ("ppo", "Misspelt", "Misspelt.on_trian_result: RLlib has no such hook"),
        ("sac", "Any", "should be a subclass of .*RLlibCallback"),
    ],
)  # fmt: skip
def test_a_hook_that_is_never_called_is_refused_before_training(
    spec_with: Callable[..., Any], name: str, kind: str, complaint: str
) -> None:
    with pytest.raises(SpecError, match=f"algorithm.callbacks: .*{complaint}"):
        algorithm_config(spec_with(name, kind), seed=0)


def test_functions_for_hooks_that_are_never_called_are_refused_too(
    spec_with: Callable[..., Any],
) -> None:
    functions = {"on_evaluate_end": f"{callbacks_of_mine.__name__}.told_by_a_function"}
    for name in ("sac", "ppo"):
        with pytest.raises(SpecError, match=r"callbacks\.on_evaluate_end is never called"):
            algorithm_config(spec_with(name, None, callbacks=functions), seed=0)


@pytest.mark.usefixtures("ray_started")
@pytest.mark.parametrize(
    ("kind", "complaint"),
    [
        ("LogsAColumn", "callbacks log 'gain', which is recorded already"),
        ("LogsTheReturn", "callbacks log 'return', which is recorded already"),
        ("LogsAMetric", "callbacks log 'late', which is recorded already"),
        ("LogsTwice", "'twice' is logged by hooks of env runners and by hooks of the algorithm"),
        ("LogsText", "on_sample_end: PartError: callbacks: 'mood' should be a number, got str"),
        ("LogsAList", "'all': reduce should be one of mean, sum, .*got 'item_series'"),
        ("FailsOnTheAlgorithm", r"on_train_result: KeyError: .*\(callbacks_of_mine.py, line"),
        ("Fails", r"on_sample_end: KeyError: .*nothing of that name.*\(callbacks_of_mine.py, line"),
    ],
)
def test_what_can_be_no_column_ends_the_first_epoch_and_is_named(
    spec_with: Callable[..., Any], tmp_path: Path, kind: str, complaint: str
) -> None:
    with pytest.raises(PartError, match=complaint):
        train(spec_with("sac", kind, metrics=["late"]), 0, tmp_path)


@pytest.mark.usefixtures("ray_started")
def test_training_that_was_stopped_logs_on_to_the_same_rows(
    spec_with: Callable[..., Any], tmp_path: Path
) -> None:
    """Among them sums over all epochs, on env runners and on the algorithm."""

    def stop(row: Yaml) -> None:
        if row["epoch"] == 4:
            raise KeyboardInterrupt

    spec = spec_with("sac", "Logs", epochs=5, metrics=["late"])
    spec.algorithm.model_extra["checkpointing"] = {"checkpoint_frequency": 1}
    whole = train(spec, 0, tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        train(spec, 0, tmp_path / "stopped", Progress(on_epoch=stop))
    kept: list[int] = []
    resumed = train(spec, 0, tmp_path / "stopped", Progress(on_kept=kept.append))
    assert kept == [3]
    for one, other in zip(whole, resumed, strict=True):
        for name in set(one) | set(other):
            if name != "seconds":
                np.testing.assert_equal(one.get(name, np.nan), other.get(name, np.nan), name)
