"""Metrics that an experiment names: found, given once, and columns of no other meaning."""

from pathlib import Path
from typing import Any

import pytest

from marl_moe.errors import SpecError
from marl_moe.experiment.run.size import describe_run
from marl_moe.experiment.spec.reading import parse_experiment

Yaml = dict[str, Any]


@pytest.mark.parametrize(
    ("names", "complaint"),
    [
        (["lat"], "metrics: unknown 'lat'; did you mean 'late'"),
        (["gain"], "metrics: 'gain' is the name of a column that is recorded already"),
        (["jain"], "metrics: 'jain' is the name of a column"),
        (["critic_loss"], "metrics: 'critic_loss' is the name of a column"),
        (["return"], "metrics: 'return' is the name of a column"),
        (["late", "late"], "metrics: 'late' is named twice"),
        ("late", "metrics"),
    ],
)
def test_a_name_that_is_no_metric_of_its_own_is_refused(
    tiny_experiment: Yaml, metrics: None, names: Any, complaint: str
) -> None:
    with pytest.raises(SpecError, match=complaint):
        parse_experiment(tiny_experiment | {"metrics": names}, "tiny")


def test_where_none_is_registered_the_message_says_how_one_is_found(tiny_experiment: Yaml) -> None:
    with pytest.raises(SpecError, match=r"no metric is 'late'.*imports"):
        parse_experiment(tiny_experiment | {"metrics": ["late"]}, "tiny")


def test_metrics_are_the_same_at_every_point_and_of_no_market_study(
    tiny_experiment: Yaml, metrics: None
) -> None:
    with pytest.raises(SpecError, match=r"sweep\.metrics: all jobs of a run share its tables"):
        parse_experiment(tiny_experiment | {"sweep": {"metrics": [["late"], []]}}, "tiny")
    study = {"name": "study", "kind": "market_study", "metrics": ["late"]}
    with pytest.raises(SpecError, match=r"metrics: .*market_study"):
        parse_experiment(study, "study")


def test_without_the_key_there_are_none_as_in_runs_of_before(tiny_experiment: Yaml) -> None:
    assert parse_experiment(tiny_experiment, "tiny").as_dict()["metrics"] == []


def test_a_metric_that_fails_in_its_first_slot_is_refused_before_the_run(
    tiny_experiment: Yaml, metrics: None, tmp_path: Path
) -> None:
    spec = parse_experiment(tiny_experiment | {"metrics": ["late", "of_one_world"]}, "tiny")
    with pytest.raises(SpecError, match=r"metric 'of_one_world' should return an array of shape"):
        describe_run(spec, tmp_path)
